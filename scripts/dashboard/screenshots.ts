// Makes docs/dashboard/*.png anew, of the dashboard with the federation of test/dashboard/scripted-federation.ts, at one fixed time:
// npm run docs:screenshots. Needs Chromium on PATH, as the dashboard's tests do.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { builtDashboard, openBrowser } from '../../test/dashboard/browser.ts';
import { startFakeMesher } from '../../test/dashboard/fake-mesher.ts';
import { NODES } from '../../test/dashboard/scripted-federation.ts';
import { ensureSystemPackages, forDashboard } from '../system-packages.ts';
import { smallPng } from './small-png.ts';

interface Shot {
  readonly file: string;
  readonly hash: string;
  /** What is there when the view has all it asked for. */
  readonly ready: string;
  readonly colorScheme?: 'dark';
  readonly width?: number;
  readonly height: number;
}

const NIGHT = Date.parse('2026-11-20T03:12:44Z');
/** So that a clone stays small. */
const BYTES_MAX = 150 * 1024;
const folder = join(import.meta.dirname, '../../docs/dashboard');

const SHOTS: readonly Shot[] = [
  { file: 'overview', hash: '#/', ready: 'text=Key figures', height: 980 },
  { file: 'overview-narrow', hash: '#/', ready: 'text=Key figures', width: 360, height: 740 },
  { file: 'map', hash: '#/map', ready: '.edge-label >> nth=2', height: 730 },
  { file: 'link', hash: `#/map/link/${NODES.azure1}/${NODES.gcp1}`, ready: 'text=To do:', height: 800 },
  { file: 'world', hash: '#/map?as=world', ready: '.land >> nth=0', colorScheme: 'dark', height: 730 },
  { file: 'flow', hash: '#/flow', ready: '.chart-line >> nth=8', colorScheme: 'dark', height: 820 },
  { file: 'topics', hash: '#/topics', ready: 'table', height: 460 },
  { file: 'subscriptions', hash: '#/subscriptions', ready: 'table', height: 640 },
  { file: 'dead-letters', hash: '#/dead-letters', ready: 'table', height: 640 },
  { file: 'dead-letter', hash: `#/dead-letters/${NODES.aws1}/a.0`, ready: '.payload', height: 860 },
  { file: 'find', hash: '#/find?source=/shop&id=order-4711', ready: '.hop >> nth=10', height: 1080 },
  { file: 'dry-run', hash: '#/dry-run?topic=orders/eu/created', ready: '.routes >> nth=1', height: 640 },
];

const lacking = ensureSystemPackages(forDashboard);
if (lacking !== undefined) throw new Error(lacking);
await builtDashboard();
await mkdir(folder, { recursive: true });
const mesher = await startFakeMesher({ clock: () => NIGHT });
try {
  for (const shot of SHOTS) await shoot(shot);
} finally {
  await mesher.close();
}

async function shoot({ file, hash, ready, ...looks }: Shot): Promise<void> {
  const { context, close } = await openBrowser(looks);
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    await page.goto(`${mesher.url}/${hash}`);
    await page.locator(ready).first().waitFor();
    const png = smallPng(await page.screenshot());
    if (png.length > BYTES_MAX)
      throw new Error(`${file}.png has ${png.length} bytes, of ${BYTES_MAX} that it may have`);
    await writeFile(join(folder, `${file}.png`), png);
    console.log(`${file}.png ${Math.ceil(png.length / 1024)} KiB`);
  } finally {
    await close();
  }
}
