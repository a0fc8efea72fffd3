// What became of the last events of this mesher, as its core's steps say it: a ring of the hashes of events, and beside it rings of
// facts about many of them at once (a block was committed, a frame was sent, an ack came). Read by recall.ts.
//
// Invariants: bounded in memory, the oldest goes; nothing of an event is kept but its hashes, and no object is made for one. Costs some
// 50 ns an event (test/bench/history), most of it for the hashes.

import { VOLATILE_BLOCK, type DeliveryToken } from '../../core/delivery-token.ts';
import type { Delivery } from '../../core/delivery-types.ts';
import type { NewEvent, NodeId, StoredEvent } from '../../core/event.ts';
import type { Fate, FateKind, UnreadFate } from '../../core/fates.ts';
import { clusterQueue, peerQueue } from '../../core/lane-queue.ts';
import type { BestEffort, LaneAck, LaneData, LaneReady, LinkMessage } from '../../core/messages.ts';
import type { JournalOp, LoadedEntry, QueueEntry } from '../../core/ports.ts';
import type { Effect, Input, Now, RequestId, SessionId } from '../../core/steps.ts';
import { refusedIn } from '../refused-requests.ts';
import type { EventHash } from './event-hash.ts';
import { Rows, Texts } from './rings.ts';

export interface HistoryOptions {
  readonly node: NodeId;
  readonly incarnation: number;
  /** Events remembered, about 145 bytes each at most, and a tenth of that where many come at a time. */
  readonly events: number;
  readonly hash: Pick<EventHash, 'low' | 'high' | 'ofTexts' | 'ofBytes'>;
  readonly clusterOf: (node: NodeId) => string | undefined;
}

/** What is said of the hashes from number `first` to before `end`; of one event of a queue, with its place in it, where `queue` is not 0. */
export const FACT = {
  first: 0,
  end: 1,
  what: 2,
  to: 3,
  reason: 4,
  at: 5,
  attempt: 6,
  queue: 7,
  block: 8,
  index: 9,
} as const;
const FACT_WIDTH = 10;
/** `FACT.what`; fates have their own. */
export const WHAT = {
  published: 1,
  landed: 2,
  'sent-on': 3,
  handed: 4,
  refused: 5,
  dropped: 10,
  'not-wanted': 11,
  retried: 12,
  'dead-lettered': 13,
  acked: 14,
  redriven: 15,
} as const satisfies Record<FateKind, number> & Record<string, number>;

/** A block of events that was written, or read after a restart. `indices`: where in the ring of indices; -1: from 0 on, without a gap. */
export const BLOCK = { first: 0, block: 1, count: 2, indices: 3, committedAt: 4 } as const;
const BLOCK_WIDTH = 5;

/**
 * What a queue wants of a block. `from`: the first index, where `indices` is -1. `sequence`: -1 where it is no lane's. `since`: the first
 * row of `travels` or `handlings` that may be about it.
 */
export const ENTRY = {
  queue: 0,
  block: 1,
  count: 2,
  indices: 3,
  from: 4,
  incarnation: 5,
  sequence: 6,
  since: 7,
} as const;
const ENTRY_WIDTH = 8;

/** A frame that was sent on a lane, `from` to `to`, or an ack of all up to `to`. */
export const TRAVEL = { isAck: 0, lane: 1, peer: 2, incarnation: 3, from: 4, to: 5, at: 6 } as const;
const TRAVEL_WIDTH = 7;

/** Consecutive events of a block that a consumer was handed, or acked, `from` to before `end`. */
export const HANDLING = { isAck: 0, queue: 1, block: 2, from: 3, end: 4, attempt: 5, at: 6 } as const;
const HANDLING_WIDTH = 7;

/** Blocks of a queue that were dropped unread; `block` -1: all that it had. */
export const UNREAD = { queue: 0, block: 1, reason: 2, to: 3, at: 4 } as const;
const UNREAD_WIDTH = 5;

const TEXTS_MAX = 16_384;
const UNREAD_MAX = 4_096;
/** Queues whose names are known, gone ones included. */
const QUEUES_MAX = 100_000;
/** Events that arrived and were not stored, before one that is. */
const LOOK_AHEAD_MAX = 2_048;
/** Of events that are held until they are stored: of what comes on top, while the disk stalls, it is not known from whom it came. */
const ARRIVED_BYTES_MAX = 256 * 1024 * 1024;
/** Ephemeral sessions whose filter is known: those beyond are shown without. */
const SESSIONS_MAX = 100_000;

interface Arrived {
  readonly peer: NodeId;
  readonly at: number;
  readonly events: LaneData['events'];
  /** Of `events`, the first that was not met in a block yet. */
  next: number;
}

export class EventHistory {
  readonly hash: HistoryOptions['hash'];
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly facts: Rows;
  readonly blocks: Rows;
  readonly entries: Rows;
  readonly indices: Rows;
  readonly travels: Rows;
  readonly handlings: Rows;
  readonly unread = new Rows(UNREAD_MAX, UNREAD_WIDTH);
  readonly texts = new Texts(TEXTS_MAX);
  readonly options: HistoryOptions;
  /** Names of queues by number, also of those that are gone. */
  readonly queues = new Map<number, string>();
  /** When it began to remember, or what it remembers of the oldest event; wall clock, ms. */
  since = 0;
  readonly #capacity: number;
  /** One above the number of the newest hash. */
  #end = 0;
  #cursor = 0;
  /** Events in frames that the core may still be about to store. */
  #arrived: Arrived[] = [];
  #arrivedBytes = 0;
  /** Own events that are about to be stored, and that nobody publishes: dead letters that go back, and what comes back from a lost mesher. */
  readonly #returned = new Set<StoredEvent>();
  /** Rows of the blocks that are being written. */
  #writing: { readonly batch: number; readonly from: number; readonly end: number } | undefined;
  /** Blocks from here on were written in this life; undefined: none yet. */
  #firstBlock: number | undefined;
  readonly #ephemeral = new Map<SessionId, string>();
  /** What the session before was handed, with its place: many are handed the same. */
  #handed:
    { readonly deliveries: readonly Delivery[]; readonly first: number; readonly end: number } | undefined;

  constructor(options: HistoryOptions) {
    const { events } = options;
    this.options = options;
    this.hash = options.hash;
    this.#capacity = events;
    this.low = new Int32Array(events);
    this.high = new Int32Array(events);
    // events come mostly many at a time: where each comes alone, fewer are remembered
    const half = Math.ceil(events / 2);
    const quarter = Math.ceil(events / 4);
    this.facts = new Rows(quarter, FACT_WIDTH);
    this.blocks = new Rows(quarter, BLOCK_WIDTH);
    this.entries = new Rows(half, ENTRY_WIDTH);
    this.indices = new Rows(events * 2, 1);
    this.travels = new Rows(half, TRAVEL_WIDTH);
    this.handlings = new Rows(half, HANDLING_WIDTH);
  }

  get start(): number {
    return Math.max(0, this.#end - this.#capacity);
  }

  get end(): number {
    return this.#end;
  }

  stepped(inputs: readonly Input[], effects: readonly Effect[], now: Now): void {
    const at = now.wall;
    if (this.since === 0) this.since = at;
    const refused = refusedIn(effects);
    for (const input of inputs) this.#input(input, refused, at);
    let appends = false;
    for (const effect of effects) {
      switch (effect.kind) {
        case 'append':
          appends = true;
          this.#append(effect.batch, effect.ops, at);
          break;
        case 'data':
          if (effect.message.kind === 'data') this.#sent(effect.peer, effect.message, at);
          else if (effect.message.kind === 'best-effort')
            this.#loose(WHAT['sent-on'], effect.peer, effect.message, at);
          break;
        case 'deliver':
          this.#deliver(effect.session, effect.deliveries, at);
          break;
        case 'reply':
          if (effect.reply.kind === 'pulled') this.#handOut(effect.reply.deliveries, at);
          break;
        case 'fate':
          this.#fate(effect, at);
          break;
        case 'unread-fate':
          this.#unread(effect, at);
          break;
        default:
      }
    }
    // what was staged in a step goes into its append, or waits for the one under way
    if (this.#arrived.length > 0 && (appends || !this.#writing)) {
      this.#arrived = [];
      this.#arrivedBytes = 0;
    }
    this.#handed = undefined;
  }

  #input(input: Input, refused: ReadonlySet<RequestId>, at: number): void {
    switch (input.kind) {
      case 'messages':
        for (const message of input.messages) this.#message(input.peer, message, at);
        break;
      case 'settle':
        this.#acks(input.settlements, at);
        break;
      case 'publish':
        // one that keeps to memory is answered in the same step
        if (input.qos === 'best-effort' && !refused.has(input.request))
          this.#publishedLoose(input.events, at);
        break;
      case 'appended':
        if (this.#writing?.batch === input.batch) this.#committed(this.#writing.from, this.#writing.end, at);
        break;
      case 'loaded':
        for (const loaded of input.entries) this.#loaded(input.queue, loaded);
        break;
      case 'copy-loaded':
        for (const { events } of input.entries) for (const event of events) this.#returned.add(event);
        break;
      case 'attach-ephemeral':
        if (this.#ephemeral.size < SESSIONS_MAX) this.#ephemeral.set(input.session, input.filter);
        break;
      case 'detach':
        this.#ephemeral.delete(input.session);
        break;
      default:
    }
  }

  // ─────────────────────────────────────────────────────────── hashes and facts

  /** Of the event that was hashed last. */
  #add(): void {
    this.low[this.#cursor] = this.hash.low;
    this.high[this.#cursor] = this.hash.high;
    if (++this.#cursor === this.#capacity) this.#cursor = 0;
    this.#end++;
  }

  #addEvent(event: StoredEvent): void {
    event.lookAt(this.hash.ofBytes);
    this.#add();
  }

  #fact(first: number, what: number, to: string, reason: string, at: number, attempt = 0, queue = 0): number {
    const { facts } = this;
    const toNumber = this.texts.numberOf(to);
    const reasonNumber = this.texts.numberOf(reason);
    // the same is often said of many, one after the other
    if (queue === 0 && facts.end > facts.start) {
      const last = facts.at(facts.end - 1);
      const { cells } = facts;
      if (
        cells[last + FACT.end] === first &&
        cells[last + FACT.at] === at &&
        cells[last + FACT.what] === what &&
        cells[last + FACT.to] === toNumber &&
        cells[last + FACT.reason] === reasonNumber &&
        cells[last + FACT.attempt] === attempt &&
        cells[last + FACT.queue] === 0
      ) {
        cells[last + FACT.end] = this.#end;
        return last;
      }
    }
    const row = facts.push();
    const { cells } = facts;
    cells[row + FACT.first] = first;
    cells[row + FACT.end] = this.#end;
    cells[row + FACT.what] = what;
    cells[row + FACT.to] = toNumber;
    cells[row + FACT.reason] = reasonNumber;
    cells[row + FACT.at] = at;
    cells[row + FACT.attempt] = attempt;
    cells[row + FACT.queue] = queue;
    return row;
  }

  #fate({ what, reason, to, event, queue, block, index, attempt }: Fate, at: number): void {
    if (what === 'redriven') this.#returned.add(event);
    const first = this.#end;
    this.#addEvent(event);
    // what nobody wanted is said with the topic that nobody wanted
    const row = this.#fact(
      first,
      WHAT[what],
      what === 'not-wanted' ? event.topic : to,
      reason,
      at,
      attempt,
      queue,
    );
    this.facts.cells[row + FACT.block] = block;
    this.facts.cells[row + FACT.index] = index;
  }

  /** A bridge could not hand it to anybody. */
  dropped(event: StoredEvent, reason: string, at: number): void {
    const first = this.#end;
    this.#addEvent(event);
    this.#fact(first, WHAT.dropped, '', reason, at);
  }

  /** The front door took nothing of a request. */
  refused(source: string, id: string, reason: string, at: number): void {
    const first = this.#end;
    this.hash.ofTexts(source, id);
    this.#add();
    this.#fact(first, WHAT.refused, '', reason, at);
  }

  /** A queue has this name: those found on disk are told at the start. */
  named(queue: number, name: string): void {
    this.queues.set(queue, name);
    if (this.queues.size <= QUEUES_MAX) return;
    for (const oldest of this.queues.keys()) {
      this.queues.delete(oldest);
      return;
    }
  }

  // ─────────────────────────────────────────────────────────── blocks

  #append(batch: number, ops: readonly JournalOp[], at: number): void {
    const from = this.blocks.end;
    for (const op of ops) {
      if (op.op === 'block') this.#block(op.block, op.events, at);
      else if (op.op === 'entry' && this.blocks.end > from) this.#entry(op.queue, op.block, op.entry);
      else if (op.op === 'queue') this.named(op.queue, op.name);
    }
    this.#returned.clear();
    this.#writing = { batch, from, end: this.blocks.end };
  }

  #block(block: number, events: readonly StoredEvent[], at: number): void {
    this.#firstBlock ??= block;
    const first = this.#end;
    const { node, incarnation } = this.options;
    let run = first;
    let from: Arrived | 'here' | undefined;
    let origin: NodeId | undefined;
    let isNode = false;
    for (const event of events) {
      // of most it is the very text that the one before has: two are compared character by character
      if (event.origin !== origin) isNode = (origin = event.origin) === node;
      const isOwn = isNode && event.incarnation === incarnation;
      const arrived = isOwn ? this.#isPublished(event) : this.#arrivalOf(event, from);
      if (arrived !== from) {
        if (run < this.#end) this.#origin(run, from, at);
        from = arrived;
        run = this.#end;
      }
      this.#addEvent(event);
    }
    this.#origin(run, from, at);
    this.#blockRow(first, block, events.length, -1);
  }

  /** Undefined: it was there before, and is or was a dead letter. */
  #isPublished(event: StoredEvent): 'here' | undefined {
    const wasThere = event.deadLetter !== undefined || (this.#returned.size > 0 && this.#returned.has(event));
    return wasThere ? undefined : 'here';
  }

  #blockRow(first: number, block: number, count: number, indices: number): void {
    const row = this.blocks.push();
    const { cells } = this.blocks;
    cells[row + BLOCK.first] = first;
    cells[row + BLOCK.block] = block;
    cells[row + BLOCK.count] = count;
    cells[row + BLOCK.indices] = indices;
    cells[row + BLOCK.committedAt] = 0;
  }

  #origin(first: number, from: Arrived | 'here' | undefined, at: number): void {
    if (from === 'here') this.#fact(first, WHAT.published, '', '', at);
    else if (from) this.#fact(first, WHAT.landed, from.peer, '', from.at);
  }

  /**
   * Events are stored in the order in which they arrived: those before it were not stored. Undefined: it came from a copy. `before`: what
   * the event before it came with.
   */
  #arrivalOf(event: StoredEvent, before: Arrived | 'here' | undefined): Arrived | undefined {
    if (typeof before === 'object' && before.events[before.next]?.event === event) {
      before.next++;
      return before;
    }
    for (let first = this.#arrived[0]; first && first.next === first.events.length; first = this.#arrived[0])
      this.#arrived.shift();
    let looked = 0;
    for (const arrived of this.#arrived) {
      for (let i = arrived.next; i < arrived.events.length; i++) {
        if (looked++ > LOOK_AHEAD_MAX) return undefined;
        if (arrived.events[i]?.event !== event) continue;
        arrived.next = i + 1;
        return arrived;
      }
    }
    return undefined;
  }

  /** Those before the first block of an append are what settling left of older ones. */
  #entry(queue: number, block: number, { indices, first }: QueueEntry): void {
    const row = this.entries.push();
    const { cells } = this.entries;
    cells[row + ENTRY.queue] = queue;
    cells[row + ENTRY.block] = block;
    cells[row + ENTRY.count] = indices.length;
    cells[row + ENTRY.indices] = this.#indicesOf(indices);
    cells[row + ENTRY.from] = indices[0] ?? 0;
    cells[row + ENTRY.incarnation] = first?.incarnation ?? 0;
    cells[row + ENTRY.sequence] = first?.sequence ?? -1;
    cells[row + ENTRY.since] = first ? this.travels.end : this.handlings.end;
  }

  /** -1: they have no gap. */
  #indicesOf(indices: readonly number[]): number {
    const [first = 0, last = 0] = [indices[0], indices[indices.length - 1]];
    if (last - first === indices.length - 1) return -1;
    const at = this.indices.end;
    for (const index of indices) this.indices.cells[this.indices.push()] = index;
    return at;
  }

  #committed(from: number, end: number, at: number): void {
    this.#writing = undefined;
    const { blocks } = this;
    for (let row = Math.max(from, blocks.start); row < end; row++)
      blocks.cells[blocks.at(row) + BLOCK.committedAt] = at;
  }

  /** Of an earlier life: what is read back now goes on its way in this one. */
  #loaded(queue: number, { block, entry, events }: LoadedEntry): void {
    if (this.#firstBlock !== undefined && block >= this.#firstBlock) return;
    const first = this.#end;
    for (const event of events) this.#addEvent(event);
    const { indices } = entry;
    this.#blockRow(first, block, indices.length, this.#indicesOf(indices));
    const row = this.blocks.at(this.blocks.end - 1);
    // without a gap they need not begin at 0: then `count` events from there on
    if (this.blocks.cells[row + BLOCK.indices] === -1 && (indices[0] ?? 0) > 0) this.#spellOut(row, indices);
    this.#entry(queue, block, entry);
  }

  #spellOut(row: number, indices: readonly number[]): void {
    this.blocks.cells[row + BLOCK.indices] = this.indices.end;
    for (const index of indices) this.indices.cells[this.indices.push()] = index;
  }

  // ─────────────────────────────────────────────────────────── lanes

  #message(peer: NodeId, message: LinkMessage, at: number): void {
    switch (message.kind) {
      case 'data':
        this.#arrives(peer, message.events, at);
        break;
      case 'best-effort':
        this.#loose(WHAT.landed, peer, message, at);
        break;
      case 'ack':
        this.#acked(peer, message, message.upTo, at);
        break;
      case 'lane-ready':
        this.#acked(peer, message, message.mark, at);
        break;
      default:
    }
  }

  #arrives(peer: NodeId, events: LaneData['events'], at: number): void {
    if (this.#arrivedBytes > ARRIVED_BYTES_MAX) return;
    for (const { event } of events) this.#arrivedBytes += event.bytes;
    this.#arrived.push({ peer, at, events, next: 0 });
  }

  /** The name of the queue of the lane that is called so where it lands. */
  #laneOf(peer: NodeId, { scope, lane, of }: LaneData | LaneAck | LaneReady): number {
    const name =
      scope === 'peer' ? peerQueue(of ?? peer) : clusterQueue(this.options.clusterOf(peer) ?? '', lane);
    return this.texts.numberOf(name);
  }

  #sent(peer: NodeId, message: LaneData, at: number): void {
    const { incarnation, sequence } = message.first;
    this.#travel(0, peer, message, incarnation, sequence, sequence + message.events.length - 1, at);
  }

  #acked(peer: NodeId, message: LaneAck | LaneReady, upTo: LaneAck['upTo'], at: number): void {
    this.#travel(1, peer, message, upTo.incarnation, 0, upTo.sequence, at);
  }

  #travel(
    isAck: 0 | 1,
    peer: NodeId,
    message: LaneData | LaneAck | LaneReady,
    incarnation: number,
    from: number,
    to: number,
    at: number,
  ): void {
    const row = this.travels.push();
    const { cells } = this.travels;
    cells[row + TRAVEL.isAck] = isAck;
    cells[row + TRAVEL.lane] = this.#laneOf(peer, message);
    cells[row + TRAVEL.peer] = this.texts.numberOf(peer);
    cells[row + TRAVEL.incarnation] = incarnation;
    cells[row + TRAVEL.from] = from;
    cells[row + TRAVEL.to] = to;
    cells[row + TRAVEL.at] = at;
  }

  #loose(what: number, peer: NodeId, { events }: BestEffort, at: number): void {
    const first = this.#end;
    for (const { event } of events) this.#addEvent(event);
    this.#fact(first, what, peer, '', at);
  }

  #publishedLoose(events: readonly NewEvent[], at: number): void {
    const first = this.#end;
    for (const { cloudEvent } of events) {
      this.hash.ofBytes(cloudEvent, 0, cloudEvent.length);
      this.#add();
    }
    this.#fact(first, WHAT.published, '', '', at);
  }

  // ─────────────────────────────────────────────────────────── consumers

  #deliver(session: SessionId, deliveries: readonly Delivery[], at: number): void {
    if (deliveries[0]?.token.queue !== 0) {
      this.#handOut(deliveries, at);
      return;
    }
    const handed = this.#handed;
    const isSame =
      handed?.deliveries.length === deliveries.length &&
      deliveries.every((delivery, i) => delivery === handed.deliveries[i]);
    const first = isSame ? handed.first : this.#end;
    if (!isSame) {
      for (const { event } of deliveries) this.#addEvent(event);
      this.#handed = { deliveries, first, end: this.#end };
    }
    const row = this.facts.push();
    const { cells } = this.facts;
    cells[row + FACT.first] = first;
    cells[row + FACT.end] = isSame ? handed.end : this.#end;
    cells[row + FACT.what] = WHAT.handed;
    cells[row + FACT.to] = this.texts.numberOf(this.#ephemeral.get(session) ?? '');
    cells[row + FACT.reason] = 0;
    cells[row + FACT.at] = at;
    cells[row + FACT.attempt] = 1;
    cells[row + FACT.queue] = 0;
  }

  /** To a consumer of a durable subscription. */
  #handOut(deliveries: readonly Delivery[], at: number): void {
    let run = -1;
    for (const { token, event } of deliveries) {
      if (token.block === VOLATILE_BLOCK) {
        const first = this.#end;
        this.#addEvent(event);
        this.#fact(
          first,
          WHAT.handed,
          this.queues.get(token.queue) ?? '',
          '',
          at,
          token.attempt,
          token.queue,
        );
      } else run = this.#handle(0, token, token.attempt, at, run);
    }
  }

  #acks(settlements: Extract<Input, { kind: 'settle' }>['settlements'], at: number): void {
    let run = -1;
    for (const { kind, token } of settlements)
      if (kind === 'ack' && token.block !== VOLATILE_BLOCK) run = this.#handle(1, token, 0, at, run);
  }

  /** Goes on with the row `run`, where it follows on it, or begins another; returns which. */
  #handle(
    isAck: 0 | 1,
    { queue, block, index }: DeliveryToken,
    attempt: number,
    at: number,
    run: number,
  ): number {
    const { cells } = this.handlings;
    if (
      run >= 0 &&
      cells[run + HANDLING.end] === index &&
      cells[run + HANDLING.block] === block &&
      cells[run + HANDLING.attempt] === attempt &&
      cells[run + HANDLING.queue] === queue
    ) {
      cells[run + HANDLING.end] = index + 1;
      return run;
    }
    const row = this.handlings.push();
    cells[row + HANDLING.isAck] = isAck;
    cells[row + HANDLING.queue] = queue;
    cells[row + HANDLING.block] = block;
    cells[row + HANDLING.from] = index;
    cells[row + HANDLING.end] = index + 1;
    cells[row + HANDLING.attempt] = attempt;
    cells[row + HANDLING.at] = at;
    return row;
  }

  #unread({ queue, blocks, reason, to }: UnreadFate, at: number): void {
    for (const block of blocks ?? [-1]) {
      const row = this.unread.push();
      const { cells } = this.unread;
      cells[row + UNREAD.queue] = queue;
      cells[row + UNREAD.block] = block;
      cells[row + UNREAD.reason] = this.texts.numberOf(reason);
      cells[row + UNREAD.to] = this.texts.numberOf(to);
      cells[row + UNREAD.at] = at;
    }
  }
}
