// What meshers say to each other over a link. `wire/link-messages.ts` gives these their bytes.
// Data (`data`, `best-effort`) goes on the data stream, everything else on the control stream, so that
// control never queues behind data.

import type { Directive, LaneName, NodeId, Position, StoredEvent } from './event.ts';

/** An event on its way, with what its sender decided for the receiver. */
export interface ForwardedEvent {
  readonly event: StoredEvent;
  readonly directive: Directive;
}

/** First on each control stream: who speaks. The peer id itself is proven by the transport's handshake. */
export interface Hello {
  readonly kind: 'hello';
  readonly federation: string;
  readonly cluster: string;
  readonly incarnation: number;
}

/** Sender → receiver: a lane (re)starts here; all up to `base` was acked to the sender by someone. */
export interface LaneOpen extends LaneName {
  readonly kind: 'lane-open';
  readonly base: Position;
}

/** Receiver → sender: it has, on disk, all up to `mark`, and grants `credit` bytes beyond what is acked. */
export interface LaneReady extends LaneName {
  readonly kind: 'lane-ready';
  readonly mark: Position;
  readonly credit: number;
}

/**
 * Sender → receiver: events at consecutive positions from `first`, all in `first.incarnation`. `previous` is the
 * position before `first` on this lane: a receiver whose last is not `previous` sees the gap. `doubt`: these may
 * have reached another mesher of the cluster, whose ack was never seen.
 */
export interface LaneData extends LaneName {
  readonly kind: 'data';
  readonly previous: Position;
  readonly first: Position;
  readonly doubt: boolean;
  readonly events: readonly ForwardedEvent[];
}

/** Receiver → sender: all up to `upTo` is on disk here. */
export interface LaneAck extends LaneName {
  readonly kind: 'ack';
  readonly upTo: Position;
  readonly credit: number;
}

/** Receiver → sender: data arrived that does not follow on `last`; the sender opens the lane again. */
export interface LaneGap extends LaneName {
  readonly kind: 'gap';
  readonly last: Position;
}

/** Events that nobody promised to keep. */
export interface BestEffort {
  readonly kind: 'best-effort';
  readonly scope: 'cluster' | 'peer';
  readonly events: readonly ForwardedEvent[];
}

/** Round-trip probe; `sentAt` is the sender's monotonic clock, sent back as it came. */
export interface Ping {
  readonly kind: 'ping' | 'pong';
  readonly sentAt: number;
}

/** `{owner → version}` as known to the sender. `answer`: sent in reply, so that two peers do not reply for ever. */
export interface RouteHeads {
  readonly kind: 'route-heads';
  readonly answer: boolean;
  readonly heads: readonly (RouteVersion & {
    /** First 32 bits of the record's root digest: the same version with another content is a fault to repair. */
    readonly digest: number;
  })[];
}

export interface RouteVersion {
  readonly node: NodeId;
  readonly incarnation: number;
  readonly sequence: number;
}

/** Asks for what is newer than the version named (sequence 0: everything). */
export interface RoutePull extends RouteVersion {
  readonly kind: 'route-pull';
}

/** One signed delta, as its owner encoded it (route-record.ts); the same bytes that gossip carries. */
export interface RouteDelta {
  readonly kind: 'route-delta';
  readonly delta: Uint8Array;
}

/** A record's signed head: start of a snapshot, with count and the digest of each bucket (route-record.ts). */
export interface RouteHead {
  readonly kind: 'route-head';
  readonly head: Uint8Array;
}

/** Asks for some buckets of the record named, at exactly that version. */
export interface RouteBucketPull extends RouteVersion {
  readonly kind: 'route-bucket-pull';
  readonly buckets: readonly number[];
}

/** Whole buckets of the record named; each is checked against its digest in the head. */
export interface RouteBuckets extends RouteVersion {
  readonly kind: 'route-buckets';
  readonly buckets: readonly { readonly index: number; readonly interests: readonly Interest[] }[];
}

/** What somebody behind a mesher wants. */
export interface Interest {
  readonly filter: string;
  /** Group name; '' for none. A group is the pair (group, filter), as in MQTT's shared subscriptions. */
  readonly group: string;
  /** A durable interest keeps its claim while its mesher is gone; others end with it. */
  readonly durable: boolean;
}

export type DataMessage = LaneData | BestEffort;
export type ControlMessage =
  | Hello
  | LaneOpen
  | LaneReady
  | LaneAck
  | LaneGap
  | Ping
  | RouteHeads
  | RoutePull
  | RouteDelta
  | RouteHead
  | RouteBucketPull
  | RouteBuckets;
export type LinkMessage = DataMessage | ControlMessage;

export function isData(message: LinkMessage): message is DataMessage {
  return message.kind === 'data' || message.kind === 'best-effort';
}
