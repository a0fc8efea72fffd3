// How long to wait before the next dial.

import type { Random } from '../core/ports.ts';

export const BACKOFF_FIRST_MS = 100;
export const BACKOFF_MAX_MS = 5_000;

/** Doubles with each failure up to the cap; between half and all of it, so that meshers do not dial in step. */
export function backoffMs(failures: number, random: Random): number {
  const full = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 10));
  return full * (0.5 + random() / 2);
}
