// The sending side of replication: every batch of this mesher's journal goes, besides to its own disk, to `replicas - 1` other
// meshers of its cluster, each of which keeps a *copy* of the journal. Who took custody of an event (a publisher's reply, an
// ack on a link) hears of it when that many copies have it on their disks.
//
// A copy is made while the stream runs: ranges of keys, in a fixed order, each read from the journal after all batches that were
// sent before it. Puts and drops are absolute, so whatever a range knows too early comes to the same end.
//
// Invariants. Batches go to a copy in order, none left out; a gap makes it say where it stands, and the stream goes on from
// there or starts again. While a range is read, no batch is sent to that copy: it would be overwritten by what was read
// before it. A batch counts as held by a copy that acked it and either was there when it was sent, or is complete.

import type { Counters } from './counters.ts';
import { invariant } from './errors.ts';
import { hash32, type NodeId } from './event.ts';
import type { Limits } from './limits.ts';
import type { Links } from './links.ts';
import type { Membership } from './membership.ts';
import { COPY_COMPLETE, COPY_NAMED, type CopyAck, type CopyReady } from './messages.ts';
import type { JournalOp } from './ports.ts';
import { rendezvous } from './router.ts';
import type { Emit, Input, Now } from './steps.ts';
import type { Timing } from './timing.ts';
import type { CopyView } from './views.ts';

export interface ReplicationOptions {
  readonly self: NodeId;
  readonly cluster: string;
  readonly incarnation: number;
  /** Meshers that have each batch on disk before custody is acked, this one included. */
  readonly replicas: number;
  readonly limits: Limits;
  readonly timing: Timing;
  readonly counters: Counters;
  readonly members: Membership;
  readonly links: Links;
  readonly emit: Emit;
  /** One above the highest block number used. */
  nextBlock(): number;
}

interface SentBatch {
  readonly batch: number;
  readonly ops: readonly JournalOp[];
  readonly bytes: number;
  /** One above the highest block number that it holds or any before it. */
  readonly nextBlock: number;
}

interface Copy {
  readonly node: NodeId;
  /** `opening`: asked where it stands; `streaming`: it is sent what it lacks; `away`: its link is down. */
  state: 'opening' | 'streaming' | 'away';
  /** Monotonic ms since when it is in that state. */
  since: number;
  /** Batches up to here were there before its stream began: it has them when it is complete. */
  startedAfter: number;
  sent: number;
  acked: number;
  /** Of the batches between `acked` and `sent`. */
  inFlightBytes: number;
  /** How far ranges were copied and acked. */
  cursor: string;
  /** It has what the cursor has not come to, as it once was; undefined: it has not said so yet. */
  hasPast: boolean | undefined;
  /** A range is being read, or on its way. */
  ranging: 'no' | 'reading' | 'sent';
  /** Number of the last range that was asked for. */
  read: number;
}

/** What is known of a mesher's copies since it started. */
export interface WholeCopies {
  readonly complete: readonly NodeId[];
  readonly chosen: readonly NodeId[];
  /** Of these, those that have said that they never had it all. */
  readonly without: readonly NodeId[];
  /** As many as were asked for are complete: others are not needed any more. */
  readonly isSettled: boolean;
}

interface Waiting {
  readonly batch: number;
  /** Copies that must have the batch, this mesher's own disk left out. */
  readonly copies: number;
  readonly done: () => void;
}

/** Sent to one copy and not acked: enough for the way there and back, little enough for its memory. */
const COPY_WINDOW_BYTES = 8 * 1024 * 1024;
/** What an op without events takes, roughly. */
const SMALL_OP_BYTES = 64;

export class Replication {
  readonly #options: ReplicationOptions;
  readonly #copies = new Map<NodeId, Copy>();
  /** Batches that some copy may still ask for, oldest first; consecutive. */
  #ring: SentBatch[] = [];
  #ringBytes = 0;
  #reads = 0;
  #last = 0;
  #waiting: Waiting[] = [];
  /** Copies were chosen and all are complete: who is not among them needs to keep nothing of ours. */
  #settled = false;

  constructor(options: ReplicationOptions) {
    this.#options = options;
    this.#settled = options.replicas === 1; // who was set to more before: nobody needs what they hold of it
  }

  get replicas(): number {
    return this.#options.replicas;
  }

  /** Bytes of batches that are kept for copies. */
  get heldBytes(): number {
    return this.#ringBytes;
  }

  /** Meshers that can take a batch now, this one included. */
  get available(): number {
    let count = 1;
    for (const copy of this.#copies.values()) if (isUsable(copy)) count++;
    return count;
  }

  /** A batch goes to the journal. Called for each, in order, in the step that emits it. */
  append(batch: number, ops: readonly JournalOp[]): void {
    if (this.#options.replicas === 1) return;
    invariant(this.#last === 0 || batch === this.#last + 1, `batch ${batch} follows ${this.#last}`);
    this.#last = batch;
    const kept = ops.filter(isCopied);
    const bytes = kept.reduce((sum, op) => sum + bytesOf(op), 0);
    this.#ring.push({ batch, ops: kept, bytes, nextBlock: this.#options.nextBlock() });
    this.#ringBytes += bytes;
    for (const copy of this.#copies.values()) this.#pump(copy);
    this.#trim();
  }

  /** `then` runs when `replicas` meshers in all have the batch; it is on the own disk already. */
  whenCopied(batch: number, replicas: number, then: () => void): void {
    const copies = Math.min(replicas, this.#options.replicas) - 1;
    if (copies <= 0 || this.#holders(batch) >= copies) then();
    else this.#waiting.push({ batch, copies, done: then });
  }

  #holders(batch: number): number {
    let count = 0;
    for (const copy of this.#copies.values()) {
      const isThere = batch > copy.startedAfter || copy.cursor === COPY_COMPLETE;
      if (copy.acked >= batch && isThere && copy.cursor >= COPY_NAMED) count++;
    }
    return count;
  }

  #release(): void {
    if (this.#waiting.length === 0) return;
    const still: Waiting[] = [];
    const due: Waiting[] = [];
    for (const waiting of this.#waiting)
      (this.#holders(waiting.batch) >= waiting.copies ? due : still).push(waiting);
    if (due.length === 0) return;
    this.#waiting = still;
    for (const { done } of due) done();
  }

  // ─────────────────────────────────────────────────────────── who holds copies

  linkUp(peer: NodeId, now: Now): void {
    const copy = this.#copies.get(peer);
    if (!copy) this.#dismiss(peer);
    else if (this.#options.links.speaks(peer, 'copy-open')) this.#open(copy, now);
    else this.#copies.delete(peer); // it came back as an older version: another is chosen
  }

  linkDown(peer: NodeId, now: Now): void {
    const copy = this.#copies.get(peer);
    if (copy) this.#turn(copy, 'away', now);
  }

  tick(now: Now): void {
    const { replicas, timing, members } = this.#options;
    if (replicas === 1) return;
    for (const copy of this.#copies.values()) {
      const { node, state, since } = copy;
      const isGone = state === 'away' && now.monotonic - since > timing.linkGraceMs;
      if (members.get(node)?.status === 'dead' || (isGone && this.#candidate() !== undefined))
        this.#copies.delete(node);
      else if (state === 'opening' && now.monotonic - since > timing.laneStallMs) this.#open(copy, now);
    }
    while (this.#copies.size < replicas - 1) {
      const node = this.#candidate();
      if (node === undefined) break;
      this.#settled = false;
      const copy: Copy = {
        node,
        state: 'opening',
        since: now.monotonic,
        startedAfter: Infinity,
        sent: 0,
        acked: -1,
        inFlightBytes: 0,
        cursor: '',
        hasPast: undefined,
        ranging: 'no',
        read: 0,
      };
      this.#copies.set(node, copy);
      this.#open(copy, now);
    }
    this.#settle();
    this.#trim();
    this.#release();
  }

  /** Of this cluster, alive, linked, and none yet; always the same one first. */
  #candidate(): NodeId | undefined {
    const { self, cluster, members, links } = this.#options;
    const able: NodeId[] = [];
    for (const { record, status } of members.all()) {
      const { node } = record;
      if (record.cluster !== cluster || status !== 'alive') continue;
      if (!links.speaks(node, 'copy-open')) continue;
      if (!this.#copies.has(node)) able.push(node);
    }
    return rendezvous(able, hash32(self), (node) => node);
  }

  #settle(): void {
    if (this.#settled || this.#copies.size < this.#options.replicas - 1) return;
    for (const { state, cursor } of this.#copies.values())
      if (state !== 'streaming' || cursor !== COPY_COMPLETE) return;
    this.#settled = true;
    for (const peer of this.#options.links.linked()) if (!this.#copies.has(peer)) this.#dismiss(peer);
  }

  /** What a mesher that is not chosen any more holds of ours grows old: it must not be taken for the truth. */
  #dismiss(peer: NodeId): void {
    const { members, links, cluster, emit } = this.#options;
    if (this.#settled && members.clusterOf(peer) === cluster && links.speaks(peer, 'copy-drop'))
      emit({ kind: 'control', peer, message: { kind: 'copy-drop' } });
  }

  #turn(copy: Copy, state: Copy['state'], now: Now): void {
    copy.state = state;
    copy.since = now.monotonic;
    copy.inFlightBytes = 0;
    copy.ranging = 'no';
  }

  #open(copy: Copy, now: Now): void {
    this.#turn(copy, 'opening', now);
    const { emit, incarnation } = this.#options;
    emit({ kind: 'control', peer: copy.node, message: { kind: 'copy-open', incarnation } });
  }

  // ─────────────────────────────────────────────────────────── the stream

  /** The copy says where it stands. */
  ready(peer: NodeId, message: CopyReady, now: Now): void {
    const copy = this.#copies.get(peer);
    if (!copy || copy.state === 'away') return;
    this.#turn(copy, 'streaming', now);
    const { incarnation, emit } = this.#options;
    const oldest = this.#ring[0]?.batch ?? this.#last + 1;
    const isOurs = message.incarnation === incarnation && message.batch <= this.#last;
    if (isOurs && message.batch >= oldest - 1 && copy.startedAfter !== Infinity) {
      copy.sent = copy.acked = message.batch;
      copy.cursor = message.cursor;
      copy.hasPast = message.hasPast;
    } else {
      // from here on it is sent everything; what was before comes in ranges
      copy.startedAfter = copy.sent = this.#last;
      copy.acked = -1;
      copy.cursor = '';
      copy.hasPast = message.hasPast || message.cursor === COPY_COMPLETE;
      this.#settled = false;
      this.#options.counters.add('copies_started_total', 1);
      const nextBlock = this.#options.nextBlock();
      emit({
        kind: 'data',
        peer,
        message: { kind: 'copy-start', incarnation, batch: this.#last, nextBlock },
      });
    }
    this.#pump(copy);
    this.#release();
  }

  /** All up to the position is on the copy's disk. */
  ack(peer: NodeId, { incarnation, batch, cursor, hasPast }: CopyAck): void {
    const copy = this.#copies.get(peer);
    if (copy?.state !== 'streaming' || incarnation !== this.#options.incarnation) return;
    if (batch > copy.sent) {
      this.#options.counters.add('messages_refused_total', 1, 'ack-of-nothing');
      return;
    }
    if (batch > copy.acked) {
      for (const one of this.#ring)
        if (one.batch > copy.acked && one.batch <= batch) copy.inFlightBytes -= one.bytes;
      copy.acked = batch;
    }
    copy.hasPast = hasPast;
    if (cursor > copy.cursor && copy.ranging === 'sent') {
      copy.cursor = cursor;
      copy.ranging = 'no';
    }
    this.#settle();
    this.#pump(copy);
    this.#trim();
    this.#release();
  }

  /** A range was read. One that was asked for before the copy's link fell lacks what was sent since, and would undo it. */
  ranged(peer: NodeId, { read, to, content }: Extract<Input, { kind: 'copy-ranged' }>): void {
    const copy = this.#copies.get(peer);
    if (copy?.state !== 'streaming' || copy.ranging !== 'reading' || copy.read !== read) return;
    const { incarnation, emit } = this.#options;
    const message = { kind: 'copy-range', incarnation, from: copy.cursor, to, content } as const;
    emit({ kind: 'data', peer, message });
    copy.ranging = 'sent';
    this.#pump(copy);
  }

  #pump(copy: Copy): void {
    if (copy.state !== 'streaming' || copy.ranging === 'reading') return;
    const { incarnation, emit } = this.#options;
    const first = this.#ring[0]?.batch ?? this.#last + 1;
    while (copy.sent < this.#last && copy.inFlightBytes < COPY_WINDOW_BYTES) {
      const next = this.#ring[copy.sent + 1 - first];
      invariant(next, `batch ${copy.sent + 1} is kept for ${copy.node}`);
      const { batch, ops, bytes, nextBlock } = next;
      emit({ kind: 'copy', peer: copy.node, incarnation, batch, nextBlock, ops });
      copy.sent = batch;
      copy.inFlightBytes += bytes;
    }
    // the journal may be ahead of what was sent, never behind: it has all that was emitted before this
    if (copy.ranging === 'no' && copy.cursor !== COPY_COMPLETE && copy.acked >= copy.startedAfter) {
      copy.ranging = 'reading';
      copy.read = ++this.#reads;
      emit({ kind: 'copy-range', peer: copy.node, read: copy.read, from: copy.cursor });
    }
  }

  /** Forgets what every copy has. One that is away is waited for, within bounds: else it starts again. */
  #trim(): void {
    let needed = this.#last + 1;
    for (const copy of this.#copies.values()) {
      if (copy.state === 'opening' && copy.startedAfter === Infinity) continue;
      needed = Math.min(needed, Math.max(copy.acked, copy.startedAfter) + 1);
    }
    const isTooMuch = this.#ringBytes > this.#options.limits.stagedBytesMax;
    let drop = 0;
    for (const { batch, bytes } of this.#ring) {
      if (batch >= needed && !(isTooMuch && this.#isOnlyForAbsent(batch))) break;
      this.#ringBytes -= bytes;
      drop++;
    }
    if (drop > 0) this.#ring = this.#ring.slice(drop);
  }

  #isOnlyForAbsent(batch: number): boolean {
    for (const { state, acked, startedAfter } of this.#copies.values())
      if (state === 'streaming' && Math.max(acked, startedAfter) < batch) return false;
    return true;
  }

  /** Who has all of the journal, as far as copies have said. */
  whole(): WholeCopies {
    const copies = [...this.#copies.values()];
    const nodes = (which: (copy: Copy) => boolean): NodeId[] => copies.filter(which).map(({ node }) => node);
    return {
      complete: nodes(({ cursor }) => cursor === COPY_COMPLETE),
      chosen: nodes(() => true),
      without: nodes(({ cursor, hasPast }) => cursor !== COPY_COMPLETE && hasPast === false),
      isSettled: this.#settled,
    };
  }

  views(): CopyView[] {
    return [...this.#copies.values()].map(({ node, state, sent, acked, cursor }) => ({
      node,
      state,
      complete: cursor === COPY_COMPLETE,
      behind: state === 'streaming' ? this.#last - Math.max(acked, 0) : this.#last - sent,
    }));
  }
}

/** It takes batches now, and knows the names of all queues. */
function isUsable({ state, cursor }: Copy): boolean {
  return state === 'streaming' && cursor >= COPY_NAMED;
}

/** What a mesher knows of others is its own affair: whoever takes over knows as much. */
function isCopied({ op }: JournalOp): boolean {
  return op !== 'member' && op !== 'drop-member' && op !== 'routes' && op !== 'drop-routes';
}

function bytesOf(op: JournalOp): number {
  if (op.op !== 'block') return SMALL_OP_BYTES;
  return op.events.reduce((sum, event) => sum + event.bytes, 0);
}
