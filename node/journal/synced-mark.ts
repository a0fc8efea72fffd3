// How far the journal was synced: the number of its last synced batch, in a small file beside LevelDB's. A journal whose last batch is an
// earlier one has lost what was acked.
//
//   file := number:16 digits space crc:8 hex digits newline         crc: CRC-32 over what is before it
//
// Invariant: the mark is never ahead of the disk. It is written when a batch is synced already, without an fsync of its own, and nobody
// waits for it: after a power cut it may be behind. One that cannot be read, or written, is as good as none.

import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

/** LevelDB leaves alone what it has not named itself. */
export const MARK_FILE = 'SYNCED';
const DIGITS = 16;

/** 0: none is known. */
export async function readSyncedMark(dir: string): Promise<number> {
  let text: string;
  try {
    text = await readFile(join(dir, MARK_FILE), 'latin1');
  } catch {
    return 0; // see the top
  }
  const number = Number(text.slice(0, DIGITS));
  return Number.isSafeInteger(number) && text === textOf(number) ? number : 0;
}

function textOf(number: number): string {
  const digits = String(number).padStart(DIGITS, '0');
  return `${digits} ${crc32(digits).toString(16).padStart(8, '0')}\n`;
}

export class SyncedMark {
  readonly #file: FileHandle | undefined;
  #last = 0;
  #writing: Promise<void> | undefined;

  private constructor(file: FileHandle | undefined) {
    this.#file = file;
  }

  static async open(dir: string): Promise<SyncedMark> {
    const path = join(dir, MARK_FILE);
    const file = await open(path, 'r+').catch(() => open(path, 'w').catch(() => undefined)); // see the top
    return new SyncedMark(file);
  }

  /** The batch is on disk. While one mark is on its way the others wait, and the last of them is written. */
  synced(number: number): void {
    this.#last = number;
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
  }

  async #write(): Promise<void> {
    for (let written = -1; written !== this.#last;) {
      written = this.#last;
      await this.#file?.write(textOf(written), 0, 'latin1').catch(() => undefined); // see the top
    }
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file?.close();
  }
}
