// What one subscription, or one lane, has still to get. The queue lies on disk, one entry for each block of events it
// wants something of; in memory are the numbers of its blocks, and a window of loaded items at its front.
//
// Invariant: items leave the window in the order of (block, index); a block is loaded only after all before it. A settled
// item never comes back, also not after a restart, once the batch that says so is on disk.

import { BlockList, type ListedBlock } from './block-list.ts';
import { VOLATILE_BLOCK } from './delivery-token.ts';
import { Deque } from './deque.ts';
import { invariant } from './errors.ts';
import { comparePositions, NO_GROUPS, type Directive, type Position, type StoredEvent } from './event.ts';
import { IndexSet } from './index-set.ts';
import type { Limits } from './limits.ts';
import type { JournalOp, LoadedEntry, QueueEntry } from './ports.ts';
import type { SessionId } from './steps.ts';

export interface QueueItem {
  /** VOLATILE_BLOCK for an event that was never on disk. */
  readonly block: number;
  readonly index: number;
  readonly event: StoredEvent;
  /** Lanes only. */
  readonly position: Position | undefined;
  readonly directive: Directive;
  /** Times handed to a consumer. */
  attempt: number;
  /** Number of its last hand-out among all of this queue; 0: none since the mesher started. */
  handOut: number;
  /** Times a consumer failed with it. */
  failures: number;
  /** The mark of the stream session it was handed to last; undefined: it was pulled, or never handed out. */
  mark: number | undefined;
  /** While it is in flight: the session that has it; undefined: it was pulled. */
  session: SessionId | undefined;
  /** While it is in flight: monotonic ms until which it must be settled; Infinity while a stream holds it. */
  deadline: number;
}

/** What a queue gave up. */
export interface Trimmed {
  readonly count: number;
  readonly items: readonly QueueItem[];
  /** Whole, unread. */
  readonly blocks: readonly number[];
}

interface BlockState {
  /** Events of this block not yet settled. */
  count: number;
  readonly first: Position | undefined;
  /** Position of the block's last event (lanes). */
  readonly last: Position | undefined;
  /** Unsettled indices; known once loaded (subscriptions). */
  remaining: IndexSet | undefined;
}

/** How many blocks one load brings: two fill the default window with full blocks. */
const BLOCKS_PER_LOAD = 4;
/** More of them where they are small, up to so many, and to so much of the window. */
const SMALL_BLOCKS_PER_LOAD = 256;
const WINDOW_PER_LOAD = 1 / 4;
/** The window runs low. */
const WINDOW_LOW = 1 / 2;
/**
 * Events that a queue keeps in memory though nobody takes any, some 700 bytes each: thousands of idle subscriptions must cost
 * little, and 10,000 of them take 56 MB.
 */
const IDLE_WINDOW_EVENTS = 8;

export interface QueuePorts {
  /** Adds an op to the next batch. */
  op(op: JournalOp): void;
  load(queue: number, blocks: readonly number[]): void;
  /** One queue less wants this block. */
  release(block: number): void;
  /** The queue has settlements to write before the next batch is closed. */
  dirty(queue: Queue): void;
}

export class Queue {
  readonly id: number;
  readonly name: string;
  readonly #limits: Limits;
  readonly #ports: QueuePorts;
  /** Those loaded, in ascending order, which a Map keeps: blocks are numbered as they come. */
  readonly #blocks = new Map<number, BlockState>();
  readonly #window = new Deque<QueueItem>();
  /** All behind them. */
  #unloaded = new BlockList();
  /** Of these, blocks of which something was settled all the same: what they hold still. */
  readonly #touched = new Map<number, BlockState>();
  readonly #dirty = new Set<number>();
  #windowBytes = 0;
  /** Of those loaded last, in the mean; undefined: none was. */
  #eventBytes: number | undefined;
  /** Events put into the window since one was last taken, and how many may be: it grows with what is taken. */
  #untaken = 0;
  #appetite = IDLE_WINDOW_EVENTS;
  #loading = false;
  /** The last block of the load under way. */
  #askedUpTo = 0;
  #depth = 0;
  #volatileIndex = 0;
  #destroyed = false;
  /** Lanes: all up to here is settled; loaded items at or before it are skipped. */
  #settledUpTo: Position | undefined;

  constructor(id: number, name: string, limits: Limits, ports: QueuePorts) {
    this.id = id;
    this.name = name;
    this.#limits = limits;
    this.#ports = ports;
  }

  /** Events not yet settled, on disk or in memory. */
  get depth(): number {
    return this.#depth;
  }

  /** Deleted: what is still staged for it is not written, or taken away again. */
  get destroyed(): boolean {
    return this.#destroyed;
  }

  /** Events staged for this queue that are not on disk yet; `depth` does not count them. */
  staged = 0;

  /** Items that can be taken now. */
  get ready(): number {
    return this.#window.size;
  }

  front(): QueueItem | undefined {
    return this.#window.front();
  }

  recover(block: number, count: number, first: Position | undefined): void {
    this.#unloaded.push({ block, count, first });
    this.#depth += count;
  }

  /** Position of the oldest event that is not settled; undefined: none. Lanes only. */
  firstPosition(): Position | undefined {
    for (const state of this.#blocks.values()) return state.first;
    return this.#unloaded.front?.first;
  }

  /** Position of the newest event on disk; undefined: none. Lanes only. Asked once, at start, when none is loaded. */
  lastPosition(): Position | undefined {
    const { last } = this.#unloaded;
    return last && lastOf(last.first, last.count);
  }

  /** A block with something for this queue is on disk. `events` are those of `entry.indices`. */
  committed(block: number, entry: QueueEntry, events: readonly StoredEvent[]): void {
    const count = entry.indices.length;
    this.#depth += count;
    const listed = { block, count, first: entry.first };
    if (this.#isWelcome(count)) {
      this.#untaken += count;
      this.#blocks.set(block, stateOf(listed));
      this.#fill({ block, entry, events });
    } else this.#unloaded.push(listed);
  }

  /** Whether events go straight into the window: it has caught up, has room, and its consumer takes what is there. */
  #isWelcome(count: number): boolean {
    if (this.#unloaded.size > 0 || this.#loading) return false;
    if (this.#windowBytes >= this.#limits.queueWindowBytes) return false;
    if (this.#window.size >= this.#limits.queueWindowEvents) return false;
    if (this.#untaken + count <= this.#appetite) return true;
    this.#appetite = Math.max(IDLE_WINDOW_EVENTS, this.#appetite / 2);
    return false;
  }

  /** An event that is kept in memory only. False: no room. */
  pushVolatile(event: StoredEvent): boolean {
    if (
      this.#window.size >= this.#limits.queueWindowEvents ||
      this.#windowBytes >= this.#limits.queueWindowBytes
    )
      return false;
    event.detach(); // it may wait for long, and its batch with it
    const index = this.#volatileIndex++;
    this.#push(newItem(VOLATILE_BLOCK, index, event, undefined, NO_GROUPS));
    this.#depth++;
    return true;
  }

  /** Of the first of the blocks asked for, perhaps not of all: the others are asked for again. */
  loaded(entries: readonly LoadedEntry[]): void {
    this.#loading = false;
    const upTo = entries.at(-1)?.block ?? this.#askedUpTo;
    const byBlock = new Map(entries.map((entry) => [entry.block, entry]));
    for (
      let listed = this.#unloaded.front;
      listed && listed.block <= upTo;
      listed = this.#unloaded.front // what was settled meanwhile is not there any more
    ) {
      this.#unloaded.shift();
      this.#blocks.set(listed.block, this.#touched.get(listed.block) ?? stateOf(listed));
      this.#touched.delete(listed.block);
      const entry = byBlock.get(listed.block);
      invariant(entry, `the journal has what ${this.name} wants of block ${listed.block}`);
      this.#fill(entry);
    }
    let [count, bytes] = [0, 0];
    for (const { events } of entries) {
      count += events.length;
      for (const event of events) bytes += event.bytes;
    }
    if (count > 0) this.#eventBytes = bytes / count;
  }

  #fill({ block, entry, events }: LoadedEntry): void {
    const state = this.#blocks.get(block);
    if (!state) return;
    if (!state.first) state.remaining ??= new IndexSet(entry.indices);
    let run = -1;
    for (let i = 0; i < entry.indices.length; i++) {
      while ((entry.directives[run + 1]?.from ?? Infinity) <= i) run++;
      const index = entry.indices[i];
      const event = events[i];
      if (index === undefined || !event) continue;
      if (state.remaining?.has(index) === false) continue; // settled since the journal was asked
      const position = entry.first && {
        incarnation: entry.first.incarnation,
        sequence: entry.first.sequence + i,
      };
      if (position && this.#settledUpTo && comparePositions(position, this.#settledUpTo) <= 0) continue;
      const directive = entry.directives[run]?.directive ?? NO_GROUPS;
      this.#push(newItem(block, index, event, position, directive));
    }
  }

  #push(item: QueueItem): void {
    this.#window.pushBack(item);
    this.#windowBytes += item.event.bytes;
  }

  take(): QueueItem | undefined {
    const item = this.#window.popFront();
    if (!item) return undefined;
    this.#windowBytes -= item.event.bytes;
    this.#untaken = 0;
    this.#appetite = Math.min(this.#limits.queueWindowEvents, this.#appetite + 2);
    return item;
  }

  /** Takes out one particular item, if it is in the window. */
  takeItem(block: number, index: number): QueueItem | undefined {
    const item = this.#window.take((one) => one.block === block && one.index === index);
    if (item) this.#windowBytes -= item.event.bytes;
    return item;
  }

  /** Puts items that were taken back at the front, in their order. */
  putBack(items: readonly QueueItem[]): void {
    this.#window.pushAllFront(items);
    for (const item of items) this.#windowBytes += item.event.bytes;
  }

  /** Asks for the next blocks when the window runs low: called after taking. Returns the last of them; undefined: none. */
  refill(): number | undefined {
    return this.#refill(WINDOW_LOW, Infinity);
  }

  /** Up to this block others read now: what is read once may serve all, also one whose window is not so low yet. */
  refillAlong(lastBlock: number): void {
    this.#refill(1 - WINDOW_PER_LOAD, lastBlock);
  }

  #refill(share: number, lastBlock: number): number | undefined {
    const first = this.#unloaded.front?.block;
    if (this.#loading || first === undefined || first > lastBlock) return undefined;
    if (
      this.#window.size > this.#limits.queueWindowEvents * share ||
      this.#windowBytes > this.#limits.queueWindowBytes * share
    )
      return undefined;
    const blocks: number[] = [];
    const eventsMax = this.#eventsPerLoad();
    let events = 0;
    for (const { block, count } of this.#unloaded) {
      const isEnough = blocks.length >= BLOCKS_PER_LOAD && events >= eventsMax;
      if (isEnough || block > lastBlock || blocks.length === SMALL_BLOCKS_PER_LOAD) break;
      blocks.push(block);
      events += count;
    }
    this.#loading = true;
    this.#askedUpTo = blocks.at(-1) ?? first;
    this.#ports.load(this.id, blocks);
    return this.#askedUpTo;
  }

  /** As far as the size of events is known. */
  #eventsPerLoad(): number {
    if (this.#eventBytes === undefined) return 0;
    const { queueWindowEvents, queueWindowBytes } = this.#limits;
    return Math.min(queueWindowEvents, queueWindowBytes / this.#eventBytes) * WINDOW_PER_LOAD;
  }

  /** One item of a subscription is done with, for whatever reason. */
  settle(item: QueueItem): void {
    this.#depth--;
    if (item.block === VOLATILE_BLOCK) return;
    const state = this.#blocks.get(item.block);
    if (!state?.remaining?.delete(item.index)) return;
    state.count--;
    if (state.count === 0) this.#drop(item.block);
    else this.#dirtied(item.block);
  }

  /** Blocks of which it holds something, from the number `from` on, in order. Subscriptions only. */
  *blocksFrom(from: number): Generator<number> {
    for (const block of this.#blocks.keys()) if (block >= from) yield block;
    const unloaded = this.#unloaded.from(from);
    for (let listed = unloaded.next(); listed; listed = unloaded.next()) yield listed.block;
  }

  /** False where it is known that this event, which the journal has for the queue, is settled already. Subscriptions only. */
  holds(block: number, index: number): boolean {
    return (this.#blocks.get(block) ?? this.#touched.get(block))?.remaining?.has(index) ?? true;
  }

  /**
   * Settles events of blocks that are not loaded: `indices` of each, of which the journal says that the queue wants `wanted`. Returns what
   * it held. Passes over the whole list of blocks: to be called for many at a time.
   */
  settleUnloaded(
    blocks: ReadonlyMap<number, { readonly wanted: readonly number[]; readonly indices: readonly number[] }>,
  ): { readonly block: number; readonly index: number }[] {
    const settled: { block: number; index: number }[] = [];
    let emptied = false;
    for (const listed of this.#unloaded) {
      const asked = blocks.get(listed.block);
      if (!asked) continue;
      const state = this.#touched.get(listed.block) ?? {
        ...stateOf(listed),
        remaining: new IndexSet(asked.wanted),
      };
      for (const index of asked.indices) {
        if (state.remaining?.delete(index) !== true) continue;
        state.count--;
        this.#depth--;
        settled.push({ block: listed.block, index });
      }
      this.#touched.set(listed.block, state);
      if (state.count > 0) this.#dirtied(listed.block);
      else emptied = true;
    }
    if (emptied) this.#leaveOutEmptied();
    return settled;
  }

  #leaveOutEmptied(): void {
    const left = new BlockList();
    const emptied: number[] = [];
    for (const listed of this.#unloaded) {
      if (this.#touched.get(listed.block)?.count === 0) emptied.push(listed.block);
      else left.push(listed);
    }
    this.#unloaded = left;
    for (const block of emptied) this.#drop(block);
  }

  #dirtied(block: number): void {
    if (this.#dirty.size === 0) this.#ports.dirty(this);
    this.#dirty.add(block);
  }

  /** A lane's receiver has all up to `position`. */
  settleUpTo(position: Position): void {
    if (this.#settledUpTo && comparePositions(position, this.#settledUpTo) <= 0) return;
    this.#settledUpTo = position;
    for (const [block, state] of this.#blocks) {
      if (!state.first || !state.last || comparePositions(state.first, position) > 0) break;
      if (comparePositions(state.last, position) <= 0) {
        this.#depth -= state.count;
        this.#drop(block);
      } else {
        const left = state.last.sequence - position.sequence;
        this.#depth -= state.count - left;
        state.count = left;
      }
    }
    this.#settleUnloaded(position);
    for (
      let item = this.#window.front();
      item?.position && comparePositions(item.position, position) <= 0;
      item = this.#window.front()
    )
      this.take();
  }

  /** A receiver may have more than was sent since the start. */
  #settleUnloaded(position: Position): void {
    for (
      let listed = this.#unloaded.front;
      listed?.first && comparePositions(listed.first, position) <= 0;
      listed = this.#unloaded.front
    ) {
      const settled = position.sequence - listed.first.sequence + 1;
      if (listed.first.incarnation === position.incarnation && settled < listed.count) {
        this.#depth -= settled;
        this.#unloaded.settleFront(settled);
        return;
      }
      this.#depth -= listed.count;
      this.#unloaded.shift();
      this.#drop(listed.block);
    }
  }

  /** Whether this event, which it once had, is still to be settled; of a block that is not loaded, whether any is. */
  stillHas(block: number, index: number): boolean {
    const state = this.#blocks.get(block) ?? this.#touched.get(block);
    if (state?.remaining) return state.remaining.has(index);
    if (state) return true;
    return this.#unloaded.from(block).next()?.block === block;
  }

  /** Gives up the oldest events beyond `keep` that nobody has in hand. Whole unread blocks go unread. */
  trim(keep: number): Trimmed {
    const items: QueueItem[] = [];
    const blocks: number[] = [];
    // what is being loaded is older than all that could be dropped now
    if (this.#loading) return { count: 0, items, blocks };
    const before = this.#depth;
    while (this.#depth > keep) {
      const item = this.take();
      if (item) {
        this.settle(item);
        items.push(item);
        continue;
      }
      const { front } = this.#unloaded;
      if (!front) break;
      const count = this.#touched.get(front.block)?.count ?? front.count;
      if (this.#depth - count < keep) break;
      this.#unloaded.shift();
      this.#depth -= count;
      this.#drop(front.block);
      blocks.push(front.block);
    }
    return { count: before - this.#depth, items, blocks };
  }

  /** The queue goes with all it holds; returns how many events that were. */
  destroy(): number {
    this.#destroyed = true;
    const depth = this.#depth;
    for (const block of this.#blocks.keys()) this.#drop(block);
    for (const { block } of this.#unloaded) this.#drop(block);
    this.#dirty.clear();
    this.#unloaded.clear();
    this.#touched.clear();
    this.#window.clear();
    this.#windowBytes = 0;
    this.#depth = 0;
    this.#ports.op({ op: 'drop-queue', queue: this.id });
    return depth;
  }

  #drop(block: number): void {
    this.#blocks.delete(block);
    this.#touched.delete(block);
    this.#dirty.delete(block);
    this.#ports.op({ op: 'drop-entry', queue: this.id, block });
    this.#ports.release(block);
  }

  /** Writes what settling left of the blocks it touched. Called before each batch is closed. */
  writeSettled(): void {
    for (const block of this.#dirty) {
      const remaining = (this.#blocks.get(block) ?? this.#touched.get(block))?.remaining;
      if (!remaining) continue;
      this.#ports.op({
        op: 'entry',
        queue: this.id,
        block,
        entry: { indices: remaining.all(), first: undefined, directives: [] },
      });
    }
    this.#dirty.clear();
  }
}

function newItem(
  block: number,
  index: number,
  event: StoredEvent,
  position: Position | undefined,
  directive: Directive,
): QueueItem {
  return {
    block,
    index,
    event,
    position,
    directive,
    attempt: 0,
    handOut: 0,
    failures: 0,
    mark: undefined,
    session: undefined,
    deadline: Infinity,
  };
}

function stateOf({ count, first }: ListedBlock): BlockState {
  return { count, first, last: lastOf(first, count), remaining: undefined };
}

function lastOf(first: Position | undefined, count: number): Position | undefined {
  return first && { incarnation: first.incarnation, sequence: first.sequence + count - 1 };
}
