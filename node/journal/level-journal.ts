// The journal on LevelDB. One append is one LevelDB batch, so that its changes are on disk together or not at all.
// classic-level writes each batch on whichever thread is free, so order is kept here: one write at a time, in call
// order. After any failed write the journal refuses everything, since nobody knows what is on disk.
//
// Order after a power cut: a synced batch makes durable all before it in the same LevelDB log file. LevelDB closes a
// full log (writeBufferSize) without syncing it, so unsynced batches at its very end may be lost although a later,
// synced one is kept. Unsynced batches may only settle, drop, and keep what may be forgotten (members, others' routes); `recover` takes an entry whose block is gone as
// settled, which is the one way such a loss could show.

import { mkdir, open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { setImmediate as immediate } from 'node:timers/promises';
import { Level } from 'level';
import { MeshError, invariant } from '../core/errors.ts';
import { KnownHeaders } from '../core/event-record.ts';
import type { Journal, JournalOp, LoadedEntry, QueueEntry, Recovered } from '../core/ports.ts';
import { BlockCache } from './block-cache.ts';
import type { BlockContent, CacheBytes } from './block-cache.ts';
import { CorruptionError } from './bytes.ts';
import * as codec from './codec.ts';
import * as keys from './keys.ts';
import { readRange } from './copy-range.ts';
import { changesOf, del, encoded } from './level-changes.ts';
import type { Change } from './level-changes.ts';
import { agreeOnLayout } from './level-layout.ts';
import { read, recoverLevel, scan } from './level-recovery.ts';
import type { Database } from './level-recovery.ts';
import { checkFiles } from './files-check.ts';
import { Scratch } from './scratch.ts';
import { scrub, tablesIn } from './scrub.ts';
import { codeOf, located, mapped, storageFailed } from './storage-error.ts';
import { clearSuspicion, noteDamage } from './suspicion.ts';
import { readSyncedMark, SyncedMark } from './synced-mark.ts';
import { Truncation } from './truncation.ts';
import { WrittenBlock } from './written-block.ts';

export interface LevelJournalOptions {
  readonly cacheBytes?: CacheBytes;
}

/** Counted since the journal was opened. */
export interface JournalCounters {
  /** Batches applied. */
  readonly appends: number;
  /** Writes that ended with an fsync: synced appends and meta values. */
  readonly syncs: number;
  readonly opsWritten: number;
  /** Keys and values handed to LevelDB, which writes them at least twice (log, then table). */
  readonly bytesWritten: number;
  /** From LevelDB, not from the cache. */
  readonly blocksRead: number;
  /** Values of blocks and entries, from LevelDB. */
  readonly bytesRead: number;
}

type Snapshot = ReturnType<Database['snapshot']>;

interface Wanted {
  readonly block: number;
  readonly entry: QueueEntry;
}

/**
 * By default, of blocks written: the last seconds of a busy mesher, so that those who lag a little do not read the disk; and of
 * those read: what the lanes of a cluster are apart, so that one reads for all.
 */
const CACHE_BYTES = { writtenBytesMax: 16 * 1024 * 1024, readBytesMax: 16 * 1024 * 1024 } as const;
/** One load brings so many blocks of any size, or as many as have so many bytes. */
const FEW_BLOCKS = 4;
const LOAD_BYTES_MAX = 4 * 1024 * 1024;
/** Some blocks of a busy mesher: larger batches allocate the rest. */
const SCRATCH_BYTES = 4 * 1024 * 1024;
/** Changes that are encoded in one turn of the event loop, some 10 ms: whoever takes over from a mesher makes all its subscriptions at once. */
const TURN_OPS = 5_000;
/**
 * Measured with synced blocks of 1000 events, each dropped 300 blocks later, on two cores and a virtual disk:
 *   compression  JSON of 430 bytes: 260 to 280 MiB/s with, 254 without, and 75 against 358 MiB on disk; random bytes:
 *                256 to 265 against 262 to 285 MiB/s. So on: it costs little where it gains nothing.
 *   write buffer 32 MiB: 249 MiB/s, longest write 50 ms; 16 MiB: 192 to 204 and 85, since it compacts more often.
 *                LevelDB holds two at most.
 *   file size    2 and 8 MiB alike, 32 MiB makes the longest write 159 ms; 8 keeps the number of files down.
 */
const LEVEL_OPTIONS = {
  keyEncoding: 'buffer',
  valueEncoding: 'buffer',
  compression: true,
  writeBufferSize: 32 * 1024 * 1024,
  maxFileSize: 8 * 1024 * 1024,
} as const;

/**
 * Opens or makes the journal in `dir`. Rejects with `invalid-config` when another process has it, or when it is of an
 * unknown layout, and with `storage-failed` when it cannot be read, or has lost what was synced (`isDamage`).
 */
export async function openLevelJournal(
  dir: string,
  options: LevelJournalOptions = {},
): Promise<LevelJournal> {
  const marked = await readSyncedMark(dir);
  const tables = await tablesIn(dir);
  const db = await openDatabase(dir, marked);
  try {
    const value = await read(db, keys.syncedKey);
    const synced = value ? codec.decodeNumber(keys.syncedKey, value) : 0;
    if (synced < marked)
      throw new CorruptionError(`the last synced batch in it is ${synced}, and ${marked} was written`);
    const mark = await SyncedMark.open(dir);
    const journal = new LevelJournal(db, dir, options.cacheBytes ?? CACHE_BYTES, { synced, mark });
    journal.scrub(tables);
    return journal;
  } catch (error) {
    await db.close();
    throw mapped(error, `opening the journal in ${dir}`);
  }
}

/**
 * The database of a journal, or of a copy of one, in the newest layout. `syncedMark`: a batch that it must have; 0: none is known.
 * Rejects as `openLevelJournal` does.
 */
export async function openDatabase(dir: string, syncedMark = 0): Promise<Database> {
  await checkUnused(dir, syncedMark); // before there is a Level: that opens itself
  const db = new Level<Buffer, Buffer>(dir, LEVEL_OPTIONS) as Database;
  try {
    await makeDirectory(dir);
    await db.open();
  } catch (error) {
    throw openFailure(dir, error);
  }
  try {
    await agreeOnLayout(db, dir);
    await clearSuspicion(dir, db);
    return db;
  } catch (error) {
    await db.close();
    throw mapped(error, `opening the journal in ${dir}`);
  }
}

export class LevelJournal implements Journal {
  /** Resolves with what put the journal out of use while nobody had asked anything of it: who rests on it ends at once. */
  readonly failed: Promise<unknown>;
  readonly #cameUpon: (failure: unknown) => void;
  readonly #db: Database;
  readonly #dir: string;
  readonly #cache: BlockCache;
  readonly #known = new KnownHeaders();
  /** Where blocks are encoded: LevelDB has copied them before the next batch is begun. */
  readonly #scratch = new Scratch(SCRATCH_BYTES);
  /** Reads of blocks under way, so that many queues at the same place read it once. */
  readonly #reading = new Map<number, Promise<BlockContent | undefined>>();
  readonly #loads = new Set<Promise<unknown>>();
  readonly #queues = new Set<number>();
  readonly #counters = { appends: 0, syncs: 0, opsWritten: 0, bytesWritten: 0, blocksRead: 0, bytesRead: 0 };
  /** Settles when every write asked for has; never rejects. */
  #written: Promise<unknown> = Promise.resolve();
  #status: 'opened' | 'recovered' | 'failed' | 'closed' = 'opened';
  #failure: unknown;
  #closing: Promise<void> | undefined;
  #nextBlock = 0;
  /** The number of the last synced batch. */
  #synced: number;
  readonly #mark: SyncedMark | undefined;
  readonly #scrubbing = new AbortController();
  #scrubbed: Promise<void> | undefined;
  /** Once it is recovered. */
  #truncation: Truncation | undefined;
  /** Resolves when no disk is being freed. */
  #freed: Promise<void> = Promise.resolve();

  /** `marked`: left out where the journal is only read. */
  constructor(
    db: Database,
    dir: string,
    cacheBytes: CacheBytes = CACHE_BYTES,
    marked?: { readonly synced: number; readonly mark: SyncedMark },
  ) {
    this.#db = db;
    this.#dir = dir;
    this.#cache = new BlockCache(cacheBytes);
    this.#synced = marked?.synced ?? 0;
    this.#mark = marked?.mark;
    ({ promise: this.failed, resolve: this.#cameUpon } = Promise.withResolvers<unknown>());
  }

  /** Looks through these tables, of those that were there before it was opened, while it is in use. What it finds ends the journal. */
  scrub(tables: readonly string[]): void {
    this.#scrubbed = scrub(this.#dir, tables, this.#scrubbing.signal).catch(async (error: unknown) => {
      await noteDamage(this.#dir, error);
      this.#cameUpon(this.#fail(error, 'looking through'));
    });
  }

  counters(): JournalCounters {
    return { ...this.#counters };
  }

  async recover(of: 'journal' | 'copy' = 'journal'): Promise<Recovered> {
    invariant(this.#status === 'opened', 'a journal is recovered once, before anything else');
    this.#status = 'recovered';
    try {
      const recovered = await recoverLevel(this.#db, of);
      this.#nextBlock = recovered.nextBlock;
      this.#truncation = await Truncation.open(this.#db, recovered.nextBlock);
      for (const { queue } of recovered.queues) this.#queues.add(queue);
      return recovered;
    } catch (error) {
      await noteDamage(this.#dir, error);
      throw this.#fail(error, 'recovering from');
    }
  }

  async append(ops: readonly JournalOp[], sync: boolean): Promise<void> {
    invariant(this.#status !== 'opened', 'a journal is recovered before it is written');
    await this.#inTurn(async () => {
      await this.#write(await this.#changesOf(ops), sync);
      this.#counters.appends += 1;
      this.#counters.opsWritten += ops.length;
      for (const op of ops) this.#remember(op);
    });
  }

  /** Sees every batch appended before the call. */
  async load(queue: number, blocks: readonly number[]): Promise<LoadedEntry[]> {
    const loading = this.#load(queue, blocks);
    this.#loads.add(loading);
    try {
      return await loading;
    } catch (error) {
      await noteDamage(this.#dir, error);
      throw error;
    } finally {
      this.#loads.delete(loading);
    }
  }

  /**
   * What a copy of this journal needs behind `from`, as of all batches appended before the call and none after it, up to about
   * `bytesMax` bytes; `to` says how far that goes.
   */
  async readRange(from: string, bytesMax: number): Promise<{ to: string; content: Buffer }> {
    let range: { to: string; content: Buffer } | undefined;
    await this.#inTurn(async () => {
      range = await readRange(this.#db, from, bytesMax);
    });
    invariant(range, 'a turn that does not throw has read');
    return range;
  }

  async getMeta(name: string): Promise<string | undefined> {
    await this.#written;
    this.#refuseUnlessUsable();
    const key = keys.metaKey(name);
    try {
      const value = await read(this.#db, key);
      return value && codec.decodeText(key, value);
    } catch (error) {
      throw mapped(error, `reading the value ${name} in ${this.#dir}`);
    }
  }

  async putMeta(name: string, value: string): Promise<void> {
    const key = keys.metaKey(name);
    await this.#inTurn(() => this.#write([encoded(key, codec.encodeText, value)], true));
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    this.#status = 'closed';
    await this.#written;
    await this.#freed;
    await Promise.allSettled(this.#loads);
    this.#scrubbing.abort();
    await this.#scrubbed;
    await this.#mark?.close();
    try {
      await this.#db.close();
    } catch (error) {
      throw mapped(error, `closing the journal in ${this.#dir}`);
    }
  }

  // ─────────────────────────────────────────────────────────── writing

  /** Runs `write` when all writes before it are done. Whatever it throws ends the use of this journal. */
  async #inTurn(write: () => Promise<void>): Promise<void> {
    this.#refuseUnlessUsable();
    const turn = this.#written.then(async () => {
      if (this.#failure !== undefined) throw this.#outOfUse();
      try {
        await write();
      } catch (error) {
        await noteDamage(this.#dir, error);
        throw this.#fail(error, 'working on');
      }
    });
    this.#written = turn.catch(() => undefined); // its caller has the rejection; the next in turn sees the status
    await turn;
  }

  /** What is synced ends with its number, so there is something to write although nothing has changed. */
  async #write(changes: Change[], sync: boolean): Promise<void> {
    const number = this.#synced + 1;
    if (sync) changes.push(encoded(keys.syncedKey, codec.encodeNumber, number));
    try {
      await this.#db.batch(changes, { sync });
    } catch (error) {
      throw storageFailed(`writing to the journal in ${this.#dir}`, error);
    }
    if (sync) {
      this.#counters.syncs += 1;
      this.#synced = number;
      this.#mark?.synced(number);
    }
    for (const change of changes) {
      this.#counters.bytesWritten += change.key.length + (change.type === 'put' ? change.value.length : 0);
    }
    this.#truncation?.wrote(changes);
    if (this.#truncation?.isDue === true) this.#freed = this.#truncation.free();
  }

  async #changesOf(ops: readonly JournalOp[]): Promise<Change[]> {
    const changes: Change[] = [];
    const queuesWritten = new Set<number>();
    let blocks = 0;
    this.#scratch.reset();
    for (const [i, op] of ops.entries()) {
      if (i > 0 && i % TURN_OPS === 0) await immediate();
      if (op.op === 'block') {
        this.#addBlock(op, changes);
        blocks += 1;
      } else if (op.op === 'drop-queue') await this.#dropQueue(op.queue, changes);
      else changes.push(...changesOf(op));
      if (op.op === 'queue') this.#queues.add(op.queue);
      if (op.op === 'entry') queuesWritten.add(op.queue);
      if (op.op === 'drop-queue') queuesWritten.delete(op.queue);
    }
    for (const queue of queuesWritten)
      invariant(this.#queues.has(queue), `queue ${queue} exists when an entry of it is written`);
    // Written with every block, so that no crash and no drop can bring a number back.
    if (blocks > 0) changes.push(encoded(keys.nextBlockKey, codec.encodeNumber, this.#nextBlock));
    return changes;
  }

  #addBlock({ block, events }: Extract<JournalOp, { op: 'block' }>, changes: Change[]): void {
    invariant(block >= this.#nextBlock, `block number ${block} was never used (next is ${this.#nextBlock})`);
    this.#nextBlock = block + 1;
    const key = keys.blockKey(block);
    const value = codec.encodeBlock(key, events, this.#scratch.take);
    const head = keys.headKey(block);
    changes.push(
      { type: 'put', key, value },
      { type: 'put', key: head, value: codec.encodeHead(head, events.length, value.length) },
    );
  }

  /** The name and every entry, in one batch however many: half a queue would come back as a whole one. */
  async #dropQueue(queue: number, changes: Change[]): Promise<void> {
    const range = keys.entriesOf(queue);
    const inThisBatch = changes
      .filter(({ type, key }) => type === 'put' && keys.isWithin(key, range))
      .map(({ key }) => key);
    for (const key of [...inThisBatch, keys.queueKey(queue)]) changes.push(del(key));
    await scan(this.#db, range, (key) => changes.push(del(key)));
    this.#queues.delete(queue);
  }

  /** What is on disk now as the cache has it. */
  #remember(op: JournalOp): void {
    switch (op.op) {
      case 'block':
        this.#cache.addWritten(op.block, new WrittenBlock(op.events));
        return;
      case 'drop-block':
        this.#cache.drop(op.block);
        return;
      case 'entry':
        this.#cache.setEntry(op.queue, op.block, op.entry);
        return;
      case 'drop-entry':
        this.#cache.dropEntry(op.queue, op.block);
        return;
      case 'drop-queue':
        this.#cache.dropQueue(op.queue);
        return;
      default:
    }
  }

  // ─────────────────────────────────────────────────────────── reading

  async #load(queue: number, blocks: readonly number[]): Promise<LoadedEntry[]> {
    await this.#written;
    this.#refuseUnlessUsable();
    try {
      return this.#fromMemory(queue, blocks) ?? (await this.#fromDisk(queue, blocks));
    } catch (error) {
      throw mapped(error, `reading queue ${queue} in ${this.#dir}`);
    }
  }

  /** Undefined: not all of it is there. */
  #fromMemory(queue: number, blocks: readonly number[]): LoadedEntry[] | undefined {
    const loaded: LoadedEntry[] = [];
    let bytes = 0;
    for (const block of blocks) {
      const entry = this.#cache.entry(queue, block);
      if (entry === 'unknown') return undefined;
      if (entry === 'none') continue;
      const content = this.#cache.get(block);
      bytes += content?.bytes ?? 0;
      if (bytes > LOAD_BYTES_MAX && loaded.length >= FEW_BLOCKS) break;
      const events = located(queue, block, () => (content ?? missing()).events(entry.indices));
      loaded.push({ block, entry, events });
    }
    return loaded;
  }

  async #fromDisk(queue: number, blocks: readonly number[]): Promise<LoadedEntry[]> {
    const snapshot = this.#db.snapshot(); // entries and blocks as of one moment, whatever is dropped meanwhile
    try {
      const entryKeys = blocks.map((block) => keys.entryKey(queue, block));
      const values = await this.#db.getMany(entryKeys, { snapshot });
      const entries: Wanted[] = [];
      for (const [i, block] of blocks.entries()) {
        const key = entryKeys[i];
        const value: Buffer | undefined = values[i];
        if (!key || !value) continue;
        this.#counters.bytesRead += value.length;
        entries.push({ block, entry: located(queue, block, () => codec.decodeEntry(key, value)) });
      }
      const first = await this.#firstOf(queue, entries, snapshot);
      const contents = this.#blocks(
        first.map(({ block }) => block),
        snapshot,
      );
      return await Promise.all(
        first.map(async ({ block, entry }) => {
          const content = await contents
            .get(block)
            ?.catch((error: unknown) => located(queue, block, () => raise(error)));
          const events = located(queue, block, () => (content ?? missing()).events(entry.indices));
          return { block, entry, events };
        }),
      );
    } finally {
      await snapshot.close();
    }
  }

  /** As many of the first as together are not too large: at least one, and all where they are few. */
  async #firstOf(queue: number, entries: readonly Wanted[], snapshot: Snapshot): Promise<readonly Wanted[]> {
    if (entries.length <= FEW_BLOCKS) return entries;
    const headKeys = entries.map(({ block }) => keys.headKey(block));
    const heads = await this.#db.getMany(headKeys, { snapshot });
    let bytes = 0;
    const end = headKeys.findIndex((key, i) => {
      const head = heads[i];
      if (head)
        bytes += located(queue, entries[i]?.block ?? 0, () => codec.decodeHead(key, head)).recordBytes;
      return bytes > LOAD_BYTES_MAX;
    });
    return end < 0 ? entries : entries.slice(0, Math.max(1, end));
  }

  /** From the cache, from a read under way, or from disk (all of these in one go). */
  #blocks(blocks: readonly number[], snapshot: Snapshot): Map<number, Promise<BlockContent | undefined>> {
    const contents = new Map<number, Promise<BlockContent | undefined>>();
    const absent = new Set<number>();
    for (const block of blocks) {
      const cached = this.#cache.get(block);
      const known = cached ? Promise.resolve(cached) : this.#reading.get(block);
      if (known) contents.set(block, known);
      else absent.add(block);
    }
    if (absent.size === 0) return contents;
    const blockKeys = [...absent].map(keys.blockKey);
    const reading = this.#db.getMany(blockKeys, { snapshot, fillCache: false });
    for (const [i, block] of [...absent].entries()) {
      const content = reading.then((values) => this.#readBlock(block, values[i]));
      const forget = (): unknown => this.#reading.delete(block);
      content.then(forget, forget);
      this.#reading.set(block, content);
      contents.set(block, content);
    }
    return contents;
  }

  #readBlock(block: number, value: Buffer | undefined): BlockContent | undefined {
    if (!value) return undefined;
    this.#counters.blocksRead += 1;
    this.#counters.bytesRead += value.length;
    const content = codec.decodeBlock(keys.blockKey(block), value, this.#known);
    this.#cache.addRead(block, content);
    return content;
  }

  // ─────────────────────────────────────────────────────────── failing

  /** Bugs pass through as they are; all else comes out as MeshError. Either way the journal is done with. */
  #fail(error: unknown, doing: string): unknown {
    const failure = mapped(error, `${doing} the journal in ${this.#dir}`);
    if (this.#status !== 'closed') this.#status = 'failed';
    this.#failure ??= failure;
    return failure;
  }

  #refuseUnlessUsable(): void {
    if (this.#failure !== undefined) throw this.#outOfUse();
    if (this.#status === 'closed')
      throw new MeshError('storage-failed', `The journal in ${this.#dir} is closed.`);
  }

  #outOfUse(): MeshError {
    const message = `The journal in ${this.#dir} is out of use after a failure; restart the mesher once its disk is well.`;
    return new MeshError('storage-failed', message, { cause: this.#failure });
  }
}

function raise(error: unknown): never {
  throw error;
}

function missing(): never {
  throw new CorruptionError('the block is gone');
}

// ───────────────────────────────────────────────────────────── opening

/** A directory that a power cut takes away takes the journal with it: its parents are synced when they are made. */
async function makeDirectory(dir: string): Promise<void> {
  const made = await mkdir(dir, { recursive: true });
  if (made === undefined) return;
  const top = dirname(resolve(made));
  let parent = resolve(dir);
  do {
    parent = dirname(parent);
    await syncDirectory(parent);
  } while (parent !== top);
}

export async function syncDirectory(dir: string): Promise<void> {
  try {
    await using handle = await open(dir, 'r');
    await handle.sync();
  } catch (error) {
    // Windows cannot sync directories, and needs not: NTFS journals them.
    if (!['EPERM', 'EISDIR', 'EACCES'].includes(codeOf(error) ?? '')) throw error;
  }
}

/** Files that another process writes to are no damage, however they look. */
async function checkUnused(dir: string, syncedMark: number): Promise<void> {
  try {
    await checkFiles(dir, syncedMark);
  } catch (error) {
    const inUse = await lockFailure(dir);
    throw inUse ?? error;
  }
}

/** Asks LevelDB for what it refuses, after it has taken the lock and before it looks at anything else. */
async function lockFailure(dir: string): Promise<MeshError | undefined> {
  const probe = new Level(dir, { createIfMissing: false, errorIfExists: true });
  try {
    await probe.open();
    await probe.close();
    return undefined;
  } catch (error) {
    return isLocked(error) ? openFailure(dir, error) : undefined; // refused, as it should be: nobody has it
  }
}

function isLocked(error: unknown): boolean {
  return error instanceof Error && codeOf(error.cause) === 'LEVEL_LOCKED';
}

function openFailure(dir: string, error: unknown): MeshError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (isLocked(error)) {
    const message = `The journal in ${dir} is in use by another process; stop that mesher, or give this one a data directory of its own.`;
    return new MeshError('invalid-config', message, { cause: error, details: { directory: dir } });
  }
  return storageFailed(`opening the journal in ${dir}`, cause); // `error` says only that it did not open
}
