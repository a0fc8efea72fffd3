// Time as the registry part needs it: a monotonic reading and one-shot timers. A simulator hands in its own.

export interface Scheduler {
  /** Monotonic, ms. */
  now(): number;
  /** Calls `run` once, `ms` from now, unless the returned function is called before. */
  after(ms: number, run: () => void): () => void;
}

export const realScheduler: Scheduler = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => {
      clearTimeout(timer);
    };
  },
};

/** Resolves after `ms`, or at once when `signal` aborts. */
export function pause(scheduler: Scheduler, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = scheduler.after(ms, done);
    signal.addEventListener('abort', done);
  });
}

/** A signal may have aborted since it was last looked at, which the type checker's narrowing does not know. */
export function hasAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

const firstMs = 100;
const mostMs = 2000;

/**
 * How long to wait after so many failures in a row: doubling, capped at 2 s because a mesher without a registry is
 * worth one small request every two seconds, and spread over half to all of it so that meshers do not come back at once.
 */
export function backoffMs(failures: number, random: () => number): number {
  const whole = Math.min(mostMs, firstMs * 2 ** Math.min(failures, 10));
  return whole * (0.5 + random() / 2);
}
