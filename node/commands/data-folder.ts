// The data folder of `causeway up`: one `up` at a time, held by the lock of a small LevelDB, which the operating system
// gives back however the process ends. The LevelDB also keeps what must outlive a run.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Level } from 'level';
import { MeshError } from '../core/errors.ts';
import { asArray, asObject } from './api.ts';

// A mesher whose `up` was killed stops by itself within this time.
const orphansWaitMs = 30_000;

export class DataFolder {
  readonly path: string;
  readonly store: Level<string, string>;

  private constructor(path: string, store: Level<string, string>) {
    this.path = path;
    this.store = store;
  }

  /** Throws `invalid-config` where another `up` holds it. Waits for what a killed one has left running. */
  static async open(path: string): Promise<DataFolder> {
    const store = new Level<string, string>(join(path, 'up'));
    try {
      mkdirSync(path, { recursive: true });
      await store.open();
    } catch (cause) {
      throw cannotOpen(path, cause);
    }
    const folder = new DataFolder(path, store);
    await folder.#waitForOrphans();
    return folder;
  }

  /** Names the processes that use the folder: for people, and for the next `up` if this one is killed. */
  note(children: readonly number[]): void {
    writeFileSync(noteFile(this.path), `${JSON.stringify({ pid: process.pid, children })}\n`);
  }

  async close(): Promise<void> {
    this.note([]);
    await this.store.close();
  }

  async #waitForOrphans(): Promise<void> {
    const deadline = performance.now() + orphansWaitMs;
    const { children } = readNote(this.path);
    // A number may have gone to another process meanwhile: then the wait ends in vain, and the meshers' own locks decide.
    while (children.some(isAlive) && performance.now() < deadline) await sleep(100);
  }
}

function noteFile(path: string): string {
  return join(path, 'up.json');
}

function readNote(path: string): { pid: number | undefined; children: number[] } {
  let note: Readonly<Record<string, unknown>> | undefined;
  try {
    note = asObject(JSON.parse(readFileSync(noteFile(path), 'utf8')));
  } catch {
    note = undefined; // first use, or a write that a crash cut off: nothing is known
  }
  const isPid = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;
  return {
    pid: isPid(note?.['pid']) ? note['pid'] : undefined,
    children: asArray(note?.['children']).filter(isPid),
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function cannotOpen(path: string, cause: unknown): MeshError {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const code = inner instanceof Error && 'code' in inner ? String(inner.code) : '';
  if (code === 'LEVEL_LOCKED') {
    const { pid } = readNote(path);
    const holder = pid === undefined ? '' : ` (process ${pid})`;
    return new MeshError(
      'invalid-config',
      `another Causeway${holder} uses the data in ${path}; stop it, or name another folder with --data`,
      { cause },
    );
  }
  const why = inner instanceof Error ? inner.message : String(inner);
  return new MeshError(
    'storage-failed',
    `the data folder ${path} cannot be used (${why}); name another with --data`,
    { cause },
  );
}
