// Takes apart what Snappy has packed. Only the indexes of LevelDB's tables come here, a few KiB each: a library with native code would
// be too much for that.
//
//   packed  := length:varint element*
//   element := tag:u8 …     its two low bits: 0 literal, 1, 2, 3 a copy whose offset has 11 bits, 16, 32
//
// [google/snappy: format_description.txt]

import { CorruptionError } from './bytes.ts';
import { VarintReader } from './varint.ts';

/** Of one index, unpacked: an index has some 30 bytes for each block of 4 KiB, and tables have 8 MiB. Above: corruption. */
const UNPACKED_BYTES_MAX = 64 * 1024 * 1024;

/** Throws CorruptionError where the bytes are nothing that Snappy has packed. */
export function unsnapped(packed: Buffer): Buffer {
  const reader = new VarintReader(packed);
  const length = reader.number();
  if (length > UNPACKED_BYTES_MAX) throw new CorruptionError(`${length} bytes in an index`);
  const content = Buffer.alloc(length);
  let at = 0;
  while (!reader.isAtEnd) {
    const tag = reader.bytes(1).readUInt8();
    const kind = tag & 3;
    if (kind === 0) {
      const upper = tag >>> 2;
      const literal = reader.bytes(
        1 + (upper < 60 ? upper : reader.bytes(upper - 59).readUIntLE(0, upper - 59)),
      );
      if (literal.length > length - at) throw new CorruptionError('more than was packed');
      at += literal.copy(content, at);
      continue;
    }
    const count = kind === 1 ? 4 + ((tag >>> 2) & 7) : 1 + (tag >>> 2);
    const offset =
      kind === 1
        ? ((tag >>> 5) << 8) | reader.bytes(1).readUInt8()
        : reader.bytes(kind === 2 ? 2 : 4).readUIntLE(0, kind === 2 ? 2 : 4);
    if (offset === 0 || offset > at || count > length - at)
      throw new CorruptionError('a copy of what is not there');
    for (let i = 0; i < count; i++, at++) content[at] = content[at - offset] ?? 0; // may overlap itself
  }
  if (at !== length) throw new CorruptionError('less than was packed');
  return content;
}
