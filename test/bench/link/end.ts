// What both ends of a measured link can do, whether a mesher's network or a bare libp2p stream makes it. One end sends
// as fast as the other takes; both say, whenever they are asked, how far they are.

import type { LatencyFigures } from '../harness/latencies.ts';
import type { Encryption } from '../../../node/net/host.ts';

export interface EndRole<Options = EndOptions> {
  open(options: Options): Promise<Place>;
  /** Both ends, each with the other's place; one of them `dials`. Resolves when they are linked. */
  link(peer: Place & { readonly dials: boolean }): Promise<void>;
  /** Sends from now on, and pings every `PING_EVERY_MS` beside it. */
  start(nothing: undefined): void;
  /** Sends no more. Returns how much it sent in all. */
  stop(nothing: undefined): Progress;
  progress(nothing: undefined): Progress;
  /** Resolves when so many bytes were received; rejects when they do not come, or more. */
  received(bytes: number): Promise<void>;
  /** Round trips of pings since this was last asked. */
  pings(nothing: undefined): LatencyFigures;
}

export interface EndOptions {
  readonly encryption: Encryption;
  readonly payloadBytes: number;
}

/** What a link chooses, and a bare stream may be told: as a link where it is left out. */
export interface StreamOptions extends EndOptions {
  readonly chunkBytes?: number;
  readonly windowBytes?: number;
}

export interface Place {
  readonly node: string;
  readonly address: string;
}

export interface Progress {
  /** Sent or received. */
  readonly events: number;
  /** Of frames, as they are on the stream. */
  readonly bytes: number;
  /** By `monotonicUs`. */
  readonly atUs: number;
  /** User and system, since the process began. */
  readonly cpuUs: number;
}

/** Often enough for a 99th percentile in some seconds, too rare to be a load. */
export const PING_EVERY_MS = 10;
/** What waits for it is a run that lost something. */
export const RECEIVED_TIMEOUT_MS = 20_000;
