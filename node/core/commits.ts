// Group commit. What is staged while a batch is being written goes into the next one: one LevelDB batch, one fsync,
// holding blocks of events, one entry for each queue, receive marks, settlements. When the batch is on disk its entries
// become visible in their queues, and whoever waited (`whenDurable`) is told, in the order of staging.

import { BlockClaims } from './block-claims.ts';
import { invariant } from './errors.ts';
import { boundMemory } from './held-memory.ts';
import { NO_GROUPS, type Directive, type Position, type StoredEvent } from './event.ts';
import { endingWith } from './fates.ts';
import type { Limits } from './limits.ts';
import type { JournalOp, QueueEntry } from './ports.ts';
import type { Queue, QueuePorts } from './queue.ts';
import type { Emit } from './steps.ts';

/** What the events of a block may keep in memory, in their own bytes: the journal keeps them for a while. */
const BLOCK_MEMORY_TIMES = 4;
/** The same for what one queue wants of a block: an eighth for each lane is usual. */
const QUEUE_MEMORY_TIMES = 16;

interface StagedEntry {
  readonly queue: Queue;
  readonly indices: number[];
  readonly first: Position | undefined;
  readonly directives: { from: number; directive: Directive }[];
}

interface StagedBlock {
  readonly block: number;
  readonly events: StoredEvent[];
  bytes: number;
  readonly entries: Map<number, StagedEntry>;
}

interface Batch {
  readonly id: number;
  readonly blocks: StagedBlock[];
  readonly ops: JournalOp[];
  readonly waiting: (() => void)[];
  sync: boolean;
  bytes: number;
}

export class Commits implements QueuePorts {
  readonly #limits: Limits;
  readonly #emit: Emit;
  #nextBlock: number;
  #batchId = 0;
  #staged: Batch;
  #offered: StoredEvent | undefined;
  #writing: Batch | undefined;
  readonly #claims = new BlockClaims();
  readonly #dirtyQueues = new Set<Queue>();
  /** Of everything that goes to the journal, in order. */
  readonly #appending: (batch: number, ops: readonly JournalOp[]) => void;

  constructor(
    nextBlock: number,
    limits: Limits,
    emit: Emit,
    appending: (batch: number, ops: readonly JournalOp[]) => void = () => undefined,
  ) {
    this.#nextBlock = nextBlock;
    this.#limits = limits;
    this.#emit = emit;
    this.#appending = appending;
    this.#staged = this.#newBatch();
  }

  /** One above the highest block number used. */
  get nextBlock(): number {
    return this.#nextBlock;
  }

  /** The batch that takes what is staged now. */
  get stagedBatch(): number {
    return this.#staged.id;
  }

  /** Bytes of events staged or being written. */
  get pendingBytes(): number {
    return this.#staged.bytes + (this.#writing?.bytes ?? 0);
  }

  get idle(): boolean {
    return !this.#writing && this.#dirtyQueues.size === 0 && this.#isEmpty(this.#staged);
  }

  get blocks(): number {
    return this.#claims.size;
  }

  /** One recovered entry wants this block. */
  recover(block: number): void {
    this.#claims.add(block);
  }

  /** An event that queues may want: the first that does puts it into the batch, once for all. */
  offer(event: StoredEvent): void {
    this.#offered = event;
  }

  /** A queue has wanted the event offered last. */
  get taken(): boolean {
    return this.#offered === undefined;
  }

  #store(event: StoredEvent): void {
    const batch = this.#staged;
    let block = batch.blocks.at(-1);
    if (
      !block ||
      block.events.length >= this.#limits.blockEventsMax ||
      block.bytes + event.bytes > this.#limits.blockBytesMax
    ) {
      block = { block: this.#nextBlock++, events: [], bytes: 0, entries: new Map() };
      batch.blocks.push(block);
    }
    block.events.push(event);
    block.bytes += event.bytes;
    batch.bytes += event.bytes;
    batch.sync = true;
  }

  /**
   * A queue wants the event offered last. Positions, where given, are consecutive for a queue within a block: a lane hands
   * out one after the other.
   */
  want(queue: Queue, position?: Position, directive = NO_GROUPS): void {
    if (this.#offered) this.#store(this.#offered);
    this.#offered = undefined;
    const block = this.#staged.blocks.at(-1);
    invariant(block, 'an event was offered before a queue wants it');
    let entry = block.entries.get(queue.id);
    if (!entry) {
      entry = { queue, indices: [], first: position, directives: [] };
      block.entries.set(queue.id, entry);
    }
    const { directives, indices } = entry;
    const current = directives.length === 0 ? NO_GROUPS : directives[directives.length - 1]?.directive;
    if (current !== directive) directives.push({ from: indices.length, directive });
    indices.push(block.events.length - 1);
    queue.staged++;
  }

  op(op: JournalOp): void {
    this.#staged.ops.push(op);
  }

  /** `then` runs in the step that is told that all staged so far is on disk. */
  whenDurable(then: () => void, sync = true): void {
    this.#staged.waiting.push(then);
    if (sync) this.#staged.sync = true;
  }

  dirty(queue: Queue): void {
    this.#dirtyQueues.add(queue);
  }

  load(queue: number, blocks: readonly number[]): void {
    this.#emit({ kind: 'load', queue, blocks });
  }

  release(block: number): void {
    if (this.#claims.release(block)) this.op({ op: 'drop-block', block });
  }

  /** Emits the next append if none is under way. What needs no fsync waits for something that does, or for `force`. */
  flush(force: boolean): void {
    const batch = this.#staged;
    if (this.#writing || (!batch.sync && !force)) return;
    for (const queue of this.#dirtyQueues) queue.writeSettled();
    this.#dirtyQueues.clear();
    if (this.#isEmpty(batch)) return;
    this.#staged = this.#newBatch();
    this.#writing = batch;
    // An entry dropped or rewritten in this batch is one of an earlier batch: blocks and entries are added last.
    const ops = batch.ops;
    for (const { block, events, entries } of batch.blocks) {
      for (const [id, { queue, indices }] of entries) {
        if (!queue.destroyed) continue;
        entries.delete(id);
        for (const event of pick(events, indices)) this.#emit(endingWith(queue, event));
      }
      if (entries.size === 0) continue;
      boundMemory(events, BLOCK_MEMORY_TIMES);
      ops.push({ op: 'block', block, events });
      this.#claims.addNew(block, entries.size);
      for (const { queue, indices, first, directives } of entries.values()) {
        ops.push({ op: 'entry', queue: queue.id, block, entry: { indices, first, directives } });
      }
    }
    this.#emit({ kind: 'append', batch: batch.id, ops, sync: batch.sync });
    this.#appending(batch.id, ops);
  }

  /** The batch is on disk: its entries appear in their queues, then the waiting are told. Returns the queues touched. */
  appended(id: number): Set<Queue> {
    const batch = this.#writing;
    invariant(batch?.id === id, `batch ${id} was not being written`);
    this.#writing = undefined;
    const touched = new Set<Queue>();
    for (const { block, events, entries } of batch.blocks) {
      for (const staged of entries.values()) {
        staged.queue.staged -= staged.indices.length;
        if (staged.queue.destroyed) {
          this.op({ op: 'drop-entry', queue: staged.queue.id, block });
          this.release(block);
          continue;
        }
        const entry: QueueEntry = staged;
        const picked = pick(events, entry.indices);
        if (picked !== events) boundMemory(picked, QUEUE_MEMORY_TIMES);
        staged.queue.committed(block, entry, picked);
        touched.add(staged.queue);
      }
    }
    for (const then of batch.waiting) then();
    return touched;
  }

  #newBatch(): Batch {
    return { id: ++this.#batchId, blocks: [], ops: [], waiting: [], sync: false, bytes: 0 };
  }

  #isEmpty(batch: Batch): boolean {
    return batch.blocks.length === 0 && batch.ops.length === 0 && batch.waiting.length === 0;
  }
}

function pick(events: readonly StoredEvent[], indices: readonly number[]): readonly StoredEvent[] {
  if (indices.length === events.length) return events;
  const picked: StoredEvent[] = [];
  for (const index of indices) {
    const event = events[index];
    if (event) picked.push(event);
  }
  return picked;
}
