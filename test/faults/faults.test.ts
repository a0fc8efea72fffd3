// Two minutes of `npm run faults`: one of each family of faults, on real processes. What the machine cannot give is said
// by name; where it gives no namespaces at all, the test is skipped with the reason.

import { join } from 'node:path';
import { test } from 'node:test';
import { shortRun } from './machine/short-run.ts';

const MAIN = join(import.meta.dirname, 'main.ts');

test('nothing acked is lost, and nothing comes twice without a counted doubt, under one of each family of faults', async (t) => {
  await shortRun(t, MAIN, ['--short', '--seed', '1'], /left out|healed|explained|acked|after the last/);
});
