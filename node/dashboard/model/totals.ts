// What several meshers do together.

import type { MesherOverview } from '../../core/overview.ts';

export interface Totals {
  readonly published: number;
  readonly delivered: number;
  readonly forwarded: number;
  readonly landed: number;
  readonly queued: number;
  readonly deadLetters: number;
}

/** Of those that answered. */
export function total(meshers: readonly MesherOverview[]): Totals {
  const sum = { published: 0, delivered: 0, forwarded: 0, landed: 0, queued: 0, deadLetters: 0 };
  for (const { figures } of meshers) {
    if (figures === undefined) continue;
    sum.published += figures.rates.published;
    sum.delivered += figures.rates.delivered;
    sum.forwarded += figures.rates.forwarded;
    sum.landed += figures.rates.landed;
    sum.queued += figures.queued;
    sum.deadLetters += figures.deadLetters;
  }
  return sum;
}
