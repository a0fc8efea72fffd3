// Looks through a table of LevelDB, block by block: classic-level cannot ask for `verify_checksums`, and what a damaged index or filter
// no longer finds would be missing without a word.
//
//   table  := block* filter metaindex index footer     one behind the other, without gaps
//   block  := content type:u8 crc:u32                   type 0 as it is, 1 snappy; crc: over content and type, masked
//   index  := entry* restart:u32* restarts:u32          little-endian
//   entry  := shared:varint own:varint length:varint key:bytes{own} value:bytes{length}
//   value  := offset:varint size:varint                 of a block, without type and crc
//   footer := metaindex:value index:value padding magic:u64      48 bytes     [LevelDB: doc/table_format.md, table/format.cc]

import { CorruptionError } from './bytes.ts';
import { crc32c, unmasked } from './crc32c.ts';
import { unsnapped } from './snappy.ts';
import { VarintReader } from './varint.ts';

const FOOTER_BYTES = 48;
const TRAILER_BYTES = 5;
const MAGIC = 0xdb4775248b80fb57n;

interface Handle {
  readonly offset: number;
  readonly size: number;
}

/** Throws CorruptionError, which names the byte, where any block of the table is not as it was written. */
export function checkTable(table: Buffer): void {
  const footerAt = table.length - FOOTER_BYTES;
  if (footerAt < 0 || table.readBigUInt64LE(table.length - 8) !== MAGIC)
    throw new CorruptionError('the table has no end');
  const footer = new VarintReader(table.subarray(footerAt, table.length - 8));
  const metaindex = handleFrom(footer);
  const index = handleFrom(footer);
  const metaHandles = handlesIn(blockAt(table, metaindex));
  const dataHandles = handlesIn(blockAt(table, index));
  for (const handle of [...metaHandles, ...dataHandles]) checkBlock(table, handle);
  const handles = [...dataHandles, ...metaHandles, metaindex, index];
  let end = 0;
  for (const { offset, size } of handles.sort((a, b) => a.offset - b.offset)) {
    if (offset !== end) throw new CorruptionError(`no block begins at byte ${end}`);
    end = offset + size + TRAILER_BYTES;
  }
  if (end !== footerAt) throw new CorruptionError(`no block begins at byte ${end}`);
}

function handleFrom(reader: VarintReader): Handle {
  return { offset: reader.number(), size: reader.number() };
}

/** Content and type. */
function checkBlock(table: Buffer, { offset, size }: Handle): Buffer {
  const end = offset + size + TRAILER_BYTES;
  if (end > table.length - FOOTER_BYTES) throw new CorruptionError(`the block at byte ${offset} is cut off`);
  const checked = table.subarray(offset, offset + size + 1);
  if (unmasked(table.readUInt32LE(end - 4)) !== crc32c(checked))
    throw new CorruptionError(`the block at byte ${offset} is damaged`);
  return checked;
}

function blockAt(table: Buffer, handle: Handle): Buffer {
  const checked = checkBlock(table, handle);
  const content = checked.subarray(0, -1);
  return checked.at(-1) === 1 ? unsnapped(content) : content;
}

function handlesIn(index: Buffer): Handle[] {
  if (index.length < 4) throw new CorruptionError('an index cut short');
  const end = index.length - 4 - 4 * index.readUInt32LE(index.length - 4);
  if (end < 0) throw new CorruptionError('an index cut short');
  const reader = new VarintReader(index.subarray(0, end));
  const handles: Handle[] = [];
  while (!reader.isAtEnd) {
    reader.number();
    const [own, length] = [reader.number(), reader.number()];
    reader.bytes(own);
    handles.push(handleFrom(new VarintReader(reader.bytes(length))));
  }
  return handles;
}
