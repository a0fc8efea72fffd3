// How latencies are spread: counts by bucket, each a quarter wider than the one before, so that a percentile of a month is within an eighth
// of the truth and a month of hours takes no more than some bytes each.

import type { Percentiles } from '../../core/overview.ts';

/** Upper bound of the first bucket, ms. */
const FIRST_MS = 0.5;
const FACTOR = 1.25;
/** The last one holds all above a minute. */
export const BUCKETS = 54;

export class Spread {
  readonly #counts = new Map<number, number>();

  /** As `counts` gave it. */
  static of(counts: Iterable<readonly [bucket: number, count: number]>): Spread {
    const spread = new Spread();
    for (const [bucket, count] of counts) spread.#add(bucket, count);
    return spread;
  }

  get counts(): [bucket: number, count: number][] {
    return [...this.#counts].sort(([a], [b]) => a - b);
  }

  observe(ms: number): void {
    const bucket = ms <= FIRST_MS ? 0 : Math.ceil(Math.log(ms / FIRST_MS) / Math.log(FACTOR));
    this.#add(Math.min(BUCKETS - 1, bucket), 1);
  }

  addAll(other: Spread): void {
    for (const [bucket, count] of other.#counts) this.#add(bucket, count);
  }

  #add(bucket: number, count: number): void {
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + count);
  }

  /** Undefined: nothing was observed. */
  percentiles(): Percentiles | undefined {
    const { counts } = this;
    const total = counts.reduce((sum, [, count]) => sum + count, 0);
    if (total === 0) return undefined;
    const at = (share: number): number => {
      let left = Math.ceil(total * share);
      for (const [bucket, count] of counts) if ((left -= count) <= 0) return middleOf(bucket);
      return middleOf(BUCKETS - 1);
    };
    return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
  }
}

/** Of a bucket, ms. */
function middleOf(bucket: number): number {
  return FIRST_MS * FACTOR ** (bucket - 0.5);
}
