// Looks through LevelDB's log files before LevelDB does: it leaves out damaged records of a log without a word (classic-level
// cannot ask for `paranoid_checks`), and with them events that were acked.
//
//   file    := block*                           32 KiB each, the last one shorter
//   block   := record* zeros                    fewer than 7 bytes of zeros, where no header fits any more
//   record  := crc:u32 length:u16 type:u8 data  little-endian; type 1 to 4; crc: CRC-32C over type and data, masked
//
// What a crash may leave is none of this check's business: a last record that is not all there, or zeros from somewhere to
// the end. Where a whole file ends too early that looks the same, and is not found here. [LevelDB: doc/log_format.md]

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CorruptionError } from './bytes.ts';
import { crc32c } from './crc32c.ts';
import { codeOf, storageFailed } from './storage-error.ts';

const BLOCK_BYTES = 32 * 1024;
const HEADER_BYTES = 7;
const MASK_DELTA = 0xa282ead8;
const TYPE_MAX = 4;
/** What a disk writes at a time: of a write that was torn off, the last of these at least is missing. */
const SECTOR_BYTES = 512;

/** Throws `storage-failed`, which names file and place, where a log has a damaged record. No folder: nothing to check. */
export async function checkLogs(dir: string): Promise<void> {
  for (const name of await logsIn(dir)) {
    const file = join(dir, name);
    const damagedAt = findDamage(await readFile(file));
    if (damagedAt === undefined) continue;
    throw storageFailed(
      `reading the journal's log ${file}`,
      new CorruptionError(
        `the record at byte ${damagedAt} is damaged. Bring the file back as it was written, from a copy of this disk; or move it away to start without the events in it, which are then lost`,
      ),
      { file, byte: damagedAt },
    );
  }
}

async function logsIn(dir: string): Promise<string[]> {
  try {
    return (await readdir(dir)).filter((name) => /^\d+\.log$/.test(name)).sort();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw storageFailed(`listing the journal's files in ${dir}`, error);
  }
}

/** Where the first damaged record begins. */
export function findDamage(log: Buffer): number | undefined {
  for (let at = 0; at + HEADER_BYTES <= log.length;) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES);
    if (left < HEADER_BYTES) {
      at += left;
      continue;
    }
    const end = endOfRecord(log, at);
    if (end !== undefined) at = end;
    else return isTornOff(log, at) ? undefined : at;
  }
  return undefined;
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

function unmasked(crc: number): number {
  const rotated = (crc - MASK_DELTA) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
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
