// Memory that is written anew for each batch. Fresh memory of some hundred KiB for each would come from the system page by page,
// and go back to it: that took longer than writing it.

export class Scratch {
  readonly #memory: Buffer;
  #used = 0;

  constructor(bytes: number) {
    this.#memory = Buffer.allocUnsafeSlow(bytes);
  }

  /** All that was taken may be overwritten from now on. */
  reset(): void {
    this.#used = 0;
  }

  /** Memory of its own where there is no room. */
  readonly take = (bytes: number): Buffer => {
    const start = this.#used;
    if (start + bytes > this.#memory.length) return Buffer.allocUnsafeSlow(bytes);
    this.#used += bytes;
    return this.#memory.subarray(start, this.#used);
  };
}
