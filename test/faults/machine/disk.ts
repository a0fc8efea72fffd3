// A disk of a mesher's own: an ext4 file system in a file, mounted over a loop device. It can be full, and it can lose
// its power: `mount -o remount,abort` stops every write to the device at once, so what was not synced is gone when it is
// mounted again, and what was synced is there. `whyNoPowerLoss` tries just that before anything is believed.

import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { command, lacking } from './command.ts';

const DISK_BYTES = 512 * 1024 * 1024;
/** The file that fills it, in a place where a mesher has nothing. */
const BALLAST = 'ballast';
/** The rest of it: what the file system needs for itself is not known beforehand. */
const FILLED_BY_WRITING_BYTES = 4 * 1024 * 1024;

export class Disk {
  /** Where it is mounted. */
  readonly path: string;
  readonly #image: string;

  private constructor(path: string, image: string) {
    this.path = path;
    this.#image = image;
  }

  /** Makes and mounts it in `folder`. */
  static async make(folder: string, name: string): Promise<Disk> {
    const disk = new Disk(join(folder, name), join(folder, `${name}.ext4`));
    mkdirSync(disk.path);
    await writeFile(disk.#image, '');
    await truncate(disk.#image, DISK_BYTES);
    // nothing is kept for root, who is who fills it here
    await command('mkfs.ext4', [
      '-q',
      '-F',
      '-m',
      '0',
      '-E',
      'lazy_itable_init=1,lazy_journal_init=1',
      disk.#image,
    ]);
    await disk.#mount();
    return disk;
  }

  /** `commit`: the file system itself writes nothing for a while that nobody has synced. */
  async #mount(): Promise<void> {
    await command('mount', ['-o', 'loop,noatime,commit=300', this.#image, this.path]);
  }

  /** From now on nothing reaches the device. */
  async cutPower(): Promise<void> {
    await command('mount', ['-o', 'remount,abort', this.path]);
  }

  /** After `cutPower`, when nobody uses it any more: it is as the device had it. */
  async restorePower(): Promise<void> {
    await command('umount', [this.path]);
    await this.#mount();
  }

  /** Fills it up to about `freeBytes`. */
  async fill(freeBytes: number): Promise<void> {
    const { bavail, bsize } = statfsSync(this.path);
    const bytes = bavail * bsize - freeBytes;
    if (bytes > 0) await command('fallocate', ['-l', String(bytes), join(this.path, BALLAST)]);
  }

  /** Not a byte is left. */
  async fillUp(): Promise<void> {
    await this.fill(FILLED_BY_WRITING_BYTES);
    const open = openSync(join(this.path, BALLAST), 'a');
    try {
      for (;;) writeSync(open, Buffer.alloc(4096, 'x'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(open);
    }
  }

  async empty(): Promise<void> {
    await rm(join(this.path, BALLAST), { force: true });
  }

  async unmount(): Promise<void> {
    await command('umount', [this.path]);
  }
}

/** Why meshers cannot have disks of their own here. */
export async function whyNoDisks(folder: string): Promise<string | undefined> {
  const missing = lacking('mkfs.ext4', 'mount', 'umount', 'fallocate');
  if (missing !== undefined) return `${missing} is not on PATH (Debian: e2fsprogs, mount, util-linux)`;
  try {
    await (await Disk.make(folder, 'probe-disk')).unmount();
    return undefined;
  } catch (error) {
    return `no file system in a file: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    await rm(join(folder, 'probe-disk.ext4'), { force: true });
  }
}

/** Why a disk here does not lose its power as it should: tried with one file, synced up to its half. */
export async function whyNoPowerLoss(folder: string): Promise<string | undefined> {
  const disk = await Disk.make(folder, 'probe-power');
  try {
    const file = join(disk.path, 'file');
    const open = openSync(file, 'w');
    writeSync(open, 'a'.repeat(5000));
    fsyncSync(open);
    writeSync(open, 'b'.repeat(5000));
    await disk.cutPower();
    closeSync(open);
    await disk.restorePower();
    if (statSync(file).size === 5000 && readFileSync(file, 'latin1') === 'a'.repeat(5000)) return undefined;
    return `after a cut ${statSync(file).size} bytes were there, where 5000 were synced of 10000`;
  } catch (error) {
    return `mount -o remount,abort does not work: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    await disk.unmount();
    await rm(join(folder, 'probe-power.ext4'), { force: true });
  }
}
