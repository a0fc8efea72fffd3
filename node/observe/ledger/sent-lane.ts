// What this mesher's ledger says of one lane that it sends: each place that was given out has one fate, and until it is known it is
// *open*. It is made of what the mesher writes, sends and hears, and not of what the lane believes of itself.
//
//   written to the queue ─► open ─► acked by a mesher: claimed of that one, until its ledger says the same
//                                └► expired before it was sent
//
// A place that was acked past though nobody was sent it, one that the batch leaves out, and one that is open though the queue does not
// hold it any more, are differences.

import { comparePositions, type NodeId, type Position, START } from '../../core/event.ts';
import type { LaneDestination } from '../../core/lane-queue.ts';
import type { Difference } from './difference.ts';
import { describeRanges, type PositionRange, PositionSet, rangeFrom } from './position-set.ts';

/** What one mesher has acked, in one of its lives, and was not compared with its ledger yet. */
export interface Claim {
  /** Incarnation of the mesher that said so. */
  readonly life: number;
  readonly places: PositionSet;
}

/** Of one lane, with one mesher on which it lands, or landed. */
export interface Dealings {
  /** Events in frames, those that were sent again included. */
  sent: number;
  acked: number;
  /** The last that it acked. */
  upTo: Position;
  claims: Claim[];
}

/** Lives of one mesher, and pieces of a lane, of which more than these were not compared: the oldest are believed as they are. */
const CLAIMS_MAX = 4;
const RANGES_MAX = 256;

export class SentLane {
  readonly name: string;
  readonly to: LaneDestination;
  readonly #incarnation: number;
  readonly #differs: (difference: Difference) => void;
  readonly #open = new PositionSet();
  /** Open ones of this life that were sent to somebody. */
  readonly #sent = new PositionSet();
  readonly #dealings = new Map<NodeId, Dealings>();
  /** Between what was found in the journal at the start: settled by an earlier life, or taken away. */
  #holes = new PositionSet();
  /** Who was asked for them. */
  readonly #explainedBy = new Set<NodeId>();
  #first: Position | undefined;
  #last: Position | undefined;
  #acked: Position = START;
  #expired = 0;
  #carriedOver = 0;
  #landing: NodeId | undefined;
  #unqueued = 0;

  constructor(
    name: string,
    to: LaneDestination,
    incarnation: number,
    differs: (difference: Difference) => void,
  ) {
    this.name = name;
    this.to = to;
    this.#incarnation = incarnation;
    this.#differs = differs;
  }

  /** The first place that this ledger covers; undefined: none was given out yet. */
  get first(): Position | undefined {
    return this.#first;
  }

  get last(): Position | undefined {
    return this.#last;
  }

  get expired(): number {
    return this.#expired;
  }

  /** Events that an earlier life of this mesher had left in the queue. */
  get carriedOver(): number {
    return this.#carriedOver;
  }

  get landing(): NodeId | undefined {
    return this.#landing;
  }

  get open(): PositionSet {
    return this.#open;
  }

  /** Nobody has said yet what became of these. */
  get holes(): PositionSet {
    return this.#holes;
  }

  peers(): Iterable<NodeId> {
    return this.#dealings.keys();
  }

  dealingsWith(peer: NodeId): Dealings | undefined {
    return this.#dealings.get(peer);
  }

  // ─────────────────────────────────────────────────────────── what happens

  /** An entry of the queue was in the journal at the start. */
  recovered(first: Position, count: number): void {
    const gap = this.#gapBefore(first);
    if (gap) this.#holes.add(gap);
    this.#carriedOver += count;
    this.#give(first, count);
  }

  /** `left`: the places that were open when this mesher was stopped in order; undefined: it was not, and nobody knows. */
  begin(left: readonly PositionRange[] | undefined): void {
    if (!left) return;
    this.#holes = new PositionSet(); // what they were before that, was said then
    const gone = PositionSet.of(left).minus(this.#open);
    if (!gone.isEmpty)
      this.#differ(
        'left-journal',
        `${this.#describe(gone)} waited in the journal when this mesher was stopped, and did not when it was started`,
      );
  }

  /** An entry of the queue goes to the journal. */
  given(first: Position, count: number): void {
    const gap = this.#gapBefore(first);
    if (gap)
      this.#differ('never-written', `${this.#describe(PositionSet.of([gap]))} never came to the journal`);
    this.#give(first, count);
  }

  #give(first: Position, count: number): void {
    const range = rangeFrom(first, count);
    this.#first ??= first;
    this.#last = { incarnation: range.incarnation, sequence: range.to };
    this.#open.add(range);
  }

  #gapBefore({ incarnation, sequence }: Position): PositionRange | undefined {
    const last = this.#last;
    if (last?.incarnation !== incarnation || sequence <= last.sequence + 1) return undefined;
    return { incarnation, from: last.sequence + 1, to: sequence - 1 };
  }

  sent(peer: NodeId, first: Position, count: number): void {
    this.#landing = peer;
    this.#sent.add(rangeFrom(first, count));
    this.#dealWith(peer).sent += count;
  }

  expire(position: Position): void {
    this.#expired++;
    this.#open.delete(rangeFrom(position, 1));
  }

  /** `life`: incarnation of the mesher that says that it has all up to there. */
  acked(peer: NodeId, life: number, upTo: Position): void {
    if (!this.#last || comparePositions(upTo, this.#last) > 0 || comparePositions(upTo, this.#acked) <= 0)
      return;
    this.#acked = upTo;
    const acked = this.#open.takeUpTo(upTo);
    const sent = this.#sent.takeUpTo(upTo);
    const own = acked.ranges.filter(({ incarnation }) => incarnation === this.#incarnation);
    const passed = PositionSet.of(own).minus(sent);
    if (!passed.isEmpty)
      this.#differ('passed-over', `${this.#describe(passed)} were neither sent nor expired, and passed over`);
    const dealings = this.#dealWith(peer);
    dealings.upTo = upTo;
    const claimed = acked.minus(passed);
    if (claimed.isEmpty) return;
    dealings.acked += claimed.count;
    let claim = dealings.claims.at(-1);
    if (claim?.life !== life) dealings.claims.push((claim = { life, places: new PositionSet() }));
    claim.places.addAll(claimed.ranges);
    claim.places.keepNewest(RANGES_MAX);
    if (dealings.claims.length > CLAIMS_MAX) dealings.claims.shift();
  }

  #dealWith(peer: NodeId): Dealings {
    let dealings = this.#dealings.get(peer);
    if (!dealings) this.#dealings.set(peer, (dealings = { sent: 0, acked: 0, upTo: START, claims: [] }));
    return dealings;
  }

  /** The mesher is no member any more: what it said cannot be looked into. */
  forget(peer: NodeId): void {
    this.#dealings.delete(peer);
  }

  // ─────────────────────────────────────────────────────────── what is looked into

  /** `held`: how many events its queue holds, on disk or staged. */
  audit(held: number): void {
    const unqueued = Math.max(0, this.#open.count - held);
    if (unqueued > this.#unqueued)
      this.#differ(
        'not-queued',
        `${unqueued} of ${this.#describe(this.#open)} are neither queued any more nor acked nor expired`,
      );
    this.#unqueued = unqueued;
  }

  /** These were compared with the ledger of whoever acked them. */
  compared(peer: NodeId, life: number, places: PositionSet): void {
    const dealings = this.#dealings.get(peer);
    if (!dealings) return;
    for (const claim of dealings.claims)
      if (claim.life === life) for (const range of places.ranges) claim.places.delete(range);
    dealings.claims = dealings.claims.filter((claim) => !claim.places.isEmpty);
  }

  /** The mesher was asked, and has these: what was found to be missing at the start had been settled. */
  explain(holes: PositionSet, by: NodeId): void {
    for (const range of holes.ranges) this.#holes.delete(range);
    this.#explainedBy.add(by);
  }

  wasExplainedBy(peer: NodeId): boolean {
    return this.#explainedBy.has(peer);
  }

  /** All were asked: nobody has what is still missing. */
  giveUpHoles(): void {
    const holes = this.#holes;
    this.#holes = new PositionSet();
    if (holes.isEmpty) return;
    this.#differ(
      'left-journal',
      `${this.#describe(holes)} were not in the journal when this mesher was started, though those before and after were, and no mesher has them`,
    );
  }

  #describe(places: PositionSet): string {
    return `${describeRanges(places.ranges, this.#incarnation)} of lane ${this.name}`;
  }

  #differ(kind: Difference['kind'], text: string): void {
    this.#differs({ kind, lane: this.name, peer: undefined, text });
  }
}
