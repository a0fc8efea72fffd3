import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlockList } from '../../../node/core/block-list.ts';
import type { JournalOp, Recovered } from '../../../node/core/ports.ts';
import { TIMING } from '../../../node/core/timing.ts';
import { adoptedName, DEAD_LETTERS, DELIVERY_DEFAULTS } from '../../../node/core/subscription.ts';
import { NOTHING } from '../../contracts/journal-contract.ts';
import { storedEvent } from '../../support/events.ts';
import { loneCore, NOW } from '../../support/lone-core.ts';

/** What a mesher that finds this on its disk writes first. */
function firstBatch(found: Partial<Recovered>): readonly JournalOp[] {
  return loneCore({ ...NOTHING, nextBlock: 10, ...found })
    .step([{ kind: 'tick' }], NOW)
    .flatMap((effect) => (effect.kind === 'append' ? effect.ops : []));
}

test('what is left of a subscription that is gone takes no block from those that are there', () => {
  const wants = (...blocks: number[]) =>
    new BlockList(blocks.map((block) => ({ block, count: 1, first: undefined })));
  const ops = firstBatch({
    queues: [
      { queue: 1, name: 's:gone', blocks: wants(3, 4) },
      { queue: 2, name: 's:there', blocks: wants(4, 5) },
    ],
    subscriptions: [
      {
        name: 'there',
        topic: '#',
        group: undefined,
        sink: undefined,
        adoptedFrom: undefined,
        delivery: DELIVERY_DEFAULTS,
      },
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
  const ops = firstBatch({ unclaimedBlocks: [7, 8] });
  assert.deepEqual(
    ops.flatMap((op) => (op.op === 'drop-block' ? [op.block] : [])),
    [7, 8],
  );
});

test('what waits for a mesher that is no member is given up when a dead member would be', () => {
  const core = loneCore({
    ...NOTHING,
    nextBlock: 10,
    queues: [
      {
        queue: 1,
        name: 'p:ghost',
        blocks: new BlockList([{ block: 3, count: 2, first: { incarnation: 1, sequence: 1 } }]),
      },
    ],
  });
  const droppedAt = (monotonic: number): boolean =>
    core
      .step([{ kind: 'tick' }], { ...NOW, monotonic })
      .some((effect) => effect.kind === 'append' && effect.ops.some(({ op }) => op === 'drop-queue'));
  const { forgetAfterMs } = TIMING;
  assert.equal(droppedAt(1), false);
  core.step([{ kind: 'appended', batch: 1 }], NOW);
  assert.equal(droppedAt(forgetAfterMs), false);
  assert.equal(droppedAt(forgetAfterMs + 2), true);
  assert.equal(core.counters.total('events_dropped_total', 'member-forgotten'), 2);
});

test('a dead letter that was taken over from a lost mesher, and is rejected, is dropped as one of its own would be', () => {
  const name = adoptedName(DEAD_LETTERS, 'lost');
  const deadLetter = { subscription: 'billing', reason: 'no', attempts: 3, topic: 'orders/paid' };
  const event = storedEvent({ deadLetter });
  const core = loneCore({
    ...NOTHING,
    nextBlock: 10,
    queues: [
      { queue: 1, name: `s:${name}`, blocks: new BlockList([{ block: 3, count: 1, first: undefined }]) },
    ],
    subscriptions: [
      {
        name,
        topic: '#',
        group: undefined,
        sink: undefined,
        adoptedFrom: 'lost',
        delivery: DELIVERY_DEFAULTS,
      },
    ],
  });
  const entry = { indices: [0], directives: [], first: undefined };
  const pulled = [
    ...core.step([{ kind: 'tick' }, { kind: 'pull', request: 1, name, max: 1, waitMs: 1_000 }], NOW),
    ...core.step([{ kind: 'loaded', queue: 1, entries: [{ block: 3, entry, events: [event] }] }], NOW),
  ].flatMap((effect) =>
    effect.kind === 'reply' && effect.reply.kind === 'pulled' ? effect.reply.deliveries : [],
  );
  const settlements = pulled.map(({ token }) => ({ kind: 'reject', token, reason: 'no' }) as const);
  assert.equal(settlements.length, 1);
  const effects = core.step([{ kind: 'settle', request: 2, name, settlements }], NOW);
  const fates = effects.flatMap((effect) => (effect.kind === 'fate' ? [effect] : []));
  assert.deepEqual(
    fates.map(({ what, reason, to, queue }) => ({ what, reason, to, queue })),
    [{ what: 'dropped', reason: 'dead-letter-rejected', to: name, queue: 1 }],
  );
  assert.equal(core.counters.total('events_dropped_total', 'dead-letter-rejected'), 1);
  assert.equal(core.subscriptions.get(DEAD_LETTERS)?.queue.depth, 0);
});

test("a lost mesher's dead letter goes back to the subscription that was adopted from it, not to one of the same name", () => {
  const named = (name: string, adoptedFrom: string | undefined) => ({
    name,
    topic: '#',
    group: undefined,
    sink: undefined,
    adoptedFrom,
    delivery: DELIVERY_DEFAULTS,
  });
  const adopted = adoptedName('billing', 'lost');
  const core = loneCore({
    ...NOTHING,
    nextBlock: 10,
    queues: [
      {
        queue: 1,
        name: `s:${DEAD_LETTERS}`,
        blocks: new BlockList([{ block: 3, count: 1, first: undefined }]),
      },
      { queue: 2, name: 's:billing', blocks: new BlockList([]) },
      { queue: 3, name: `s:${adopted}`, blocks: new BlockList([]) },
    ],
    subscriptions: [named(DEAD_LETTERS, undefined), named('billing', undefined), named(adopted, 'lost')],
  });
  const deadLetter = { subscription: 'billing', reason: 'no', attempts: 3, topic: 'orders/paid' };
  const event = storedEvent({ deadLetter, origin: 'lost' });
  const letters = [{ block: 3, index: 0, wanted: [0], event }];
  const effects = [
    ...core.step([{ kind: 'tick' }], NOW),
    ...core.step([{ kind: 'dead-letters', request: 1, name: DEAD_LETTERS, how: 'redrive', letters }], NOW),
    ...core.step([{ kind: 'appended', batch: 1 }], NOW),
  ];
  const ops = effects.flatMap((effect) => (effect.kind === 'append' ? effect.ops : []));
  const wanting = ops.flatMap((op) => (op.op === 'entry' && op.block >= 10 ? [op.queue] : []));
  assert.deepEqual(wanting, [3]);
});
