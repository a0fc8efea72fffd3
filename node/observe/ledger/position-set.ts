// Places on one lane, as ranges that do not touch: what follows on what is there makes its range longer, so that a lane that runs well
// has one range whatever goes over it. Not for events: nothing here is paid for each of them.

import { comparePositions, type Position } from '../../core/event.ts';

/** `from` to `to`, both in it, of one incarnation. */
export interface PositionRange {
  readonly incarnation: number;
  readonly from: number;
  readonly to: number;
}

export class PositionSet {
  #ranges: PositionRange[] = [];

  static of(ranges: Iterable<PositionRange>): PositionSet {
    const set = new PositionSet();
    for (const range of ranges) set.add(range);
    return set;
  }

  get ranges(): readonly PositionRange[] {
    return this.#ranges;
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  /** How many places are in it. */
  get count(): number {
    let count = 0;
    for (const { from, to } of this.#ranges) count += to - from + 1;
    return count;
  }

  get first(): Position | undefined {
    const [range] = this.#ranges;
    return range && { incarnation: range.incarnation, sequence: range.from };
  }

  get last(): Position | undefined {
    const range = this.#ranges.at(-1);
    return range && endOf(range);
  }

  /** Returns how many of them were not there. */
  add(range: PositionRange): number {
    if (range.to < range.from) return 0;
    const last = this.#ranges.at(-1);
    if (last?.incarnation === range.incarnation && range.from === last.to + 1) {
      this.#ranges[this.#ranges.length - 1] = { ...last, to: range.to };
      return range.to - range.from + 1;
    }
    if (!last || comparePositions(startOf(range), endOf(last)) > 0) {
      this.#ranges.push(range);
      return range.to - range.from + 1;
    }
    const before = this.count;
    const kept: PositionRange[] = [];
    let { from, to } = range;
    for (const one of this.#ranges) {
      if (one.incarnation === range.incarnation && one.from <= to + 1 && one.to >= from - 1) {
        from = Math.min(from, one.from);
        to = Math.max(to, one.to);
      } else kept.push(one);
    }
    kept.push({ ...range, from, to });
    this.#ranges = kept.sort((a, b) => comparePositions(startOf(a), startOf(b)));
    return this.count - before;
  }

  addAll(ranges: Iterable<PositionRange>): void {
    for (const range of ranges) this.add(range);
  }

  delete(range: PositionRange): void {
    if (this.#ranges.length === 0) return;
    const kept: PositionRange[] = [];
    for (const one of this.#ranges) {
      if (one.incarnation !== range.incarnation || one.to < range.from || one.from > range.to) {
        kept.push(one);
        continue;
      }
      if (one.from < range.from) kept.push({ ...one, to: range.from - 1 });
      if (one.to > range.to) kept.push({ ...one, from: range.to + 1 });
    }
    this.#ranges = kept;
  }

  /** Takes out and returns what is at or before the position. */
  takeUpTo(position: Position): PositionSet {
    const taken = new PositionSet();
    for (let range = this.#ranges[0]; range; range = this.#ranges[0]) {
      if (comparePositions(startOf(range), position) > 0) break;
      if (comparePositions(endOf(range), position) <= 0) {
        taken.add(range);
        this.#ranges.shift();
        continue;
      }
      taken.add({ ...range, to: position.sequence });
      this.#ranges[0] = { ...range, from: position.sequence + 1 };
    }
    return taken;
  }

  /** What is in this one and not in the other. In one pass: a peer says what the other is. */
  minus(other: PositionSet): PositionSet {
    const left = new PositionSet();
    let at = 0;
    for (const { incarnation, from, to } of this.#ranges) {
      let begin = from;
      for (let cut = other.#ranges[at]; cut; cut = other.#ranges[at]) {
        const isBefore = cut.incarnation < incarnation || (cut.incarnation === incarnation && cut.to < begin);
        if (!isBefore && (cut.incarnation > incarnation || cut.from > to)) break;
        if (!isBefore) {
          left.add({ incarnation, from: begin, to: cut.from - 1 });
          begin = cut.to + 1;
          if (cut.to > to) break; // it goes on in the next one
        }
        at++;
      }
      left.add({ incarnation, from: begin, to });
    }
    return left;
  }

  /** Those after the position. */
  after(position: Position): PositionSet {
    const left = PositionSet.of(this.#ranges);
    left.takeUpTo(position);
    return left;
  }

  /** Leaves the newest ranges only, and returns the last place that was dropped; undefined: none was. */
  keepNewest(rangesMax: number): Position | undefined {
    const dropped = this.#ranges.splice(0, Math.max(0, this.#ranges.length - rangesMax)).at(-1);
    return dropped && endOf(dropped);
  }
}

/** The range that begins at a place, with so many. */
export function rangeFrom({ incarnation, sequence }: Position, count: number): PositionRange {
  return { incarnation, from: sequence, to: sequence + count - 1 };
}

/** `sequence 3`, `sequences 3 to 5 of incarnation 17`, and no more than a few of them. */
export function describeRanges(ranges: readonly PositionRange[], ownIncarnation: number): string {
  const shown = ranges.slice(0, RANGES_SHOWN_MAX).map(({ incarnation, from, to }) => {
    const which = from === to ? `sequence ${from}` : `sequences ${from} to ${to}`;
    return incarnation === ownIncarnation ? which : `${which} of incarnation ${incarnation}`;
  });
  const more = ranges.length - shown.length;
  return shown.join(', ') + (more > 0 ? ` and ${more} more ranges` : '');
}

const RANGES_SHOWN_MAX = 8;

function startOf({ incarnation, from }: PositionRange): Position {
  return { incarnation, sequence: from };
}

function endOf({ incarnation, to }: PositionRange): Position {
  return { incarnation, sequence: to };
}
