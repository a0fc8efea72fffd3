import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { splitBatch } from '../../../../bridge/ws/frames/batch.ts';
import { FRAME_EVENTS_MAX } from '../../../../bridge/ws/frames/bounds.ts';
import {
  decodeClientFrame,
  encodeOpen,
  encodePublish,
  encodeSettle,
} from '../../../../bridge/ws/frames/client-frames.ts';
import { encodeDeliver, SharedDeliveries } from '../../../../bridge/ws/frames/deliver-frame.ts';
import { decodeMesherFrame, encodeSettled } from '../../../../bridge/ws/frames/mesher-frames.ts';
import { mergedRanges, rangesOf, rangesOfAny } from '../../../../bridge/ws/frames/ranges.ts';
import { WireError, type WireReason } from '../../../../node/wire/wire-error.ts';
import { storedEvent } from '../../../support/events.ts';
import { anyClientBytes, anyMesherBytes, clientFrames, mesherFrames } from './arbitraries.ts';

test('what a client sends is read as it was written', () => {
  fc.assert(
    fc.property(clientFrames.small, ({ bytes, frame }) => {
      assert.deepEqual(decodeClientFrame(bytes), structuredClone(frame)); // as plain objects
    }),
    { numRuns: 1000 },
  );
});

test('a PUBLISH has its topics, and its events untouched in the batch', () => {
  fc.assert(
    fc.property(clientFrames.publish, ({ bytes, frame, events }) => {
      const { kind, batch, ...read } = publishOf(bytes);
      assert.equal(kind, 'publish');
      assert.deepEqual(read, structuredClone(frame));
      assert.deepEqual(splitBatch(batch, FRAME_EVENTS_MAX).map(hex), events.map(hex));
    }),
    { numRuns: 500 },
  );
});

test('what a mesher sends is read as it was written', () => {
  fc.assert(
    fc.property(mesherFrames.small, ({ bytes, frame }) => {
      assert.deepEqual(decodeMesherFrame(bytes), structuredClone(frame));
    }),
    { numRuns: 1000 },
  );
});

test('a DELIVER has each event with its topic, its origin, its details and its bytes', () => {
  fc.assert(
    fc.property(mesherFrames.deliver, ({ bytes, stream, first, deliveries }) => {
      const frame = deliverOf(bytes);
      assert.deepEqual([frame.stream, frame.first, frame.count], [stream, first, deliveries.length]);
      const events = splitBatch(frame.batch, frame.count);
      const read = events.map((event, i) => ({
        topic: frame.topics[frame.topicOf[i] ?? -1],
        ...frame.origins[frame.originOf[i] ?? -1],
        sequence: frame.sequences[i],
        acceptedAt: frame.acceptedAts[i],
        attempt: frame.attempts[i],
        deadLetter: frame.deadLetters.get(i),
        cloudEvent: hex(event),
      }));
      const written = deliveries.map(({ event, attempt }) => ({
        topic: event.topic,
        node: event.origin,
        incarnation: event.incarnation,
        path: event.path,
        sequence: event.sequence,
        acceptedAt: event.acceptedAt,
        attempt,
        deadLetter: event.deadLetter && { ...event.deadLetter },
        cloudEvent: hex(event.cloudEvent),
      }));
      assert.deepEqual(read, written);
    }),
    { numRuns: 500 },
  );
});

test('a DELIVER of a part numbers that part, and writes each topic and each origin once', () => {
  const path = ['eu', 'us'];
  const from = [{}, { path }, { origin: 'other' }, { path: [...path] }, {}];
  const deliveries = ['a', 'b', 'a', 'b', 'c'].map((topic, i) => ({
    event: storedEvent({ topic, sequence: i + 1, ...from[i] }),
    attempt: 1,
  }));
  const frame = deliverOf(encodeDeliver(7, 100, deliveries, 1, 4));
  assert.deepEqual([frame.first, frame.count], [100, 3]);
  assert.deepEqual(
    [frame.topics, [...frame.topicOf]],
    [
      ['b', 'a'],
      [0, 1, 0],
    ],
  );
  assert.deepEqual(
    frame.origins.map(({ node, path: visited }) => [node, ...visited].join(' ')),
    ['12D3KooWTestOrigin eu us', 'other eu'],
  );
  assert.deepEqual([...frame.originOf], [0, 1, 0]);
  assert.deepEqual([...frame.sequences], [2, 3, 4]);
});

test('the same events for one stream after another make the frames that each would get alone, encoded once', () => {
  fc.assert(
    fc.property(mesherFrames.deliver, ({ bytes, stream, first, deliveries }) => {
      const shared = new SharedDeliveries();
      const encode = (to: number, next: number): readonly Uint8Array[] =>
        shared.encode(to, next, [...deliveries], 0, deliveries.length);
      assert.deepEqual(encode(stream, first).map(hex), [hex(bytes)]);
      const other = encode(5, 77);
      assert.equal(hex(Buffer.concat(other)), hex(encodeDeliver(5, 77, deliveries)));
      assert.equal(other.length, 2);
      assert.equal(encode(stream, first)[1], other[1]);
    }),
    { numRuns: 200 },
  );
});

test('events that are not the same, or not for the same time, are not shared, nor is anything from turn to turn', async () => {
  const events = ['a', 'b', 'c'].map((topic) => storedEvent({ topic }));
  const list = (attempt: number, ...places: number[]) =>
    places.flatMap((place) => ({ event: events[place] ?? storedEvent(), attempt }));
  const shared = new SharedDeliveries();
  const parts = (deliveries: ReturnType<typeof list>, from = 0, to = deliveries.length): number => {
    const encoded = shared.encode(2, 1, deliveries, from, to);
    assert.equal(hex(Buffer.concat(encoded)), hex(encodeDeliver(2, 1, deliveries, from, to)));
    return encoded.length;
  };
  assert.equal(parts(list(1, 0, 1)), 1);
  assert.equal(parts(list(1, 2, 0, 1), 1, 3), 2, 'in another place of its list');
  assert.equal(parts(list(2, 0, 1)), 1, 'another attempt');
  assert.equal(parts(list(2, 0, 2)), 1, 'another event');
  assert.equal(parts(list(2, 0)), 1, 'fewer');
  assert.equal(parts(list(2, 0)), 2);
  await Promise.resolve();
  assert.equal(parts(list(2, 0)), 1);
});

test('numbers that no record of ours has are written all the same', () => {
  const { cloudEvent } = storedEvent();
  const event = { ...storedEvent(), cloudEvent, sequence: 1.5, acceptedAt: 2.5, incarnation: 3.5 };
  const frame = deliverOf(encodeDeliver(1, 1, [{ event, attempt: 2 ** 40 }]));
  assert.deepEqual([frame.sequences[0], frame.acceptedAts[0], frame.origins[0]?.incarnation], [1, 2, 3]);
  assert.equal(frame.attempts[0], 2 ** 30 - 1);
});

test('a frame cut short anywhere is refused, or is another frame: never anything else', () => {
  const cut = (decode: (bytes: Uint8Array) => unknown) => (bytes: Uint8Array) => {
    const step = Math.max(1, Math.floor(bytes.length / 400));
    for (let end = 0; end < bytes.length; end += step) onlyWireErrors(() => decode(bytes.slice(0, end)));
  };
  fc.assert(fc.property(anyClientBytes, cut(decodeClientFrame)), { numRuns: 100 });
  fc.assert(fc.property(anyMesherBytes, cut(decodeMesherFrame)), { numRuns: 100 });
});

test('frames without a rest are refused wherever they are cut', () => {
  const bytes = encodeOpen({ stream: 300, source: 'ephemeral', credit: 70_000, subject: 'a/#', group: 'g' });
  for (let end = 0; end < bytes.length; end++) {
    assert.equal(
      reasonOf(() => decodeClientFrame(bytes.slice(0, end))),
      'cut-short',
    );
  }
  assert.equal(
    reasonOf(() => decodeClientFrame(Buffer.concat([bytes, Buffer.of(0)]))),
    'trailing-bytes',
  );
});

test('garbage is refused with the one error', () => {
  const mangled = (frames: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
    fc
      .tuple(frames, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }))
      .map(([bytes, edits]) => {
        const copy = Uint8Array.from(bytes);
        for (const [at, value] of edits) copy[at % Math.max(1, copy.length)] = value;
        return copy;
      });
  const typed = (types: number[]): fc.Arbitrary<Uint8Array> =>
    fc
      .tuple(fc.constantFrom(...types), fc.uint8Array({ maxLength: 60 }))
      .map(([type, rest]) => Uint8Array.of(type, ...rest));
  fc.assert(
    fc.property(fc.oneof(mangled(anyClientBytes), typed([0, 1, 2, 3, 4, 5, 6])), (bytes) => {
      onlyWireErrors(() => {
        const frame = decodeClientFrame(bytes);
        if (frame.kind === 'publish') splitBatch(frame.batch, FRAME_EVENTS_MAX);
      });
    }),
    { numRuns: 5000 },
  );
  fc.assert(
    fc.property(
      fc.oneof(mangled(anyMesherBytes), typed([0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87])),
      (bytes) => {
        onlyWireErrors(() => decodeMesherFrame(bytes));
      },
    ),
    { numRuns: 5000 },
  );
});

test('what is out of its range is refused, and said by reason', () => {
  const cases: [WireReason, number[]][] = [
    ['cut-short', []],
    ['unknown-kind', [0x09]],
    ['bad-value', [0x01, 4, 1, 0]], // a flag that is not known
    ['bad-value', [0x01, 0, 0, 0]], // request 0
    ['bad-value', [0x01, 0, 1, 1, 0, 0]], // a topic for no events
    ['cut-short', [0x01, 0, 1, 200, 1, 1, 0]], // 200 runs in three bytes
    ['bad-number', [0x01, 0, 1, 1, 0x81, 0x80, 4, 0]], // more events than a frame may have
    ['bad-value', [0x02, 1, 2, 0, 0, 0]], // an unknown kind of stream
    ['bad-text', [0x02, 1, 0, 0, 1, 0xff, 0]],
    ['bad-number', [0x03, 1, 0x80, 0]], // not in its shortest form
    ['bad-number', [0x03, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]], // 2^53
    ['unknown-kind', [0x04, 1, 1, 3, 0]],
    ['bad-value', [0x04, 1, 1, 0, 0]], // a settlement of nothing
    ['bad-value', [0x04, 1, 1, 0, 1, 1, 0]], // a range of nothing
    ['bad-value', [0x05, 0]],
  ];
  for (const [reason, bytes] of cases) {
    assert.equal(
      reasonOf(() => decodeClientFrame(Uint8Array.from(bytes))),
      reason,
      `of ${bytes.join(' ')}`,
    );
  }
});

test('ranges may not leave the numbers that there are', () => {
  const end = Number.MAX_SAFE_INTEGER;
  const bytes = encodeSettled(1, [{ first: 1, count: end - 1 }]);
  assert.deepEqual(decodeMesherFrame(bytes), {
    kind: 'settled',
    request: 1,
    stale: [{ first: 1, count: end - 1 }],
  });
  const beyond = Buffer.concat([
    encodeSettled(1, []).subarray(0, 2),
    Buffer.of(1),
    Buffer.from(bytes.subarray(3)),
  ]);
  beyond[3] = 2; // the first one later, the last one 2^53
  assert.equal(
    reasonOf(() => decodeMesherFrame(beyond)),
    'bad-number',
  );
});

test('there are only so many ranges in a SETTLE, however they are spread over settlements', () => {
  const ranges = Array.from({ length: 33_000 }, (_, i) => ({ first: 1 + i * 2, count: 1 }));
  const one = encodeSettle(1, 1, [{ kind: 'ack', ranges }]);
  assert.equal(decodeClientFrame(one).kind, 'settle');
  const two = encodeSettle(1, 1, [
    { kind: 'ack', ranges },
    { kind: 'retry', delayMs: 0, ranges },
  ]);
  assert.equal(
    reasonOf(() => decodeClientFrame(two)),
    'too-many',
  );
});

test('a SETTLE names no more deliveries than may be in flight', () => {
  const count = 131_072;
  const settlement = { kind: 'ack' as const, ranges: [{ first: 1, count }] };
  assert.equal(decodeClientFrame(encodeSettle(1, 1, [settlement])).kind, 'settle');
  const one = { kind: 'ack' as const, ranges: [{ first: 1, count: 1 }] };
  assert.equal(
    reasonOf(() => decodeClientFrame(encodeSettle(1, 1, [settlement, one]))),
    'too-many',
  );
});

test('numbers become the fewest ranges', () => {
  assert.deepEqual(rangesOfAny([9, 2, 1, 2, 10, 3, 5]), rangesOf([1, 2, 3, 5, 9, 10]));
  assert.deepEqual(rangesOf([]), []);
  assert.deepEqual(rangesOf([1, 2, 3, 5, 9, 10]), [
    { first: 1, count: 3 },
    { first: 5, count: 1 },
    { first: 9, count: 2 },
  ]);
});

test('merged ranges name the same numbers, and none twice', () => {
  const range = fc.record({ first: fc.nat({ max: 60 }), count: fc.integer({ min: 1, max: 20 }) });
  const numbersOf = (ranges: readonly { first: number; count: number }[]): number[] =>
    ranges.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 12 }), (ranges) => {
      assert.deepEqual(mergedRanges(ranges), rangesOfAny(numbersOf(ranges)));
    }),
  );
});

// cloudevents/formats/cloudevents.proto of CloudEvents 1.0.2; what an event is does not matter here.
const BATCH = protobuf
  .parse('syntax = "proto3"; message CloudEventBatch { repeated bytes events = 1; }')
  .root.lookupType('CloudEventBatch');

test('a batch is what protobufjs makes of the official message, both ways', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), (events) => {
      const topics = events.length === 0 ? [] : [{ count: events.length, topic: '' }];
      const { batch } = publishOf(
        encodePublish({ request: 1, qos: 'durable', report: false, topics }, events),
      );
      const official = BATCH.encode(BATCH.create({ events })).finish();
      assert.equal(hex(batch), hex(official));
    }),
  );
});

test('a batch from elsewhere may have unknown fields, and lengths in any form', () => {
  const foreign = Buffer.of(0x10, 5, 0x0a, 0x83, 0x80, 0, 1, 2, 3, 0x1a, 1, 9, 0x0a, 0);
  assert.deepEqual(splitBatch(foreign, 2).map(hex), ['010203', '']);
  assert.equal(
    reasonOf(() => splitBatch(foreign, 1)),
    'too-many',
  );
  assert.equal(
    reasonOf(() => splitBatch(Buffer.of(0x08, 1), 1)),
    'bad-value',
  );
});

test('events are views, not copies', () => {
  const bytes = encodeDeliver(1, 1, [{ event: storedEvent(), attempt: 1 }]);
  const { batch } = deliverOf(bytes);
  assert.equal(splitBatch(batch, 1)[0]?.buffer, bytes.buffer);
});

function publishOf(bytes: Uint8Array) {
  const frame = decodeClientFrame(bytes);
  assert(frame.kind === 'publish');
  return frame;
}

function deliverOf(bytes: Uint8Array) {
  const frame = decodeMesherFrame(bytes);
  assert(frame.kind === 'deliver');
  return frame;
}

function onlyWireErrors(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
  }
}

function reasonOf(run: () => unknown): WireReason | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof WireError) return error.reason;
    throw error;
  }
  return undefined;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
