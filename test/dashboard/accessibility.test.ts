// Every view, in light, in dark and on a narrow screen: axe-core finds nothing serious, and nothing is wider than the screen.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';
import { type Looks, openDashboard } from './browser.ts';
import { NODES } from './scripted-federation.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What is there when the view has all it asked for. */
const VIEWS: readonly (readonly [string, string])[] = [
  ['#/', 'text=Key figures'],
  ['#/map', '.drawing .edge-label >> nth=0'],
  [`#/map/link/${NODES.azure1}/${NODES.gcp1}`, 'text=To do:'],
  [`#/map/link/${NODES.aws1}/${NODES.gcp1}`, 'text=Count by lane'],
  [`#/map/mesher/${NODES.gcp1}`, 'text=Its links'],
  ['#/map/cluster/aws-eu-west-1', 'text=within the cluster'],
  ['#/map?as=world', '.land >> nth=0'],
  ['#/map?as=table', 'table'],
  ['#/flow', '.chart-line >> nth=0'],
  ['#/topics', 'table'],
  ['#/topics/orders%2Feu%2Fcreated', '.chart-line >> nth=0'],
  ['#/subscriptions', 'table'],
  [`#/subscriptions/${NODES.gcp1}/billing`, '.chart-line >> nth=0'],
  ['#/dead-letters', 'table'],
  [`#/dead-letters/${NODES.aws1}/a.0`, '.payload'],
  ['#/find?source=/shop&id=order-4711', '.hop >> nth=0'],
  ['#/dry-run?topic=orders/eu/created', '.routes >> nth=0'],
  ['#/dry-run?topic=orders/%23', '[role=alert]'],
];

const LOOKS: Readonly<Record<string, Looks>> = {
  'in light': { colorScheme: 'light' },
  'in dark': { colorScheme: 'dark' },
  'at 360 pixels': { colorScheme: 'light', width: 360, height: 740 },
};

async function faultsOf(page: Page): Promise<string[]> {
  const { violations } = await page.evaluate<AxeResults>(
    `axe.run(document, { resultTypes: ['violations'], rules: { 'target-size': { enabled: true } } })`,
  );
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, help, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id} (${help}): ${html}\n${failureSummary ?? ''}`),
    );
}

for (const [name, looks] of Object.entries(LOOKS)) {
  test(`axe-core finds no serious fault in any view ${name}`, async (t) => {
    const { page, open, check } = await openDashboard(t, '', looks);
    await page.evaluate(AXE);
    for (const [hash, ready] of VIEWS) {
      await open(hash);
      await page.locator(ready).first().waitFor();
      assert.deepEqual(await faultsOf(page), [], `${hash} ${name}`);
      const over = await page.evaluate<number>(`document.documentElement.scrollWidth - innerWidth`);
      assert.ok(over <= 0, `${hash} is ${over} pixels wider than the screen`);
    }
    check(/status of 400/); // the topic that is none
  });
}

test('the question before a drop, the menu and a page without its mesher have no serious fault', async (t) => {
  const { page, mesher, open } = await openDashboard(t, '#/dead-letters', { width: 360, height: 740 });
  await page.evaluate(AXE);
  await page.getByRole('button', { name: 'Drop all 37' }).click();
  await page.getByRole('dialog').waitFor();
  assert.deepEqual(await faultsOf(page), []);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: /^Dead letters/ }).click();
  assert.deepEqual(await faultsOf(page), []);
  mesher.setSilent(true);
  await page.locator('.is-stale').waitFor();
  assert.deepEqual(await faultsOf(page), []);
  mesher.setSilent(false);
  await open('#/');
});
