// Latencies of a load, as a histogram of Node's own (HdrHistogram): three digits at any size, no sample kept or dropped.

import { createHistogram } from 'node:perf_hooks';

export interface LatencyFigures {
  readonly count: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** Ten minutes: above, it counts as this much. */
const HIGHEST_US = 600_000_000;
const DIGITS = 3;

export class Latencies {
  readonly #histogram = createHistogram({ lowest: 1, highest: HIGHEST_US, figures: DIGITS });

  /** Below a microsecond counts as one. */
  add(us: number): void {
    this.#histogram.record(Math.min(HIGHEST_US, Math.max(1, Math.round(us))));
  }

  get count(): number {
    return this.#histogram.count;
  }

  figures(): LatencyFigures {
    const ms = (at: number): number => (this.count === 0 ? 0 : this.#histogram.percentile(at) / 1000);
    return {
      count: this.count,
      p50Ms: ms(50),
      p90Ms: ms(90),
      p99Ms: ms(99),
      p999Ms: ms(99.9),
      maxMs: this.count === 0 ? 0 : this.#histogram.max / 1000,
    };
  }
}

/** Microseconds of a clock that all processes of this machine share, and that nobody sets. */
export function monotonicUs(): number {
  return Number(process.hrtime.bigint()) / 1000;
}
