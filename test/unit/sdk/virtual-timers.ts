// Time that passes when it is told to, and turns of the event loop that end when they are told to.

import type { Timers } from '../../../sdk/typescript/timers.ts';

export class VirtualTimers implements Timers {
  #now = 0;
  #timers: { at: number; run: () => void }[] = [];
  #turn: (() => void)[] = [];
  readonly random = (): number => 0.5;

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }

  endOfTurn(run: () => void): void {
    this.#turn.push(run);
  }

  /** Ends this turn, with all that follows from it. */
  async turn(): Promise<void> {
    await settle();
    while (this.#turn.length > 0) {
      for (const run of this.#turn.splice(0)) run();
      await settle();
    }
  }

  /** Lets time pass; each timer runs at its time, in a turn of its own. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.turn();
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#now = next.at;
      this.#timers = this.#timers.filter((each) => each !== next);
      next.run();
      await this.turn();
    }
    this.#now = end;
    await this.turn();
  }
}

/** All promises that can be settled by now are, and those who wait for them have run. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
