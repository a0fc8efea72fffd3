// Two minutes of `npm run faults`: one of each family of faults, on real processes. What the machine cannot give is said
// by name; where it gives no namespaces at all, the test is skipped with the reason.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { whyNoEnclosure } from './machine/enclosure.ts';

const MAIN = join(import.meta.dirname, 'main.ts');

test('nothing acked is lost, and nothing comes twice without a counted doubt, under one of each family of faults', async (t) => {
  const lacking = await whyNoEnclosure();
  if (lacking !== undefined) {
    t.skip(`this machine cannot give faults: ${lacking}`);
    return;
  }
  const child = spawn(process.execPath, [MAIN, '--short', '--seed', '1'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGTERM'));
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => lines.push(line));
  const [code] = (await once(child, 'close')) as [number | null];
  for (const line of lines)
    if (/left out|healed|explained|acked|after the last/.test(line)) t.diagnostic(line);
  assert.equal(code, 0, lines.join('\n'));
});
