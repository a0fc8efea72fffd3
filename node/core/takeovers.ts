// Taking over from a mesher that is gone for good. Whoever holds a copy of its journal claims it, in the registry, which lets each block
// be claimed once; the first to claim is the *heir* (heirs.ts). What was claimed is moved from the copy into the own journal
// (copy-move.ts), then marked in the registry as done. A copy is kept until all claims on it are, whoever's they are.
//
//   kept ──(gone, registry up)──▶ claiming ──▶ moving ──▶ ending ──▶ claiming ──(all are done)──▶ dropped
//
// Where a claimant is gone itself before it was done, its own heir says in the registry how far it had come, as its journal has it: the
// rest is free again, and whoever still has a copy claims that. So does a claimant that has lost the copy.
//
// Invariants. Nothing is taken over that was not claimed; without a registry nothing is. Blocks are marked as done only
// when as many disks have them as custody asks. What is claimed now is noted in the own journal until the registry has it as done:
// only then is more claimed. Others send the lost mesher's events to its heir only when all that was claimed at first has
// moved, so they come after what was queued before.

import type { Counters } from './counters.ts';
import type { Copies } from './copies.ts';
import { CopyMove, type CopyMovePorts } from './copy-move.ts';
import type { NodeId } from './event.ts';
import { COPY_COMPLETE, type CopyHeld } from './messages.ts';
import { NewestCopy, type NewestCopyPorts } from './newest-copy.ts';
import type { BlockRange, Claim, ClaimsEnd, CopyHead, QueuedEntry, Recovered, Takeover } from './ports.ts';
import type { Now } from './steps.ts';
import type { MemberStatus } from './views.ts';

export interface TakeoverPorts extends CopyMovePorts, NewestCopyPorts {
  readonly self: NodeId;
  /** It is no new mesher: it may have claimed something in an earlier life. */
  readonly isRejoining: boolean;
  readonly counters: Counters;
  readonly copies: Copies;
  /** `dead`: lease and link are gone, past a grace; `unknown`: it is no member as far as is known here. */
  statusOf(node: NodeId): MemberStatus | 'unknown';
  readonly registryUp: () => boolean;
  note(takeover: Takeover): void;
  /** `then` runs when all that is staged is on as many disks as custody asks. */
  whenKept(then: () => void): void;
  /** All that was claimed has moved: the guest's events are ours from now on. */
  becomeHeir(owner: NodeId): void;
}

/** A mesher that is gone, of whose journal a copy is here. */
interface Lost {
  readonly owner: NodeId;
  state: 'claiming' | 'moving' | 'ending';
  /** Monotonic ms of the last question to the registry. */
  askedAt: number;
  /** Number of the claim that waits for its answer; 0: none does, and answers that come count no more. */
  ask: number;
  /** Nothing was free when it was asked last, and somebody else is still at it. */
  isWatching: boolean;
  move: CopyMove | undefined;
  ends: readonly ClaimsEnd[];
}

/** Somebody else has the newest copy: what we may hold without knowing it is free some times as often as the registry is listed. */
const RELEASE_AGAIN_TIMES = 4;

export class Takeovers {
  readonly #ports: TakeoverPorts;
  readonly #newest: NewestCopy;
  readonly #lost = new Map<NodeId, Lost>();
  readonly #takeovers = new Map<NodeId, Takeover>();
  /** Since when an owner has been gone, monotonic ms. */
  readonly #goneSince = new Map<NodeId, number>();
  #asks = 0;
  #tickedAt = -Infinity;
  /** What was claimed, and will not be moved, is free again: before that nothing more is claimed. */
  #isReleased: boolean;
  #releaseAskedAt = -Infinity;
  #releasedAt = -Infinity;

  constructor(ports: TakeoverPorts) {
    this.#ports = ports;
    this.#newest = new NewestCopy(ports);
    this.#isReleased = !ports.isRejoining;
  }

  get self(): NodeId {
    return this.#ports.self;
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

  /** Of whom blocks are being moved. */
  moving(): NodeId[] {
    return [...this.#lost.values()].filter(({ state }) => state === 'moving').map(({ owner }) => owner);
  }

  tick(now: Now): void {
    if (now.monotonic - this.#tickedAt > this.#ports.timing.deadAfterMs) this.#newest.wake(now);
    this.#tickedAt = now.monotonic;
    if (!this.#isReleased) this.#release(now);
    for (const { owner, head } of this.#ports.copies.all()) {
      const lost = this.#lost.get(owner);
      const known = this.#takeovers.get(owner);
      if (lost?.state === 'moving') lost.move?.goOn();
      else if (lost?.state === 'ending') this.#end(lost, now);
      else if (known && known.claims.length > 0)
        this.#move(known, true); // a restart came between
      else if (!this.#isDue(owner, head, now)) this.#desist(owner);
      else if (!this.#newest.isOurs(owner, head, now)) {
        this.#desist(owner);
        if (now.monotonic - this.#releasedAt > this.#ports.timing.relistEveryMs * RELEASE_AGAIN_TIMES)
          this.#isReleased = false;
      } else if (this.#isReleased) this.#claim(owner, head, now);
    }
  }

  /** A peer says what it holds. */
  held(peer: NodeId, message: CopyHeld): void {
    this.#newest.held(peer, message);
  }

  /** It came back, or somebody has a newer copy. */
  #desist(owner: NodeId): void {
    const lost = this.#lost.get(owner);
    if (!lost) return;
    this.#lost.delete(owner);
    this.#ports.copies.unseal(owner);
    if (lost.ask > 0) this.#isReleased = false; // the answer that did not come may have been a claim
  }

  /** A copy that is not whole waits for others' to be claimed first. */
  #isDue(owner: NodeId, head: CopyHead, now: Now): boolean {
    const status = this.#ports.statusOf(owner);
    // a mesher that knows nobody yet, or cannot ask, knows nothing of who is gone
    if (status !== 'dead' && (status !== 'unknown' || !this.#ports.registryUp())) {
      this.#goneSince.delete(owner);
      this.#newest.forget(owner);
      return false;
    }
    const since = this.#goneSince.get(owner) ?? now.monotonic;
    this.#goneSince.set(owner, since);
    // who counts as dead has had its time already
    const isSure = status === 'dead' && (head.cursor === COPY_COMPLETE || head.pastBlock > 0);
    return isSure || now.monotonic - since > this.#ports.timing.deadAfterMs;
  }

  // ─────────────────────────────────────────────────────────── claiming

  #claim(owner: NodeId, head: CopyHead, now: Now): void {
    const { registryUp, copies, emit, timing } = this.#ports;
    if (!registryUp()) return;
    const lost = this.#lostOf(owner);
    copies.seal(owner);
    const pause = lost.isWatching ? timing.relistEveryMs : timing.pullTimeoutMs;
    if (now.monotonic - lost.askedAt < pause) return;
    lost.askedAt = now.monotonic;
    lost.ask = ++this.#asks;
    emit({ kind: 'claim', owner, ask: lost.ask, blocks: blocksIn(head) });
  }

  #lostOf(owner: NodeId): Lost {
    const known = this.#lost.get(owner);
    if (known) return known;
    const lost: Lost = {
      owner,
      state: 'claiming',
      askedAt: -Infinity,
      ask: 0,
      isWatching: false,
      move: undefined,
      ends: [],
    };
    this.#lost.set(owner, lost);
    return lost;
  }

  /** The registry says who has claimed what, this mesher included. */
  claimed(owner: NodeId, ask: number, claims: readonly Claim[]): void {
    const lost = this.#lost.get(owner);
    const { self } = this;
    const { counters } = this.#ports;
    const own = claims.filter(({ taker, isDone }) => taker === self && !isDone);
    if (lost?.state !== 'claiming' || lost.ask !== ask) {
      if (own.length > 0 && !this.#isAtWork(owner)) this.#isReleased = false; // it was given up meanwhile
      return;
    }
    lost.ask = 0;
    // the first may have had to give up its claim: then the next is the heir
    const isHeir = this.#takeovers.get(owner)?.isHeir === true || claims[0]?.taker === self;
    if (own.length > 0 || (isHeir && !this.isGuest(owner))) {
      counters.add('takeovers_total', 1, isHeir ? 'heir' : 'helper');
      const ranges = own.map(({ from, upTo }) => ({ from, upTo }));
      this.#move({ owner, isHeir, claims: ranges, upTo: 0 }, false);
    } else if (claims.every(({ isDone }) => isDone)) this.#forget(owner);
    else lost.isWatching = true;
  }

  #forget(owner: NodeId): void {
    this.#lost.delete(owner);
    this.#goneSince.delete(owner);
    this.#newest.forget(owner);
    this.#ports.copies.drop(owner);
  }

  // ─────────────────────────────────────────────────────────── moving

  /** `isNoted`: what comes with the first note in the journal, came then. */
  #move({ owner, isHeir, claims, upTo }: Omit<Takeover, 'isDone' | 'theirs'>, isNoted: boolean): void {
    const lost = this.#lostOf(owner);
    const becomesHeir = isHeir && !this.isGuest(owner);
    this.#ports.copies.seal(owner);
    lost.state = 'moving';
    lost.move = new CopyMove(this.#ports, {
      owner,
      isHeir,
      adopts: becomesHeir && !isNoted,
      isElsewhere: (from) => !becomesHeir && !this.isGuest(from),
      claims,
      upTo,
      progress: (next, takeovers) => {
        const isGuest = this.isGuest(owner); // it may have become that meanwhile
        // of whom another copy knows that it was the heir, their subscriptions did not come here
        const theirs = becomesHeir
          ? takeovers
          : takeovers.map((each) => ({ ...each, isHeir: each.isHeir && this.isGuest(each.owner) }));
        this.#note({ owner, isHeir: isHeir || isGuest, claims, upTo: next, isDone: isGuest, theirs });
      },
      moved: () => this.#moved(lost),
    });
  }

  read(owner: NodeId, recovered: Recovered): void {
    this.#lost.get(owner)?.move?.read(recovered);
  }

  loaded(owner: NodeId, block: number, entries: readonly QueuedEntry[]): void {
    this.#lost.get(owner)?.move?.loaded(block, entries);
  }

  #note(takeover: Takeover): void {
    this.#takeovers.set(takeover.owner, takeover);
    this.#ports.note(takeover);
  }

  #moved(lost: Lost): void {
    const ports = this.#ports;
    const { owner } = lost;
    const known = this.#takeovers.get(owner);
    if (!known) return;
    const serves = this.isGuest(owner);
    const upTo = Math.max(0, ...known.claims.map((claim) => claim.upTo));
    const done = { ...known, upTo, isDone: true };
    const { theirs } = done;
    this.#note(done);
    if (done.isHeir) {
      if (!serves) {
        lost.move?.adoptMarks();
        ports.becomeHeir(owner);
      }
      this.#inherit(theirs);
    }
    const ends: ClaimsEnd[] = [{ taker: this.self, moved: [done], keep: 'rest' }];
    // a helper's copy may be too old to know
    if (done.isHeir) ends.push({ taker: owner, moved: theirs, keep: [] }, ...theirs.flatMap(endsOf));
    ports.whenKept(() => {
      lost.move = undefined;
      lost.state = 'ending';
      lost.askedAt = -Infinity;
      lost.ends = ends;
    });
  }

  /** Whose heir the lost mesher was, or was becoming: their subscriptions have come along. */
  #inherit(theirs: readonly Takeover[]): void {
    for (const { owner, isHeir, theirs: further } of theirs) {
      if (!isHeir) continue;
      this.#inherit(further);
      if (this.isGuest(owner)) continue;
      const known = this.#takeovers.get(owner) ?? { owner, claims: [], upTo: 0, theirs: [] };
      this.#note({ ...known, isHeir: true, isDone: true });
      this.#ports.becomeHeir(owner);
    }
  }

  // ─────────────────────────────────────────────────────────── ending

  #end(lost: Lost, now: Now): void {
    const { registryUp, timing, emit } = this.#ports;
    if (!registryUp() || now.monotonic - lost.askedAt < timing.pullTimeoutMs) return;
    lost.askedAt = now.monotonic;
    emit({ kind: 'end-claims', owner: lost.owner, ends: lost.ends });
  }

  /**
   * Frees claims of which nothing is noted here: an answer that did not come, or came just before a crash, may have been one, and others
   * that have a newer copy now wait for us. Of those whose copy was lost since, the registry hears how far they were moved.
   */
  #release(now: Now): void {
    const { registryUp, timing, emit } = this.#ports;
    if (!registryUp() || now.monotonic - this.#releaseAskedAt < timing.pullTimeoutMs) return;
    this.#releaseAskedAt = now.monotonic;
    for (const lost of this.#lost.values()) if (lost.state === 'claiming') lost.ask = 0;
    const keep = this.#ports.copies.all().flatMap(({ owner }) => (this.#isAtWork(owner) ? [owner] : []));
    const moved = [...this.#takeovers.values()].filter(({ owner }) => !keep.includes(owner));
    const ends = [{ taker: this.self, moved, keep }, ...moved.flatMap(endsOf)];
    emit({ kind: 'end-claims', owner: this.self, ends });
  }

  /** Blocks of it are being moved, or will be: what was claimed is known. */
  #isAtWork(owner: NodeId): boolean {
    const state = this.#lost.get(owner)?.state ?? 'claiming';
    return state !== 'claiming' || (this.#takeovers.get(owner)?.claims.length ?? 0) > 0;
  }

  /** The registry has it. */
  ended(owner: NodeId): void {
    if (owner === this.self) this.#released();
    const lost = this.#lost.get(owner);
    const known = this.#takeovers.get(owner);
    if (lost?.state !== 'ending' || !known) return;
    lost.state = 'claiming';
    lost.askedAt = -Infinity;
    if (known.claims.length > 0 || known.theirs.length > 0) this.#note({ ...known, claims: [], theirs: [] });
  }

  #released(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#releasedAt = this.#releaseAskedAt;
    const held = new Set(this.#ports.copies.all().map(({ owner }) => owner));
    for (const takeover of this.#takeovers.values()) {
      if (held.has(takeover.owner) || (takeover.claims.length === 0 && takeover.isDone)) continue;
      const serves = this.isGuest(takeover.owner);
      this.#cutShort(takeover);
      this.#note({ ...takeover, claims: [], isDone: true, theirs: [] });
      if (!takeover.isHeir) continue;
      if (!serves) this.#ports.becomeHeir(takeover.owner);
      this.#inherit(takeover.theirs);
    }
  }

  /** Its copy is lost. Who is to hear of it can still look for another: on a disk that was put aside, or on a mesher that is away. */
  #cutShort({ owner, isHeir, claims, upTo }: Takeover): void {
    const left = claims.flatMap((claim) =>
      claim.upTo > upTo ? [{ from: Math.max(claim.from, upTo), upTo: claim.upTo }] : [],
    );
    if (left.length === 0) return;
    this.#ports.counters.add('takeovers_cut_short_total', 1, isHeir ? 'heir' : 'helper');
    this.#ports.emit({ kind: 'takeover-cut-short', owner, left });
  }
}

/** Blocks that the owner had and that are in its copy, some perhaps as they were before. */
function blocksIn({ cursor, pastBlock, startBlock, nextBlock }: CopyHead): BlockRange[] {
  if (cursor === COPY_COMPLETE) return [{ from: 0, upTo: nextBlock }];
  const stream = { from: startBlock, upTo: nextBlock };
  return pastBlock === 0 ? [stream] : [{ from: 0, upTo: Math.min(pastBlock, startBlock) }, stream];
}

/** How the claims of one that was taken over end, and those of whom it had taken over before it could say so. */
function endsOf({ owner, isHeir, claims, theirs }: Takeover): ClaimsEnd[] {
  if (!isHeir || (claims.length === 0 && theirs.length === 0)) return []; // not ours to say; or the registry has it
  return [{ taker: owner, moved: theirs, keep: [] }, ...theirs.flatMap(endsOf)];
}
