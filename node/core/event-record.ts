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

import type { DeadLetter, NewEvent, NodeId, StoredEvent } from './event.ts';
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

/** An event whose CloudEvent is a part of its record: a view of it is made when it is asked for, which few do. */
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
  readonly record: Buffer;
  /** Where the CloudEvent begins. */
  readonly #at: number;

  constructor(event: Omit<NewEvent, 'cloudEvent'>, from: Origin, record: Buffer, at: number) {
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
    this.record = record;
    this.#at = at;
  }

  get cloudEvent(): Uint8Array {
    return this.record.subarray(this.#at);
  }

  /** Where the parts of the header that most events share lie in the record; undefined with a dead letter. */
  get shared():
    { readonly topicEnd: number; readonly tailStart: number; readonly tailEnd: number } | undefined {
    if (this.deadLetter) return undefined;
    const topicEnd = FIXED_BYTES + 2 + this.record.readUInt16BE(FIXED_BYTES);
    return { topicEnd, tailStart: topicEnd + 2 + this.record.readUInt16BE(topicEnd), tailEnd: this.#at };
  }
}

/**
 * `previous`: an event encoded before, whose topic, origin and path are copied where they are the same: for most events of a
 * batch they are, and writing texts is what encoding a record costs.
 */
export function encodeRecord(event: NewEvent, from: Origin, previous?: StoredEvent): StoredEvent {
  const { origin, path, deadLetter: dead } = from;
  const keyBytes = event.key === '' ? 0 : Buffer.byteLength(event.key);
  const template =
    previous instanceof EventRecord &&
    !dead &&
    previous.topic === event.topic &&
    previous.origin === origin &&
    previous.path === path
      ? previous.shared
      : undefined;
  let length = FIXED_BYTES + 1 + event.cloudEvent.length;
  if (template)
    length += template.topicEnd - FIXED_BYTES + 2 + keyBytes + template.tailEnd - template.tailStart - 1;
  else {
    length += 2 + Buffer.byteLength(event.topic) + 2 + keyBytes + 2 + Buffer.byteLength(origin);
    for (const cluster of path) length += 2 + Buffer.byteLength(cluster);
  }
  if (dead)
    length +=
      4 +
      6 +
      Buffer.byteLength(dead.subscription) +
      Buffer.byteLength(dead.reason) +
      Buffer.byteLength(dead.topic);
  const record = Buffer.allocUnsafe(length);
  record[0] = VERSION;
  record[1] = dead ? FLAG_DEAD_LETTER : 0;
  record.writeDoubleBE(event.expiresAt, 2);
  record.writeDoubleBE(from.acceptedAt, 10);
  record.writeDoubleBE(from.incarnation, 18);
  record.writeDoubleBE(from.sequence, 26);
  record.writeUInt32BE(event.hash, 34);
  let at = FIXED_BYTES;
  const text16 = (text: string): void => {
    const written = record.write(text, at + 2, 'utf8');
    record.writeUInt16BE(written, at);
    at += 2 + written;
  };
  if (template && previous) {
    at += copy(previous.record, FIXED_BYTES, template.topicEnd, record, at);
    if (keyBytes === 0) at = record.writeUInt16BE(0, at);
    else text16(event.key);
    at += copy(previous.record, template.tailStart, template.tailEnd, record, at);
  } else {
    text16(event.topic);
    text16(event.key);
    text16(origin);
    record[at++] = path.length;
    for (const cluster of path) text16(cluster);
  }
  if (dead) {
    text16(dead.subscription);
    text16(dead.reason);
    record.writeUInt32BE(dead.attempts, at);
    at += 4;
    text16(dead.topic);
  }
  record.set(event.cloudEvent, at);
  return new EventRecord(event, from, record, at);
}

/** A loop: what is copied here is some ten bytes, of which `Buffer.copy` would make a call into C++. */
function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
  for (let i = start; i < end; i++) to[at + i - start] = from[i] ?? 0;
  return end - start;
}

/**
 * The event's `record` and `cloudEvent` are views of `bytes`, which must not change afterwards. `previous`: the event decoded
 * before this one, of whose texts those are taken that are the same here: most are, which spares their decoding, and memory.
 */
export function decodeRecord(bytes: Uint8Array, previous?: StoredEvent): StoredEvent {
  const record =
    bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (record.length < FIXED_BYTES + 1 || record[0] !== VERSION)
    throw new RecordError('not an event record of version 1');
  const flags = record.readUInt8(1);
  if (flags > FLAG_DEAD_LETTER) throw new RecordError(`unknown flags ${flags}`);
  const template = previous instanceof EventRecord ? previous.shared : undefined;
  const known = previous?.record;
  let at = FIXED_BYTES;
  const need = (count: number): number => {
    const start = at;
    if (start + count > record.length) throw new RecordError(`cut short at byte ${record.length}`);
    at += count;
    return start;
  };
  const text16 = (): string => {
    const length = record.readUInt16BE(need(2));
    if (length === 0) return '';
    if (length > RECORD_TEXT_BYTES_MAX) throw new RecordError(`a text of ${length} bytes`);
    const start = need(length);
    const text = record.toString('utf8', start, start + length);
    // what is no UTF-8 became U+FFFD, of more bytes
    if (text.includes('\ufffd') && Buffer.byteLength(text) !== length)
      throw new RecordError('a text that is not UTF-8');
    return text;
  };
  /** Whether the bytes from here on are those from `start` to `end` of the event before; passes over them if so. */
  const isAsBefore = (start: number, end: number): boolean => {
    if (!known || at + end - start > record.length) return false;
    for (let i = start; i < end; i++) if (record[at + i - start] !== known[i]) return false;
    at += end - start;
    return true;
  };
  const topic =
    previous && template && isAsBefore(FIXED_BYTES, template.topicEnd) ? previous.topic : text16();
  const key = text16();
  let origin: NodeId;
  let path: readonly string[];
  if (previous && template && isAsBefore(template.tailStart, template.tailEnd)) {
    ({ origin, path } = previous);
  } else {
    origin = text16();
    const pathCount = record.readUInt8(need(1));
    if (pathCount === 0 || pathCount > PATH_MAX) throw new RecordError(`a path of ${pathCount} clusters`);
    path = Array.from({ length: pathCount }, text16);
  }
  let deadLetter: DeadLetter | undefined;
  if (flags & FLAG_DEAD_LETTER) {
    const subscription = text16();
    const reason = text16();
    const attempts = record.readUInt32BE(need(4));
    deadLetter = { subscription, reason, attempts, topic: text16() };
  }
  const acceptedAt = finite(record.readDoubleBE(10), TIME_MS_MAX);
  const incarnation = finite(record.readDoubleBE(18));
  const sequence = finite(record.readDoubleBE(26));
  return new EventRecord(
    { topic, key, expiresAt: finite(record.readDoubleBE(2), TIME_MS_MAX), hash: record.readUInt32BE(34) },
    { origin, incarnation, sequence, acceptedAt, path, deadLetter },
    record,
    at,
  );
}

function finite(value: number, max = Number.MAX_SAFE_INTEGER): number {
  if (!(value >= 0 && value <= max)) throw new RecordError('a number out of range');
  return value;
}
