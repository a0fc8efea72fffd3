import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Announcer } from '../../../node/core/announcer.ts';
import { Commits } from '../../../node/core/commits.ts';
import { Counters } from '../../../node/core/counters.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import type { Router } from '../../../node/core/router.ts';
import type { Effect } from '../../../node/core/steps.ts';
import { parseSubscription } from '../../../node/core/subscription.ts';
import { Subscriptions, type Target } from '../../../node/core/subscriptions.ts';
import { storedEvent } from '../../support/events.ts';

const NOW = { wall: 1_000_000, monotonic: 1_000 };

function make(): { subscriptions: Subscriptions; effects: Effect[]; targets: Target[] } {
  const targets: Target[] = [];
  const effects: Effect[] = [];
  const emit = (effect: Effect): void => void effects.push(effect);
  const counters = new Counters();
  const ignore = { add: () => undefined, remove: () => undefined };
  const router = { addLocal: (target: Target) => void targets.push(target), removeLocal: () => undefined };
  let queues = 0;
  const commits = new Commits(1, LIMITS, emit);
  const subscriptions = new Subscriptions({
    limits: LIMITS,
    counters,
    commits,
    announcer: ignore as unknown as Announcer,
    router: router as unknown as Router<Target>,
    delivery: { limits: LIMITS, counters, random: () => 0.5, emit, deadLetter: () => undefined },
    emit,
    nextQueueId: () => ++queues,
    whenKept: (then) => commits.whenDurable(then),
  });
  return { subscriptions, effects, targets };
}

const put = (subscriptions: Subscriptions, name: string): void =>
  void subscriptions.put(parseSubscription(name, { topic: name }, LIMITS), NOW);
const answered = (effects: readonly Effect[]): number[] =>
  effects.flatMap((effect) => (effect.kind === 'reply' ? [effect.request] : []));

test('a pull is cancelled once, wherever it waits, and others stay', () => {
  const { subscriptions, effects } = make();
  for (const name of ['a', 'b']) put(subscriptions, name);
  subscriptions.get('a')?.pull(1, 10, 2_000);
  subscriptions.get('b')?.pull(2, 10, 2_000);
  assert.deepEqual([3, 2, 2].map((request) => subscriptions.cancelPull(request)), [false, true, false]); // prettier-ignore
  subscriptions.tick({ ...NOW, monotonic: 2_000 });
  assert.deepEqual(answered(effects), [1]);
  assert.equal(subscriptions.cancelPull(1), false, 'it was answered');
});

test('pulls of a subscription that is deleted are answered, and cancelling them finds nothing', () => {
  const { subscriptions, effects } = make();
  put(subscriptions, 'a');
  subscriptions.get('a')?.pull(1, 10, 2_000);
  assert.equal(subscriptions.delete('a', NOW), true);
  assert.deepEqual(answered(effects), [1]);
  assert.equal(subscriptions.cancelPull(1), false);
  subscriptions.tick({ ...NOW, monotonic: 3_000 });
  assert.deepEqual(answered(effects), [1]);
});

test('ephemeral targets are handed what was offered to each, as far as their credit goes; what is the same is made once', () => {
  const { subscriptions, effects, targets } = make();
  const events = [1, 2, 3].map((sequence) => storedEvent({ sequence }));
  const credits = [3, 3, 1, 2];
  for (const [session, credit] of credits.entries()) subscriptions.attachEphemeral(session, '#', '', credit);
  for (const target of targets) {
    assert(!target.durable);
    // the second one does not want the first event
    for (const event of events)
      if (target.session !== 1 || event !== events[0]) subscriptions.offer(target, event);
  }
  subscriptions.flushEphemeral(NOW);
  subscriptions.grant(2, 2, NOW);
  const handed = effects.flatMap((effect) => (effect.kind === 'deliver' ? [effect] : []));
  assert.deepEqual(
    handed.map(({ session, deliveries }) => [session, ...deliveries.map(({ event }) => event.sequence)]),
    [
      [0, 1, 2, 3],
      [1, 2, 3],
      [2, 1],
      [3, 1, 2],
      [2, 2, 3],
    ],
  );
  assert.equal(handed[3]?.deliveries[0], handed[2]?.deliveries[0]);
  assert.notEqual(handed[4]?.deliveries[0], handed[3]?.deliveries[1], 'of another step');
});

test('what waits for an ephemeral consumer is bounded by its bytes too, and what there is credit for is never dropped', () => {
  const { subscriptions, effects, targets } = make();
  const events = Array.from({ length: 20 }, (_, i) => storedEvent({ sequence: i + 1, bytes: 1_000_000 }));
  for (const [session, credit] of [0, 20].entries()) subscriptions.attachEphemeral(session, '#', '', credit);
  for (const target of targets) {
    assert(target.durable === false);
    for (const event of events) subscriptions.offer(target, event);
  }
  subscriptions.flushEphemeral(NOW);
  subscriptions.grant(0, 100, NOW);
  const handed = new Map(
    effects.flatMap((effect) => (effect.kind === 'deliver' ? [[effect.session, effect.deliveries]] : [])),
  );
  assert.equal(handed.get(1)?.length, 20);
  const kept = handed.get(0)?.map(({ event }) => event.sequence);
  assert.deepEqual(kept, [13, 14, 15, 16, 17, 18, 19, 20], 'the newest, of 8 MiB together');
});
