// The deliveries of one stream that may still be settled: number → token. Numbers are given one after the other and settled in
// about that order, so they are kept in short arrays, each dropped when its last is taken: a few ns per delivery, where a Map of
// them all costs a hundred. Bounded by what may be in flight, times the length of an array where one number stays behind in each.

import type { Delivery } from '../../node/core/ports.ts';

type Token = Delivery['token'];

/** 100,000 in flight, each alone in its part, are 26 MB. */
const PART_LENGTH = 32;
const NO_TOKENS: readonly (Token | undefined)[] = Array.from({ length: PART_LENGTH }, () => undefined);

interface Part {
  readonly tokens: (Token | undefined)[];
  left: number;
}

export class Unsettled {
  readonly #parts = new Map<number, Part>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Arrays that are kept. */
  get parts(): number {
    return this.#parts.size;
  }

  put(number: number, token: Token): void {
    const part = this.#partOf(Math.floor(number / PART_LENGTH));
    part.tokens[number % PART_LENGTH] = token;
    part.left++;
    this.#size++;
  }

  /** Undefined: there is none, or it was taken. */
  take(number: number): Token | undefined {
    const index = Math.floor(number / PART_LENGTH);
    const part = this.#parts.get(index);
    const token = part?.tokens[number % PART_LENGTH];
    if (part === undefined || token === undefined) return undefined;
    part.tokens[number % PART_LENGTH] = undefined;
    part.left--;
    this.#size--;
    if (part.left === 0) this.#parts.delete(index);
    return token;
  }

  #partOf(index: number): Part {
    const known = this.#parts.get(index);
    if (known !== undefined) return known;
    const part: Part = { tokens: NO_TOKENS.slice(), left: 0 };
    this.#parts.set(index, part);
    return part;
  }
}
