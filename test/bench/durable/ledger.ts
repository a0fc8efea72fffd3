// Which of the numbered events of a run arrived, and how often: what says at its end that nothing was lost. Memory is one
// byte for each event.

const FIRST_CAPACITY = 1 << 16;
const COUNT_MAX = 255;
/** Of what is missing, for people. */
const NAMED = 10;

export class Ledger {
  #counts = new Uint8Array(FIRST_CAPACITY);
  #distinct = 0;
  #duplicates = 0;
  #highest = -1;

  /** Returns whether it is the number's first arrival. */
  note(n: number): boolean {
    if (n >= this.#counts.length) this.#grow(n);
    const before = this.#counts[n] ?? 0;
    if (before === 0) this.#distinct++;
    else this.#duplicates++;
    this.#counts[n] = Math.min(COUNT_MAX, before + 1);
    if (n > this.#highest) this.#highest = n;
    return before === 0;
  }

  /** Different numbers so far. */
  get distinct(): number {
    return this.#distinct;
  }

  /** Arrivals beyond the first of each number. */
  get duplicates(): number {
    return this.#duplicates;
  }

  /** Whether exactly the numbers below `upTo` have arrived. Throws for a number that nobody published. */
  holdsAll(upTo: number): boolean {
    if (this.#highest >= upTo)
      throw new Error(`number ${this.#highest} arrived, of ${upTo} that were published`);
    return this.#distinct === upTo;
  }

  /** For people: how many of the numbers below `upTo` have not arrived, and the first of them. */
  describeMissing(upTo: number): string {
    const missing: number[] = [];
    for (let n = 0; n < upTo && missing.length < NAMED; n++) if (this.#at(n) === 0) missing.push(n);
    return `${upTo - this.#distinct} of ${upTo} have not arrived: ${missing.join(', ')} …`;
  }

  #at(n: number): number {
    return this.#counts[n] ?? 0;
  }

  #grow(n: number): void {
    const grown = new Uint8Array(2 ** Math.ceil(Math.log2(n + 1)));
    grown.set(this.#counts);
    this.#counts = grown;
  }
}
