// One sentence for people: where an event is, or why it stopped, from the hops of all meshers.

import type { TraceHop, TraceView } from '../../core/overview.ts';
import { withoutRedriven } from '../../core/redriven-hops.ts';
import { clock } from './waiting.ts';

/** Of one kind, named one by one; the others are counted. */
const NAMED_MAX = 3;

/** `hops` in order; `since`: what was before it may be forgotten everywhere. */
export function verdictOf(hops: readonly TraceHop[], waits: TraceView['waits'], since: number): string {
  if (hops.length === 0)
    return `no mesher remembers it: it was published before ${clock(since)}, or never, or a mesher that is silent has it`;
  const published = hops.find(({ what }) => what === 'published');
  const parts = [
    ...some(ends(withoutRedriven(hops), 'dead-lettered'), (hop) => deadLettered(hop)),
    ...some(
      ends(hops, 'dropped').filter(({ reason }) => reason !== 'duplicate'),
      dropped,
    ),
    ...some([...waits], ({ mesher, cluster, why }) => `waits at ${short(mesher)} in ${cluster} ${why}`),
    ...some(delivered(hops), (hop) => deliveredTo(hop, published)),
    ...some(ends(hops, 'not-wanted'), (hop) => notWanted(hop)),
    ...some(ends(hops, 'refused'), (hop) => `refused by ${place(hop)}: ${hop.reason}`),
  ];
  if (parts.length > 0) return parts.join('; ');
  const last = hops.at(-1);
  if (!last) return '';
  return `${last.what} at ${place(last)} at ${clock(last.at)}; what came then is not known to those who answered`;
}

function ends(hops: readonly TraceHop[], what: TraceHop['what']): TraceHop[] {
  return hops.filter((hop) => hop.what === what);
}

/** The first of them in words, the others by their number. */
function some<T>(all: readonly T[], say: (one: T) => string): string[] {
  const said = [...new Set(all.map(say))];
  if (said.length <= NAMED_MAX) return said;
  return [...said.slice(0, NAMED_MAX), `and ${said.length - NAMED_MAX} more like these`];
}

/** Where it is settled, else where it was handed out last, for each subscription of each mesher. */
function delivered(hops: readonly TraceHop[]): TraceHop[] {
  const last = new Map<string, TraceHop>();
  for (const hop of hops) {
    const key = `${hop.mesher} ${hop.subscription}`;
    if (hop.what === 'acked' || (hop.what === 'delivered' && last.get(key)?.what !== 'acked'))
      last.set(key, hop);
    else if (hop.what === 'dead-lettered' || hop.what === 'dropped' || hop.what === 'retried')
      last.delete(key);
  }
  return [...last.values()];
}

function deliveredTo(hop: TraceHop, published: TraceHop | undefined): string {
  const how = hop.what === 'acked' ? 'delivered' : 'handed';
  const to = hop.subscription === '' ? 'a subscriber' : hop.subscription;
  // between machines it has the difference of their clocks in it
  const ms = published === undefined ? undefined : hop.at - published.at;
  const after =
    ms === undefined
      ? ''
      : ms < 0
        ? ', as their clocks have it before it was published'
        : ` ${duration(ms)} after it was published`;
  return `${how} to ${to} on ${place(hop)}${after}`;
}

function deadLettered({ subscription, attempt, reason, ...hop }: TraceHop): string {
  const times = attempt === 1 ? '1 attempt' : `${attempt} attempts`;
  return `dead-lettered by ${subscription} on ${place(hop)} after ${times}: ${reason}`;
}

function dropped(hop: TraceHop): string {
  const whom = hop.subscription || hop.peer;
  return `dropped at ${place(hop)}${whom === '' ? '' : ` on its way to or from ${short(whom)}`}: ${hop.reason}`;
}

function notWanted(hop: TraceHop): string {
  return `nobody wanted ${hop.reason} when it came to ${place(hop)}`;
}

function place({ mesher, cluster }: Pick<TraceHop, 'mesher' | 'cluster'>): string {
  return `${short(mesher)} in ${cluster}`;
}

/** Peer ids begin all alike. */
function short(node: string): string {
  return node.length > 24 ? `${node.slice(0, 4)}…${node.slice(-6)}` : node;
}

function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
