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

export function encodeRecord(event: NewEvent, from: Origin): StoredEvent {
  const texts = [event.topic, event.key, from.origin, ...from.path];
  const dead = from.deadLetter;
  let length = FIXED_BYTES + 1 + event.cloudEvent.length;
  for (const text of texts) length += 2 + Buffer.byteLength(text);
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
  text16(event.topic);
  text16(event.key);
  text16(from.origin);
  record[at++] = from.path.length;
  for (const cluster of from.path) text16(cluster);
  if (dead) {
    text16(dead.subscription);
    text16(dead.reason);
    record.writeUInt32BE(dead.attempts, at);
    at += 4;
    text16(dead.topic);
  }
  record.set(event.cloudEvent, at);
  return { ...event, ...from, cloudEvent: record.subarray(at), record };
}

/** The event's `record` and `cloudEvent` are views of `bytes`, which must not change afterwards. */
export function decodeRecord(bytes: Uint8Array): StoredEvent {
  const record = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (record.length < FIXED_BYTES + 1 || record[0] !== VERSION)
    throw new RecordError('not an event record of version 1');
  const flags = record.readUInt8(1);
  if (flags > FLAG_DEAD_LETTER) throw new RecordError(`unknown flags ${flags}`);
  let at = FIXED_BYTES;
  const need = (count: number): number => {
    const start = at;
    if (start + count > record.length) throw new RecordError(`cut short at byte ${record.length}`);
    at += count;
    return start;
  };
  const text16 = (): string => {
    const length = record.readUInt16BE(need(2));
    if (length > RECORD_TEXT_BYTES_MAX) throw new RecordError(`a text of ${length} bytes`);
    const start = need(length);
    const text = record.toString('utf8', start, start + length);
    // what is no UTF-8 became U+FFFD, of more bytes
    if (text.includes('\ufffd') && Buffer.byteLength(text) !== length)
      throw new RecordError('a text that is not UTF-8');
    return text;
  };
  const topic = text16();
  const key = text16();
  const origin = text16();
  const pathCount = record.readUInt8(need(1));
  if (pathCount === 0 || pathCount > PATH_MAX) throw new RecordError(`a path of ${pathCount} clusters`);
  const path: string[] = [];
  for (let i = 0; i < pathCount; i++) path.push(text16());
  let deadLetter: DeadLetter | undefined;
  if (flags & FLAG_DEAD_LETTER) {
    const subscription = text16();
    const reason = text16();
    const attempts = record.readUInt32BE(need(4));
    deadLetter = { subscription, reason, attempts, topic: text16() };
  }
  return {
    topic,
    key,
    origin,
    path,
    deadLetter,
    expiresAt: finite(record.readDoubleBE(2), TIME_MS_MAX),
    acceptedAt: finite(record.readDoubleBE(10), TIME_MS_MAX),
    incarnation: finite(record.readDoubleBE(18)),
    sequence: finite(record.readDoubleBE(26)),
    hash: record.readUInt32BE(34),
    cloudEvent: record.subarray(at),
    record,
  };
}

function finite(value: number, max = Number.MAX_SAFE_INTEGER): number {
  if (!(value >= 0 && value <= max)) throw new RecordError('a number out of range');
  return value;
}
