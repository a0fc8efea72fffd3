// A machine's wall clock: it is somewhat wrong, goes too fast or too slow, and jumps when somebody sets it.

/** Wall clocks start here: some day in 2025. */
const WALL_ZERO = 1_750_000_000_000;

export class WallClock {
  readonly #skewMs: number;
  #offByMs = 0;
  #rate = 1;
  /** When it was set, in virtual ms. */
  #setAt = 0;

  constructor(skewMs: number) {
    this.#skewMs = skewMs;
  }

  at(now: number): number {
    const passed = this.#setAt + (now - this.#setAt) * this.#rate;
    return Math.round(WALL_ZERO + passed + this.#skewMs + this.#offByMs);
  }

  set(now: number, offByMs: number, rate: number): void {
    this.#offByMs = offByMs;
    this.#rate = rate;
    this.#setAt = now;
  }
}
