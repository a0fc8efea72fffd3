// Small files in a mesher's data folder, beside the journal: each holds one JSON object, and is there whole or not at all.

import { open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from './journal/level-journal.ts';
import { codeOf } from './journal/storage-error.ts';

/** Undefined: it is not there, or not what was written. */
export async function readDataFile(data: string, name: string): Promise<Record<string, unknown> | undefined> {
  try {
    const fields: unknown = JSON.parse(await readFile(join(data, name), 'utf8'));
    return typeof fields === 'object' && fields !== null ? (fields as Record<string, unknown>) : undefined;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** On disk when it resolves. */
export async function writeDataFile(data: string, name: string, text: string): Promise<void> {
  const path = join(data, name);
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await syncDirectory(data);
}

export async function removeDataFile(data: string, name: string): Promise<void> {
  await rm(join(data, name), { force: true });
  await syncDirectory(data);
}
