// A backlog: events that a mesher found on its disk when it started, as another process left them there. They are numbered from 0,
// in the order in which they were published.

import { join } from 'node:path';

export interface Backlog {
  readonly events: number;
  /** `subscription`: one durable subscription wants all of them. `lanes`: the lanes to cluster `b` want an equal share each. */
  readonly wantedBy: 'subscription' | 'lanes';
  /** What a busy publisher fills a block with; 1 is what a slow one leaves. */
  readonly eventsPerBlock: number;
}

/** Module of the publishing role. */
export const PUBLISHER = join(import.meta.dirname, '../durable/publisher.ts');
export const SUBSCRIPTION = 'backlog';
export const TOPIC = 'bench/growth';
/** Where the lanes lead. */
export const FAR_CLUSTER = 'b';
export const PAYLOAD_BYTES = 256;
export const EVENTS_PER_BLOCK = 500;

export function backlog(
  events: number,
  wantedBy: Backlog['wantedBy'] = 'subscription',
  eventsPerBlock = EVENTS_PER_BLOCK,
): Backlog {
  return { events, wantedBy, eventsPerBlock };
}
