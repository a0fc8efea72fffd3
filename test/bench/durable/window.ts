// At most so many requests under way. Who waits for room goes on when half of it is free: woken for each answer, it would
// send one request a turn of the event loop.

/** Events that a publisher has under way, as many as one of the reference. */
export const EVENTS_UNDER_WAY = 4096;
/** And no more bytes of payloads than these: as many as keep a mesher's window full. */
export const BYTES_UNDER_WAY = 8 * 1024 * 1024;

export class Window {
  readonly #size: number;
  #open = 0;
  #failure: Error | undefined;
  #waiting:
    { readonly below: number; readonly resolve: () => void; readonly reject: (e: Error) => void } | undefined;

  constructor(size: number) {
    this.#size = size;
  }

  get isFull(): boolean {
    return this.#open >= this.#size || this.#failure !== undefined;
  }

  enter(): void {
    this.#open++;
  }

  leave(): void {
    this.#open--;
    if (this.#waiting === undefined || this.#open >= this.#waiting.below) return;
    this.#waiting.resolve();
    this.#waiting = undefined;
  }

  /** From now on every wait rejects. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#waiting?.reject(this.#failure);
    this.#waiting = undefined;
  }

  /** For one waiter at a time. */
  async whenHalfFree(): Promise<void> {
    await this.#whenBelow(this.#size / 2);
  }

  async whenEmpty(): Promise<void> {
    await this.#whenBelow(1);
  }

  async #whenBelow(below: number): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#open < below) return;
    await new Promise<void>((resolve, reject) => {
      this.#waiting = { below, resolve, reject };
    });
  }
}
