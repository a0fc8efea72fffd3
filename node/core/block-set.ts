// A set of block numbers for when there are millions of them: a bit for each, in ranges of 32, of which there are none where
// nothing is. Numbers that follow one another take a byte or two each, single ones as much as in a Set.

const RANGE = 32;

export class BlockSet {
  readonly #ranges = new Map<number, number>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** False: it is there already. */
  add(block: number): boolean {
    const range = Math.floor(block / RANGE);
    const bits = this.#ranges.get(range) ?? 0;
    const bit = 1 << (block % RANGE);
    if ((bits & bit) !== 0) return false;
    this.#ranges.set(range, bits | bit);
    this.#size++;
    return true;
  }

  /** False: it was not there. */
  delete(block: number): boolean {
    const range = Math.floor(block / RANGE);
    const bits = this.#ranges.get(range) ?? 0;
    const bit = 1 << (block % RANGE);
    if ((bits & bit) === 0) return false;
    if (bits === bit) this.#ranges.delete(range);
    else this.#ranges.set(range, bits & ~bit);
    this.#size--;
    return true;
  }

  has(block: number): boolean {
    const bits = this.#ranges.get(Math.floor(block / RANGE)) ?? 0;
    return (bits & (1 << (block % RANGE))) !== 0;
  }

  /** In the order in which their ranges were added to first; ascending within each. */
  *[Symbol.iterator](): Iterator<number> {
    for (const [range, bits] of this.#ranges)
      for (let i = 0; i < RANGE; i++) if ((bits & (1 << i)) !== 0) yield range * RANGE + i;
  }
}
