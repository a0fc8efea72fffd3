// What a mesher keeps of another's journal: a copy says only what is on disk of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Copies } from '../../../node/core/copies.ts';
import { Counters } from '../../../node/core/counters.ts';
import type { CopyHead } from '../../../node/core/ports.ts';
import type { Effect } from '../../../node/core/steps.ts';

test('what was written for a copy that was dropped meanwhile says nothing of the one that is begun anew', () => {
  const effects: Effect[] = [];
  const copies = new Copies({
    cluster: 'c',
    counters: new Counters(),
    emit: (effect) => effects.push(effect),
    clusterOf: () => 'c',
  });
  const heads = (): CopyHead[] =>
    effects.flatMap((effect) => (effect.kind === 'copy-write' ? effect.head : []));
  copies.open('owner');
  copies.start('owner', { kind: 'copy-start', incarnation: 7, batch: 3, nextBlock: 10 });
  const [late] = heads();
  assert(late);
  copies.drop('owner');
  copies.open('owner');
  copies.written('owner', late);
  assert.deepEqual(copies.all(), []);
  copies.start('owner', { kind: 'copy-start', incarnation: 8, batch: 0, nextBlock: 20 });
  const next = heads()[1];
  assert(next);
  copies.written('owner', next);
  assert.deepEqual(copies.all(), [{ owner: 'owner', head: next }]);
});
