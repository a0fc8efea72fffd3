// Numbers, from 1, in an open-addressed table: what a hash table is when the keys lie elsewhere. Whoever has the numbers
// finds one by walking `slots` from its hash up to the first 0, comparing keys of his own; that loop is in his code, because
// it is the hottest of all. A slot takes 4 bytes and at most half of them are taken.

const SLOTS_MIN = 16;

export class NumberTable {
  /** As many as a power of two; 0: nothing. */
  slots = new Int32Array(SLOTS_MIN);
  readonly #hashOf: (number: number) => number;
  #count = 0;

  /** `hashOf` gives the same for a number as long as it is here; its low bits are the ones that count. */
  constructor(hashOf: (number: number) => number) {
    this.#hashOf = hashOf;
  }

  /** A number that is not here. */
  put(number: number): void {
    this.#count++;
    if (this.#count * 2 > this.slots.length) this.#resize(this.slots.length * 2);
    this.#place(number);
  }

  /** A number that is here. What follows it moves up, so that walks still find it. */
  remove(number: number): void {
    const { slots } = this;
    const mask = slots.length - 1;
    let hole = this.#hashOf(number) & mask;
    while (slots[hole] !== number) hole = (hole + 1) & mask;
    for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
      const other = slots[at] ?? 0;
      if (other === 0) break;
      const walked = (at - this.#hashOf(other)) & mask;
      if (walked < ((at - hole) & mask)) continue; // its walk begins behind the hole
      slots[hole] = other;
      hole = at;
    }
    slots[hole] = 0;
    this.#count--;
  }

  #resize(length: number): void {
    const before = this.slots;
    this.slots = new Int32Array(length);
    for (const number of before) if (number !== 0) this.#place(number);
  }

  #place(number: number): void {
    const { slots } = this;
    const mask = slots.length - 1;
    let slot = this.#hashOf(number) & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = number;
  }
}
