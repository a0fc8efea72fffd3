// Counters and histograms as they stood in the last minute, so that rates and percentiles of it are differences of two looks.

import { SAMPLE_MS } from './bounds.ts';
import type { Percentiles } from '../core/overview.ts';

/** A minute, and one to compare with. */
const SAMPLES_MAX = 60_000 / SAMPLE_MS + 1;

export interface Sample<Name extends string> {
  /** Monotonic, ms. */
  readonly at: number;
  readonly counters: Readonly<Record<Name, number>>;
}

export class Samples<Name extends string, S extends Sample<Name>> {
  readonly #samples: S[] = [];

  add(sample: S): void {
    if (this.#samples.length >= SAMPLES_MAX) this.#samples.shift();
    this.#samples.push(sample);
  }

  get last(): S | undefined {
    return this.#samples.at(-1);
  }

  /** The one that is `ms` older than the last, or the oldest there is. */
  before(ms: number): S | undefined {
    const { last } = this;
    if (!last) return undefined;
    return this.#samples.find(({ at }) => at >= last.at - ms - SAMPLE_MS / 2);
  }

  /** Per second, over the last `ms`; 0 before there are two samples. */
  rate(name: Name, ms: number): number {
    const [last, first] = [this.last, this.before(ms)];
    if (!last || !first || last.at <= first.at) return 0;
    return ((last.counters[name] - first.counters[name]) * 1000) / (last.at - first.at);
  }
}

/** A rate per second that forgets by half with each look: for thousands of counters, two numbers each. */
export class Rate {
  #count: number;
  #perSecond = 0;

  constructor(count: number) {
    this.#count = count;
  }

  get perSecond(): number {
    return rounded(this.#perSecond);
  }

  /** `ms`: since the look before. */
  look(count: number, ms: number): number {
    const now = ms > 0 ? (Math.max(0, count - this.#count) * 1000) / ms : 0;
    this.#count = count;
    this.#perSecond = (this.#perSecond + now) / 2;
    if (this.#perSecond < 0.005) this.#perSecond = 0;
    return this.perSecond;
  }
}

/**
 * Of what a histogram has counted since it was `before`; undefined: nothing. `bounds`: upper, seconds; results in ms. Within a bucket values
 * are taken to be evenly spread; what is beyond the last bound counts as that.
 */
export function percentilesSince(
  bounds: readonly number[],
  before: readonly number[],
  now: readonly number[],
): Percentiles | undefined {
  const counts = now.map((count, at) => count - (before[at] ?? 0));
  let total = 0;
  for (const count of counts) total += count;
  if (total <= 0) return undefined;
  const at = (share: number): number => rounded(percentile(bounds, counts, total * share) * 1000);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

function percentile(bounds: readonly number[], counts: readonly number[], rank: number): number {
  let below = 0;
  for (const [at, count] of counts.entries()) {
    if (count > 0 && below + count >= rank) {
      const lower = at === 0 ? 0 : (bounds[at - 1] ?? 0);
      const upper = bounds[at] ?? lower;
      return lower + ((upper - lower) * (rank - below)) / count;
    }
    below += count;
  }
  return bounds.at(-1) ?? 0;
}

/** To two digits behind the point: what is shown is read by people, and sent every two seconds. */
export function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
