// How much all connections together hold of what clients publish: of messages that are not whole yet, and of batches that are not
// answered. Thousands of clients that each begin a large message and never end it, or that publish more than the disk takes, cannot
// take the mesher's memory: above the bound, connections are not read from until there is room. But the one whose message has been
// coming for longest always is, so that some message becomes whole and makes room. What a connection holds that is being closed counts
// until its socket is gone: else whoever misbehaves would have his memory for nothing.

export interface MessageHolder {
  /** There is room again. */
  goOn(): void;
}

export class ReceiveBudget {
  readonly #bytesMax: number;
  #bytes = 0;
  /** In the order in which their messages began to come. */
  readonly #held = new Map<MessageHolder, number>();
  /** Those of whom nothing becomes whole any more. */
  readonly #leaving = new Map<MessageHolder, number>();
  readonly #waiting = new Set<MessageHolder>();
  #isWaking = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * The holder has so many bytes now; `isOther`: another message is coming than when it said so before. False: it is to read no
   * more until it is told to go on.
   */
  hold(holder: MessageHolder, bytes: number, isOther: boolean): boolean {
    this.#bytes += bytes - (this.#held.get(holder) ?? 0);
    if (isOther || bytes === 0) this.#held.delete(holder);
    if (bytes > 0) this.#held.set(holder, bytes);
    const mayGoOn = bytes === 0 || this.#hasRoom || this.#oldest === holder;
    if (mayGoOn) this.#waiting.delete(holder);
    else this.#waiting.add(holder);
    this.#wake();
    return mayGoOn;
  }

  /** It reads no more, and holds so many bytes until it is `gone`. */
  leave(holder: MessageHolder, bytes: number): void {
    this.#bytes += bytes - (this.#held.get(holder) ?? this.#leaving.get(holder) ?? 0);
    this.#held.delete(holder);
    this.#waiting.delete(holder);
    this.#leaving.set(holder, bytes);
    this.#wake();
  }

  gone(holder: MessageHolder): void {
    this.leave(holder, 0);
    this.#leaving.delete(holder);
  }

  get #hasRoom(): boolean {
    return this.#bytes <= this.#bytesMax;
  }

  get #oldest(): MessageHolder | undefined {
    return this.#held.keys().next().value;
  }

  /** Whoever goes on says again what it holds: not to be taken for the next to wake, ever deeper. */
  #wake(): void {
    if (this.#isWaking) return;
    this.#isWaking = true;
    for (const holder of this.#waiting) {
      if (!this.#hasRoom && holder !== this.#oldest) continue;
      this.#waiting.delete(holder);
      holder.goOn();
    }
    this.#isWaking = false;
  }
}
