// RFC 3339 text ↔ google.protobuf.Timestamp { int64 seconds = 1;  int32 nanos = 2; }.
// The text of a Timestamp is the one of Protobuf's JSON mapping: UTC (`Z`), with 0, 3, 6 or 9 digits of fraction.

import { ByteReader } from './byte-reader.ts';
import { type ByteWriter, uintBytes } from './byte-writer.ts';
import { VARINT, readTag, skipField, tag } from './protobuf-fields.ts';
import { WireError } from './wire-error.ts';

export interface Timestamp {
  readonly seconds: number;
  readonly nanos: number;
}

/** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z: the range that timestamp.proto allows. */
const SECONDS_MIN = -62_135_596_800;
const SECONDS_MAX = 253_402_300_799;
const CANONICAL = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d{3}|\d{6}|\d{9}))?Z$/;

/** Undefined where the text is not exactly what the Timestamp would be turned into again. */
export function timestampOf(text: string): Timestamp | undefined {
  const match = CANONICAL.exec(text);
  if (!match) return undefined;
  const seconds = Date.parse(`${text.slice(0, 19)}Z`) / 1000;
  const timestamp = { seconds, nanos: Number((match[1] ?? '').padEnd(9, '0')) };
  return isInRange(timestamp) && textOf(timestamp) === text ? timestamp : undefined;
}

export function writeTimestamp(writer: ByteWriter, { seconds, nanos }: Timestamp): void {
  let length = 0;
  if (seconds !== 0) length += 1 + int64Bytes(seconds);
  if (nanos !== 0) length += 1 + int64Bytes(nanos);
  writer.uint(length);
  if (seconds !== 0) {
    writer.byte(tag(1, VARINT));
    writer.int64(seconds);
  }
  if (nanos !== 0) {
    writer.byte(tag(2, VARINT));
    writer.int64(nanos);
  }
}

/** The RFC 3339 text of a Timestamp's bytes. */
export function readTimestamp(bytes: Uint8Array): string {
  const reader = new ByteReader(bytes);
  let seconds = 0;
  let nanos = 0;
  while (reader.left > 0) {
    const { field, wireType } = readTag(reader);
    if (field === 1 && wireType === VARINT) seconds = reader.int64();
    else if (field === 2 && wireType === VARINT) nanos = reader.varint64().low | 0;
    else skipField(reader, wireType);
  }
  if (!isInRange({ seconds, nanos }))
    throw new WireError('bad-number', `a timestamp of ${seconds} s and ${nanos} ns`);
  return textOf({ seconds, nanos });
}

function isInRange({ seconds, nanos }: Timestamp): boolean {
  return seconds >= SECONDS_MIN && seconds <= SECONDS_MAX && nanos >= 0 && nanos < 1e9;
}

function textOf({ seconds, nanos }: Timestamp): string {
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  if (nanos === 0) return `${whole}Z`;
  return `${whole}.${String(nanos)
    .padStart(9, '0')
    .replace(/^(\d{3}|\d{6})0+$/, '$1')}Z`;
}

function int64Bytes(value: number): number {
  return value < 0 ? 10 : uintBytes(value);
}
