// How late the event loop is: a timer that should come round every 20 ms, and by how much it comes too late. Node's own monitor keeps
// percentiles, which neither add up over time nor over meshers, and would have to be reset for one scraper at the cost of another.

import { Histogram } from '../core/histogram.ts';
import type { MetricFamily } from '../core/views.ts';

const EVERY_MS = 20;
/** Seconds. */
const BOUNDS: readonly number[] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class LoopDelay {
  readonly #now: () => number;
  readonly #delays = new Histogram(BOUNDS);
  #timer: NodeJS.Timeout | undefined;
  #at = 0;

  /** `now`: monotonic, ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  start(): void {
    this.#at = this.#now();
    this.#timer = setInterval(() => this.sample(), EVERY_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** The timer has come round. */
  sample(): void {
    const now = this.#now();
    this.#delays.observe((now - this.#at - EVERY_MS) / 1000);
    this.#at = now;
  }

  /** Counts by bucket so far, and the buckets' upper bounds, seconds. */
  get bounds(): readonly number[] {
    return this.#delays.bounds;
  }

  counts(): readonly number[] {
    return this.#delays.counts();
  }

  samples(): MetricFamily['samples'] {
    return this.#delays.samples({});
  }
}
