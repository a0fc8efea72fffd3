// The roles of the latency from a publisher in cluster A to a subscriber in cluster B: first as fast as it goes, then on a schedule.
// Events are numbered over the whole run.

import type { OpenOptions, PublisherRole } from '../durable/roles.ts';
import type { LatencyFigures } from '../harness/latencies.ts';
import type { Schedule } from '../harness/load.ts';

export type Qos = 'durable' | 'best-effort';

export interface PacedPublisherRole {
  open(options: OpenOptions & { readonly payloadBytes: number; readonly qos: Qos }): Promise<void>;
  publish: PublisherRole['publish'];
  /** Publishes so many events, each when it is due, whatever became of those before. Resolves when every one has its ack. */
  publishPaced(load: { readonly schedule: Schedule; readonly count: number }): Promise<PacedPublished>;
}

export interface PacedPublished {
  /** From due to sent: what the generator itself was late, which is part of every latency. */
  readonly late: LatencyFigures;
}

export interface TimedSubscriberRole {
  open(options: OpenOptions & { readonly qos: Qos }): Promise<void>;
  /** Resolves when all events below `upTo` have arrived, or for a while nothing came any more where some may be dropped. */
  drain(awaited: { readonly upTo: number }): Promise<Arrived>;
  /** From now on what arrives is due by this schedule, whose number 0 is the event `first`. */
  expect(paced: { readonly schedule: Schedule; readonly first: number }): void;
  /** As `drain`, of the events of the schedule. */
  take(awaited: { readonly count: number }): Promise<Timed>;
}

export interface Arrived {
  /** Different events since the start of the run. */
  readonly events: number;
  /** When the last one arrived, by `monotonicUs`. */
  readonly lastUs: number;
}

export interface Timed {
  /** From due to arrived. */
  readonly latency: LatencyFigures;
  readonly duplicates: number;
  readonly dropped: number;
}
