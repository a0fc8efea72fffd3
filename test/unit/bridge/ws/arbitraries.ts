// Any frame of the streaming protocol, for its property tests.

import fc from 'fast-check';
import type { RangeSettlement } from '../../../../bridge/ws/frames/client-frames.ts';
import {
  encodeClose,
  encodeCredit,
  encodeOpen,
  encodePublish,
  encodeSettle,
} from '../../../../bridge/ws/frames/client-frames.ts';
import { encodeDeliver } from '../../../../bridge/ws/frames/deliver-frame.ts';
import {
  encodeAccepted,
  encodeClosed,
  encodeRefused,
  encodeReport,
  encodeSettled,
  encodeWelcome,
} from '../../../../bridge/ws/frames/mesher-frames.ts';
import type { NumberRange } from '../../../../bridge/ws/frames/ranges.ts';
import type { StoredEvent } from '../../../../node/core/event.ts';
import { storedEvent } from '../../wire/arbitraries.ts';

export const uint = fc.oneof(fc.nat({ max: 300 }), fc.maxSafeNat());
export const id = uint.map((value) => Math.max(1, value));
export const text = fc.string({ unit: 'grapheme', maxLength: 20 });
export const eventBytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.nat({ max: 20_000 }).map((length) => new Uint8Array(length).fill(length)),
);

export const ranges: fc.Arbitrary<NumberRange[]> = fc
  .array(fc.record({ gap: fc.nat({ max: 2 ** 40 }), count: fc.integer({ min: 1, max: 6_000 }) }), {
    maxLength: 5,
  })
  .map((parts) => {
    let end = 0;
    return parts.map(({ gap, count }) => {
      const first = end + gap;
      end = first + count;
      return { first, count };
    });
  });

const someRanges = ranges.filter(({ length }) => length > 0);

const settlement: fc.Arbitrary<RangeSettlement> = fc.oneof(
  fc.record({ kind: fc.constant('ack' as const), ranges: someRanges }),
  fc.record({
    kind: fc.constant('retry' as const),
    delayMs: fc.option(fc.nat(), { nil: undefined }),
    ranges: someRanges,
  }),
  fc.record({ kind: fc.constant('reject' as const), reason: text, ranges: someRanges }),
);

const publish = fc
  .record({
    request: id,
    qos: fc.constantFrom('durable' as const, 'best-effort' as const),
    report: fc.boolean(),
    replicas: fc.option(id, { nil: undefined }),
    runs: fc.array(fc.record({ topic: text, events: fc.array(eventBytes, { minLength: 1, maxLength: 5 }) }), {
      maxLength: 4,
    }),
  })
  .map(({ runs, replicas, ...rest }) => {
    const head = { ...rest, ...(replicas !== undefined && { replicas }) };
    const topics = runs.map(({ topic, events }) => ({ topic, count: events.length }));
    const events = runs.flatMap((run) => run.events);
    return {
      bytes: encodePublish({ ...head, topics }, events),
      frame: { ...head, topics },
      events,
    };
  });

const open = fc
  .record({
    kind: fc.constant('open' as const),
    stream: id,
    source: fc.constantFrom('durable' as const, 'ephemeral' as const),
    credit: uint,
    subject: text,
    group: text,
  })
  .map((frame) => ({ bytes: encodeOpen(frame), frame }));

const credit = fc
  .record({ kind: fc.constant('credit' as const), stream: id, count: uint })
  .map((frame) => ({ bytes: encodeCredit(frame.stream, frame.count), frame }));

const settle = fc
  .record({
    kind: fc.constant('settle' as const),
    stream: id,
    request: id,
    settlements: fc.array(settlement, { maxLength: 4 }),
  })
  .map((frame) => ({ bytes: encodeSettle(frame.stream, frame.request, frame.settlements), frame }));

const close = fc
  .record({ kind: fc.constant('close' as const), stream: id })
  .map((frame) => ({ bytes: encodeClose(frame.stream), frame }));

/** Frames that are compared as they are; a PUBLISH has its events beside it. */
export const clientFrames = { publish, small: fc.oneof(open, credit, settle, close) };

const problem = fc.record(
  {
    type: text,
    title: text,
    status: fc.nat({ max: 599 }),
    code: text,
    detail: text,
    retryable: fc.boolean(),
    reason: text,
  },
  { requiredKeys: ['type', 'title', 'status', 'code', 'detail', 'retryable'] },
);

const welcome = fc
  .record({
    node: text,
    cluster: text,
    federation: text,
    version: text,
    eventBytesMax: uint,
    batchEventsMax: uint,
    batchBytesMax: uint,
    messageBytesMax: uint,
    publishWindowBytes: uint,
    streamsMax: uint,
    replicasMax: uint,
    neighbours: fc.array(fc.record({ node: text, http: text }), { maxLength: 16 }),
  })
  .map((each) => ({ bytes: encodeWelcome(each), frame: { kind: 'welcome' as const, welcome: each } }));

const accepted = fc
  .array(id, { maxLength: 20 })
  .map((requests) => ({ bytes: encodeAccepted(requests), frame: { kind: 'accepted' as const, requests } }));

const result = fc.record({
  source: text,
  id: text,
  origin: text,
  sequence: uint,
  destinations: fc.record({
    subscriptions: uint,
    meshers: fc.array(text, { maxLength: 3 }),
    clusters: fc.array(text, { maxLength: 3 }),
  }),
});

const report = fc
  .record({ kind: fc.constant('report' as const), request: id, results: fc.array(result, { maxLength: 4 }) })
  .map((frame) => ({ bytes: encodeReport(frame.request, frame.results), frame }));

const refused = fc
  .record({ kind: fc.constant('refused' as const), request: id, problem })
  .map((frame) => ({ bytes: encodeRefused(frame.request, frame.problem), frame }));

const settled = fc
  .record({ kind: fc.constant('settled' as const), request: id, stale: ranges })
  .map((frame) => ({ bytes: encodeSettled(frame.request, frame.stale), frame }));

const closed = fc
  .record({ kind: fc.constant('closed' as const), stream: id, problem })
  .map((frame) => ({ bytes: encodeClosed(frame.stream, frame.problem), frame }));

/** Few topics and origins for many events is the usual case. */
const deliveries = fc
  .tuple(
    fc.array(storedEvent, { minLength: 1, maxLength: 4 }),
    fc.array(
      fc.record({
        pick: fc.nat(),
        cloudEvent: eventBytes,
        sequence: uint,
        attempt: fc.integer({ min: 1, max: 2 ** 30 - 1 }),
      }),
      { maxLength: 12 },
    ),
  )
  .map(([models, each]) =>
    each.flatMap(({ pick, cloudEvent, sequence, attempt }) => {
      const model = models[pick % models.length];
      const event: StoredEvent | undefined = model && { ...model, cloudEvent, sequence };
      return event ? [{ event, attempt }] : [];
    }),
  );

export const deliver = fc
  .record({ stream: id, first: fc.integer({ min: 1, max: 2 ** 50 }), deliveries })
  .map((given) => ({ ...given, bytes: encodeDeliver(given.stream, given.first, given.deliveries) }));

export const mesherFrames = {
  deliver,
  small: fc.oneof(welcome, accepted, report, refused, settled, closed),
};

export const anyClientBytes = fc.oneof(
  publish.map(({ bytes }) => bytes),
  clientFrames.small.map(({ bytes }) => bytes),
);

export const anyMesherBytes = fc.oneof(
  deliver.map(({ bytes }) => bytes),
  mesherFrames.small.map(({ bytes }) => bytes),
);
