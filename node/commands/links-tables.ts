// Links and lanes as tables for people.

import type { LaneView, LinkView } from '../core/views.ts';
import { formatDuration, formatTable } from './table.ts';

export function linksTable(links: readonly LinkView[]): string {
  return formatTable(
    ['link to', 'cluster', 'state', 'for', 'round trip', 'sent', 'received', 'in doubt'],
    links.map((link) => [
      link.peer,
      link.cluster,
      link.reason === '' ? link.state : `${link.state}: ${link.reason}`,
      formatDuration(link.sinceMs),
      formatRoundTrip(link.roundTripMs),
      link.sentEvents,
      link.receivedEvents,
      link.doubtfulEvents,
    ]),
  );
}

export function lanesTable(lanes: readonly LaneView[]): string {
  return formatTable(
    ['lane to', 'lane', 'state', 'queued', 'in flight'],
    lanes.map((lane) => [lane.destination, lane.lane, lane.state, lane.queued, lane.inFlight]),
  );
}

export function formatRoundTrip(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : `${ms < 10 ? ms.toFixed(2) : ms.toFixed(0)} ms`;
}
