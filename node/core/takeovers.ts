// Taking over from a mesher that is gone for good. Whoever holds a copy of its journal claims it, in the registry, which lets each block
// be claimed once; the first to claim is the *heir* (heirs.ts). What was claimed is moved from the copy into the own journal,
// block by block, oldest first: events for the mesher's subscriptions into adopted ones, those for elsewhere into the own lanes.
//
//   kept ──(gone, registry up)──▶ claiming ──▶ reading ──▶ moving ──▶ done        claiming again finds the same claims
//
// Invariants. Nothing is taken over that was not claimed; without a registry nothing is. A block moves in one batch with the note
// that it did, so no crash moves it twice or leaves it out. Others send the lost mesher's events to its heir only when all of
// the copy has moved, so they come after what was queued before.

import type { Counters } from './counters.ts';
import type { Copies } from './copies.ts';
import {
  type Directive,
  type LaneName,
  NO_GROUPS,
  type NodeId,
  type Position,
  type StoredEvent,
} from './event.ts';
import { type LaneDestination, laneDestination } from './lane-queue.ts';
import { COPY_COMPLETE, COPY_NAMED, type CopyHeld } from './messages.ts';
import type { Claim, CopyHead, QueuedEntry, Recovered, Takeover } from './ports.ts';
import type { Emit, Now } from './steps.ts';
import { DEAD_LETTERS, type Subscription } from './subscription.ts';
import { Subscriptions } from './subscriptions.ts';
import type { Timing } from './timing.ts';
import type { MemberStatus } from './views.ts';

export interface TakeoverPorts {
  readonly self: NodeId;
  readonly timing: Timing;
  readonly counters: Counters;
  readonly copies: Copies;
  readonly emit: Emit;
  /** `dead`: lease and link are gone, past a grace; `unknown`: it is no member as far as is known here. */
  statusOf(node: NodeId): MemberStatus | 'unknown';
  /** Others of this cluster, the dead included. */
  readonly neighbours: () => readonly { readonly node: NodeId; readonly isLinked: boolean }[];
  readonly registryUp: () => boolean;
  /** No more is to be staged for now. */
  isBusy(): boolean;
  note(takeover: Takeover): void;
  /** `then` runs when all that is staged is kept as custody asks. */
  whenKept(then: () => void): void;
  /** Returns what it is called here. */
  adoptSubscription(subscription: Subscription): string;
  adoptMark(sender: NodeId, name: LaneName, position: Position): void;
  /** One event of a block, with what each queue of the lost mesher wanted of it. */
  adoptEvent(owner: NodeId, event: StoredEvent, wants: readonly AdoptedWant[]): void;
  /** All is moved: the guest's events are ours from now on. */
  becomeHeir(owner: NodeId): void;
}

/** What one queue of the lost mesher wanted of an event. */
export type AdoptedWant =
  | { readonly kind: 'subscription'; readonly name: string }
  /** The subscription lives on elsewhere, under the name of the mesher where it was made. */
  | { readonly kind: 'heir'; readonly of: NodeId; readonly name: string }
  | {
      readonly kind: 'lane';
      readonly to: LaneDestination;
      readonly position: Position | undefined;
      readonly directive: Directive;
    };

type WantOf = (position: Position | undefined, directive: Directive) => AdoptedWant;

interface Source {
  readonly block: number;
  readonly queues: readonly number[];
}

interface Moving {
  readonly owner: NodeId;
  state: 'claiming' | 'reading' | 'moving';
  /** Monotonic ms of the last question to the registry. */
  askedAt: number;
  isHeir: boolean;
  claims: readonly Claim[];
  /** By the numbers of the lost mesher's queues. */
  wants: ReadonlyMap<number, WantOf>;
  blocks: Iterator<Source> | undefined;
  /** What the lost mesher itself had taken over, as their heir. */
  guests: readonly Takeover[];
  /** A block is being read, or not yet on disk. */
  waits: boolean;
}

export class Takeovers {
  readonly #ports: TakeoverPorts;
  readonly #moving = new Map<NodeId, Moving>();
  readonly #takeovers = new Map<NodeId, Takeover>();
  /** Since when an owner has been gone, monotonic ms. */
  readonly #goneSince = new Map<NodeId, number>();
  /** What others hold of a lost mesher, as they said last, and since when they are asked. */
  readonly #heard = new Map<
    NodeId,
    { readonly since: number; askedAt: number; readonly by: Map<NodeId, string> }
  >();

  constructor(ports: TakeoverPorts) {
    this.#ports = ports;
  }

  recover(takeovers: readonly Takeover[]): void {
    for (const takeover of takeovers) this.#takeovers.set(takeover.owner, takeover);
  }

  /** Whether this mesher is the heir of that one, and serves its subscriptions. */
  isGuest(node: NodeId): boolean {
    const takeover = this.#takeovers.get(node);
    return takeover !== undefined && takeover.isHeir && takeover.isDone;
  }

  guests(): NodeId[] {
    return [...this.#takeovers.keys()].filter((node) => this.isGuest(node));
  }

  tick(now: Now): void {
    for (const { owner, head } of this.#ports.copies.all()) {
      if (this.#takeovers.get(owner)?.isDone === true) {
        this.#ports.copies.drop(owner); // a crash came between
        continue;
      }
      const moving = this.#moving.get(owner);
      if (moving && moving.state !== 'claiming') this.#move(moving);
      else if (this.#isDue(owner, head, now) && this.#isNewest(owner, head, now))
        this.#claim(owner, head, now);
      else if (moving) this.#desist(owner);
    }
  }

  /** It came back, or somebody has a newer copy: nothing was claimed yet, as far as is known here. */
  #desist(owner: NodeId): void {
    this.#moving.delete(owner);
    this.#ports.copies.unseal(owner);
  }

  /**
   * The newest copy is claimed first: its subscriptions are the ones that live on. Whoever of the cluster cannot be asked is waited for.
   */
  #isNewest(owner: NodeId, head: CopyHead, now: Now): boolean {
    const { timing, neighbours } = this.#ports;
    const heard = this.#heard.get(owner) ?? {
      since: now.monotonic,
      askedAt: -Infinity,
      by: new Map<NodeId, string>(),
    };
    this.#heard.set(owner, heard);
    const own = rankOf(head);
    if (now.monotonic - heard.askedAt < timing.pullTimeoutMs) return false;
    const others = neighbours().filter(({ node }) => node !== owner);
    const isAnswered = others.every(
      ({ node, isLinked }) =>
        (heard.by.get(node) ?? '') <= own &&
        (isLinked || now.monotonic - heard.since >= timing.deadAfterMs * SILENT_TIMES),
    );
    const isFresh = now.monotonic - heard.askedAt < timing.pullTimeoutMs * ANSWERS_LAST_TIMES;
    if (isAnswered && isFresh) return true;
    heard.askedAt = now.monotonic;
    heard.by.clear(); // who had the newest may have taken it over by now
    for (const { node, isLinked } of others) if (isLinked) this.#say(node, owner, head, false);
    return false;
  }

  #say(peer: NodeId, owner: NodeId, { incarnation, batch, cursor }: CopyHead, answer: boolean): void {
    this.#ports.emit({
      kind: 'control',
      peer,
      message: { kind: 'copy-held', answer, owner, incarnation, batch, cursor },
    });
  }

  /** A peer says what it holds. */
  held(peer: NodeId, message: CopyHeld): void {
    const { owner, answer } = message;
    this.#heard.get(owner)?.by.set(peer, rankOf(message));
    const own = this.#ports.copies.all().find((copy) => copy.owner === owner);
    if (!answer && own) this.#say(peer, owner, own.head, true);
  }

  /** A copy that is not whole waits for others' to be claimed first. */
  #isDue(owner: NodeId, { cursor }: CopyHead, now: Now): boolean {
    const status = this.#ports.statusOf(owner);
    // a mesher that knows nobody yet, or cannot ask, knows nothing of who is gone
    if (status !== 'dead' && (status !== 'unknown' || !this.#ports.registryUp())) {
      this.#goneSince.delete(owner);
      this.#heard.delete(owner);
      return false;
    }
    const since = this.#goneSince.get(owner) ?? now.monotonic;
    this.#goneSince.set(owner, since);
    // who counts as dead has had its time already
    const isSure = status === 'dead' && cursor === COPY_COMPLETE;
    return isSure || now.monotonic - since > this.#ports.timing.deadAfterMs;
  }

  #claim(owner: NodeId, head: CopyHead, now: Now): void {
    const { registryUp, copies, emit, timing } = this.#ports;
    if (!registryUp()) return;
    let moving = this.#moving.get(owner);
    if (!moving) {
      moving = newMoving(owner);
      this.#moving.set(owner, moving);
      copies.seal(owner);
    }
    if (now.monotonic - moving.askedAt < timing.pullTimeoutMs) return;
    moving.askedAt = now.monotonic;
    const from = head.cursor === COPY_COMPLETE ? 0 : head.startBlock;
    emit({ kind: 'claim', owner, from, upTo: head.nextBlock });
  }

  /** The registry says who has claimed what, this mesher included. */
  claimed(owner: NodeId, claims: readonly Claim[]): void {
    const moving = this.#moving.get(owner);
    const { self, emit, counters } = this.#ports;
    if (moving?.state !== 'claiming') return;
    moving.isHeir = claims[0]?.taker === self;
    moving.claims = claims.filter(({ taker }) => taker === self);
    moving.state = 'reading';
    counters.add('takeovers_total', 1, moving.isHeir ? 'heir' : 'helper');
    emit({ kind: 'read-copy', owner });
  }

  /** What the copy holds. */
  read(owner: NodeId, recovered: Recovered): void {
    const moving = this.#moving.get(owner);
    if (moving?.state !== 'reading') return;
    const ports = this.#ports;
    const upTo = this.#takeovers.get(owner)?.upTo ?? 0;
    this.#note({ owner, isHeir: moving.isHeir, upTo, isDone: false });
    moving.wants = new Map(
      recovered.queues.map(({ queue, name }) => [queue, this.#wantOf(owner, name, recovered, moving.isHeir)]),
    );
    if (moving.isHeir) {
      for (const { sender, position, scope, lane, of } of recovered.marks)
        if (scope === 'peer') ports.adoptMark(sender, { scope, lane, of: of ?? owner }, position);
      moving.guests = recovered.takeovers.filter(({ isHeir, isDone }) => isHeir && isDone);
    }
    moving.blocks = blocksOf(recovered.queues);
    moving.state = 'moving';
    this.#move(moving);
  }

  #wantOf(owner: NodeId, queue: string, { subscriptions }: Recovered, isHeir: boolean): WantOf {
    const to = laneDestination(queue);
    if (to) return (position, directive) => ({ kind: 'lane', to, position, directive });
    const subscription = subscriptions.find(({ name }) => Subscriptions.queueName(name) === queue);
    const name = subscription?.name ?? DEAD_LETTERS;
    const of = subscription?.adoptedFrom ?? owner;
    let want: AdoptedWant = { kind: 'heir', of, name };
    if (!subscription || name === DEAD_LETTERS) want = { kind: 'subscription', name: DEAD_LETTERS };
    else if (isHeir) {
      const adopted = this.#ports.adoptSubscription({ ...subscription, adoptedFrom: of });
      want = { kind: 'subscription', name: adopted };
    }
    return () => want;
  }

  #note(takeover: Takeover): void {
    this.#takeovers.set(takeover.owner, takeover);
    this.#ports.note(takeover);
  }

  #move(moving: Moving): void {
    const { owner, blocks, claims } = moving;
    if (moving.state !== 'moving' || moving.waits || !blocks || this.#ports.isBusy()) return;
    const done = this.#takeovers.get(owner)?.upTo ?? 0;
    for (let next = blocks.next(); next.done !== true; next = blocks.next()) {
      const { block, queues } = next.value;
      if (block < done || !claims.some(({ from, upTo }) => block >= from && block < upTo)) continue;
      moving.waits = true;
      this.#ports.emit({ kind: 'load-copy', owner, block, queues });
      return;
    }
    moving.waits = true;
    this.#ports.whenKept(() => this.#finish(moving));
  }

  /** What the queues wanted of one block. */
  loaded(owner: NodeId, block: number, entries: readonly QueuedEntry[]): void {
    const moving = this.#moving.get(owner);
    if (moving?.state !== 'moving') return;
    const byIndex = new Map<number, { event: StoredEvent; wants: AdoptedWant[] }>();
    for (const { queue, entry, events } of entries) {
      const wantOf = moving.wants.get(queue);
      if (!wantOf) continue;
      let run = -1;
      for (const [i, index] of entry.indices.entries()) {
        while ((entry.directives[run + 1]?.from ?? Infinity) <= i) run++;
        const event = events[i];
        if (!event) continue;
        const wanted = byIndex.get(index) ?? { event, wants: [] };
        byIndex.set(index, wanted);
        const { first } = entry;
        const position = first && { incarnation: first.incarnation, sequence: first.sequence + i };
        const directive = entry.directives[run]?.directive ?? NO_GROUPS;
        wanted.wants.push(wantOf(position, directive));
      }
    }
    for (const index of [...byIndex.keys()].sort((a, b) => a - b)) {
      const wanted = byIndex.get(index);
      if (wanted) this.#ports.adoptEvent(owner, wanted.event, wanted.wants);
    }
    this.#ports.counters.add('events_taken_over_total', byIndex.size);
    this.#note({ owner, isHeir: moving.isHeir, upTo: block + 1, isDone: false });
    this.#ports.whenKept(() => {
      moving.waits = false;
      this.#move(moving);
    });
  }

  #finish({ owner, isHeir, guests }: Moving): void {
    const upTo = this.#takeovers.get(owner)?.upTo ?? 0;
    this.#moving.delete(owner);
    this.#goneSince.delete(owner);
    this.#heard.delete(owner);
    this.#note({ owner, isHeir, upTo, isDone: true });
    for (const guest of guests) if (this.#takeovers.get(guest.owner)?.isHeir !== true) this.#note(guest);
    if (isHeir) for (const guest of [owner, ...guests.map((one) => one.owner)]) this.#ports.becomeHeir(guest);
    this.#ports.whenKept(() => this.#ports.copies.drop(owner));
  }
}

function newMoving(owner: NodeId): Moving {
  return {
    owner,
    state: 'claiming',
    askedAt: -Infinity,
    isHeir: false,
    claims: [],
    wants: new Map(),
    blocks: undefined,
    guests: [],
    waits: false,
  };
}

/** Answers are as old as a registry that cannot be reached makes them: then all are asked anew. */
const ANSWERS_LAST_TIMES = 6;
const NUMBER_DIGITS = 16;
/** Other meshers of the cluster that are away, too, may hold a newer copy: they get some times what a mesher takes to be dead. */
const SILENT_TIMES = 4;

/** Sorts as copies are new: one that lacks names is behind all that have them. */
function rankOf({ incarnation, batch, cursor }: Pick<CopyHead, 'incarnation' | 'batch' | 'cursor'>): string {
  const digits = (number: number): string => String(number).padStart(NUMBER_DIGITS, '0');
  return `${cursor >= COPY_NAMED ? 1 : 0} ${digits(incarnation)} ${digits(batch)}`;
}

/** All blocks that some queue wants, ascending, without making a list of them: there may be ten million. */
function* blocksOf(queues: Recovered['queues']): Iterator<Source> {
  const heads = queues.map(({ queue, blocks }) => {
    const iterator = blocks[Symbol.iterator]();
    return { queue, iterator, next: iterator.next() };
  });
  for (;;) {
    let block = Infinity;
    for (const { next } of heads) if (next.done !== true) block = Math.min(block, next.value.block);
    if (block === Infinity) return;
    const wanting: number[] = [];
    for (const head of heads) {
      if (head.next.done === true || head.next.value.block !== block) continue;
      wanting.push(head.queue);
      head.next = head.iterator.next();
    }
    yield { block, queues: wanting };
  }
}
