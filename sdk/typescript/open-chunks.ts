// The frames of one stream of which some deliveries are not done with, in the order of their numbers.

import type { NumberRange } from '../../bridge/ws/frames/ranges.ts';
import type { Chunk } from './delivery.ts';
import { DONE } from './delivery.ts';

export class OpenChunks {
  #chunks: Chunk[] = [];

  push(chunk: Chunk): void {
    this.#chunks.push(chunk);
  }

  /** Marks what is done with; returns how many there were. */
  done(ranges: readonly NumberRange[]): number {
    let count = 0;
    this.each(ranges, (chunk, index) => {
      chunk.states[index] = DONE;
      chunk.left--;
      count++;
    });
    if (count > 0) this.#dropDone();
    return count;
  }

  /** Those in the ranges that are not done with. */
  each(ranges: readonly NumberRange[], visit: (chunk: Chunk, index: number) => void): void {
    for (const { first, count } of ranges) {
      const end = first + count;
      for (let at = this.#find(first); at < this.#chunks.length; at++) {
        const chunk = this.#chunks[at];
        if (chunk === undefined || chunk.frame.first >= end) break;
        const from = Math.max(0, first - chunk.frame.first);
        const to = Math.min(chunk.events.length, end - chunk.frame.first);
        for (let index = from; index < to; index++) if (chunk.states[index] !== DONE) visit(chunk, index);
      }
    }
  }

  /** All of them, which are then forgotten. */
  take(): readonly Chunk[] {
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks;
  }

  /** The first chunk that ends behind the number. */
  #find(number: number): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const chunk = this.#chunks[middle];
      if (chunk !== undefined && chunk.frame.first + chunk.events.length <= number) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #dropDone(): void {
    if (this.#chunks.some(({ left }) => left === 0))
      this.#chunks = this.#chunks.filter(({ left }) => left > 0);
  }
}
