// Puts the hops of several meshers, whose clocks differ, into one order: what a mesher says is in its order, an event lands after it was
// sent, and is acked after it landed; only what is bound by none of this is ordered by time.

import type { TraceHop } from '../../core/overview.ts';

/** `told`: what each mesher says, in its order. */
export function orderHops(told: readonly (readonly TraceHop[])[]): TraceHop[] {
  const heads = told.map(() => 0);
  const ordered: TraceHop[] = [];
  for (;;) {
    const ready = told.flatMap((hops, i) => {
      const hop = hops[heads[i] ?? 0];
      return hop ? [{ i, hop, isFree: !mustWait(hop, told, heads) }] : [];
    });
    // where all wait for one another somebody's order is wrong, or he lies: then time decides
    const free = ready.some(({ isFree }) => isFree) ? ready.filter(({ isFree }) => isFree) : ready;
    const [first, ...others] = free;
    if (!first) return ordered;
    const next = others.reduce((best, one) => (one.hop.at < best.hop.at ? one : best), first);
    ordered.push(next.hop);
    heads[next.i] = (heads[next.i] ?? 0) + 1;
  }
}

/** Something that is to come before it is still to come. */
function mustWait(
  { what, mesher, peer }: TraceHop,
  told: readonly (readonly TraceHop[])[],
  heads: readonly number[],
): boolean {
  if (what !== 'landed' && what !== 'forward-acked') return false;
  const cause = what === 'landed' ? 'forwarded' : 'landed';
  const comes = (from: number): number =>
    (told[from] ?? []).findIndex(
      (hop, at) =>
        at >= (heads[from] ?? 0) && hop.what === cause && hop.mesher === peer && hop.peer === mesher,
    );
  return told.some((hops, i) => {
    const first = hops[0];
    if (first?.mesher !== peer) return false;
    const still = comes(i);
    // one that was before is enough
    return still >= 0 && !hops.slice(0, heads[i]).some((hop) => hop.what === cause && hop.peer === mesher);
  });
}
