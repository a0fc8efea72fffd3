// The blocks lately written or read, by number, least recently used first out. Bounded in bytes, each kind for itself: to who
// reads a backlog, what is written meanwhile is of no use yet. Blocks never change, and their numbers are never used again, so
// a block here can be unneeded but not stale.
//
// Of a block that was appended here its entries are known too, all of them: a queue that lags a little behind its window gets
// its events back without asking LevelDB, and without decoding what was encoded a moment ago.

import type { StoredEvent } from '../core/event.ts';
import type { QueueEntry } from '../core/ports.ts';

export interface BlockContent {
  /** What it takes in memory. */
  readonly bytes: number;
  events(indices: readonly number[]): StoredEvent[];
}

/** Of blocks kept in memory. */
export interface CacheBytes {
  readonly writtenBytesMax: number;
  readonly readBytesMax: number;
}

interface Cached {
  readonly content: BlockContent;
  /** By queue; undefined: they are on disk only. */
  readonly entries: Map<number, QueueEntry> | undefined;
  bytes: number;
}

/** An entry's objects, and each of its indices. */
const ENTRY_BYTES = 200;
const INDEX_BYTES = 8;

/** Of one kind: in the order in which they were used, as a Map keeps it. */
interface Kept {
  readonly bytesMax: number;
  readonly blocks: Map<number, Cached>;
  bytes: number;
}

export class BlockCache {
  readonly #written: Kept;
  readonly #read: Kept;

  constructor({ writtenBytesMax, readBytesMax }: CacheBytes) {
    this.#written = { bytesMax: writtenBytesMax, blocks: new Map(), bytes: 0 };
    this.#read = { bytesMax: readBytesMax, blocks: new Map(), bytes: 0 };
  }

  get(block: number): BlockContent | undefined {
    const { blocks } = this.#keptWith(block);
    const found = blocks.get(block);
    if (!found) return undefined;
    blocks.delete(block);
    blocks.set(block, found); // now the last
    return found.content;
  }

  #keptWith(block: number): Kept {
    return this.#written.blocks.has(block) ? this.#written : this.#read;
  }

  /** What the queue has still to get of the block, as far as that is known here. */
  entry(queue: number, block: number): QueueEntry | 'none' | 'unknown' {
    const entries = this.#written.blocks.get(block)?.entries;
    return entries ? (entries.get(queue) ?? 'none') : 'unknown';
  }

  /** A block that was read: what its entries are stays unknown. */
  addRead(block: number, content: BlockContent): void {
    this.#add(this.#read, block, { content, entries: undefined, bytes: content.bytes });
  }

  /** A block that was written just now; its entries follow. */
  addWritten(block: number, content: BlockContent): void {
    this.#add(this.#written, block, { content, entries: new Map(), bytes: content.bytes });
  }

  #add(kept: Kept, block: number, cached: Cached): void {
    this.drop(block);
    kept.blocks.set(block, cached);
    this.#count(kept, cached.bytes);
  }

  #count(kept: Kept, bytes: number): void {
    kept.bytes += bytes;
    for (const oldest of kept.blocks.keys()) {
      if (kept.bytes <= kept.bytesMax) return;
      this.drop(oldest);
    }
  }

  setEntry(queue: number, block: number, entry: QueueEntry): void {
    const found = this.#written.blocks.get(block);
    if (!found?.entries) return;
    const more = entryBytes(entry) - entryBytes(found.entries.get(queue));
    found.entries.set(queue, entry);
    found.bytes += more;
    this.#count(this.#written, more);
  }

  dropEntry(queue: number, block: number): void {
    const found = this.#written.blocks.get(block);
    const entry = found?.entries?.get(queue);
    if (!found?.entries || !entry) return;
    found.entries.delete(queue);
    found.bytes -= entryBytes(entry);
    this.#count(this.#written, -entryBytes(entry));
  }

  dropQueue(queue: number): void {
    for (const block of this.#written.blocks.keys()) this.dropEntry(queue, block);
  }

  drop(block: number): void {
    const kept = this.#keptWith(block);
    const found = kept.blocks.get(block);
    if (!found) return;
    kept.blocks.delete(block);
    kept.bytes -= found.bytes;
  }
}

function entryBytes(entry: QueueEntry | undefined): number {
  return entry ? ENTRY_BYTES + INDEX_BYTES * entry.indices.length : 0;
}
