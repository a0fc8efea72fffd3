// How much of messages that are not whole yet is held, of all connections together: whoever would go above it is ended, so that
// thousands of clients that each begin a large message and never end it cannot take the mesher's memory.

export class ReceiveBudget {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get isOver(): boolean {
    return this.#bytes > this.#bytesMax;
  }

  /** One connection's part of it is another now. */
  change(from: number, to: number): void {
    this.#bytes += to - from;
  }
}
