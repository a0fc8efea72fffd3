// A whole run in an enclosure as one test: skipped where the machine gives none, with the reason; else its exit code is 0.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { whyNoEnclosure } from './enclosure.ts';

/** `main`: the module to run. Lines that fit `told` are diagnostics of the test. */
export async function shortRun(
  t: TestContext,
  main: string,
  args: readonly string[],
  told: RegExp,
): Promise<void> {
  const lacking = await whyNoEnclosure();
  if (lacking !== undefined) {
    t.skip(`this machine cannot give faults: ${lacking}`);
    return;
  }
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGTERM'));
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => lines.push(line));
  const [code] = (await once(child, 'close')) as [number | null];
  for (const line of lines) if (told.test(line)) t.diagnostic(line);
  assert.equal(code, 0, lines.join('\n'));
}
