// The way of an event that was a dead letter and was sent back to its subscription.

import type { TraceHop } from './overview.ts';

/** Without the ends as dead letters that somebody sent back: what came after counts. `hops` in order. */
export function withoutRedriven(hops: readonly TraceHop[]): TraceHop[] {
  const left: TraceHop[] = [];
  for (const hop of hops) {
    if (hop.what === 'redriven') {
      const end = left.findLastIndex(
        ({ what, mesher, subscription }) =>
          what === 'dead-lettered' && mesher === hop.mesher && subscription === hop.subscription,
      );
      if (end >= 0) left.splice(end, 1);
    }
    left.push(hop);
  }
  return left;
}
