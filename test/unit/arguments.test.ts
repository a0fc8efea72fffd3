import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { BadArguments, parsed } from '../../scripts/arguments.ts';

const ROOT = join(import.meta.dirname, '../..');

test('what the project’s own commands do not know is said in one line, with what they know', () => {
  for (const [command, script, known] of [
    ['simulate', 'scripts/simulate.ts', '--seeds'],
    ['mutants', 'scripts/mutants.ts', '--only'],
    ['soak', 'test/soak/main.ts', '--outages'],
    ['faults', 'test/faults/main.ts', '--replicas'],
    ['fuzz', 'test/fuzz/main.ts', '--commit-corpus'],
    ['bench', 'test/bench/main.ts', '--pairs'],
  ] as const) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, script), '--nonsense', '7'], {
      encoding: 'utf8',
    });
    assert.equal(status, 2, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, new RegExp(`^${command}: Unknown option '--nonsense'; [^\n]*${known}[^\n]*\n$`));
  }
});

test('a value that is missing, or that nobody asked for, is named as well', () => {
  const options = { seed: { type: 'string' }, trace: { type: 'boolean' } } as const;
  const refuses = (args: string[], what: RegExp): void =>
    assert.throws(
      () => parsed({ args, options }),
      (error) => error instanceof BadArguments && what.test(error.message) && !error.message.includes('\n'),
    );
  refuses(['--seed'], /--seed.*; there are --seed, --trace$/);
  refuses(['--trace=yes'], /--trace/);
  refuses(['more'], /'more'/);
  assert.deepEqual({ ...parsed({ args: ['--seed', '7'], options }).values }, { seed: '7' });
});
