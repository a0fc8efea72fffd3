// Looks through LevelDB's log files before LevelDB does: it leaves out damaged records of a log without a word (classic-level
// cannot ask for `paranoid_checks`), and with them events that were acked.
//
//   file    := block*                           32 KiB each, the last one shorter
//   block   := record* zeros                    fewer than 7 bytes of zeros, where no header fits any more
//   record  := crc:u32 length:u16 type:u8 data  little-endian; type 1 to 4; crc: CRC-32C over type and data, masked
//
// What a crash may leave is none of this check's business: a last record that is not all there, or zeros from somewhere to
// the end. Where a file ends too early that looks the same: files-check.ts knows what was there. [LevelDB: doc/log_format.md]

import { readFile } from 'node:fs/promises';
import { CorruptionError } from './bytes.ts';
import { crc32c, unmasked } from './crc32c.ts';
import { storageFailed } from './storage-error.ts';

const BLOCK_BYTES = 32 * 1024;
const HEADER_BYTES = 7;
const FULL = 1;
const FIRST = 2;
const LAST = 4;
const TYPE_MAX = 4;
/** What a disk writes at a time: of a write that was torn off, the last of these at least is missing. */
const SECTOR_BYTES = 512;

/** Reads a log. Rejects with `storage-failed`, which names file and place, where it has a damaged record. */
export async function readLog(file: string): Promise<Buffer> {
  try {
    const log = await readFile(file);
    const damagedAt = findDamage(log);
    if (damagedAt === undefined) return log;
    throw new CorruptionError(`the record at byte ${damagedAt} is damaged`);
  } catch (error) {
    throw storageFailed(`reading ${file}`, error, { file });
  }
}

/** What was written to a log without damage, one after the other, each whole; what was torn off at the end is left out. */
export function* recordsOf(log: Buffer): Generator<Buffer> {
  let parts: Buffer[] = [];
  for (const { at, end } of placesIn(log)) {
    if (end === undefined) return;
    const type = log.readUInt8(at + 6);
    if (type === FULL || type === FIRST) parts = [];
    parts.push(log.subarray(at + HEADER_BYTES, end));
    if (type === FULL || type === LAST) yield Buffer.concat(parts);
  }
}

/** Where the first damaged record begins. */
export function findDamage(log: Buffer): number | undefined {
  for (const { at, end } of placesIn(log)) if (end === undefined) return isTornOff(log, at) ? undefined : at;
  return undefined;
}

/** Where each record begins and ends, up to the first that is not whole or not sound: that has no end. */
function* placesIn(log: Buffer): Generator<{ readonly at: number; readonly end: number | undefined }> {
  for (let at = 0; at + HEADER_BYTES <= log.length;) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES);
    if (left < HEADER_BYTES) {
      at += left;
      continue;
    }
    const end = endOfRecord(log, at);
    yield { at, end };
    if (end === undefined) return;
    at = end;
  }
}

/** Where a whole and sound record ends. */
function endOfRecord(log: Buffer, at: number): number | undefined {
  if (at + HEADER_BYTES > log.length) return undefined;
  const end = at + HEADER_BYTES + log.readUInt16LE(at + 4);
  const blockEnd = at - (at % BLOCK_BYTES) + BLOCK_BYTES;
  const type = log.readUInt8(at + 6);
  if (end > Math.min(blockEnd, log.length) || type === 0 || type > TYPE_MAX) return undefined;
  return unmasked(log.readUInt32LE(at)) === crc32c(log.subarray(at + HEADER_BYTES - 1, end))
    ? end
    : undefined;
}

/** Nothing that was written stands from here on but the beginning of one record. */
function isTornOff(log: Buffer, at: number): boolean {
  const rest = log.subarray(at);
  const lastNonZero = rest.findLastIndex((byte) => byte !== 0);
  if (lastNonZero < HEADER_BYTES) return true;
  const end = at + HEADER_BYTES + log.readUInt16LE(at + 4);
  // written whole, and zeros where its end should be: that never reached the disk
  if (end <= log.length) return at + lastNonZero < end - 1 - ((end - 1) % SECTOR_BYTES);
  // longer than the file: its length is wrong if anything sound follows
  for (let later = at + 1; later < log.length; later++)
    if (endOfRecord(log, later) !== undefined) return false;
  return true;
}
