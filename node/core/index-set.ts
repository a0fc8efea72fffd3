// Some of the events of a block, by index: a byte for each from the first to the last, since a block of a thousand of
// them is settled one by one and a Set of numbers takes ten times the memory and five times the time.

export class IndexSet {
  readonly #from: number;
  readonly #there: Uint8Array;

  /** `indices`: ascending, at least one. */
  constructor(indices: readonly number[]) {
    this.#from = indices[0] ?? 0;
    this.#there = new Uint8Array((indices[indices.length - 1] ?? 0) - this.#from + 1);
    for (const index of indices) this.#there[index - this.#from] = 1;
  }

  has(index: number): boolean {
    return this.#there[index - this.#from] === 1;
  }

  /** False: it was not there. */
  delete(index: number): boolean {
    if (this.#there[index - this.#from] !== 1) return false;
    this.#there[index - this.#from] = 0;
    return true;
  }

  /** Those that are there, ascending. */
  all(): number[] {
    const indices: number[] = [];
    for (let at = 0; at < this.#there.length; at++) if (this.#there[at] === 1) indices.push(this.#from + at);
    return indices;
  }
}
