// Keeps a watch standing: opens it, and whenever it ends, opens it again.

import { backoffMs } from '../node/core/backoff.ts';
import { hasAborted } from '../node/core/has-aborted.ts';
import { REGISTRY_LIMITS } from './limits.ts';
import { pause } from './scheduler.ts';
import type { Scheduler } from './scheduler.ts';
import type { Log } from './store.ts';

export interface WatchingPorts {
  readonly scheduler: Scheduler;
  readonly random: () => number;
  readonly log: Log;
}

/**
 * Resolves soon after `until` aborts; never rejects. `watchOnce` returns or throws when its watch ends, and calls `hint`
 * when it stands and at every change.
 */
export async function keepWatching(
  watchOnce: (hint: () => void) => Promise<void>,
  changed: () => void,
  until: AbortSignal,
  { scheduler, random, log }: WatchingPorts,
): Promise<void> {
  let failures = 0;
  while (!hasAborted(until)) {
    try {
      await watchOnce(() => {
        failures = 0;
        changed();
      });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (failures === 0 && !hasAborted(until)) {
        log({
          level: 'info',
          message: 'The watch on the registry broke; opening it again.',
          details: { reason },
        });
      }
    }
    await pause(
      scheduler,
      backoffMs(failures, REGISTRY_LIMITS.retryMs, REGISTRY_LIMITS.retryMsMax, random),
      until,
    );
    failures += 1;
  }
}
