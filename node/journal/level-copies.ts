// Copies of other meshers' journals on disk: a LevelDB for each, of the same layout as a journal, in a folder named after its owner.
// How far a copy has come is written with what brought it there, in the same batch. Damage is looked for all the time: whoever finds it when
// the owner is gone finds it too late.

import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { invariant } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { NodeId } from '../core/event.ts';
import type {
  CopyChange,
  CopyHead,
  CopyStore,
  QueuedEntry,
  Recovered,
  RecoveredCopy,
} from '../core/ports.ts';
import { CorruptionError } from './bytes.ts';
import * as codec from './codec.ts';
import { COPY_COMPLETE, COPY_NAMED } from '../core/messages.ts';
import { type CopyChange as ContentChange, decodeContent } from './copy-content.ts';
import { outdated, renamed } from './copy-range.ts';
import * as keys from './keys.ts';
import { type Change, del, encoded } from './level-changes.ts';
import { LevelJournal, openDatabase } from './level-journal.ts';
import { type Database, read, scan } from './level-recovery.ts';
import { scrub, tablesIn } from './scrub.ts';
import { isDamage, mapped } from './storage-error.ts';
import { noteDamage } from './suspicion.ts';
import { Truncation } from './truncation.ts';

const HEAD = keys.metaKey('copy');
/** Of one batch: what a mesher may stage, and as much again for what is not events. */
const PARTS_BYTES_MAX = 2 * LIMITS.stagedBytesMax;
/** Between two rounds through all copies' data: a bit that flips in one is found while its owner can still send it anew. */
const SCRUB_AGAIN_MS = 60 * 60 * 1_000;
/** Of whose entries of one block are read side by side: beyond some hundreds it would be seen in the event loop, and gains nothing. */
const QUEUES_AT_ONCE = 256;
/** Node ids are base58: nothing else is a folder of ours. */
const OWNER = /^[A-Za-z0-9]{1,128}$/;

interface OpenCopy {
  readonly db: Database;
  /** As it was found. */
  readonly head: CopyHead | undefined;
  /** LevelDB has written these to their end: they never change, and may only go. */
  tables: readonly string[];
  /** Aborts when it is closed. */
  readonly scrubbing: AbortController;
  readonly truncation: Truncation;
  /** Once it is read. */
  journal: LevelJournal | undefined;
  /** Of the batch whose last part has not come. */
  parts: Change[];
  partsBytes: number;
}

/** A copy that cannot be read. */
export interface DamagedCopy {
  readonly owner: NodeId;
  readonly error: unknown;
  /** The folder where it is kept, once it is put aside. */
  readonly aside: string;
}

export class LevelCopies implements CopyStore {
  readonly #dir: string;
  readonly #copies = new Map<NodeId, OpenCopy>();
  readonly #scrubbing = new AbortController();
  #scrubbed: Promise<void> | undefined;
  #isFreeing = false;
  /** Resolves when no disk is being freed. */
  #freed: Promise<void> = Promise.resolve();

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** Opens all copies in `dir`. Those that are damaged are put aside: their owners send them anew. Rejects with `storage-failed`. */
  static async open(
    dir: string,
  ): Promise<{ store: LevelCopies; copies: RecoveredCopy[]; damaged: DamagedCopy[] }> {
    const store = new LevelCopies(dir);
    await mkdir(dir, { recursive: true });
    const copies: RecoveredCopy[] = [];
    const damaged: DamagedCopy[] = [];
    for (const owner of (await readdir(dir)).filter((name) => OWNER.test(name))) {
      try {
        const head = await store.#recover(owner);
        if (head) copies.push({ owner, head });
      } catch (error) {
        if (!isDamage(error)) throw error;
        damaged.push({ owner, error, aside: await store.#putAside(owner) });
      }
    }
    return { store, copies, damaged };
  }

  /** One for each owner at most: what was put aside before goes. */
  async #putAside(owner: NodeId): Promise<string> {
    await this.#closeCopy(owner);
    const aside = this.#asideOf(owner);
    await rm(aside, { recursive: true, force: true });
    await rename(this.#dirOf(owner), aside);
    return aside;
  }

  #asideOf(owner: NodeId): string {
    return `${this.#dirOf(owner)}.damaged`;
  }

  async #closeCopy(owner: NodeId): Promise<void> {
    const copy = this.#copies.get(owner);
    copy?.scrubbing.abort();
    await this.#freed;
    await copy?.db.close();
    this.#copies.delete(owner);
  }

  /** Undefined: nothing was ever written to it. */
  async #recover(owner: NodeId): Promise<CopyHead | undefined> {
    try {
      return (await this.#open(owner)).head;
    } catch (error) {
      throw mapped(error, `reading the copy in ${this.#dirOf(owner)}`);
    }
  }

  #dirOf(owner: NodeId): string {
    invariant(OWNER.test(owner), `a node id: ${owner}`);
    return join(this.#dir, owner);
  }

  async #open(owner: NodeId): Promise<OpenCopy> {
    const known = this.#copies.get(owner);
    if (known) return known;
    const tables = await tablesIn(this.#dirOf(owner));
    const db = await openDatabase(this.#dirOf(owner));
    try {
      const value = await read(db, HEAD);
      const head = value && decodeHead(value);
      const truncation = await Truncation.open(db, head?.nextBlock ?? 0);
      const scrubbing = new AbortController();
      const copy: OpenCopy = {
        db,
        head,
        tables,
        scrubbing,
        truncation,
        journal: undefined,
        parts: [],
        partsBytes: 0,
      };
      this.#copies.set(owner, copy);
      return copy;
    } catch (error) {
      await db.close();
      throw error;
    }
  }

  /** Calls are carried out in order for each owner. Rejects with `storage-failed`: the mesher must end. */
  async write(owner: NodeId, head: CopyHead, change: CopyChange | undefined): Promise<'written' | 'refused'> {
    let given: readonly ContentChange[];
    try {
      given = change ? decodeContent(change.content) : [];
    } catch (error) {
      if (error instanceof CorruptionError) return 'refused'; // its owner's doing, not this disk's
      throw error;
    }
    try {
      const isTaken = await this.#inTurn(owner, (copy) => this.#apply(copy, head, change, given));
      return isTaken ? 'written' : 'refused';
    } catch (error) {
      await noteDamage(this.#dirOf(owner), error);
      throw mapped(error, `writing to the copy in ${this.#dirOf(owner)}`);
    }
  }

  readonly #turns = new Map<NodeId, Promise<void>>();

  async #inTurn<T>(owner: NodeId, use: (copy: OpenCopy) => Promise<T>): Promise<T> {
    const before = this.#turns.get(owner) ?? Promise.resolve();
    const turn = before.then(async () => use(await this.#open(owner)));
    this.#turns.set(
      owner,
      turn.then(
        () => undefined,
        () => undefined, // its caller has the rejection
      ),
    );
    return turn;
  }

  /** False: a batch of more parts than any journal has. */
  async #apply(
    copy: OpenCopy,
    head: CopyHead,
    change: CopyChange | undefined,
    given: readonly ContentChange[],
  ): Promise<boolean> {
    const changes = change ? await this.#changesOf(copy, head, change, given) : [];
    copy.partsBytes += change?.content.length ?? 0;
    if (copy.partsBytes > PARTS_BYTES_MAX) {
      copy.parts = [];
      return false;
    }
    if (change?.isPart === true) {
      copy.parts.push(...changes);
      return true;
    }
    const all = [...copy.parts, ...changes, encoded(HEAD, codec.encodeText, JSON.stringify(head))];
    copy.parts = [];
    copy.partsBytes = 0;
    await copy.db.batch(all, { sync: true });
    copy.truncation.wrote(all);
    if (copy.truncation.isDue && !this.#isFreeing) this.#freed = this.#free(copy);
    return true;
  }

  /** One copy at a time: each holds a thread that reads and writes need. */
  async #free({ truncation }: OpenCopy): Promise<void> {
    this.#isFreeing = true;
    await truncation.free();
    this.#isFreeing = false;
  }

  async #changesOf(
    { db, parts }: OpenCopy,
    { cursor }: CopyHead,
    { range }: CopyChange,
    given: readonly ContentChange[],
  ): Promise<Change[]> {
    const changes: Change[] = range ? await outdated(db, range, given) : [];
    if (range || cursor < COPY_NAMED) changes.push(...(await renamed(db, given)));
    for (const change of given) {
      if (change.type !== 'drop-queue') {
        changes.push(change);
        continue;
      }
      const entries = keys.entriesOf(change.queue);
      const inThisBatch = [...parts, ...changes].filter(({ key }) => keys.isWithin(key, entries));
      for (const { key } of inThisBatch) changes.push(del(key));
      changes.push(del(keys.queueKey(change.queue)));
      await scan(db, entries, (key) => changes.push(del(key)));
    }
    return changes;
  }

  /**
   * Writes into a mesher's own journal, which nobody may have open, what makes a copy of it: moved to the folder of copies, it is one.
   * Where it is, it stays a journal. Rejects with `storage-failed`.
   */
  static async makeCopyOf(journalDir: string): Promise<void> {
    const db = await openDatabase(journalDir);
    try {
      const value = await read(db, keys.nextBlockKey);
      const nextBlock = value ? codec.decodeNumber(keys.nextBlockKey, value) : 0;
      const head = {
        incarnation: 0,
        batch: 0,
        cursor: COPY_COMPLETE,
        pastBlock: 0,
        startBlock: 0,
        nextBlock,
      } satisfies CopyHead;
      await db.batch([encoded(HEAD, codec.encodeText, JSON.stringify(head))], { sync: true });
    } catch (error) {
      throw mapped(error, `turning the journal in ${journalDir} into a copy`);
    } finally {
      await db.close();
    }
  }

  async read(owner: NodeId): Promise<Recovered> {
    return this.#inTurn(owner, async (copy) => {
      copy.journal = new LevelJournal(copy.db, this.#dirOf(owner));
      return copy.journal.recover('copy');
    });
  }

  async load(owner: NodeId, block: number, queues: readonly number[]): Promise<QueuedEntry[]> {
    const journal = this.#copies.get(owner)?.journal;
    invariant(journal, `the copy of ${owner} was read before`);
    const loaded: QueuedEntry[] = [];
    for (let first = 0; first < queues.length; first += QUEUES_AT_ONCE) {
      const some = queues.slice(first, first + QUEUES_AT_ONCE);
      const entries = await Promise.all(some.map((queue) => journal.load(queue, [block])));
      for (const [i, queue] of some.entries())
        for (const entry of entries[i] ?? []) loaded.push({ queue, ...entry });
    }
    return loaded;
  }

  /** The copy and its folder go. */
  async drop(owner: NodeId): Promise<void> {
    await this.#inTurn(owner, async () => {
      await this.#closeCopy(owner);
      await rm(this.#dirOf(owner), { recursive: true, force: true });
    });
  }

  async putAside(owner: NodeId): Promise<void> {
    await this.#inTurn(owner, async () => {
      try {
        await this.#putAside(owner);
      } catch (error) {
        throw mapped(error, `putting the copy in ${this.#dirOf(owner)} aside`);
      }
    });
  }

  /**
   * Looks through the data of all copies from now on, one after the other and again after a while, as slowly as through a journal's.
   * `found` hears of each that is damaged; what is to be done about it is not decided here.
   */
  scrub(found: (damaged: DamagedCopy) => void, againMs = SCRUB_AGAIN_MS): void {
    this.#scrubbed = this.#scrub(found, againMs);
  }

  async #scrub(found: (damaged: DamagedCopy) => void, againMs: number): Promise<void> {
    const { signal } = this.#scrubbing;
    while (!signal.aborted) {
      for (const [owner, copy] of this.#copies) {
        const error = await this.#damageIn(owner, copy);
        if (error !== undefined) found({ owner, error, aside: this.#asideOf(owner) });
      }
      await pause(againMs, undefined, { signal, ref: false }).catch(() => undefined); // aborted
    }
  }

  /** Of its tables that were there at the last look: LevelDB may still be writing one that is new. */
  async #damageIn(owner: NodeId, copy: OpenCopy): Promise<unknown> {
    const { tables, scrubbing } = copy;
    try {
      copy.tables = await tablesIn(this.#dirOf(owner));
      await scrub(this.#dirOf(owner), tables, scrubbing.signal);
    } catch (error) {
      // one that is closed by now may have been replaced; what else a disk refuses, it may give at the next look
      if (isDamage(error) && !scrubbing.signal.aborted) return error;
    }
    return undefined;
  }

  async close(): Promise<void> {
    this.#scrubbing.abort();
    for (const { scrubbing } of this.#copies.values()) scrubbing.abort();
    await this.#scrubbed;
    await Promise.all(this.#turns.values());
    await this.#freed;
    for (const { db } of this.#copies.values()) await db.close();
    this.#copies.clear();
  }
}

function decodeHead(value: Buffer): CopyHead {
  const fields: unknown = JSON.parse(codec.decodeText(HEAD, value));
  if (typeof fields !== 'object' || fields === null) throw new CorruptionError('a copy without a head');
  const { incarnation, batch, cursor, pastBlock, startBlock, nextBlock } = fields as Record<string, unknown>;
  if (
    typeof incarnation !== 'number' ||
    typeof batch !== 'number' ||
    typeof cursor !== 'string' ||
    typeof pastBlock !== 'number' ||
    typeof startBlock !== 'number' ||
    typeof nextBlock !== 'number'
  )
    throw new CorruptionError('the head of a copy is not what it should be');
  return { incarnation, batch, cursor, pastBlock, startBlock, nextBlock };
}
