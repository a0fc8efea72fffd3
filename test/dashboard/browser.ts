// A real browser on the dashboard of a fake mesher, or of a real one. Whatever the page writes to its console as an error, throws, or asks of another
// origin fails the test.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { BrowserContext, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import { findOnPath } from '../../scripts/system-packages.ts';
import { type FakeMesher, startFakeMesher } from './fake-mesher.ts';

/** By its address: it is JavaScript, of which no types are known. */
const { ensureDashboard } = (await import(
  new URL('../../scripts/dashboard/build.mjs', import.meta.url).href
)) as { ensureDashboard: () => Promise<string | undefined> };

/** Of one step, on a machine that does much else. */
const PATIENCE_MS = 30_000;
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface Looks {
  readonly colorScheme?: 'light' | 'dark';
  readonly width?: number;
  readonly height?: number;
}

export interface OpenedPage {
  readonly page: Page;
  /** `#/…` of the dashboard, shown anew. */
  readonly open: (hash: string) => Promise<void>;
  /** Fails with what the page did wrong so far, but for what was excused. */
  readonly check: (excused?: RegExp) => void;
}

export interface Opened extends OpenedPage {
  readonly mesher: FakeMesher;
}

interface Options extends Looks {
  readonly clock?: () => number;
  readonly everyMs?: number;
}

/** Builds the page where it is missing or old; fails with the reason where it cannot. */
export async function builtDashboard(): Promise<void> {
  assert.equal(await ensureDashboard(), undefined);
}

/** A browser of its own, without a past. */
export async function openBrowser(
  looks: Looks = {},
): Promise<{ context: BrowserContext; close: () => Promise<void> }> {
  const profile = await mkdtemp(join(tmpdir(), 'causeway-dashboard-'));
  const { colorScheme = 'light', width = 1280, height = 800 } = looks;
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: findOnPath('chromium') ?? '/usr/bin/chromium',
    headless: true,
    args: FLAGS,
    viewport: { width, height },
    colorScheme,
    reducedMotion: 'reduce',
    timezoneId: 'UTC',
    locale: 'en-GB',
  });
  context.setDefaultTimeout(PATIENCE_MS);
  return {
    context,
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

export async function openDashboard(t: TestContext, hash = '', options: Options = {}): Promise<Opened> {
  await builtDashboard();
  const mesher = await startFakeMesher(options);
  t.after(() => mesher.close());
  return { ...(await openPageOf(t, mesher.url, hash, options)), mesher };
}

/** The dashboard of a mesher that is there. */
export async function openPageOf(
  t: TestContext,
  origin: string,
  hash = '',
  looks: Looks = {},
): Promise<OpenedPage> {
  const { context, close } = await openBrowser(looks);
  t.after(close);
  const page = context.pages()[0] ?? (await context.newPage());
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(`threw ${String(error.stack)}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  context.on('request', (request) => {
    if (!request.url().startsWith(`${origin}/`)) faults.push(`asked ${request.url()}`);
  });
  const open = async (to: string): Promise<void> => {
    await page.goto(`${origin}/${to}`);
    await page.locator('main h1').waitFor();
  };
  await open(hash);
  return {
    page,
    open,
    check: (excused) => {
      const rest = faults.filter((fault) => excused?.test(fault) !== true);
      assert.deepEqual(rest, []);
    },
  };
}

/** Goes on with Tab until what is focused has this name; by keyboard only. */
export async function tabTo(page: Page, name: RegExp, stopsMax = 80): Promise<void> {
  const seen: string[] = [];
  for (let stop = 0; stop < stopsMax; stop += 1) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate<string>(
      `(() => { const at = document.activeElement; return at.getAttribute('aria-label') ?? at.labels?.[0]?.textContent ?? at.textContent ?? ''; })()`,
    );
    if (name.test(focused)) return;
    seen.push(focused.slice(0, 40));
  }
  assert.fail(`${String(name)} cannot be reached by Tab; seen: ${seen.join(' | ')}`);
}
