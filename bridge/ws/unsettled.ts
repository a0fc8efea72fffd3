// The deliveries of one stream that may still be settled: number → token. Numbers are given one after the other and settled in
// about that order, so they are kept in short arrays, each dropped when its last is taken: a few ns per delivery, where a Map of
// them all costs a hundred. Bounded by what may be in flight, times the length of an array where one number stays behind in each.
// Blocks of parts say where there is none: a client may ask for 131,072 numbers in nine bytes, again and again.

import type { Delivery } from '../../node/core/ports.ts';
import type { NumberRange } from './frames/ranges.ts';

type Token = Delivery['token'];

/** 100,000 in flight, each alone in its part, are 26 MB. */
const PART_LENGTH = 32;
/** 131,072 numbers of which none is left are looked for in 64 blocks, and the parts of the first and the last. */
const BLOCK_PARTS = 64;
const NO_TOKENS: readonly (Token | undefined)[] = Array.from({ length: PART_LENGTH }, () => undefined);

interface Part {
  readonly tokens: (Token | undefined)[];
  left: number;
}

export class Unsettled {
  readonly #parts = new Map<number, Part>();
  /** How many parts there are of each block that has any. */
  readonly #blocks = new Map<number, number>();
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
    if (part.left === 0) this.#drop(index);
    return token;
  }

  /** Takes all that there are, in their order; costs next to nothing where there are none. */
  takeRange({ first, count }: NumberRange, taken: (number: number, token: Token) => void): void {
    const end = first + count;
    for (let number = first; number < end;) {
      const index = Math.floor(number / PART_LENGTH);
      const block = Math.floor(index / BLOCK_PARTS);
      if (!this.#blocks.has(block)) {
        number = (block + 1) * BLOCK_PARTS * PART_LENGTH;
        continue;
      }
      const partEnd = (index + 1) * PART_LENGTH;
      if (this.#parts.has(index)) {
        for (; number < partEnd && number < end; number++) {
          const token = this.take(number);
          if (token !== undefined) taken(number, token);
        }
      }
      number = partEnd;
    }
  }

  #drop(index: number): void {
    this.#parts.delete(index);
    const block = Math.floor(index / BLOCK_PARTS);
    const left = (this.#blocks.get(block) ?? 0) - 1;
    if (left > 0) this.#blocks.set(block, left);
    else this.#blocks.delete(block);
  }

  #partOf(index: number): Part {
    const known = this.#parts.get(index);
    if (known !== undefined) return known;
    const part: Part = { tokens: NO_TOKENS.slice(), left: 0 };
    this.#parts.set(index, part);
    const block = Math.floor(index / BLOCK_PARTS);
    this.#blocks.set(block, (this.#blocks.get(block) ?? 0) + 1);
    return part;
  }
}
