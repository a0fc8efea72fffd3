// The bytes of an event as stored and forwarded: written once, where the event enters.
//
//   record  := version:u8(=1) flags:u8 expiresAt:f64 acceptedAt:f64 incarnation:f64 sequence:f64 hash:u32
//              topic:text16 key:text16 origin:text16 pathCount:u8 path:text16{pathCount}
//              [ subscription:text16 reason:text16 attempts:u32 topic:text16 ]      when flags & 1 (dead letter)
//              cloudEvent:bytes                                                      the rest
//   text16  := length:u16 utf8:bytes{length}            all numbers big-endian
//
// f64 holds our integers (< 2^53) and times exactly. Decoding never trusts a length: every read is bounded, and what was
// decoded can be encoded again (a dead letter has the topic and the key of an event that may have come from anywhere).

import { invariant } from './errors.ts';
import type { DeadLetter, NewEvent, NodeId, StoredEvent } from './event.ts';
import { copyOf, isAt, KnownTexts } from './known-texts.ts';
import { RECORD_TEXT_BYTES_MAX } from './limits.ts';

const VERSION = 1;
const FLAG_DEAD_LETTER = 1;
const FIXED_BYTES = 2 + 8 * 4 + 4;
const PATH_MAX = 16;
/** The last moment that a Date can hold (ECMA-262 §21.4.1.1). */
const TIME_MS_MAX = 8.64e15;

/** Thrown for bytes that are no event record; mapped by whoever read them (link: peer refused; journal: corruption). */
export class RecordError extends Error {
  override readonly name = 'RecordError';
}

interface Origin {
  readonly origin: NodeId;
  readonly incarnation: number;
  readonly sequence: number;
  readonly acceptedAt: number;
  readonly path: readonly string[];
  readonly deadLetter: DeadLetter | undefined;
}

/** The texts that most events of a mesher share, as they stand in its records. */
interface SharedTexts {
  /** text16 */
  readonly topic: Buffer;
  /** origin, pathCount, path */
  readonly tail: Buffer;
}

/**
 * An event that is a view of its record, or one that has none: the CloudEvent as it came and what is to stand before it. Its
 * record is then written only to where it goes (a block of the journal, a frame).
 */
class EventRecord implements StoredEvent {
  readonly topic: string;
  readonly expiresAt: number;
  readonly key: string;
  readonly hash: number;
  readonly origin: NodeId;
  readonly incarnation: number;
  readonly sequence: number;
  readonly acceptedAt: number;
  readonly path: readonly string[];
  readonly deadLetter: DeadLetter | undefined;
  readonly bytes: number;
  readonly noTraceContext: boolean;
  isTraced: boolean | undefined;
  /** Where the CloudEvent begins in the record. */
  readonly #at: number;
  #record: Buffer | undefined;
  /** While there is no record. */
  #cloudEvent: Uint8Array | undefined;
  #texts: SharedTexts | undefined;

  constructor(event: Omit<NewEvent, 'cloudEvent'>, from: Origin, bytes: number, at: number) {
    this.topic = event.topic;
    this.expiresAt = event.expiresAt;
    this.key = event.key;
    this.hash = event.hash;
    this.origin = from.origin;
    this.incarnation = from.incarnation;
    this.sequence = from.sequence;
    this.acceptedAt = from.acceptedAt;
    this.path = from.path;
    this.deadLetter = from.deadLetter;
    this.bytes = bytes;
    this.noTraceContext = event.noTraceContext ?? false;
    this.isTraced = undefined;
    this.#at = at;
  }

  static ofParts(event: NewEvent, from: Origin, texts: SharedTexts): EventRecord {
    const { deadLetter: dead } = from;
    let at = FIXED_BYTES + texts.topic.length + 2 + Buffer.byteLength(event.key) + texts.tail.length;
    if (dead)
      at +=
        4 +
        6 +
        Buffer.byteLength(dead.subscription) +
        Buffer.byteLength(dead.reason) +
        Buffer.byteLength(dead.topic);
    const made = new EventRecord(event, from, at + event.cloudEvent.length, at);
    made.#cloudEvent = event.cloudEvent;
    made.#texts = texts;
    return made;
  }

  static ofRecord(
    event: Omit<NewEvent, 'cloudEvent'>,
    from: Origin,
    record: Buffer,
    at: number,
  ): EventRecord {
    const made = new EventRecord(event, from, record.length, at);
    made.#record = record;
    return made;
  }

  get record(): Buffer {
    if (!this.#record) this.detach();
    invariant(this.#record, 'a detached event has its record');
    return this.#record;
  }

  get cloudEvent(): Uint8Array {
    return this.#cloudEvent ?? this.record.subarray(this.#at);
  }

  get memory(): ArrayBufferLike {
    return (this.#cloudEvent ?? this.record).buffer;
  }

  lookAt(look: (bytes: Uint8Array, start: number, end: number) => void): void {
    if (this.#record) look(this.#record, this.#at, this.#record.length);
    else if (this.#cloudEvent) look(this.#cloudEvent, 0, this.#cloudEvent.length);
  }

  detach(): void {
    const record = Buffer.allocUnsafe(this.bytes);
    this.writeTo(record, 0);
    this.#record = record;
    this.#cloudEvent = undefined;
  }

  /** For events that were encoded here. */
  get texts(): SharedTexts | undefined {
    return this.#texts;
  }

  writeTo(target: Buffer, at: number): void {
    if (this.#record) {
      target.set(this.#record, at);
      return;
    }
    invariant(this.#texts && this.#cloudEvent, 'an event without a record has its parts');
    this.#writeHeader(target, at, this.#texts);
    target.set(this.#cloudEvent, at + this.#at);
  }

  #writeHeader(target: Buffer, start: number, texts: SharedTexts): void {
    const { deadLetter: dead } = this;
    target[start] = VERSION;
    target[start + 1] = dead ? FLAG_DEAD_LETTER : 0;
    target.writeDoubleBE(this.expiresAt, start + 2);
    target.writeDoubleBE(this.acceptedAt, start + 10);
    target.writeDoubleBE(this.incarnation, start + 18);
    target.writeDoubleBE(this.sequence, start + 26);
    target.writeUInt32BE(this.hash, start + 34);
    let at = copyTo(target, start + FIXED_BYTES, texts.topic);
    at = this.key === '' ? target.writeUInt16BE(0, at) : text16To(target, at, this.key);
    at = copyTo(target, at, texts.tail);
    if (!dead) return;
    at = text16To(target, at, dead.subscription);
    at = text16To(target, at, dead.reason);
    at = target.writeUInt32BE(dead.attempts, at);
    text16To(target, at, dead.topic);
  }
}

/** A loop: these are some ten bytes, of which `Buffer.copy` would make a call into C++. */
function copyTo(target: Uint8Array, at: number, from: Uint8Array): number {
  for (let i = 0; i < from.length; i++) target[at + i] = from[i] ?? 0;
  return at + from.length;
}

function text16To(target: Buffer, at: number, text: string): number {
  const written = target.write(text, at + 2, 'utf8');
  target.writeUInt16BE(written, at);
  return at + 2 + written;
}

function text16(...texts: readonly string[]): Buffer {
  const bytes = Buffer.allocUnsafe(texts.reduce((sum, text) => sum + 2 + Buffer.byteLength(text), 0));
  let at = 0;
  for (const text of texts) at = text16To(bytes, at, text);
  return bytes;
}

/**
 * `previous`: an event encoded before, whose texts are taken where they are the same: for most events of a batch they are.
 * `event.cloudEvent` must not change afterwards.
 */
export function encodeRecord(event: NewEvent, from: Origin, previous?: StoredEvent): StoredEvent {
  const known = previous instanceof EventRecord ? previous.texts : undefined;
  const sameTopic = known && previous?.topic === event.topic;
  const sameTail = known && previous?.origin === from.origin && previous.path === from.path;
  const texts =
    sameTopic && sameTail
      ? known
      : {
          topic: sameTopic ? known.topic : text16(event.topic),
          tail: sameTail
            ? known.tail
            : Buffer.concat([text16(from.origin), Buffer.from([from.path.length]), text16(...from.path)]),
        };
  return EventRecord.ofParts(event, from, texts);
}

/** What a decoder remembers of records before: most have the same origin and path, and one of some topics. */
export class KnownHeaders {
  readonly topics = new KnownTexts();
  tail: Tail | undefined;
}

/** The end of a header that does not differ from event to event, with its bytes. */
interface Tail {
  readonly origin: NodeId;
  readonly path: readonly string[];
  readonly bytes: Uint8Array;
}

/**
 * The event's `record` and `cloudEvent` are views of `bytes`, which must not change afterwards. `known`: to be given again
 * with the records that come after this one from the same source.
 */
export function decodeRecord(bytes: Uint8Array, known = new KnownHeaders()): StoredEvent {
  const record = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (record.length < FIXED_BYTES + 1 || record[0] !== VERSION)
    throw new RecordError('not an event record of version 1');
  const flags = record[1] ?? 0;
  if (flags > FLAG_DEAD_LETTER) throw new RecordError(`unknown flags ${flags}`);
  const topicEnd = endOfText16(record, FIXED_BYTES);
  const keyEnd = endOfText16(record, topicEnd);
  const topic = known.topics.find(record, FIXED_BYTES + 2, topicEnd, textAt);
  const key = textAt(record, topicEnd + 2, keyEnd);
  const tail = known.tail && isAt(known.tail.bytes, record, keyEnd) ? known.tail : readTail(record, keyEnd);
  known.tail = tail;
  const { origin, path } = tail;
  const tailEnd = keyEnd + tail.bytes.length;
  const { deadLetter, end } =
    flags === FLAG_DEAD_LETTER ? readDeadLetter(record, tailEnd) : { deadLetter: undefined, end: tailEnd };
  const acceptedAt = whole(record.readDoubleBE(10), TIME_MS_MAX);
  const incarnation = whole(record.readDoubleBE(18));
  const sequence = whole(record.readDoubleBE(26));
  return EventRecord.ofRecord(
    { topic, key, expiresAt: whole(record.readDoubleBE(2), TIME_MS_MAX), hash: record.readUInt32BE(34) },
    { origin, incarnation, sequence, acceptedAt, path, deadLetter },
    record,
    end,
  );
}

function readTail(record: Buffer, start: number): Tail {
  const originEnd = endOfText16(record, start);
  const pathCount = originEnd < record.length ? record.readUInt8(originEnd) : 0;
  if (pathCount === 0 || pathCount > PATH_MAX) throw new RecordError(`a path of ${pathCount} clusters`);
  const path: string[] = [];
  let at = originEnd + 1;
  while (path.length < pathCount) {
    const end = endOfText16(record, at);
    path.push(textAt(record, at + 2, end));
    at = end;
  }
  return { origin: textAt(record, start + 2, originEnd), path, bytes: copyOf(record, start, at) };
}

function readDeadLetter(
  record: Buffer,
  start: number,
): { readonly deadLetter: DeadLetter; readonly end: number } {
  const subscriptionEnd = endOfText16(record, start);
  const reasonEnd = endOfText16(record, subscriptionEnd);
  if (reasonEnd + 4 > record.length) throw cutShort(record);
  const end = endOfText16(record, reasonEnd + 4);
  const deadLetter = {
    subscription: textAt(record, start + 2, subscriptionEnd),
    reason: textAt(record, subscriptionEnd + 2, reasonEnd),
    attempts: record.readUInt32BE(reasonEnd),
    topic: textAt(record, reasonEnd + 6, end),
  };
  return { deadLetter, end };
}

/** Where the text16 that begins at `at` ends. */
function endOfText16(record: Buffer, at: number): number {
  if (at + 2 > record.length) throw cutShort(record);
  const length = ((record[at] ?? 0) << 8) | (record[at + 1] ?? 0);
  if (length > RECORD_TEXT_BYTES_MAX) throw new RecordError(`a text of ${length} bytes`);
  const end = at + 2 + length;
  if (end > record.length) throw cutShort(record);
  return end;
}

function textAt(record: Buffer, start: number, end: number): string {
  if (start === end) return '';
  const text = record.toString('utf8', start, end);
  // What is no UTF-8 became U+FFFD, whose three bytes may be as many as stood there: f0 9f 98, the beginning of an emoji.
  if (text.includes('\ufffd') && !Buffer.from(text).equals(record.subarray(start, end)))
    throw new RecordError('a text that is not UTF-8');
  return text;
}

function cutShort(record: Buffer): RecordError {
  return new RecordError(`cut short at byte ${record.length}`);
}

function whole(value: number, max = Number.MAX_SAFE_INTEGER): number {
  if (!(value >= 0 && value <= max && Number.isInteger(value)))
    throw new RecordError('a number that is no whole one, or out of range');
  return value;
}
