// What this mesher's ledger says of one lane that lands here: which places of it came in frames, and which of those are on disk, as the
// receive marks in the journal say. A mark may also move to what the lane's sender vouches for (somebody has acked it): that
// counts as taken only when the sender's life in which it said so is over, for then nobody knows better.

import { comparePositions, type LaneName, type NodeId, type Position, START } from '../../core/event.ts';
import type { Difference } from './difference.ts';
import { describeRanges, PositionSet, rangeFrom } from './position-set.ts';

/** A lane that moves often lands in pieces; of more than these the oldest count as carried over. */
const RANGES_MAX = 64;

export class LandedLane {
  readonly sender: NodeId;
  readonly name: LaneName;
  readonly #differs: (difference: Difference) => void;
  /** Came in frames, and no mark has passed it yet. */
  readonly #came = new PositionSet();
  readonly #taken = new PositionSet();
  /** All up to here was taken before this ledger began, or is believed to have been. */
  #carried: Position;
  #mark: Position;
  #vouched: Position = START;
  #received = 0;
  #duplicate = 0;

  constructor(sender: NodeId, name: LaneName, mark: Position, differs: (difference: Difference) => void) {
    this.sender = sender;
    this.name = name;
    this.#carried = this.#mark = mark;
    this.#differs = differs;
  }

  get carried(): Position {
    return this.#carried;
  }

  get taken(): PositionSet {
    return this.#taken;
  }

  get received(): number {
    return this.#received;
  }

  /** Events that came again. */
  get duplicate(): number {
    return this.#duplicate;
  }

  /** The sender opens the lane, and says that all up to `base` was acked. */
  opened(base: Position): void {
    if (comparePositions(base, this.#mark) > 0) this.#vouched = later(base, this.#vouched);
  }

  came(first: Position, count: number): void {
    const frame = PositionSet.of([rangeFrom(first, count)]);
    let fresh = 0;
    for (const range of frame.after(this.#mark).ranges) fresh += this.#came.add(range);
    this.#came.keepNewest(RANGES_MAX);
    this.#duplicate += count - fresh;
  }

  /** The receive mark in the journal moves. */
  marked(position: Position): void {
    const before = this.#mark;
    if (comparePositions(position, before) <= 0) return;
    this.#mark = position;
    const taken = this.#came.takeUpTo(position);
    const backed = later(later(before, this.#vouched), taken.last ?? START);
    if (comparePositions(position, backed) > 0) this.#unbacked(backed, position);
    this.#received += taken.count;
    this.#taken.addAll(taken.ranges);
    const dropped = this.#taken.keepNewest(RANGES_MAX);
    if (dropped) this.#carried = later(dropped, this.#carried);
  }

  /** What lies between frames the sender has passed over: its own ledger says why. What lies behind the last one nobody sent. */
  #unbacked(backed: Position, position: Position): void {
    if (this.name.of !== undefined) {
      this.#carried = later(position, this.#carried); // from the copy of a lost mesher, who had taken it
      return;
    }
    const { scope, lane } = this.name;
    const { incarnation, sequence } = position;
    const from = backed.incarnation === incarnation ? backed.sequence + 1 : sequence;
    this.#differs({
      kind: 'never-came',
      lane: `${scope} ${lane}`,
      peer: this.sender,
      text: `${describeRanges([{ incarnation, from, to: sequence }], incarnation)} of its lane ${scope} ${lane} count as received here, and never came`,
    });
  }

  /** Its sender was started anew: what it vouched for before is as good as taken. */
  senderStarted(): void {
    this.#carried = later(this.#carried, later(this.#mark, this.#vouched));
  }
}

function later(a: Position, b: Position): Position {
  return comparePositions(a, b) > 0 ? a : b;
}
