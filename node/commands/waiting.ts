// Waiting with an end: for a signal, or for work that may take too long.

import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves once the signal aborts. */
export async function untilAborted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}

/** What `work` resolves with, or undefined after `ms`. Its rejection is passed on, but not one that comes too late. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  const done = new AbortController();
  work.catch(() => undefined); // the race below passes it on, or nobody waits any more
  try {
    return await Promise.race([work, sleep(ms, undefined, { signal: done.signal })]);
  } finally {
    done.abort();
  }
}

/** Sleeps, or returns at once when the signal aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
