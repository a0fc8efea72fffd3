// The blocks lately written or read, by number, least recently used first out. Bounded in bytes. Blocks never
// change, and their numbers are never used again, so a block here can be unneeded but not stale.
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

interface Cached {
  readonly content: BlockContent;
  /** By queue; undefined: they are on disk only. */
  readonly entries: Map<number, QueueEntry> | undefined;
  bytes: number;
}

/** An entry's objects, and each of its indices. */
const ENTRY_BYTES = 200;
const INDEX_BYTES = 8;

export class BlockCache {
  readonly #bytesMax: number;
  readonly #blocks = new Map<number, Cached>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(block: number): BlockContent | undefined {
    const found = this.#blocks.get(block);
    if (!found) return undefined;
    this.#blocks.delete(block);
    this.#blocks.set(block, found); // a Map iterates in order of insertion: the last is the latest used
    return found.content;
  }

  /** What the queue has still to get of the block, as far as that is known here. */
  entry(queue: number, block: number): QueueEntry | 'none' | 'unknown' {
    const entries = this.#blocks.get(block)?.entries;
    return entries ? (entries.get(queue) ?? 'none') : 'unknown';
  }

  /** A block that was read: what its entries are stays unknown. */
  addRead(block: number, content: BlockContent): void {
    this.#add(block, { content, entries: undefined, bytes: content.bytes });
  }

  /** A block that was written just now; its entries follow. */
  addWritten(block: number, content: BlockContent): void {
    this.#add(block, { content, entries: new Map(), bytes: content.bytes });
  }

  #add(block: number, cached: Cached): void {
    this.drop(block);
    this.#blocks.set(block, cached);
    this.#bytes += cached.bytes;
    this.#makeRoom();
  }

  #makeRoom(): void {
    for (const oldest of this.#blocks.keys()) {
      if (this.#bytes <= this.#bytesMax) return;
      this.drop(oldest);
    }
  }

  setEntry(queue: number, block: number, entry: QueueEntry): void {
    const found = this.#blocks.get(block);
    if (!found?.entries) return;
    this.#count(found, entryBytes(entry) - entryBytes(found.entries.get(queue)));
    found.entries.set(queue, entry);
    this.#makeRoom();
  }

  dropEntry(queue: number, block: number): void {
    const found = this.#blocks.get(block);
    const entry = found?.entries?.get(queue);
    if (!found?.entries || !entry) return;
    this.#count(found, -entryBytes(entry));
    found.entries.delete(queue);
  }

  dropQueue(queue: number): void {
    for (const block of this.#blocks.keys()) this.dropEntry(queue, block);
  }

  drop(block: number): void {
    const found = this.#blocks.get(block);
    if (!found) return;
    this.#blocks.delete(block);
    this.#bytes -= found.bytes;
  }

  #count(cached: Cached, bytes: number): void {
    cached.bytes += bytes;
    this.#bytes += bytes;
  }
}

function entryBytes(entry: QueueEntry | undefined): number {
  return entry ? ENTRY_BYTES + INDEX_BYTES * entry.indices.length : 0;
}
