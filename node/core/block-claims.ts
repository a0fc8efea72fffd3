// How many queues want each block that is on disk: a bit for each block, and a number only where more than one wants it, since a
// backlog that came event by event has as many blocks as events, and most often one queue.

import { BlockSet } from './block-set.ts';
import { invariant } from './errors.ts';

const RANGE = 16;

export class BlockClaims {
  readonly #wanted = new BlockSet();
  /** Claims beyond the first, for ranges of blocks: 16 times four bytes are kept inside of V8's heap. */
  readonly #more = new Map<number, Uint32Array>();

  /** Blocks that somebody wants. */
  get size(): number {
    return this.#wanted.size;
  }

  /** One more queue wants it. */
  add(block: number): void {
    if (!this.#wanted.add(block)) this.#addMore(block, 1);
  }

  /** A new block, wanted by so many queues. */
  addNew(block: number, queues: number): void {
    invariant(this.#wanted.add(block), `block ${block} is new`);
    if (queues > 1) this.#addMore(block, queues - 1);
  }

  /** One queue less wants it; true: it was the last. */
  release(block: number): boolean {
    const number = Math.floor(block / RANGE);
    const range = this.#more.get(number);
    const more = range?.[block % RANGE] ?? 0;
    if (!range || more === 0) {
      invariant(this.#wanted.delete(block), `block ${block} released more often than wanted`);
      return true;
    }
    range[block % RANGE] = more - 1;
    if (more === 1 && range.every((left) => left === 0)) this.#more.delete(number);
    return false;
  }

  #addMore(block: number, queues: number): void {
    const number = Math.floor(block / RANGE);
    let range = this.#more.get(number);
    if (!range) this.#more.set(number, (range = new Uint32Array(RANGE)));
    range[block % RANGE] = (range[block % RANGE] ?? 0) + queues;
  }
}
