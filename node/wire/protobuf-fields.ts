// Protobuf's field keys, and how to pass over a field that is not known (protobuf.dev/programming-guides/encoding).

import type { ByteReader } from './byte-reader.ts';
import { WireError } from './wire-error.ts';

export const VARINT = 0;
const FIXED64 = 1;
export const BYTES = 2;
const FIXED32 = 5;

/** The key of a field below 16, which is one byte. */
export function tag(field: number, wireType: number): number {
  return (field << 3) | wireType;
}

export function readTag(reader: ByteReader): { field: number; wireType: number } {
  const { low, high } = reader.varint64();
  if (high !== 0 || low < 8) throw new WireError('bad-value', 'a field number out of range');
  return { field: low >>> 3, wireType: low & 7 };
}

/** Groups (wire types 3 and 4) were never part of proto3 and are refused. */
export function skipField(reader: ByteReader, wireType: number): void {
  if (wireType === VARINT) reader.varint64();
  else if (wireType === FIXED64) reader.fixedBytes(8);
  else if (wireType === FIXED32) reader.fixedBytes(4);
  else if (wireType === BYTES) {
    const { low, high } = reader.varint64();
    reader.fixedBytes(high === 0 ? low : Number.MAX_SAFE_INTEGER);
  } else throw new WireError('bad-value', `the wire type ${wireType} is not known`);
}
