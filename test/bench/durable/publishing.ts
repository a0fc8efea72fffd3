// The loop of a publisher: numbers events on from call to call, keeps the window full for the time or count that is asked for, and
// waits for every ack.

import { monotonicUs } from '../harness/latencies.ts';
import type { Published, PublisherRole } from './roles.ts';
import type { Window } from './window.ts';

/** Events between two looks at the clock. */
const LOOK_EVERY = 32;

/** `send` publishes number `n`; it has entered the window, and leaves it with its ack. */
export function publishing(window: Window, send: (n: number) => void): PublisherRole['publish'] {
  let next = 0;
  return async (load): Promise<Published> => {
    const first = next;
    const startUs = monotonicUs();
    const endUs = 'seconds' in load ? startUs + load.seconds * 1e6 : Infinity;
    const upTo = 'count' in load ? first + load.count : Infinity;
    while (next < upTo && (next % LOOK_EVERY !== 0 || monotonicUs() < endUs)) {
      if (window.isFull) await window.whenHalfFree();
      window.enter();
      send(next++);
    }
    await window.whenEmpty();
    return { count: next - first, upTo: next, startUs };
  };
}
