// What happens while the mesher has as much in hand as it may: publishers of all connections wait, in the order in which they
// began to, and try again when something was answered, or after a short while. So a client of this protocol never sees `overloaded`,
// and no connection overtakes itself. Holds no frames: those stay with their publishers.

export class Overload {
  readonly #retryMs: number;
  #waiting = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #state: 'none' | 'waiting' | 'ending' = 'none';

  constructor(retryMs: number) {
    this.#retryMs = retryMs;
  }

  /** Nobody is to hand in anything. */
  get isOn(): boolean {
    return this.#state !== 'none';
  }

  /** The mesher refused something, or something waits behind that: `retry` is called once, when it may be tried again. */
  wait(retry: () => void): void {
    this.#waiting.add(retry);
    if (this.#state !== 'none') return;
    this.#state = 'waiting';
    this.#timer = setTimeout(() => this.#end(), this.#retryMs).unref(); // no process stays for it
  }

  forget(retry: () => void): void {
    this.#waiting.delete(retry);
  }

  /** Something was answered, so there is room. After this turn, in which more may be refused that came before what waits. */
  answered(): void {
    if (this.#state !== 'waiting') return;
    this.#state = 'ending';
    setImmediate(() => this.#end());
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#state = 'none';
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const retry of waiting) retry();
  }
}
