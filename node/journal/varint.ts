// LevelDB's varints, and texts with a length before them. Whatever is cut short or too large is corruption.

import { CorruptionError } from './bytes.ts';

export class VarintReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** Numbers above 2^53 − 1 are none that LevelDB comes to. */
  number(): number {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 49; factor *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80 && Number.isSafeInteger(value)) return value;
    }
    throw new CorruptionError('a number that is none');
  }

  bytes(length = this.number()): Buffer {
    if (length > this.#bytes.length - this.#at) throw new CorruptionError('bytes cut short');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
