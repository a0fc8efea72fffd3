// The blocks lately written or read, by number, least recently used first out. Bounded in bytes. Blocks never
// change, and their numbers are never used again, so an entry can be unneeded but not stale.

import type { Block } from './codec.ts';

export class BlockCache {
  readonly #bytesMax: number;
  readonly #blocks = new Map<number, Block>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(block: number): Block | undefined {
    const found = this.#blocks.get(block);
    if (found) {
      this.#blocks.delete(block);
      this.#blocks.set(block, found); // a Map iterates in order of insertion: the last is the latest used
    }
    return found;
  }

  add(block: number, content: Block): void {
    this.drop(block);
    this.#blocks.set(block, content);
    this.#bytes += content.bytes.length;
    for (const oldest of this.#blocks.keys()) {
      if (this.#bytes <= this.#bytesMax) break;
      this.drop(oldest);
    }
  }

  drop(block: number): void {
    const found = this.#blocks.get(block);
    if (!found) return;
    this.#blocks.delete(block);
    this.#bytes -= found.bytes.length;
  }
}
