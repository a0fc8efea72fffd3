// The loop of a publisher: keeps its window full for the time or the count that is asked for, and waits for every ack.

import { monotonicUs } from '../harness/latencies.ts';
import type { Load, Published } from './roles.ts';
import type { Window } from './window.ts';

/** Events between two looks at the clock. */
const LOOK_EVERY = 32;

export interface Filling {
  readonly window: Window;
  readonly load: Load;
  /** The number of the first event. */
  readonly first: number;
  /** Publishes number `n`; it has entered the window, and leaves it with its ack. */
  readonly send: (n: number) => void;
}

/** Rejects when the window fails: a publisher ends with its first event that is not taken. */
export async function fillWindow({ window, load, first, send }: Filling): Promise<Published> {
  const startUs = monotonicUs();
  const endUs = 'seconds' in load ? startUs + load.seconds * 1e6 : Infinity;
  const upTo = 'count' in load ? first + load.count : Infinity;
  let next = first;
  while (next < upTo && (next % LOOK_EVERY !== 0 || monotonicUs() < endUs)) {
    if (window.isFull) await window.whenHalfFree();
    window.enter();
    send(next++);
  }
  await window.whenEmpty();
  return { count: next - first, upTo: next, startUs };
}
