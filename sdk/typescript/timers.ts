// Time and chance, handed in so that tests need neither.

import type { Random } from '../../node/core/ports.ts';

export interface Timers {
  /** Monotonic, ms. */
  now(): number;
  /** Runs once after so many ms; returns how to forget it. */
  after(ms: number, run: () => void): () => void;
  /** Runs once all that waits in this turn of the event loop has run. */
  endOfTurn(run: () => void): void;
  readonly random: Random;
}

/**
 * The end of a turn is `setImmediate`, after all callbacks of the I/O that is at hand, and not a microtask: when an answer
 * settles many publishes at once and each of their callers publishes again, those go out together.
 */
export const realTimers: Timers = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  endOfTurn: (run) => void setImmediate(run),
  random: Math.random,
};
