// Percentiles of the latest latencies: a ring, sorted when asked.

// A few minutes of sample traffic; sorting this many takes well under a millisecond.
const keptMax = 4096;

export class Latencies {
  readonly #ring: number[] = [];
  #next = 0;

  add(ms: number): void {
    this.#ring[this.#next] = ms;
    this.#next = (this.#next + 1) % keptMax;
  }

  /** `share`: 0.5 for the median. Undefined where nothing was measured. Nearest rank. */
  percentile(share: number): number | undefined {
    const sorted = this.#ring.toSorted((a, b) => a - b);
    return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  }
}
