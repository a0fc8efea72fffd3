// How long to wait before trying again what has failed.

import type { Random } from './ports.ts';

/** Beyond it a number has no room for the doubling, and every cap was reached long ago. */
const DOUBLINGS_MAX = 52;

/**
 * After so many failures in a row (0: the first try just failed): `firstMs`, doubled with each further failure up to
 * `mostMs`, and of that between half and all, so that those who failed together do not come back together.
 */
export function backoffMs(failures: number, firstMs: number, mostMs: number, random: Random): number {
  const whole = Math.min(mostMs, firstMs * 2 ** Math.min(failures, DOUBLINGS_MAX));
  return whole * (0.5 + random() / 2);
}
