// Prometheus' own tool, which knows what is a metrics page, a rule and an expression. The test script sees to it that it is on PATH.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';

/** Fails with what it says where it finds anything to say; `input` is its stdin. Returns its stdout. */
export function promtool(args: readonly string[], input = ''): string {
  const { error, status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  assert.equal(
    error,
    undefined,
    `promtool is needed on PATH (Debian: apt-get install prometheus): ${String(error)}`,
  );
  assert.equal(status, 0, `promtool ${args.join(' ')}\n${stdout}${stderr}`);
  assert.equal(stderr.trim(), '', `promtool ${args.join(' ')}`);
  return stdout;
}
