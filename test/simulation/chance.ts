// The simulation's only source of chance: sfc32, seeded. `fork` gives a stream of its own, so that drawing more in one
// place (a fault, say) does not change what another place draws.

import { hash32 } from '../../node/core/event.ts';

export class Chance {
  #a: number;
  #b: number;
  #c: number;
  #d = 1;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
    this.#a = seed | 0;
    this.#b = hash32(`b${seed}`) | 0;
    this.#c = hash32(`c${seed}`) | 0;
    for (let i = 0; i < 12; i++) this.next();
  }

  fork(label: string): Chance {
    return new Chance(hash32(`${label}/${this.#seed}`));
  }

  /** In [0, 1). */
  next(): number {
    const t = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + t;
    return (t >>> 0) / 4294967296;
  }

  /** A whole number in [0, end). */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  is(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  /** Mostly small, sometimes near `high`: latencies. */
  skewed(low: number, high: number): number {
    return low + (high - low) * this.next() ** 3;
  }
}
