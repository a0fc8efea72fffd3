// Looks through the files of a journal before LevelDB does. What is not there any more LevelDB takes for never written, whatever lies
// behind it, and then deletes what it no longer knows; so this comes first, and touches nothing.
//
// Found: a damaged record of a log, or index of a table; a table that is gone or has another length; a MANIFEST or CURRENT that is gone, or
// cut short; a log that is gone, or cut short below what was synced. Not found, for nobody was told of it as kept: what was
// written last and not synced.
//
// Synced batches are numbered, and each ends with its number (keys.ts): those that logs still hold follow one another, up to the mark
// (synced-mark.ts) at least. Of a journal without any in its logs, only LevelDB itself can tell the last number, from its tables.

import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CorruptionError } from './bytes.ts';
import * as codec from './codec.ts';
import * as keys from './keys.ts';
import { readLog, recordsOf } from './log-check.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { codeOf, storageFailed } from './storage-error.ts';
import { isSuspect } from './suspicion.ts';
import { checkTable } from './table-check.ts';

interface Files {
  readonly current: boolean;
  readonly logs: readonly number[];
  readonly tables: readonly number[];
  readonly manifests: readonly number[];
}

/** What LevelDB writes first of all, before CURRENT: a crash may come between. */
const FIRST_MANIFEST = 1;

/**
 * `syncedMark`: the number of a batch that is known to have been synced; 0: none is known. Rejects with `storage-failed`, which
 * names the file. No folder, or an empty one: nothing to check.
 */
export async function checkFiles(dir: string, syncedMark: number): Promise<void> {
  // what a table has of data is else looked at later (scrub.ts): there may be gigabytes of it
  const parts = (await isSuspect(dir)) ? 'all' : 'indexes';
  const files = await filesIn(dir);
  if (!files.current) {
    const { logs, tables, manifests } = files;
    if (
      logs.length + tables.length > 0 ||
      manifests.some((number) => number !== FIRST_MANIFEST) ||
      syncedMark > 0
    )
      throw damaged(join(dir, 'CURRENT'), 'it is gone, while the rest of the journal is there');
    return;
  }
  const manifest = await manifestIn(dir);
  for (const [number, bytes] of manifest.tables) await checkTableFile(dir, number, bytes, parts);
  await checkLogs(dir, manifest, files.logs, syncedMark);
}

async function filesIn(dir: string): Promise<Files> {
  let names: readonly string[];
  try {
    names = await readdir(dir);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw storageFailed(`listing the journal's files in ${dir}`, error);
    names = [];
  }
  const numbers = (pattern: RegExp): number[] =>
    names.flatMap((name) => pattern.exec(name)?.[1] ?? []).map(Number);
  return {
    current: names.includes('CURRENT'),
    logs: numbers(/^(\d+)\.log$/).sort((a, b) => a - b),
    tables: numbers(/^(\d+)\.ldb$/),
    manifests: numbers(/^MANIFEST-(\d+)$/),
  };
}

function damaged(file: string, what: string): Error {
  return storageFailed(`reading ${file}`, new CorruptionError(what), { file });
}

async function manifestIn(dir: string): Promise<Manifest> {
  const current = join(dir, 'CURRENT');
  const name = await readFile(current, 'latin1').catch((error: unknown) => {
    throw storageFailed(`reading ${current}`, error);
  });
  if (!/^MANIFEST-\d+\n$/.test(name)) throw damaged(current, 'it names no MANIFEST');
  const file = join(dir, name.trimEnd());
  try {
    return readManifest(await readLog(file));
  } catch (error) {
    if (error instanceof CorruptionError) throw damaged(file, error.message);
    if (codeOf(causeOf(error)) === 'ENOENT') throw damaged(file, 'it is gone, though CURRENT names it');
    throw error;
  }
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}

async function checkTableFile(
  dir: string,
  number: number,
  bytes: number,
  parts: 'indexes' | 'all',
): Promise<void> {
  const path = join(dir, `${digits(number)}.ldb`);
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    if (size !== bytes) throw new CorruptionError(`it has ${size} bytes instead of ${bytes}`);
    const readAt = async (offset: number, length: number): Promise<Buffer> => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    };
    await checkTable(bytes, readAt, parts);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw damaged(path, 'it is gone, though the MANIFEST names it');
    throw storageFailed(`reading ${path}`, error, { file: path });
  }
}

async function checkLogs(
  dir: string,
  { firstLog }: Manifest,
  logs: readonly number[],
  syncedMark: number,
): Promise<void> {
  if (firstLog > 0 && !logs.includes(firstLog))
    throw damaged(
      logFile(dir, firstLog),
      'it is gone, though the MANIFEST names it, or the MANIFEST is cut short',
    );
  let last: number | undefined;
  let file = '';
  for (const number of logs.filter((log) => log >= firstLog)) {
    file = logFile(dir, number);
    for (const record of recordsOf(await readLog(file))) {
      const synced = syncedNumberOf(record);
      if (synced === undefined) continue;
      if (last !== undefined && synced !== last + 1)
        throw damaged(
          file,
          `the synced batch ${synced} is in it behind ${last}: a log before it was cut short`,
        );
      last = synced;
    }
  }
  if (last !== undefined && last < syncedMark)
    throw damaged(
      file,
      `it ends with the synced batch ${last}, and ${syncedMark} was written: it is cut short`,
    );
}

function logFile(dir: string, number: number): string {
  return join(dir, `${digits(number)}.log`);
}

function digits(number: number): string {
  return String(number).padStart(6, '0');
}

const PUT = 1;

/** The number of a synced batch, which is the last that it puts. Undefined: it was not synced. */
function syncedNumberOf(batch: Buffer): number | undefined {
  const key = keys.syncedKey;
  for (let length = codec.NUMBER_BYTES_MIN; length <= codec.NUMBER_BYTES_MAX; length++) {
    const at = batch.length - length;
    const head = Buffer.of(PUT, key.length, ...key, length);
    if (at < head.length || !batch.subarray(at - head.length, at).equals(head)) continue;
    try {
      return codec.decodeNumber(key, batch.subarray(at));
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error; // bytes that only look like it
    }
  }
  return undefined;
}
