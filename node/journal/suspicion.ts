// A note in a journal's folder that damage was come upon while it was in use. The next start looks at every value before anything else:
// else the mesher would start, serve, and end at the same place again and again.

import { access, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BlockSet } from '../core/block-set.ts';
import { CorruptionError, unseal } from './bytes.ts';
import * as keys from './keys.ts';
import { type Database, scan } from './level-recovery.ts';
import { isDamage } from './storage-error.ts';

const NOTE_FILE = 'SUSPECT';

/** Leaves the note where the error tells of damage. Never rejects: the error itself is what its finder goes on with. */
export async function noteDamage(dir: string, error: unknown): Promise<void> {
  if (!isDamage(error)) return;
  try {
    await using note = await open(join(dir, NOTE_FILE), 'w');
    await note.writeFile(`${String(error)}\n`);
    await note.sync();
  } catch {
    // a disk that takes no note: the next start comes upon the place again
  }
}

export async function isSuspect(dir: string): Promise<boolean> {
  try {
    await access(join(dir, NOTE_FILE));
    return true;
  } catch {
    return false; // nobody has left one
  }
}

/** Looks at all there is if there is a note, which goes where nothing is found. Throws CorruptionError. */
export async function clearSuspicion(dir: string, db: Database): Promise<void> {
  if (!(await isSuspect(dir))) return;
  await checkValues(db);
  await rm(join(dir, NOTE_FILE));
}

async function checkValues(db: Database): Promise<void> {
  const blocks = new BlockSet();
  await scan(db, keys.wholeRange, (key, value) => {
    checkValue(key, value);
    const block = keys.blockOfKey(key);
    if (block !== undefined) blocks.add(block);
  });
  await scan(db, keys.headRange, (key) => {
    const block = keys.blockOfHeadKey(key);
    if (block === undefined || !blocks.has(block)) throw new CorruptionError(`block ${block} is gone`);
  });
}

/** Throws CorruptionError, which names the key. */
export function checkValue(key: Buffer, value: Buffer): void {
  try {
    unseal(key, value);
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    const block = keys.blockOfKey(key);
    const name = block === undefined ? `the value of key ${key.toString('hex')}` : `block ${block}`;
    throw new CorruptionError(`${name}: ${error.message}`, { cause: error });
  }
}
