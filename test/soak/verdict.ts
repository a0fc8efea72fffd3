// What must hold at the end of a soak, held against what was seen. Bounds are for what a mesher may rightly hold more than
// after its warm-up: a leak of one timer, handle or buffer for each batch of events is thousands of times beyond them.

import type { Resources } from './resources.ts';

const MIB = 1024 * 1024;

interface Bound {
  readonly factor: number;
  readonly more: number;
  readonly why: string;
}

export const BOUNDS: Readonly<Record<keyof Resources, Bound>> = {
  rssBytes: { factor: 1.25, more: 256 * MIB, why: 'malloc and V8 keep some of what a backlog needed' },
  heapBytes: { factor: 1.25, more: 16 * MIB, why: 'after a collection: caches of blocks are full now' },
  timers: { factor: 1.25, more: 32, why: 'those of links and requests that are under way' },
  handles: { factor: 1.25, more: 16, why: 'connections of clients come and go' },
  sockets: { factor: 1, more: 8, why: 'connections of clients come and go' },
  files: { factor: 1, more: 32, why: 'LevelDB keeps its tables open' },
  diskBytes: {
    factor: 1,
    more: 256 * MIB,
    why: 'of LevelDB: its logs, four tables of a write buffer each before it merges them, and what is not worth a merge (node/journal/truncation.ts)',
  },
};

/** What of `now` is beyond its bound, as one sentence each. */
export function excess(baseline: Resources, now: Resources): string[] {
  return (Object.keys(BOUNDS) as (keyof Resources)[]).flatMap((what) => {
    const { factor, more } = BOUNDS[what];
    const most = baseline[what] * factor + more;
    if (now[what] <= most) return [];
    return [`${what}: ${now[what]}, where ${baseline[what]} after the warm-up allow ${Math.round(most)}`];
  });
}

export interface MesherEnd {
  readonly name: string;
  readonly baseline: Resources;
  readonly end: Resources;
}

/** What a soak saw. */
export interface Seen {
  /** Acked to publishers. */
  readonly acked: number;
  readonly missing: { readonly count: number; readonly facts: string };
  /** Arrivals beyond the first. */
  readonly duplicates: number;
  /** Why events may come twice, and how many may. */
  readonly doubts: Readonly<Record<string, number>>;
  /** Queue → events that are in it when all should be done. */
  readonly queued: Readonly<Record<string, number>>;
  readonly outages: readonly Outage[];
  readonly meshers: readonly MesherEnd[];
}

export interface Outage {
  readonly seconds: number;
  /** Acked and not delivered at its end. */
  readonly backlog: number;
  /** Acked while it lasted. */
  readonly acked: number;
  /** From its end until all but the last moments was delivered, under load; undefined: that was not reached. */
  readonly recoveredSeconds: number | undefined;
}

/** A cut takes hold at once; what was on its way, and what a publisher makes up for, is less than this share. */
const OUTAGE_BACKLOG_SHARE = 0.5;

/** Each broken promise as one sentence. */
export function breaches({ acked, missing, duplicates, doubts, queued, outages, meshers }: Seen): string[] {
  const broken: string[] = [];
  if (acked === 0) broken.push('nothing was acked');
  if (missing.count > 0) broken.push(`${missing.count} acked events are lost: ${missing.facts}`);
  const explained = Object.values(doubts).reduce((sum, count) => sum + count, 0);
  if (duplicates > explained)
    broken.push(`${duplicates} events came again, of which ${explained} are explained`);
  for (const [name, count] of Object.entries(queued))
    broken.push(`${count} events are still in queue ${name}`);
  for (const [at, outage] of outages.entries()) {
    if (outage.backlog < outage.acked * OUTAGE_BACKLOG_SHARE)
      broken.push(`outage ${at + 1} was none: ${outage.acked} acked, ${outage.backlog} waited at its end`);
    if (outage.recoveredSeconds === undefined)
      broken.push(`after outage ${at + 1} the backlog did not shrink under load`);
  }
  for (const { name, baseline, end } of meshers)
    broken.push(...excess(baseline, end).map((facts) => `${name} holds more than before: ${facts}`));
  return broken;
}
