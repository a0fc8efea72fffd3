// What spans come of which inputs and effects. Two observers that were told nothing of each other must agree on the ids.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_TOKEN, type DeliveryToken } from '../../../../node/core/delivery-token.ts';
import { MeshError } from '../../../../node/core/errors.ts';
import { NO_GROUPS, type NodeId, type StoredEvent } from '../../../../node/core/event.ts';
import type { LinkMessage } from '../../../../node/core/messages.ts';
import type { Effect, Input } from '../../../../node/core/steps.ts';
import { TraceObserver } from '../../../../node/observe/otel/observer.ts';
import { OPEN_SPANS_MAX } from '../../../../node/observe/otel/open-spans.ts';
import type { Span } from '../../../../node/observe/otel/span.ts';
import { Tracer } from '../../../../node/observe/otel/traced-event.ts';
import { encodeCloudEvent } from '../../../../node/wire/cloud-event-protobuf.ts';
import { storedEvent, type EventParts } from '../../../support/events.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const SAMPLED = `00-${TRACE}-${PARENT}-01`;
const WALL = 1_750_000_000_000;

function bytesOf(id: string, traceparent?: string): Uint8Array {
  const attributes = new Map(
    traceparent === undefined ? [] : [['traceparent', { type: 'string' as const, value: traceparent }]],
  );
  return encodeCloudEvent({ id, source: '/shop', type: 'order', attributes, data: undefined });
}

const traced = (parts: EventParts = {}): StoredEvent =>
  storedEvent({ cloudEvent: bytesOf('1', SAMPLED), ...parts });

/** One mesher's observer, and what it made. A step takes a millisecond. */
class Seen {
  readonly spans: Span[] = [];
  readonly dropped: string[] = [];
  readonly ignored: string[] = [];
  readonly #observer: TraceObserver;
  now = 1;

  constructor(node: NodeId, sampleRatio = 0) {
    const tracer = new Tracer(sampleRatio, (why) => this.ignored.push(why));
    this.#observer = new TraceObserver(node, tracer, {
      ended: (span) => this.spans.push(span),
      dropped: (why) => this.dropped.push(why),
    });
  }

  step(inputs: readonly Input[], effects: readonly Effect[] = []): void {
    this.now += 1;
    this.#observer.stepped(inputs, effects, { wall: WALL + this.now, monotonic: this.now });
  }

  get names(): string[] {
    return this.spans.map(({ name }) => name);
  }

  only(name: Span['name']): Span {
    const [span, more] = this.spans.filter((each) => each.name === name);
    assert.ok(span && !more, `one ${name}, not ${this.names.join(', ')}`);
    return span;
  }
}

const publish = (...events: readonly StoredEvent[]): Input => ({
  kind: 'publish',
  request: 7,
  qos: 'durable',
  report: true,
  events,
});

const append = (batch: number, ...events: readonly StoredEvent[]): Effect => ({
  kind: 'append',
  batch,
  sync: true,
  ops: [{ op: 'block', block: batch, events }],
});

const answered = (clusters: readonly string[] = []): Effect => ({
  kind: 'reply',
  request: 7,
  reply: {
    kind: 'published',
    results: [{ sequence: 1, destinations: { subscriptions: 1, meshers: [], clusters } }],
  },
});

const lane = (
  sequence: number,
  ...events: readonly StoredEvent[]
): Extract<LinkMessage, { kind: 'data' }> => ({
  kind: 'data',
  scope: 'cluster',
  lane: 3,
  previous: { incarnation: 1, sequence: sequence - 1 },
  first: { incarnation: 1, sequence },
  doubt: false,
  events: events.map((event) => ({ event, directive: NO_GROUPS })),
});

const ack = (sequence: number): Input => ({
  kind: 'messages',
  peer: 'b',
  messages: [{ kind: 'ack', scope: 'cluster', lane: 3, upTo: { incarnation: 1, sequence }, credit: 1 }],
});

const landed = (...messages: readonly LinkMessage[]): Input => ({ kind: 'messages', peer: 'a', messages });
const attach: Input = { kind: 'attach', session: 5, name: 'billing', credit: 9, resumeAfter: undefined };
const token = (attempt: number, index = 0): DeliveryToken => ({
  queue: 2,
  block: 1,
  index,
  attempt,
  session: 1,
});
const deliver = (event: StoredEvent, attempt = 1, index = 0): Effect => ({
  kind: 'deliver',
  session: 5,
  deliveries: [{ event, token: token(attempt, index), attempt }],
});
const settle = (kind: 'ack' | 'retry', attempt = 1): Input => ({
  kind: 'settle',
  request: 8,
  name: 'billing',
  settlements: [
    kind === 'ack' ? { kind, token: token(attempt) } : { kind, token: token(attempt), delayMs: 1 },
  ],
});

test('two meshers make one tree of what they see of an event', () => {
  const [a, b] = [new Seen('a'), new Seen('b')];
  const event = traced();
  a.step([{ kind: 'link-up', peer: 'b', cluster: 'us', incarnation: 1, version: 1 }]);
  a.step([publish(event)], [append(1, event)]);
  a.step(
    [{ kind: 'appended', batch: 1 }],
    [answered(['us']), { kind: 'data', peer: 'b', message: lane(1, event) }],
  );
  b.step([attach]);
  b.step([landed(lane(1, event))], [append(1, event)]);
  b.step([{ kind: 'appended', batch: 1 }], [deliver(event)]);
  b.step([settle('ack')]);
  a.step([ack(1)]);

  assert.deepEqual(a.names.sort(), ['commit', 'forward', 'publish']);
  assert.deepEqual(b.names.sort(), ['commit', 'deliver', 'receive']);
  const [published, forwarded, received] = [a.only('publish'), a.only('forward'), b.only('receive')];
  assert.deepEqual([published.parentId, published.parentIsRemote], [PARENT, true]);
  assert.equal(a.only('commit').parentId, published.spanId);
  assert.equal(forwarded.parentId, published.spanId);
  assert.deepEqual([received.parentId, received.parentIsRemote], [forwarded.spanId, true]);
  assert.equal(b.only('commit').parentId, received.spanId);
  assert.equal(b.only('deliver').parentId, received.spanId);
  const all = [...a.spans, ...b.spans];
  assert.equal(new Set(all.map(({ spanId }) => spanId)).size, 6);
  for (const { traceId, spanId, error } of all) {
    assert.equal(traceId, TRACE);
    assert.match(spanId, /^[0-9a-f]{16}$/);
    assert.equal(error, undefined);
  }
  assert.equal(forwarded.attributes['causeway.peer.cluster'], 'us');
  assert.equal(published.attributes['causeway.destinations.clusters'], 1);
  assert.equal(b.only('deliver').attributes['causeway.outcome'], 'ack');
  assert.equal(forwarded.endMs - forwarded.startMs, 1, 'from when it was sent to its ack');
});

test('events without a sampled context leave nothing', () => {
  const seen = new Seen('a');
  const events = [undefined, `00-${TRACE}-${PARENT}-00`, 'no context'].map((context, at) =>
    storedEvent({ cloudEvent: bytesOf(String(at), context) }),
  );
  const unreadable = storedEvent({ cloudEvent: new Uint8Array([0x2a, 3, 0x12, 1, 7]) });
  seen.step([attach]);
  for (const event of [...events, unreadable]) {
    seen.step([publish(event)], [append(1, event)]);
    seen.step([{ kind: 'appended', batch: 1 }], [answered(), deliver(event)]);
  }
  assert.deepEqual(seen.spans, []);
  assert.deepEqual(seen.ignored, ['malformed-traceparent'], 'once, though it came by several times');
});

test('a ratio chooses events by their ids, the same ones on every mesher, with a key or without, and begins traces', () => {
  const publishAll = (seen: Seen, key = ''): Span[] => {
    for (let i = 0; i < 1_000; i++) {
      const event = storedEvent({ cloudEvent: bytesOf(`id-${i}`), sequence: i, key });
      seen.step([publish(event)], [append(i, event)]);
      seen.step([{ kind: 'appended', batch: i }], [answered()]);
    }
    return seen.spans.filter(({ name }) => name === 'publish');
  };
  const [some, again] = [publishAll(new Seen('a', 0.25)), publishAll(new Seen('b', 0.25), 'k')];
  assert.ok(some.length > 150 && some.length < 350, `${some.length} of 1000`);
  assert.deepEqual(
    some.map(({ traceId }) => traceId),
    again.map(({ traceId }) => traceId),
  );
  assert.ok(some.every(({ parentId }) => parentId === undefined));
  assert.equal(new Set(some.map(({ traceId }) => traceId)).size, some.length);
  assert.equal(publishAll(new Seen('a', 1)).length, 1_000);
});

test('what waits for the batch after the one under way is committed with that', () => {
  const seen = new Seen('a');
  const [first, second] = [traced(), traced({ cloudEvent: bytesOf('2', SAMPLED) })];
  seen.step([publish(first)], [append(1, first)]);
  seen.step([publish(second)]);
  seen.step([{ kind: 'appended', batch: 1 }], [append(2, second)]);
  assert.deepEqual(seen.names, ['commit']);
  seen.step([{ kind: 'appended', batch: 2 }]);
  assert.deepEqual(seen.names, ['commit', 'commit']);
  assert.deepEqual(
    seen.spans.map(({ attributes }) => attributes['messaging.message.id']),
    ['1', '2'],
  );
});

test('what is received and not kept ends at once; what is sent again is received once', () => {
  const seen = new Seen('b');
  const event = traced();
  seen.step(
    [landed(lane(5, event))],
    [
      {
        kind: 'control',
        peer: 'a',
        message: { kind: 'gap', scope: 'cluster', lane: 3, last: { incarnation: 1, sequence: 1 } },
      },
    ],
  );
  assert.equal(seen.only('receive').attributes['causeway.kept'], false);
  seen.step([landed(lane(5, event))], [append(1, event)]);
  seen.step([{ kind: 'appended', batch: 1 }]);
  assert.deepEqual(seen.names, ['receive', 'commit']);
  assert.equal(seen.only('commit').parentId, seen.only('receive').spanId);
});

test('what is sent to the same mesher again is one span, and one for each mesher', () => {
  const seen = new Seen('a');
  const event = traced();
  const send = (peer: NodeId, first: number): Effect => ({ kind: 'data', peer, message: lane(first, event) });
  seen.step([], [send('b', 1)]);
  seen.step([], [send('b', 1)]);
  seen.step([], [send('c', 1)]);
  seen.step([ack(0)]);
  assert.deepEqual(seen.spans, []);
  const ready = {
    kind: 'lane-ready' as const,
    scope: 'cluster' as const,
    lane: 3,
    mark: { incarnation: 1, sequence: 1 },
    credit: 1,
  };
  seen.step([
    { kind: 'messages', peer: 'b', messages: [ready] },
    { kind: 'messages', peer: 'c', messages: [ready] },
  ]);
  assert.equal(new Set(seen.spans.map(({ spanId }) => spanId)).size, 2);
  assert.deepEqual(
    seen.spans.map(({ attributes }) => attributes['causeway.peer.node']),
    ['b', 'c'],
  );
  assert.deepEqual(
    seen.spans.map(({ startMs }) => startMs - WALL),
    [2, 4],
    'from when it was first sent there',
  );
});

test('best effort: a span for each hop, which waits for nothing', () => {
  const [a, b] = [new Seen('a'), new Seen('b')];
  const event = traced();
  const message = {
    kind: 'best-effort' as const,
    scope: 'cluster' as const,
    events: [{ event, directive: NO_GROUPS }],
  };
  a.step(
    [{ ...publish(event), qos: 'best-effort' } as Input],
    [{ kind: 'data', peer: 'b', message }, answered()],
  );
  b.step([{ kind: 'attach-ephemeral', session: 5, filter: '#', group: 'g', credit: 1 }]);
  b.step(
    [landed(message)],
    [{ kind: 'deliver', session: 5, deliveries: [{ event, token: NO_TOKEN, attempt: 1 }] }],
  );
  assert.deepEqual(a.names.sort(), ['forward', 'publish']);
  assert.deepEqual(b.names.sort(), ['deliver', 'receive']);
  assert.equal(b.only('receive').parentId, a.only('forward').spanId);
  assert.deepEqual(
    [
      b.only('deliver').attributes['causeway.outcome'],
      b.only('deliver').attributes['messaging.consumer.group.name'],
    ],
    ['sent', 'g'],
  );
});

test('a delivery ends as its consumer ends it', () => {
  const outcomes = (...inputs: readonly Input[]): unknown[] => {
    const seen = new Seen('b');
    const event = traced();
    seen.step([attach], [deliver(event)]);
    for (const input of inputs) seen.step([input]);
    return seen.spans.map(({ attributes, error }) => [attributes['causeway.outcome'], error]);
  };
  assert.deepEqual(outcomes(settle('retry')), [['retry', 'retry']]);
  assert.deepEqual(outcomes(settle('retry', 2)), [], 'of another attempt');
  assert.deepEqual(outcomes(settle('ack', 2)), [['ack', undefined]], 'an ack counts all the same');
  assert.deepEqual(outcomes({ kind: 'detach', session: 5 }), [['returned', undefined]]);
  assert.deepEqual(outcomes(settle('ack'), settle('ack'), { kind: 'detach', session: 5 }), [
    ['ack', undefined],
  ]);
});

test('an event that is handed out again ends the delivery before', () => {
  const seen = new Seen('b');
  const event = traced();
  seen.step([{ kind: 'pull', request: 4, name: 'billing', max: 1, waitMs: 0 }]);
  const pulled = (attempt: number): Effect => ({
    kind: 'reply',
    request: 4,
    reply: { kind: 'pulled', deliveries: [{ event, token: token(attempt), attempt }] },
  });
  seen.step([], [pulled(1)]);
  seen.step([{ kind: 'pull', request: 4, name: 'billing', max: 1, waitMs: 0 }], [pulled(2)]);
  seen.step([settle('ack', 2)]);
  assert.deepEqual(
    seen.spans.map(({ attributes }) => [attributes['causeway.outcome'], attributes['causeway.attempt']]),
    [
      ['timed-out', 1],
      ['ack', 2],
    ],
  );
  assert.notEqual(seen.spans[0]?.spanId, seen.spans[1]?.spanId);
});

/** As the core says it of each dead letter that it makes. */
function rejected(event: StoredEvent): Effect {
  const place = { queue: 2, block: 1, index: 0, position: undefined, attempt: 1 };
  return { kind: 'fate', what: 'dead-lettered', reason: 'rejected', to: 'billing', event, ...place };
}

test('a dead letter is an entry of its own, below that of the event', () => {
  const seen = new Seen('a');
  const event = traced({ origin: 'a' });
  const deadLetter = {
    subscription: 'billing',
    reason: 'rejected: no such customer',
    attempts: 3,
    topic: 't',
  };
  const dead = traced({ origin: 'a', deadLetter, topic: 'dead/orders' });
  seen.step([publish(event)], [append(1, event)]);
  seen.step([{ kind: 'appended', batch: 1 }], [answered()]);
  seen.step([attach], [rejected(event), append(2, dead)]);
  seen.step([{ kind: 'appended', batch: 2 }], [deliver(dead)]);
  seen.step([settle('ack')]);
  const letter = seen.only('dead-letter');
  assert.equal(letter.parentId, seen.only('publish').spanId);
  assert.equal(letter.attributes['causeway.dead_letter.reason'], 'rejected: no such customer');
  assert.equal(seen.only('deliver').parentId, letter.spanId);
  assert.equal(new Set(seen.spans.map(({ spanId }) => spanId)).size, seen.spans.length);
});

test('an event that was redriven, and rejected again, is a dead letter with spans of its own', () => {
  const seen = new Seen('a');
  const deadLetter = { subscription: 'billing', reason: 'rejected', attempts: 1, topic: 't' };
  for (const sequence of [2, 4]) {
    const dead = traced({ origin: 'a', incarnation: 1, sequence, deadLetter });
    seen.step([], [rejected(dead), append(sequence, dead)]);
    seen.step([{ kind: 'appended', batch: sequence }]);
  }
  const names = seen.spans.map(({ name }) => name).sort();
  assert.deepEqual(names, ['commit', 'commit', 'dead-letter', 'dead-letter']);
  assert.equal(new Set(seen.spans.map(({ spanId }) => spanId)).size, names.length);
});

test('a dead letter that waits for the batch under way is in the next, and has its spans', () => {
  const seen = new Seen('a');
  const deadLetter = { subscription: 'billing', reason: 'rejected', attempts: 1, topic: 't' };
  const event = traced({ origin: 'a' });
  const dead = traced({ origin: 'a', sequence: 2, deadLetter });
  seen.step([publish(event)], [append(1, event)]);
  seen.step([], [rejected(event)]);
  seen.step([{ kind: 'appended', batch: 1 }], [answered(), append(2, dead)]);
  seen.step([{ kind: 'appended', batch: 2 }]);
  assert.equal(seen.only('dead-letter').parentId, seen.only('publish').spanId);
});

test('a dead letter that only an ephemeral subscriber wants has an entry, too', () => {
  const seen = new Seen('a');
  const deadLetter = { subscription: 'billing', reason: 'rejected', attempts: 1, topic: 't' };
  const dead = traced({ origin: 'a', deadLetter, topic: 'dead/orders' });
  seen.step([{ kind: 'attach-ephemeral', session: 5, filter: '#', group: '', credit: 1 }]);
  const out: Effect = {
    kind: 'deliver',
    session: 5,
    deliveries: [{ event: dead, token: NO_TOKEN, attempt: 1 }],
  };
  seen.step([], [out, out]);
  assert.equal(seen.only('dead-letter').attributes['causeway.kept'], false);
  for (const { name, parentId } of seen.spans)
    if (name === 'deliver') assert.equal(parentId, seen.only('dead-letter').spanId);
});

test('an event that was refused, and comes by another way, is received', () => {
  const seen = new Seen('b');
  const event = traced();
  const error = new MeshError('overloaded', 'too much');
  seen.step([publish(event)], [{ kind: 'reply', request: 7, reply: { kind: 'failed', error } }]);
  seen.step([publish(event)], [{ kind: 'reply', request: 7, reply: { kind: 'failed', error } }]);
  seen.step([landed(lane(1, event))], [append(1, event)]);
  seen.step([{ kind: 'appended', batch: 1 }]);
  assert.deepEqual(seen.names, ['publish', 'publish', 'receive', 'commit']);
  assert.equal(new Set(seen.spans.map(({ spanId }) => spanId)).size, 4);
});

test("what an heir takes over is below the lost mesher's entry", () => {
  const [lost, heir] = [new Seen('a'), new Seen('h')];
  const event = traced({ origin: 'a' });
  lost.step([publish(event)], [append(1, event)]);
  lost.step([{ kind: 'appended', batch: 1 }], [answered()]);
  const entry = { indices: [0], first: undefined, directives: [] };
  heir.step(
    [
      {
        kind: 'copy-loaded',
        owner: 'a',
        block: 1,
        entries: [{ queue: 2, block: 1, entry, events: [event] }],
      },
    ],
    [append(1, event)],
  );
  heir.step([{ kind: 'appended', batch: 1 }]);
  assert.equal(heir.only('take over').parentId, lost.only('publish').spanId);
  assert.equal(heir.only('commit').parentId, heir.only('take over').spanId);
});

test('a refused publish says why', () => {
  const seen = new Seen('a');
  const error = new MeshError('overloaded', 'too much');
  seen.step([publish(traced())], [{ kind: 'reply', request: 7, reply: { kind: 'failed', error } }]);
  assert.equal(seen.only('publish').error, 'overloaded');
});

test('spans that nobody ends are bounded, in number and in time', () => {
  const seen = new Seen('b');
  seen.step([attach]);
  const event = traced();
  for (let i = 0; i < OPEN_SPANS_MAX + 10; i++) seen.step([], [deliver(event, 1, i)]);
  assert.deepEqual([seen.spans.length, seen.dropped.length, seen.dropped[0]], [0, 10, 'too-many-open']);
  seen.now += 11 * 60_000;
  seen.step([{ kind: 'tick' }]);
  assert.equal(seen.spans.length, OPEN_SPANS_MAX);
  assert.ok(seen.spans.every(({ attributes }) => attributes['causeway.outcome'] === 'unsettled'));
  seen.step([], [{ kind: 'data', peer: 'b', message: lane(1, event) }]);
  seen.now += 11 * 60_000;
  seen.step([{ kind: 'tick' }]);
  assert.equal(seen.dropped.at(-1), 'never-acked');
  seen.step([ack(1)]);
  assert.equal(seen.spans.length, OPEN_SPANS_MAX);
});
