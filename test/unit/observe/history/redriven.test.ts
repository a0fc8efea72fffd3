// A dead letter that is sent back, as its trace tells it: nobody published it again, and what counts is what came then.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hash32 } from '../../../../node/core/event.ts';
import type { TraceHop } from '../../../../node/core/overview.ts';
import { withoutRedriven } from '../../../../node/core/redriven-hops.ts';
import type { Effect, Input, Reply } from '../../../../node/core/steps.ts';
import { DEAD_LETTERS, DELIVERY_DEFAULTS } from '../../../../node/core/subscription.ts';
import { MemoryDisk, MemoryJournal } from '../../../../node/journal/memory-journal.ts';
import { EventHash } from '../../../../node/observe/history/event-hash.ts';
import { EventHistory } from '../../../../node/observe/history/event-history.ts';
import { recall } from '../../../../node/observe/history/recall.ts';
import { verdictOf } from '../../../../node/observe/history/verdict.ts';
import { encodeCloudEvent } from '../../../../node/wire/cloud-event-protobuf.ts';
import { loneCore, NOW } from '../../../support/lone-core.ts';

const CONTENT = { id: '1', source: '/s', type: 't', attributes: new Map(), data: undefined };

/** A mesher with one subscription, whose history is kept. */
class Watched {
  readonly #journal = new MemoryJournal(new MemoryDisk());
  readonly #core = loneCore(this.#journal.recoverNow());
  #at = 0;
  readonly history = new EventHistory({
    node: this.#core.node,
    incarnation: this.#core.incarnation,
    events: 1_000,
    hash: new EventHash(() => 0.5),
    clusterOf: () => undefined,
  });

  constructor() {
    const subscription = {
      name: 'billing',
      topic: '#',
      group: undefined,
      sink: undefined,
      adoptedFrom: undefined,
      delivery: DELIVERY_DEFAULTS,
    };
    this.step({ kind: 'tick' });
    this.step({ kind: 'put-subscription', request: 1, subscription });
  }

  /** With all that comes of it; each step takes a ms. */
  step(input: Input): Reply[] {
    const replies: Reply[] = [];
    const inputs = [input];
    for (let next = inputs.shift(); next; next = inputs.shift()) {
      const now = { wall: NOW.wall + ++this.#at, monotonic: NOW.monotonic + this.#at };
      const effects = this.#core.step([next], now);
      this.history.stepped([next], effects, now);
      for (const effect of effects) inputs.push(...this.#carryOut(effect, replies));
    }
    return replies;
  }

  #carryOut(effect: Effect, replies: Reply[]): Input[] {
    if (effect.kind === 'reply') replies.push(effect.reply);
    if (effect.kind === 'append') {
      this.#journal.appendNow(effect.ops, effect.sync);
      return [{ kind: 'appended', batch: effect.batch }];
    }
    if (effect.kind !== 'load') return [];
    const entries = this.#journal.loadNow(effect.queue, effect.blocks);
    return [{ kind: 'loaded', queue: effect.queue, entries }];
  }

  publish(): void {
    const event = {
      topic: 't',
      expiresAt: 0,
      key: '',
      hash: hash32('1'),
      cloudEvent: encodeCloudEvent(CONTENT),
    };
    this.step({ kind: 'publish', request: 2, qos: 'durable', report: false, events: [event] });
  }

  consume(how: 'ack' | 'reject'): void {
    const pull: Input = { kind: 'pull', request: 3, name: 'billing', max: 1, waitMs: 1_000 };
    const deliveries = this.step(pull).flatMap((reply) => (reply.kind === 'pulled' ? reply.deliveries : []));
    assert.equal(deliveries.length, 1);
    const settlements = deliveries.map(({ token }) =>
      how === 'ack' ? ({ kind: 'ack', token } as const) : ({ kind: 'reject', token, reason: 'no' } as const),
    );
    this.step({ kind: 'settle', request: 4, name: 'billing', settlements });
  }

  redrive(): void {
    const queue = this.#core.subscriptions.get(DEAD_LETTERS)?.queue;
    assert.ok(queue);
    const letters = this.#journal
      .loadNow(queue.id, [...queue.blocksFrom(0)])
      .flatMap(({ block, entry: { indices }, events }) =>
        events.map((event, at) => ({ block, index: indices[at] ?? -1, wanted: indices, event })),
      );
    const replies = this.step({
      kind: 'dead-letters',
      request: 5,
      name: DEAD_LETTERS,
      how: 'redrive',
      letters,
    });
    assert.deepEqual(replies, [{ kind: 'dead-letters-settled', done: 1, left: [] }]);
  }

  hops(): TraceHop[] {
    const { hops } = recall(this.history, CONTENT.source, CONTENT.id);
    return hops.map((hop) => ({ ...hop, mesher: 'a', cluster: 'eu' }));
  }
}

const verdict = (hops: readonly TraceHop[]): string => verdictOf(hops, [], 0);

test('a dead letter that is sent back and delivered is delivered, and was published once', () => {
  const mesher = new Watched();
  mesher.publish();
  mesher.consume('reject');
  assert.match(verdict(mesher.hops()), /^dead-lettered by billing on a in eu after 1 attempt: rejected: no$/);
  mesher.redrive();
  mesher.consume('ack');
  assert.deepEqual(
    mesher.hops().map(({ what }) => what),
    [
      'published',
      'committed',
      'delivered',
      'dead-lettered',
      'committed',
      'redriven',
      'committed',
      'delivered',
      'acked',
    ],
  );
  assert.match(verdict(mesher.hops()), /^delivered to billing on a in eu \d+ ms after it was published$/);
});

test('one that is rejected again after it was sent back is a dead letter', () => {
  const mesher = new Watched();
  mesher.publish();
  mesher.consume('reject');
  mesher.redrive();
  mesher.consume('reject');
  assert.equal(withoutRedriven(mesher.hops()).filter(({ what }) => what === 'dead-lettered').length, 1);
  assert.match(verdict(mesher.hops()), /^dead-lettered by billing/);
});
