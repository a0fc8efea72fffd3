// About a minute of `npm run soak`: two outages of ten seconds, at a rate that any machine holds.

import { join } from 'node:path';
import { test } from 'node:test';
import { shortRun } from '../faults/machine/short-run.ts';

const MAIN = join(import.meta.dirname, 'main.ts');

test('nothing acked is lost in two outages of the link, and memory, handles, timers and disk come back', async (t) => {
  await shortRun(t, MAIN, ['--short'], /mesher \d|offered|explained|outage \d: \d+ s/);
});
