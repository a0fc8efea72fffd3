// A cluster that has lost meshers, as far as takeovers see it: holders of copies with one registry, in virtual time. Each holder is a
// `Takeovers` with real `Copies` over a disk that outlives it; the registry is the real arithmetic of claims. A test says what copies
// there are, and what goes wrong when.
//
//   const cluster = new TakeoverCluster({ a: [{ owner: 'lost', head: whole(10) }], b: [] });
//   cluster.run();
//   cluster.moved('lost');      // { a: [0, 1, …, 9] }

import { withClaim, withEnd } from '../../../node/claims.ts';
import { BlockList } from '../../../node/core/block-list.ts';
import { Copies } from '../../../node/core/copies.ts';
import { Counters } from '../../../node/core/counters.ts';
import { MeshError } from '../../../node/core/errors.ts';
import { COPY_COMPLETE, COPY_NAMED } from '../../../node/core/messages.ts';
import type { Claims, CopyHead, QueuedEntry, Recovered, Takeover } from '../../../node/core/ports.ts';
import type { Effect, Now } from '../../../node/core/steps.ts';
import { DELIVERY_DEFAULTS, type Subscription } from '../../../node/core/subscription.ts';
import { Takeovers } from '../../../node/core/takeovers.ts';
import { TIMING, type Timing } from '../../../node/core/timing.ts';
import { storedEvent } from '../../support/events.ts';
import { NOTHING } from '../../support/lone-core.ts';

type Effects<K extends Effect['kind']> = Extract<Effect, { kind: K }>;

/** A second between looks is fine enough, and every wait soon over. */
const STEP_MS = 1_000;
/** Far longer than anything takes: who is not done by then never will be. */
const RUN_MS = 3_600_000;
export const BENCH_TIMING: Timing = { ...TIMING, deadAfterMs: 10_000, relistEveryMs: 10_000 };

/** A copy that is whole, of a journal with blocks 0 to `nextBlock` - 1. */
export function whole(nextBlock: number, batch = nextBlock): CopyHead {
  return { incarnation: 1, batch, cursor: COPY_COMPLETE, pastBlock: 0, startBlock: 0, nextBlock };
}

/** One that has all names, but of blocks only those that its owner wrote from `startBlock` on. */
export function latest(startBlock: number, nextBlock: number): CopyHead {
  return { ...whole(nextBlock), cursor: COPY_NAMED, startBlock };
}

export const SUBSCRIPTION: Subscription = {
  name: 'orders',
  topic: 'orders/#',
  group: undefined,
  sink: undefined,
  adoptedFrom: undefined,
  delivery: DELIVERY_DEFAULTS,
};

/** What a copy of this mesher holds: one event in each block, wanted by its only subscription. */
function contentOf(
  holder: string,
  { startBlock, nextBlock, cursor }: CopyHead,
  journal: BenchJournal | undefined,
): Recovered {
  const from = cursor === COPY_COMPLETE ? 0 : startBlock;
  const blocks = new BlockList();
  for (let block = from; block < nextBlock; block++) blocks.push({ block, count: 1, first: undefined });
  const takeovers = [...(journal?.takeovers.values() ?? [])];
  return {
    ...NOTHING,
    nextBlock,
    takeovers,
    queues: [{ queue: 1, name: 's:orders', blocks }],
    subscriptions: [{ ...SUBSCRIPTION, topic: `${holder}/#` }],
  };
}

/** What a holder has on disk. */
export class BenchJournal {
  readonly takeovers = new Map<string, Takeover>();
  /** Blocks by the mesher that was lost, as they came. */
  readonly moved = new Map<string, number[]>();
  readonly adopted: string[] = [];
  readonly copies = new Map<string, CopyHead>();
}

type Staged = (journal: BenchJournal) => void;

/** What the registry does with a question: answers at once, or the answer is as late as said, or nobody hears of it. */
export type Answer = 'at once' | 'never' | { readonly afterMs: number };

export interface BenchCopy {
  readonly owner: string;
  readonly head: CopyHead;
}

export class TakeoverHolder {
  readonly node: string;
  readonly journal: BenchJournal;
  readonly counters = new Counters();
  readonly copies: Copies;
  readonly takeovers: Takeovers;
  readonly cutShort: Effects<'takeover-cut-short'>[] = [];
  /** Lost meshers whose heir it became, in this life. */
  readonly heirOf: string[] = [];
  isAlive = true;
  readonly #effects: Effect[] = [];
  #staged: Staged[] = [];
  #whenWritten: (() => void)[] = [];
  readonly #cluster: TakeoverCluster;

  constructor(cluster: TakeoverCluster, node: string, journal: BenchJournal, isRejoining: boolean) {
    this.#cluster = cluster;
    this.node = node;
    this.journal = journal;
    const { counters } = this;
    const emit = (effect: Effect): void => void this.#effects.push(effect);
    const whenWritten = (then: () => void): void => void this.#whenWritten.push(then);
    this.copies = new Copies({ cluster: 'c', counters, emit, clusterOf: () => 'c' });
    this.copies.recover([...journal.copies].map(([owner, head]) => ({ owner, head })));
    this.takeovers = new Takeovers({
      self: node,
      isRejoining,
      timing: BENCH_TIMING,
      counters,
      copies: this.copies,
      emit,
      statusOf: (other) => (cluster.isAlive(other) ? 'alive' : 'dead'),
      neighbours: () => cluster.others(node),
      registryUp: () => true,
      isBusy: () => false,
      note: (takeover) => this.#stage((disk) => disk.takeovers.set(takeover.owner, takeover)),
      whenDurable: whenWritten,
      whenKept: whenWritten,
      adoptSubscription: ({ name, adoptedFrom = '' }) => {
        this.#stage((disk) => disk.adopted.push(adoptedFrom));
        return name;
      },
      adoptedAs: ({ name }) => name,
      adoptMark: () => undefined,
      adoptEvent: (owner, { sequence }) =>
        this.#stage(({ moved }) => moved.set(owner, [...(moved.get(owner) ?? []), sequence])),
      becomeHeir: (owner) => this.heirOf.push(owner),
    });
    this.takeovers.recover([...journal.takeovers.values()]);
  }

  #stage(write: Staged): void {
    this.#staged.push(write);
  }

  tick(now: Now): void {
    this.takeovers.tick(now);
    this.settle();
  }

  /** Writes what is staged, and carries out what came of it, until nothing more comes. */
  settle(): void {
    while (this.isAlive && this.#effects.length + this.#staged.length + this.#whenWritten.length > 0) {
      for (let next = this.#effects.shift(); next; next = this.#effects.shift()) this.#carryOut(next);
      for (const write of this.#staged.splice(0)) write(this.journal);
      for (const then of this.#whenWritten.splice(0)) then();
    }
  }

  #carryOut(effect: Effect): void {
    const cluster = this.#cluster;
    switch (effect.kind) {
      case 'claim':
        cluster.claim(this, effect);
        return;
      case 'end-claims':
        cluster.endClaims(this, effect);
        return;
      case 'copy-drop':
        this.journal.copies.delete(effect.owner);
        return;
      case 'takeover-cut-short':
        this.cutShort.push(effect);
        return;
      case 'control':
        cluster.send(this.node, effect);
        return;
      case 'read-copy': {
        const head = this.journal.copies.get(effect.owner);
        if (head)
          this.takeovers.read(effect.owner, contentOf(effect.owner, head, cluster.journalOf(effect.owner)));
        return;
      }
      case 'load-copy':
        cluster.loading(this, effect.block);
        // it may have died of that
        if (this.isAlive) this.takeovers.loaded(effect.owner, effect.block, [entryOf(effect.block)]);
        return;
      default:
        throw new Error(`takeovers have nothing to do with ${effect.kind}`);
    }
  }

  /** All that is not written is gone. */
  die(): void {
    this.isAlive = false;
    this.#effects.length = 0;
    this.#staged = [];
    this.#whenWritten = [];
  }
}

function entryOf(block: number): QueuedEntry {
  return {
    queue: 1,
    block,
    entry: { indices: [0], first: undefined, directives: [] },
    events: [storedEvent({ sequence: block })],
  };
}

export class TakeoverCluster {
  claims: Claims = {};
  readonly #holders = new Map<string, TakeoverHolder>();
  readonly #journals = new Map<string, BenchJournal>();
  #now = 1_000_000;
  readonly #later: { readonly at: number; readonly tell: () => void }[] = [];
  /** What becomes of the answers to a mesher's questions, in turn; after the last: at once. */
  readonly #answers = new Map<string, Answer[]>();
  /** Meshers that live, and do nothing: suspended machines. */
  readonly asleep = new Set<string>();
  #lostEnd: { readonly node: string; readonly owner: string } | undefined;
  #loading: (holder: TakeoverHolder, block: number) => void = () => undefined;

  /** Who holds which copies; all others are lost. */
  constructor(holders: Readonly<Record<string, readonly BenchCopy[]>>) {
    for (const [node, copies] of Object.entries(holders)) {
      const journal = new BenchJournal();
      for (const { owner, head } of copies) journal.copies.set(owner, head);
      this.#journals.set(node, journal);
      this.#holders.set(node, new TakeoverHolder(this, node, journal, false));
    }
  }

  holder(node: string): TakeoverHolder {
    const holder = this.#holders.get(node);
    if (!holder) throw new Error(`there is no ${node}`);
    return holder;
  }

  journalOf(node: string): BenchJournal | undefined {
    return this.#journals.get(node);
  }

  isAlive(node: string): boolean {
    return this.#holders.get(node)?.isAlive ?? false;
  }

  others(node: string): { node: string; isLinked: boolean }[] {
    return [...this.#holders.values()].flatMap((one) =>
      one.node === node ? [] : { node: one.node, isLinked: one.isAlive },
    );
  }

  answers(node: string, ...answers: readonly Answer[]): void {
    this.#answers.set(node, [...answers]);
  }

  /** `then` is told before each block is moved. */
  whenLoading(then: (holder: TakeoverHolder, block: number) => void): void {
    this.#loading = then;
  }

  loading(holder: TakeoverHolder, block: number): void {
    this.#loading(holder, block);
  }

  /** With what is on its disk; `without`: copies that are lost meanwhile. */
  restart(node: string, without: readonly string[] = []): void {
    const { journal } = this.holder(node);
    this.holder(node).die();
    for (const owner of without) journal.copies.delete(owner);
    this.#holders.set(node, new TakeoverHolder(this, node, journal, true));
  }

  /** Until that is so, or all that can happen has. */
  run(isEnough: () => boolean = () => false): void {
    for (const end = this.#now + RUN_MS; this.#now < end && !isEnough(); this.#now += STEP_MS) {
      for (const due of this.#later.filter(({ at }) => at <= this.#now)) {
        this.#later.splice(this.#later.indexOf(due), 1);
        due.tell();
      }
      for (const node of this.#holders.keys()) {
        const holder = this.holder(node);
        if (holder.isAlive && !this.asleep.has(node)) holder.tick({ wall: this.#now, monotonic: this.#now });
      }
    }
  }

  /** By who has them now, in the order of their moving. */
  moved(owner: string): Record<string, readonly number[]> {
    const all = [...this.#journals].map(([node, { moved }]) => [node, moved.get(owner) ?? []] as const);
    return Object.fromEntries(all.filter(([, blocks]) => blocks.length > 0));
  }

  /** What the registry says of a lost mesher, in words. */
  claimsOn(owner: string): string[] {
    return (this.claims[owner] ?? []).map(
      ({ taker, from, upTo, isDone }) => `${taker} ${from}-${upTo}${isDone ? ' done' : ''}`,
    );
  }

  send(from: string, { peer, message }: Effects<'control'>): void {
    const to = this.#holders.get(peer);
    if (!to?.isAlive || this.asleep.has(peer)) return;
    if (message.kind !== 'copy-held') throw new Error(`takeovers send no ${message.kind}`);
    to.takeovers.held(from, message);
    to.settle();
  }

  claim(holder: TakeoverHolder, { owner, ask, blocks }: Effects<'claim'>): void {
    const next = withClaim(this.claims, owner, holder.node, blocks);
    if (next === 'taken-over') throw new MeshError('taken-over', `${holder.node} was taken over itself`);
    this.claims = next;
    const claims = next[owner] ?? [];
    this.#answer(holder, () => holder.takeovers.claimed(owner, ask, claims));
  }

  /** The first write of this mesher that ends claims on that owner never comes to the registry. */
  loseFirstEnd(node: string, owner: string): void {
    this.#lostEnd = { node, owner };
  }

  endClaims(holder: TakeoverHolder, { owner, ends }: Effects<'end-claims'>): void {
    if (holder.node === this.#lostEnd?.node && owner === this.#lostEnd.owner) {
      this.#lostEnd = undefined;
      return;
    }
    this.claims = ends.reduce(withEnd, this.claims);
    this.#answer(holder, () => holder.takeovers.ended(owner));
  }

  #answer(holder: TakeoverHolder, tell: () => void): void {
    const answer = this.#answers.get(holder.node)?.shift() ?? 'at once';
    const told = (): void => {
      if (!holder.isAlive) return;
      tell();
      holder.settle();
    };
    if (answer === 'at once') this.#later.push({ at: this.#now, tell: told });
    else if (answer !== 'never') this.#later.push({ at: this.#now + answer.afterMs, tell: told });
  }
}
