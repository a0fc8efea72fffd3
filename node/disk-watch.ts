// The disk under the data folder: how much is free, and how much of it is ours. Says when it is nearly full, and when it no longer is.

import { readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { family } from './core/metric-family.ts';
import type { MetricFamily } from './core/views.ts';

const CHECK_MS = 1_000;
/** Looking at each file takes longer, and what is found changes slowly. */
const MEASURE_EVERY_CHECKS = 30;
/** Publishing stops when less is free: delivering and truncating need some to go on. */
const RESERVE_BYTES = 64 * 1024 * 1024;

type DiskState = 'ok' | 'full';

/** Paths; all on one disk. */
export interface DiskFolders {
  readonly data: string;
  readonly journal: string;
  readonly copies: string;
}

export interface DiskWatchPorts {
  readonly log: Pick<Logger, 'warn'>;
  changed(state: DiskState): void;
}

export class DiskWatch {
  readonly #folders: DiskFolders;
  readonly #ports: DiskWatchPorts;
  #state: DiskState = 'ok';
  #space: { readonly free: number; readonly size: number } | undefined;
  #used: { readonly journal: number; readonly copies: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #checks = 0;
  #measuring = false;

  constructor(folders: DiskFolders, ports: DiskWatchPorts) {
    this.#folders = folders;
    this.#ports = ports;
  }

  start(): void {
    this.#turn();
    this.#timer = setInterval(() => this.#turn(), CHECK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #turn(): void {
    const { log } = this.#ports;
    const folder = this.#folders.data;
    this.#check().catch((error: unknown) => log.warn({ err: error, folder }, 'free space cannot be read'));
    if (this.#checks++ % MEASURE_EVERY_CHECKS !== 0 || this.#measuring) return;
    this.#measuring = true;
    this.#measure()
      .catch((error: unknown) => {
        // a copy was dropped while its folder was read: the next time tells
        if (!isMissing(error)) log.warn({ err: error, folder }, 'the size of the journal cannot be read');
      })
      .finally(() => {
        this.#measuring = false;
      });
  }

  async #check(): Promise<void> {
    const { bavail, blocks, bsize } = await statfs(this.#folders.data);
    const free = bavail * bsize;
    this.#space = { free, size: blocks * bsize };
    const next = free < RESERVE_BYTES ? 'full' : 'ok';
    if (next === this.#state) return;
    this.#state = next;
    this.#ports.log.warn(
      { folder: this.#folders.data, freeBytes: free },
      next === 'full' ? 'disk nearly full: publishing is refused' : 'disk has room again',
    );
    this.#ports.changed(next);
  }

  async #measure(): Promise<void> {
    const { journal, copies } = this.#folders;
    this.#used = { journal: await sizeOf(journal), copies: await sizeOf(copies) };
  }

  /** As measured last; 0: not yet. */
  figures(): { readonly freeBytes: number; readonly journalBytes: number; readonly full: boolean } {
    return {
      freeBytes: this.#space?.free ?? 0,
      journalBytes: this.#used?.journal ?? 0,
      full: this.#state === 'full',
    };
  }

  /** What was not measured yet has no sample. */
  metrics(): MetricFamily[] {
    return [
      family('disk_free_bytes', this.#space?.free ?? []),
      family('disk_size_bytes', this.#space?.size ?? []),
      family('disk_full', this.#state === 'full' ? 1 : 0),
      family('journal_size_bytes', this.#used?.journal ?? []),
      family('copies_size_bytes', this.#used?.copies ?? []),
    ];
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** Of all files in the folder. One after the other: it is in no hurry, and the disk has better to do. */
async function sizeOf(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    try {
      bytes += (await stat(join(entry.parentPath, entry.name))).size;
    } catch (error) {
      if (!isMissing(error)) throw error; // LevelDB has deleted it since it was listed
    }
  }
  return bytes;
}
