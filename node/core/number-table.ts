// Numbers, from 1, in an open-addressed table: what a hash table is when the keys lie elsewhere. Whoever has the numbers
// finds one by walking on from its hash, comparing keys of his own; that loop is in his code, because it is the hottest of all:
//
//   for (let slot = hash & (slots.length - 1); tags[slot] !== 0; slot = (slot + 1) & (slots.length - 1))
//     if (tags[slot] === tagOf(hash) && isIt(slots[slot])) …
//
// Most walks find nothing, and tags let them end without a look at any key: they are a byte for each slot, which the
// processor's caches hold where they do not hold the keys.

const SLOTS_MIN = 16;

export class NumberTable {
  /** As many as a power of two, two thirds of them taken at most; 0: nothing. */
  slots = new Int32Array(SLOTS_MIN);
  /** By slot: 0 for nothing, else some bits of the number's hash. */
  tags = new Uint8Array(SLOTS_MIN);
  readonly #hashOf: (number: number) => number;
  #count = 0;

  /** `hashOf` gives the same for a number as long as it is here. The low bits choose its slot, the highest its tag. */
  constructor(hashOf: (number: number) => number) {
    this.#hashOf = hashOf;
  }

  /** A number that is not here. */
  put(number: number): void {
    this.#count++;
    if (this.#count * 3 > this.slots.length * 2) this.#resize(this.slots.length * 2);
    this.#place(number);
  }

  /** A number that is here. What follows it moves up, so that walks still find it. */
  remove(number: number): void {
    const { slots, tags } = this;
    const mask = slots.length - 1;
    let hole = this.#hashOf(number) & mask;
    while (slots[hole] !== number) hole = (hole + 1) & mask;
    for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
      const other = slots[at] ?? 0;
      if (other === 0) break;
      const walked = (at - this.#hashOf(other)) & mask;
      if (walked < ((at - hole) & mask)) continue; // its walk begins behind the hole
      slots[hole] = other;
      tags[hole] = tags[at] ?? 0;
      hole = at;
    }
    slots[hole] = 0;
    tags[hole] = 0;
    this.#count--;
  }

  #resize(length: number): void {
    const before = this.slots;
    this.slots = new Int32Array(length);
    this.tags = new Uint8Array(length);
    for (const number of before) if (number !== 0) this.#place(number);
  }

  #place(number: number): void {
    const { slots, tags } = this;
    const mask = slots.length - 1;
    const hash = this.#hashOf(number);
    let slot = hash & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = number;
    tags[slot] = tagOf(hash);
  }
}

/** Never 0. */
export function tagOf(hash: number): number {
  return (hash >>> 24) | 1;
}
