// This mesher's links as an overview shows them: up, slow against what is usual for this very link, gapped, or down and why.

import type { Lane } from '../core/lane.ts';
import type { MesherCore } from '../core/mesher-core.ts';
import type { LedgerVerdict } from '../core/overview.ts';
import type { NodeId } from '../core/event.ts';
import type { Now } from '../core/steps.ts';
import { HISTORY_STEPS, LINKS_MAX } from './bounds.ts';
import type { LinkReport } from './report.ts';
import { Rate, rounded } from './samples.ts';

/** Changes of routes are repaired within a round trip: what is said to be gapped has been so for longer, ms. */
const GAPPED_AFTER_MS = 5_000;
/** A round trip is slow when it is so many times the usual one, and so much more, ms. */
const SLOW_TIMES = 3;
const SLOW_MORE_MS = 50;
/** Steps of which the median is called usual. */
const USUAL_STEPS_MIN = 6;
/** What waits for a link that is up for longer than this, ms, makes it slow. */
const LAG_SLOW_MS = 10_000;

interface Tracked {
  readonly events: Rate;
  readonly bytes: Rate;
  gappedSince: number | undefined;
  slowSince: number | undefined;
  /** Round trips of the last hour, one each step; the median of them. */
  readonly trips: number[];
  usualMs: number | undefined;
}

interface Waiting {
  queued: number;
  oldestAt: number;
}

export class OwnLinks {
  readonly #core: MesherCore;
  readonly #ledger: (peer: NodeId) => LedgerVerdict | undefined;
  readonly #tracked = new Map<NodeId, Tracked>();

  constructor(core: MesherCore, ledger: (peer: NodeId) => LedgerVerdict | undefined) {
    this.#core = core;
    this.#ledger = ledger;
  }

  /** Looks at all links. `sinceMs`: since the look before; `isStep`: a step of the history ends with it. */
  look(now: Now, sinceMs: number, isStep: boolean): { links: LinkReport[]; count: number } {
    const { members } = this.#core;
    const waiting = this.#waiting();
    const links: LinkReport[] = [];
    const seen = new Set<NodeId>();
    for (const { record, hearsay } of members.all()) {
      if (hearsay) continue; // nobody dials it
      seen.add(record.node);
      links.push(this.#report(record.node, waiting.get(record.node), now, sinceMs, isStep));
    }
    for (const node of this.#tracked.keys()) if (!seen.has(node)) this.#tracked.delete(node);
    return { links: links.slice(0, LINKS_MAX), count: links.length };
  }

  /** Of a cluster's lanes that have no landing mesher, what waits is said of its first mesher only: it waits once. */
  #waiting(): Map<NodeId, Waiting> {
    const found = new Map<NodeId, Waiting>();
    for (const lane of this.#core.forwarder.lanes()) {
      const { depth } = lane.queue;
      const to = depth === 0 ? undefined : this.#endOf(lane);
      if (to === undefined) continue;
      const at = lane.oldestAt() ?? this.#core.startedAt.wall; // on disk only: it was there at the start
      const before = found.get(to);
      found.set(to, {
        queued: (before?.queued ?? 0) + depth,
        oldestAt: Math.min(before?.oldestAt ?? Infinity, at),
      });
    }
    return found;
  }

  #endOf(lane: Lane): NodeId | undefined {
    const { landing, destination, name } = lane;
    if (name.scope === 'peer') return destination;
    if (landing !== undefined) return landing;
    let first: NodeId | undefined;
    for (const { record, hearsay } of this.#core.members.all())
      if (record.cluster === destination && !hearsay && (first === undefined || record.node < first))
        first = record.node;
    return first;
  }

  #report(node: NodeId, waits: Waiting | undefined, now: Now, sinceMs: number, isStep: boolean): LinkReport {
    const core = this.#core;
    const link = core.links.get(node);
    const tracked = this.#track(node, link);
    const lagMs = waits ? Math.max(0, now.wall - waits.oldestAt) : 0;
    const isUp = link?.up ?? false;
    const { complete, gapped } = core.table.describe(node);
    tracked.gappedSince = isUp && (gapped || !complete) ? (tracked.gappedSince ?? now.monotonic) : undefined;
    const roundTripMs = isUp ? link?.roundTripMs : undefined;
    if (isStep && roundTripMs !== undefined) noteTrip(tracked, roundTripMs);
    const slow = isUp ? whySlow(roundTripMs, tracked.usualMs, lagMs) : '';
    tracked.slowSince = slow === '' ? undefined : (tracked.slowSince ?? now.monotonic);
    const wall = (monotonic: number): number => Math.round(now.wall - now.monotonic + monotonic);
    const { state, why, since } = this.#state(node, tracked, slow, now);
    const ledger = this.#ledger(node);
    return {
      to: node,
      state,
      why: why.slice(0, 1_000),
      since: wall(since),
      ...(roundTripMs !== undefined && { roundTripMs: rounded(roundTripMs) }),
      eventsPerSecond: tracked.events.look(link?.sentEvents ?? 0, sinceMs),
      bytesPerSecond: tracked.bytes.look(link?.sentBytes ?? 0, sinceMs),
      queued: waits?.queued ?? 0,
      lagMs,
      doubtful: link?.doubtfulEvents ?? 0,
      ...(ledger && { ledger }),
    };
  }

  #state(
    node: NodeId,
    { gappedSince, slowSince }: Tracked,
    slow: string,
    now: Now,
  ): { state: LinkReport['state']; why: string; since: number } {
    const link = this.#core.links.get(node);
    if (!link)
      return {
        state: 'down',
        why: 'it was not reached since this mesher started',
        since: this.#core.startedAt.monotonic,
      };
    if (!link.up) return { state: 'down', why: link.reason, since: link.since };
    if (gappedSince !== undefined && now.monotonic - gappedSince >= GAPPED_AFTER_MS)
      return {
        state: 'gapped',
        why: 'not all of its routes are known here: changes are missing, and were asked for',
        since: gappedSince,
      };
    if (slowSince !== undefined) return { state: 'slow', why: slow, since: slowSince };
    return { state: 'up', why: '', since: link.since };
  }

  #track(node: NodeId, link: { sentEvents: number; sentBytes: number } | undefined): Tracked {
    let tracked = this.#tracked.get(node);
    if (!tracked) {
      tracked = {
        events: new Rate(link?.sentEvents ?? 0),
        bytes: new Rate(link?.sentBytes ?? 0),
        gappedSince: undefined,
        slowSince: undefined,
        trips: [],
        usualMs: undefined,
      };
      this.#tracked.set(node, tracked);
    }
    return tracked;
  }
}

function noteTrip(tracked: Tracked, roundTripMs: number): void {
  const { trips } = tracked;
  trips.push(roundTripMs);
  if (trips.length > HISTORY_STEPS) trips.shift();
  if (trips.length < USUAL_STEPS_MIN) return;
  tracked.usualMs = trips.toSorted((a, b) => a - b)[trips.length >> 1];
}

/** One sentence; '' where it is not. */
export function whySlow(roundTripMs: number | undefined, usualMs: number | undefined, lagMs: number): string {
  if (
    roundTripMs !== undefined &&
    usualMs !== undefined &&
    roundTripMs > usualMs * SLOW_TIMES &&
    roundTripMs > usualMs + SLOW_MORE_MS
  )
    return `a round trip takes ${Math.round(roundTripMs)} ms, and usually ${Math.round(usualMs)} ms`;
  if (lagMs > LAG_SLOW_MS) return `events have waited for it for ${Math.round(lagMs / 1000)} s`;
  return '';
}
