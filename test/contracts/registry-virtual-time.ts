// A scheduler whose clock moves only when it is told to: timers run in order of their times, and what they set going is
// given turns of the event loop to settle in between.

import type { Scheduler } from '../../registry/scheduler.ts';

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

export class VirtualTime implements Scheduler {
  #now = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  async pass(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settle();
    for (;;) {
      const next = [...this.#timers]
        .filter(({ at }) => at <= until)
        .sort((left, right) => left.at - right.at)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = next.at;
      next.run();
      await settle();
    }
    this.#now = until;
  }
}

/** Promise chains here are a few links long; each turn of the event loop runs all that are ready. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
