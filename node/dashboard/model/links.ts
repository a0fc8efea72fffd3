// Links as the map draws them: meshers have two with each other, one as each end sees it; between clusters all are one line, as
// bad as the worst of them.

import type { Alarm, LinkOverview, MesherOverview } from '../../core/overview.ts';

export type LinkState = LinkOverview['state'];

/** The worst first. */
const STATES: readonly LinkState[] = ['down', 'gapped', 'slow', 'up'];

/** All links between two clusters, or within one, where both names are the same. */
export interface Edge {
  readonly a: string;
  readonly b: string;
  readonly state: LinkState;
  readonly links: readonly LinkOverview[];
  /** Of those in `state`, where that is not `up`: since when the first is. */
  readonly since: number;
  readonly bad: number;
  /** The best where all are up, else that of the worst. */
  readonly roundTripMs: number | undefined;
  readonly eventsPerSecond: number;
  readonly queued: number;
  readonly lagMs: number;
}

export function worstFirst(one: LinkOverview, other: LinkOverview): number {
  return STATES.indexOf(one.state) - STATES.indexOf(other.state) || one.since - other.since;
}

/** Links whose meshers are not both known are left out. Ordered by name. */
export function edgesOf(meshers: readonly MesherOverview[], links: readonly LinkOverview[]): Edge[] {
  const clusterOf = new Map(meshers.map(({ node, cluster }) => [node, cluster]));
  const groups = new Map<string, { a: string; b: string; links: LinkOverview[] }>();
  for (const link of links) {
    const [from, to] = [clusterOf.get(link.from), clusterOf.get(link.to)];
    if (from === undefined || to === undefined) continue;
    const [a, b] = from < to ? [from, to] : [to, from];
    const key = JSON.stringify([a, b]);
    const group = groups.get(key) ?? { a, b, links: [] };
    groups.set(key, group);
    group.links.push(link);
  }
  return [...groups.entries()]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([, group]) => edgeOf(group));
}

function edgeOf({ a, b, links }: { a: string; b: string; links: LinkOverview[] }): Edge {
  const sorted = links.toSorted(worstFirst);
  const state = sorted[0]?.state ?? 'up';
  const trips = links.flatMap(({ roundTripMs }) => (roundTripMs === undefined ? [] : [roundTripMs]));
  const sum = (figure: (link: LinkOverview) => number): number =>
    links.reduce((total, link) => total + figure(link), 0);
  return {
    a,
    b,
    state,
    links: sorted,
    since: sorted[0]?.since ?? 0,
    bad: links.filter((link) => link.state !== 'up').length,
    roundTripMs: state === 'up' && trips.length > 0 ? Math.min(...trips) : sorted[0]?.roundTripMs,
    eventsPerSecond: sum((link) => link.eventsPerSecond),
    queued: sum((link) => link.queued),
    lagMs: Math.max(0, ...links.map((link) => link.lagMs)),
  };
}

/** What an alarm says of this link, whichever end it was told by. */
export function alarmOf(alarms: readonly Alarm[], link: LinkOverview): Alarm | undefined {
  const at = (from: string, to: string): Alarm | undefined =>
    alarms.find(({ about }) => about.mesher === from && about.peer === to);
  return at(link.from, link.to) ?? at(link.to, link.from);
}
