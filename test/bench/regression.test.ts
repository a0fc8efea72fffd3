// Runs the short form of the benchmark as anybody would, and believes its exit code: a row whose ratio to its reference fell
// below what baseline.json tolerates, and stays there when it is measured again and again, is a regression.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';

const MAIN = join(import.meta.dirname, 'main.ts');

test('no ratio is worse than the baseline allows', async (t) => {
  const bench = spawn(process.execPath, [MAIN, '--short', '--check'], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => bench.kill()); // SIGTERM: it ends what it started
  let output = '';
  for (const stream of [bench.stdout, bench.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(bench, 'close')) as [number | null];
  t.diagnostic(
    output
      .split('\n')
      .filter((line) => /: (passed|failed), /.test(line))
      .join('\n'),
  );
  assert.equal(code, 0, output);
  assert.match(output, /: passed, /, 'some row was measured');
});
