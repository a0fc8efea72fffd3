// Gives the disk back of what was dropped. LevelDB does so only where it merges a table for another reason: the tables of a backlog
// that has been delivered may stay for good, hundreds of MiB, and as they are mapped into memory they take that as well. So
// ranges of blocks that are dropped long after they were written are merged on purpose, once there is enough of them. Blocks that
// die young need nothing: LevelDB's first merge leaves them out.
//
// One range is watched at a time, which moves up with a backlog. What is dropped far below it, of a queue that lags behind all
// others, is left to LevelDB.

import * as keys from './keys.ts';
import type { Change } from './level-changes.ts';
import type { Database } from './level-recovery.ts';

/** A block is old when so much was written since, in steps of a write buffer: LevelDB merges when it has four tables of that size. */
const OLD_STEP_BYTES = 32 * 1024 * 1024;
const OLD_STEPS = 4;
/** On disk, in the range: less is not worth a merge. The most that a backlog leaves behind. */
const WORTH_BYTES = 64 * 1024 * 1024;
/** Dropped blocks between two looks at how many bytes they have on disk. */
const LOOK_EVERY = 64;
/** A range may have so many blocks that are alive, or as many as dropped ones: merging writes those again. */
const ALIVE_MAX = 1024;

export class Truncation {
  readonly #db: Database;
  /** First block after each of the last `OLD_STEPS` steps of bytes written. */
  readonly #steps: number[];
  #bytes = 0;
  #nextBlock: number;
  /** The range, and how many of its blocks are dropped. */
  #low = 0;
  #end: number;
  #dropped: number;
  #lookAt = 0;
  #isFreeing = false;

  private constructor(db: Database, nextBlock: number, firstBlock: number) {
    this.#db = db;
    this.#nextBlock = nextBlock;
    this.#steps = [nextBlock];
    this.#end = this.#dropped = firstBlock;
  }

  /** `nextBlock`: one above the highest that was ever written. What was dropped in former lives is a range to begin with. */
  static async open(db: Database, nextBlock: number): Promise<Truncation> {
    const [first] = await db.keys({ ...keys.headRange, limit: 1 }).all();
    return new Truncation(db, nextBlock, (first && keys.blockOfHeadKey(first)) ?? nextBlock);
  }

  /** Takes note of a batch that is written. */
  wrote(changes: readonly Change[]): void {
    for (const change of changes) {
      const block = keys.blockOfKey(change.key);
      if (change.type === 'put') {
        this.#bytes += change.key.length + change.value.length;
        if (block !== undefined) this.#nextBlock = block + 1;
      } else if (block !== undefined && block < (this.#steps[0] ?? 0)) this.#drop(block);
    }
    if (this.#bytes < OLD_STEP_BYTES) return;
    this.#bytes = 0;
    this.#steps.push(this.#nextBlock);
    if (this.#steps.length > OLD_STEPS) this.#steps.shift();
  }

  #drop(block: number): void {
    if (this.#dropped === 0) [this.#low, this.#end, this.#lookAt] = [block, block, LOOK_EVERY];
    const [low, end] = [Math.min(this.#low, block), Math.max(this.#end, block + 1)];
    const isFar = end - low > 2 * (this.#dropped + 1) + ALIVE_MAX;
    if (isFar && block < this.#low) return;
    if (isFar) [this.#low, this.#end, this.#dropped, this.#lookAt] = [block, block + 1, 0, LOOK_EVERY];
    else [this.#low, this.#end] = [low, end];
    this.#dropped++;
  }

  /** Whether `free` has something to look at, and is not at it. */
  get isDue(): boolean {
    return !this.#isFreeing && this.#dropped > 0 && this.#dropped >= this.#lookAt;
  }

  /**
   * Merges the range where that is worth it. It holds one of the threads for files meanwhile, a second or so. Never rejects: what
   * ails the disk, the next write says.
   */
  async free(): Promise<void> {
    this.#isFreeing = true;
    do {
      this.#lookAt = this.#dropped + LOOK_EVERY;
      await this.#merge().catch(() => undefined);
    } while (this.#dropped >= this.#lookAt); // dropped meanwhile
    this.#isFreeing = false;
  }

  async #merge(): Promise<void> {
    const [from, to] = [keys.blockKey(this.#low), keys.blockKey(this.#end)];
    const dead = this.#dropped / (this.#end - this.#low);
    if ((await this.#db.approximateSize(from, to)) * dead < WORTH_BYTES) return;
    this.#dropped = 0; // what is dropped from now on begins the next range
    await this.#db.compactRange(from, to);
  }
}
