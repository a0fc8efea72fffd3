// What the streaming bridge is told, and its own bounds: each with its unit, its reason, and what happens at it.

import type { Limits } from '../../node/core/limits.ts';

export interface WsBridgeOptions {
  readonly version: string;
  readonly limits: Pick<Limits, 'eventBytesMax' | 'batchEventsMax' | 'batchBytesMax' | 'stagedBytesMax'>;
  readonly bounds?: Partial<WsBounds>;
  readonly timing?: Partial<WsTiming>;
}

export interface WsBounds {
  /** Connections of one mesher: some 30 KiB each when idle. Above: closed with 1013. */
  readonly connectionsMax: number;
  /** Streams of one connection: each may have one event of the largest size waiting in the socket. Above: CLOSED, `overloaded`. */
  readonly streamsMax: number;
  /** Bytes of one batch, where the mesher's limits allow as much: larger ones gain nothing, and are gathered in memory. */
  readonly batchBytesMax: number;
  /** Bytes of a message beside its batch: a topic of 100 bytes for each of 10,000 events. */
  readonly headBytesMax: number;
  /** Bytes of batches unanswered on one connection: 0.1 s of 80 MB/s, more than a slow fsync. Above: it is not read from. */
  readonly publishWindowBytes: number;
  /**
   * Bytes of one DELIVER: some 400 small events. Larger ones cost both ends more (half as much again at 256 KiB: memory outside of V8's
   * heap, which makes it collect all of it). A larger event goes alone.
   */
  readonly deliverBytes: number;
  /** Bytes that wait in one socket. Above: the connection's streams are granted nothing until they have left. */
  readonly socketBytesMax: number;
  /** The same for answers, which no credit holds back: only who asks and never reads gets here. Above: it is not read from. */
  readonly answerBytesMax: number;
}

export interface WsTiming {
  readonly pingEveryMs: number;
  /** A connection from which nothing came, and into which nothing went, for this long is ended. */
  readonly silenceMs: number;
  /** For one message to arrive whole: 5 MiB at 90 KB/s. */
  readonly messageTimeoutMs: number;
  /** How often connections are looked after. */
  readonly sweepEveryMs: number;
  /** What was refused as `overloaded` is tried again after this long, or when something was answered. */
  readonly retryMs: number;
  /** How long a closing connection may take: to answer what is under way when the mesher stops, and for the closing handshake. */
  readonly closeTimeoutMs: number;
}

const MIB = 1024 * 1024;

export const WS_BOUNDS: WsBounds = Object.freeze({
  connectionsMax: 10_000,
  streamsMax: 256,
  batchBytesMax: 4 * MIB,
  headBytesMax: MIB,
  publishWindowBytes: 8 * MIB,
  deliverBytes: 128 * 1024,
  socketBytesMax: MIB,
  answerBytesMax: 8 * MIB,
});

export const WS_TIMING: WsTiming = Object.freeze({
  pingEveryMs: 15_000,
  silenceMs: 30_000,
  messageTimeoutMs: 60_000,
  sweepEveryMs: 1_000,
  retryMs: 20,
  closeTimeoutMs: 5_000,
});

/** Of this mesher: what WELCOME says, and a socket is held to. */
export interface MessageBounds {
  readonly batchBytesMax: number;
  readonly messageBytesMax: number;
  readonly publishWindowBytes: number;
}

/** A batch may hold one event of the largest size, a message one such batch, and the window one such message. */
export function messageBounds(limits: WsBridgeOptions['limits'], bounds: WsBounds): MessageBounds {
  const batchBytesMax = Math.min(
    limits.batchBytesMax,
    Math.max(bounds.batchBytesMax, limits.eventBytesMax + 16),
  );
  return {
    batchBytesMax,
    messageBytesMax: batchBytesMax + bounds.headBytesMax,
    publishWindowBytes: Math.max(bounds.publishWindowBytes, batchBytesMax),
  };
}
