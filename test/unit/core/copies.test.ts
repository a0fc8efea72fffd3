// What a mesher keeps of another's journal: a copy says only what is on disk of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Copies } from '../../../node/core/copies.ts';
import { Counters } from '../../../node/core/counters.ts';
import type { CopyHead } from '../../../node/core/ports.ts';
import type { Effect } from '../../../node/core/steps.ts';

const START = { kind: 'copy-start', incarnation: 7, batch: 3, nextBlock: 10 } as const;

function copiesOf(clusterOf = (): string => 'c'): { copies: Copies; effects: Effect[] } {
  const effects: Effect[] = [];
  const emit = (effect: Effect): void => void effects.push(effect);
  return { copies: new Copies({ cluster: 'c', counters: new Counters(), emit, clusterOf }), effects };
}

function headsIn(effects: readonly Effect[]): CopyHead[] {
  return effects.flatMap((effect) => (effect.kind === 'copy-write' ? effect.head : []));
}

/** A copy of `owner`'s journal with something of it on disk. */
function held(): { copies: Copies; effects: Effect[] } {
  const { copies, effects } = copiesOf();
  copies.open('owner');
  copies.start('owner', START);
  for (const head of headsIn(effects)) copies.written('owner', head);
  effects.length = 0;
  return { copies, effects };
}

test('what was written for a copy that was dropped meanwhile says nothing of the one that is begun anew', () => {
  const { copies, effects } = copiesOf();
  copies.open('owner');
  copies.start('owner', START);
  const [late] = headsIn(effects);
  assert(late);
  copies.drop('owner');
  copies.open('owner');
  copies.written('owner', late);
  assert.deepEqual(copies.all(), []);
  copies.start('owner', { kind: 'copy-start', incarnation: 8, batch: 0, nextBlock: 20 });
  const next = headsIn(effects)[1];
  assert(next);
  copies.written('owner', next);
  assert.deepEqual(copies.all(), [{ owner: 'owner', head: next }]);
});

const BATCH = { kind: 'copy-batch', incarnation: 7, batch: 4, part: 0, last: true, nextBlock: 10 } as const;
const content = new Uint8Array();

test('a damaged copy is put aside, and its owner told that there is none: what was on its way is not taken', () => {
  const { copies, effects } = held();
  copies.batch('owner', { ...BATCH, content }); // is being written when the damage is found
  const [late] = headsIn(effects);
  assert(late);
  effects.length = 0;
  copies.damaged('owner', true);
  assert.deepEqual(effects, [
    { kind: 'copy-aside', owner: 'owner' },
    {
      kind: 'control',
      peer: 'owner',
      message: { kind: 'copy-ready', incarnation: 0, batch: 0, cursor: '', hasPast: false },
    },
  ]);
  effects.length = 0;
  copies.written('owner', late);
  copies.batch('owner', { ...BATCH, batch: 5, content });
  assert.deepEqual([effects, copies.all()], [[], []]);
  copies.start('owner', { ...START, batch: 5 });
  assert.equal(headsIn(effects).length, 1, 'it is begun anew');
});

test('a damaged copy of a mesher that is away, or is being taken over, stays: it is moved as far as it can be read', () => {
  const away = held();
  away.copies.damaged('owner', false);
  assert.deepEqual([away.effects, away.copies.all().length], [[], 1]);
  const moving = held();
  moving.copies.seal('owner');
  moving.copies.damaged('owner', true);
  assert.deepEqual([moving.effects, moving.copies.all().length], [[], 1]);
  moving.copies.damaged('another', true);
  assert.deepEqual(moving.effects, []);
});
