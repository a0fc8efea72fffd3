// What the HTTP bridge can be told, and its own bounds.

import type { Limits } from '../../node/core/limits.ts';

export interface HttpBridgeOptions {
  readonly limits: Pick<
    Limits,
    | 'eventBytesMax'
    | 'batchEventsMax'
    | 'batchBytesMax'
    | 'stagedBytesMax'
    | 'topicBytesMax'
    | 'topicLevelsMax'
  >;
  readonly webhook: WebhookOptions;
  readonly timing?: Partial<StreamTiming>;
}

export interface WebhookOptions {
  /** The DNS name under which sinks know us: the same for all meshers of a federation (webhook spec §4.1.2). */
  readonly origin: string;
  /** Base URL at which sinks reach this mesher, for granting by callback; undefined: no callback is offered. */
  readonly publicUrl: string | undefined;
}

export interface StreamTiming {
  /** Between comments that keep proxies and idle time-outs from closing a silent stream. */
  readonly keepAliveMs: number;
}

export const STREAM_TIMING: StreamTiming = Object.freeze({ keepAliveMs: 15_000 });

/** Events in one pull. Above: `invalid-request`. */
export const PULL_EVENTS_MAX = 10_000;
/** How long a pull may wait: below the server's idle time-out. Above: `invalid-request`. */
export const PULL_WAIT_MS_MAX = 60_000;
/** Settlements in one request. Above: `invalid-request`. */
export const SETTLEMENTS_MAX = 10_000;
/** POSTs under way to one sink, however large maxInFlight is: what one receiver takes well. */
export const SINK_CONCURRENCY_MAX = 64;
