// Looks through the data of a journal's tables while it is in use: a value that is damaged is found when it is read, but that may be long
// after the copies are gone from which it could be had, and a damaged key is never asked for.
//
// Only tables that LevelDB has written to their end: they never change, and may only go. Of a journal these are the ones that were there before
// it was opened, and newer ones are for the next start; of a copy, which may be needed long after, those of the look before.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as immediate, setTimeout as pause } from 'node:timers/promises';
import { codeOf, storageFailed } from './storage-error.ts';
import { checkTable, type ReadAt } from './table-check.ts';

/** Between two tables of 8 MiB, which take some 10 ms each: a few per cent of a core, and 2 GiB in a minute. */
const PAUSE_MS = 250;
/** Some 2 ms, after which others have their turn. */
const TURN_BYTES = 1024 * 1024;

/** Before the journal is opened. No folder: none. */
export async function tablesIn(dir: string): Promise<readonly string[]> {
  try {
    return (await readdir(dir)).filter((name) => name.endsWith('.ldb'));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw storageFailed(`listing the journal's files in ${dir}`, error);
  }
}

/** Resolves when all was looked at, or `signal` aborts. Rejects with `storage-failed`, which names the file. */
export async function scrub(dir: string, tables: readonly string[], signal: AbortSignal): Promise<void> {
  for (const name of tables) {
    try {
      await pause(PAUSE_MS, undefined, { signal, ref: false });
    } catch {
      return; // aborted
    }
    const path = join(dir, name);
    try {
      const table = await readFile(path);
      await checkTable(table.length, partsOf(table), 'all');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') continue; // LevelDB needs it no more
      throw storageFailed(`reading ${path}`, error, { file: path });
    }
  }
}

function partsOf(table: Buffer): ReadAt {
  let turnAt = TURN_BYTES;
  return async (offset, length) => {
    if (offset >= turnAt) {
      turnAt = offset + TURN_BYTES;
      await immediate();
    }
    return table.subarray(offset, offset + length);
  };
}
