import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '../../../node/core/limits.ts';
import { signMember } from '../../../node/core/membership.ts';
import { MesherCore } from '../../../node/core/mesher-core.ts';
import type { JournalOp, Recovered } from '../../../node/core/ports.ts';
import { DELIVERY_DEFAULTS } from '../../../node/core/subscription.ts';
import { TIMING } from '../../../node/core/timing.ts';
import { KeyRing } from '../../simulation/fake-keys.ts';

const NOW = { wall: 1_750_000_000_000, monotonic: 1 };

/** What a mesher that finds this on its disk writes first. */
function firstBatch(recovered: Recovered): readonly JournalOp[] {
  const keys = new KeyRing().make('a', 'secret');
  const self = signMember(keys, {
    federation: 'acme',
    cluster: 'eu',
    node: 'a',
    incarnation: 1,
    addresses: [],
    http: '',
    labels: {},
    version: '0',
  });
  const core = new MesherCore(
    { self, limits: LIMITS, timing: TIMING, keys, random: () => 0.5, rejoining: false },
    recovered,
    NOW,
  );
  return core.step([{ kind: 'tick' }], NOW).flatMap((effect) => (effect.kind === 'append' ? effect.ops : []));
}

const NOTHING: Recovered = {
  nextBlock: 10,
  queues: [],
  unclaimedBlocks: [],
  marks: [],
  subscriptions: [],
  members: [],
  routes: [],
};

test('what is left of a subscription that is gone takes no block from those that are there', () => {
  const wants = (...blocks: number[]) => blocks.map((block) => ({ block, count: 1, first: undefined }));
  const ops = firstBatch({
    ...NOTHING,
    queues: [
      { queue: 1, name: 's:gone', blocks: wants(3, 4) },
      { queue: 2, name: 's:there', blocks: wants(4, 5) },
    ],
    subscriptions: [
      { name: 'there', topic: '#', group: undefined, sink: undefined, delivery: DELIVERY_DEFAULTS },
    ],
  });
  const dropped = ops.flatMap((op) => (op.op === 'drop-block' ? [op.block] : []));
  assert.deepEqual(dropped, [3]);
  assert.deepEqual(
    ops.flatMap((op) => (op.op === 'drop-queue' ? [op.queue] : [])),
    [1],
  );
});

test('blocks that nobody wants are dropped', () => {
  const ops = firstBatch({ ...NOTHING, unclaimedBlocks: [7, 8] });
  assert.deepEqual(
    ops.flatMap((op) => (op.op === 'drop-block' ? [op.block] : [])),
    [7, 8],
  );
});
