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

/** `length` bytes from `offset` on. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer> | Buffer;

/**
 * Rejects with CorruptionError, which names the byte, where the table is not as it was written. `indexes`: all but the blocks with data,
 * which are most of it; that there is one behind the other is checked all the same.
 */
export async function checkTable(bytes: number, readAt: ReadAt, parts: 'indexes' | 'all'): Promise<void> {
  const footerAt = bytes - FOOTER_BYTES;
  if (footerAt < 0) throw new CorruptionError('the table has no end');
  const footer = await readAt(footerAt, FOOTER_BYTES);
  if (footer.readBigUInt64LE(FOOTER_BYTES - 8) !== MAGIC) throw new CorruptionError('the table has no end');
  const reader = new VarintReader(footer.subarray(0, -8));
  const [metaindex, index] = [handleFrom(reader), handleFrom(reader)];
  const metaHandles = handlesIn(await blockAt(readAt, footerAt, metaindex));
  const dataHandles = handlesIn(await blockAt(readAt, footerAt, index));
  const checked = parts === 'all' ? [...metaHandles, ...dataHandles] : metaHandles;
  for (const handle of checked) await checkedBlock(readAt, footerAt, handle);
  const handles = [...dataHandles, ...metaHandles, metaindex, index];
  let end = 0;
  for (const { offset, size } of handles.sort((one, other) => one.offset - other.offset)) {
    if (offset !== end) throw new CorruptionError(`no block begins at byte ${end}`);
    end = offset + size + TRAILER_BYTES;
  }
  if (end !== footerAt) throw new CorruptionError(`no block begins at byte ${end}`);
}

function handleFrom(reader: VarintReader): Handle {
  return { offset: reader.number(), size: reader.number() };
}

/** Content and type. */
async function checkedBlock(readAt: ReadAt, tableEnd: number, { offset, size }: Handle): Promise<Buffer> {
  if (offset + size + TRAILER_BYTES > tableEnd)
    throw new CorruptionError(`the block at byte ${offset} is cut off`);
  const block = await readAt(offset, size + TRAILER_BYTES);
  const checked = block.subarray(0, size + 1);
  if (unmasked(block.readUInt32LE(size + 1)) !== crc32c(checked))
    throw new CorruptionError(`the block at byte ${offset} is damaged`);
  return checked;
}

async function blockAt(readAt: ReadAt, tableEnd: number, handle: Handle): Promise<Buffer> {
  const checked = await checkedBlock(readAt, tableEnd, handle);
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
