import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KnownHeaders, RecordError, decodeRecord, encodeRecord } from '../../../node/core/event-record.ts';
import type { StoredEvent } from '../../../node/core/event.ts';
import { RECORD_TEXT_BYTES_MAX } from '../../../node/core/limits.ts';
import { type EventParts, storedEvent } from '../../support/events.ts';

const whole = fc.maxSafeNat();
const TIME_MS_MAX = 8.64e15;
const time = fc.nat({ max: TIME_MS_MAX });
/** Any text that has a UTF-8 form: a lone surrogate has none. */
const text = fc.string({ unit: 'binary', maxLength: 200 }).map((each) => each.toWellFormed());

const event = fc
  .record({
    event: fc.record({
      topic: text,
      expiresAt: time,
      key: text,
      hash: fc.nat({ max: 2 ** 31 - 1 }).map((half) => half * 2 + 1),
      cloudEvent: fc.uint8Array({ maxLength: 300 }),
    }),
    from: fc.record({
      origin: text,
      incarnation: whole,
      sequence: whole,
      acceptedAt: time,
      path: fc.array(text, { minLength: 1, maxLength: 16 }),
      deadLetter: fc.option(
        fc.record(
          { subscription: text, reason: text, attempts: fc.nat(), topic: text },
          { noNullPrototype: true },
        ),
        { nil: undefined }, // prettier-ignore
      ),
    }),
  })
  .map((parts) => encodeRecord(parts.event, parts.from));

/** As it comes back when it is encoded again. */
function again({ origin, incarnation, sequence, acceptedAt, path, deadLetter, ...event }: StoredEvent) {
  return { event, from: { origin, incarnation, sequence, acceptedAt, path, deadLetter } };
}

function sameEvent(decoded: StoredEvent, original: StoredEvent): void {
  const plain = (of: StoredEvent): unknown => ({
    ...of,
    record: Buffer.from(of.record),
    cloudEvent: Buffer.from(of.cloudEvent),
  });
  assert.deepEqual(plain(decoded), plain(original));
}

/** The event in these bytes, or undefined where they are none; any error but RecordError comes out. */
function tryDecode(bytes: Uint8Array): StoredEvent | undefined {
  try {
    return decodeRecord(bytes);
  } catch (error) {
    if (error instanceof RecordError) return undefined;
    throw error;
  }
}

test('an event comes back from its record as it went in', () => {
  fc.assert(
    fc.property(event, (original) => {
      sameEvent(decodeRecord(original.record), original);
    }),
    { numRuns: 500 },
  );
});

test('an event is encoded and decoded the same whatever went before it', () => {
  fc.assert(
    fc.property(event, event, fc.boolean(), fc.boolean(), (previous, original, sameTopic, samePath) => {
      const { event: parts, from } = again({ ...original, cloudEvent: original.cloudEvent });
      const alike = encodeRecord(
        { ...parts, topic: sameTopic ? previous.topic : parts.topic },
        { ...from, ...(samePath && { path: previous.path, origin: previous.origin }) },
      );
      const { event: next, from: nextFrom } = again({ ...alike, cloudEvent: alike.cloudEvent });
      const after = encodeRecord(next, nextFrom, previous);
      sameEvent(after, alike);
      const known = new KnownHeaders();
      sameEvent(decodeRecord(previous.record, known), previous);
      sameEvent(decodeRecord(after.record, known), alike);
    }),
    { numRuns: 1_000 },
  );
});

test('a decoded event is a view: its record is the bytes it came from, its CloudEvent their end', () => {
  const original = storedEvent({ bytes: 100 });
  const around = Buffer.concat([Buffer.alloc(7, 1), original.record, Buffer.alloc(9, 2)]);
  const bytes = around.subarray(7, 7 + original.record.length);
  const decoded = decodeRecord(bytes);
  sameEvent(decoded, original);
  assert.equal(decoded.record.buffer, around.buffer);
  assert.equal(decoded.record.byteOffset, bytes.byteOffset);
  assert.equal(decoded.cloudEvent.buffer, around.buffer);
  assert.equal(decoded.cloudEvent.length, 100);
});

test('a record cut within its header is refused, one cut within its CloudEvent has a shorter one', () => {
  const deadLetter = { subscription: 'größe', reason: 'rejected', attempts: 3, topic: 'a/b' };
  for (const original of [
    storedEvent({ key: 'k', path: ['eu', '亚洲'] }),
    storedEvent({ deadLetter, bytes: 0 }),
  ]) {
    const header = original.record.length - original.cloudEvent.length;
    for (let length = 0; length < original.record.length; length++) {
      const decoded = tryDecode(original.record.subarray(0, length));
      if (length < header) assert.equal(decoded, undefined, `cut at ${length} of ${header}`);
      else assert.deepEqual(decoded?.cloudEvent, original.cloudEvent.subarray(0, length - header));
    }
  }
});

test('texts that came before are found again, whatever their bytes, and take no further memory', () => {
  const known = new KnownHeaders();
  const decode = (parts: EventParts): StoredEvent => decodeRecord(storedEvent(parts).record, known);
  const topics = Array.from({ length: 2000 }, (_, i) => `größe/${i % 700}`);
  for (const topic of topics) assert.equal(decode({ topic, path: ['eu', topic] }).topic, topic);
  const [one, other] = [decode({ topic: 'a', path: ['eu'] }), decode({ topic: 'b', path: ['eu'] })];
  assert.equal(one.path, other.path, 'the same array');
  assert.deepEqual(decode({ topic: 'a', path: ['eu', 'us'] }).path, ['eu', 'us']);
});

test('random bytes and damaged records give an event or a RecordError, and nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, looksRight) => {
      if (looksRight) bytes.set([1, (bytes[1] ?? 0) & 1].slice(0, bytes.length));
      tryDecode(bytes);
    }),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(
      event,
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 5 }),
      (original, edits) => {
        const bytes = Buffer.from(original.record);
        for (const [at, byte] of edits) bytes[at % bytes.length] = byte;
        const decoded = tryDecode(bytes);
        if (decoded)
          assert.ok(decoded.path.length >= 1 && decoded.path.length <= 16 && decoded.sequence >= 0);
      },
    ),
    { numRuns: 2000 },
  );
});

test('a record of another version, with unknown flags, without a path or with numbers out of range is refused', () => {
  const { record } = storedEvent();
  const edited = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(record);
    change(bytes);
    return bytes;
  };
  const pathAt = 38 + 2 + 'orders/created'.length + 2 + 2 + '12D3KooWTestOrigin'.length;
  const bad = [
    edited((bytes) => bytes.writeUInt8(2, 0)),
    edited((bytes) => bytes.writeUInt8(2, 1)),
    edited((bytes) => bytes.writeUInt8(0, pathAt)),
    storedEvent({ path: Array.from({ length: 17 }, () => 'c') }).record,
    ...[2, 10].map((at) => edited((bytes) => bytes.writeDoubleBE(TIME_MS_MAX + 1, at))),
    ...[1.5, Number.NaN, -1, Number.POSITIVE_INFINITY, 2 ** 54].map((number) =>
      edited((bytes) => bytes.writeDoubleBE(number, 26)),
    ),
  ];
  for (const bytes of bad) assert.throws(() => decodeRecord(bytes), RecordError);
  new Date(decodeRecord(edited((bytes) => bytes.writeDoubleBE(TIME_MS_MAX, 10))).acceptedAt).toISOString();
});

test('what was decoded can be encoded again: its texts are UTF-8, and far below what 16 bits can say', () => {
  const longest = storedEvent({ topic: 'é'.repeat(RECORD_TEXT_BYTES_MAX / 2), key: '\ufffd' });
  sameEvent(decodeRecord(longest.record), longest);
  assert.throws(
    () => decodeRecord(storedEvent({ key: 'k'.repeat(RECORD_TEXT_BYTES_MAX + 1) }).record),
    RecordError,
  );
  const notUtf8 = Buffer.from(storedEvent({ topic: 'aaaa' }).record);
  notUtf8[40] = 0xff;
  assert.throws(() => decodeRecord(notUtf8), RecordError);
  // The beginning of a character, as long as the U+FFFD that stands for it.
  notUtf8.set(Buffer.from('f09f98', 'hex'), 40);
  assert.throws(() => decodeRecord(notUtf8), RecordError);
});
