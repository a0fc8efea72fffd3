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

/** Members that the registry has listed to the sender, and does no longer (away.ts). */
export interface MembersAway {
  readonly kind: 'members-away';
  readonly members: readonly {
    /** What its owner signed. */
    readonly signed: string;
    /** base64url */
    readonly signature: string;
    /** For how long, as far as the sender knows. */
    readonly awayMs: number;
  }[];
}

/** What somebody behind a mesher wants. */
export interface Interest {
  readonly filter: string;
  /** Group name; '' for none. A group is the pair (group, filter), as in MQTT's shared subscriptions. */
  readonly group: string;
  /** A durable interest keeps its claim while its mesher is gone; others end with it. */
  readonly durable: boolean;
}

// ───────────────────────────────────────────────────────────── replication inside a cluster (replication.ts, copies.ts)

/**
 * How far a copy's ranges have come: '' nothing, else a rank and a key in hex, in the order in which they are copied (see
 * `node/journal/copy-order.ts`). From `COPY_NAMED` on all names are there: of queues, subscriptions, marks and takeovers.
 */
export const COPY_NAMED = '5';
export const COPY_COMPLETE = '9';

/** Owner → copy: keep a copy of this mesher's journal; where do you stand? */
export interface CopyOpen {
  readonly kind: 'copy-open';
  readonly incarnation: number;
}

/** Copy → owner: on disk here is all up to `batch` of `incarnation` (0: nothing). Sent again where a batch was missed. */
export interface CopyReady {
  readonly kind: 'copy-ready';
  readonly incarnation: number;
  readonly batch: number;
  readonly cursor: string;
  /** It was whole before: what the cursor has not come to is there as it once was. */
  readonly hasPast: boolean;
}

/** Owner → copy: the stream starts behind `batch`; what was before comes in ranges. */
export interface CopyStart {
  readonly kind: 'copy-start';
  readonly incarnation: number;
  readonly batch: number;
  readonly nextBlock: number;
}

/** Owner → copy: one batch of its journal, or a part of a large one, from 0 on; applied when the `last` is there. */
export interface CopyBatch {
  readonly kind: 'copy-batch';
  readonly incarnation: number;
  readonly batch: number;
  readonly part: number;
  readonly last: boolean;
  readonly nextBlock: number;
  readonly content: Uint8Array;
}

/** Owner → copy: all that its journal has of the keys after `from`, up to and with `to`. */
export interface CopyRange {
  readonly kind: 'copy-range';
  readonly incarnation: number;
  readonly from: string;
  readonly to: string;
  readonly content: Uint8Array;
}

/** Copy → owner: all up to this is on disk. */
export interface CopyAck {
  readonly kind: 'copy-ack';
  readonly incarnation: number;
  readonly batch: number;
  readonly cursor: string;
  /** It was whole before: what the cursor has not come to is there as it once was. */
  readonly hasPast: boolean;
}

/** Owner → a mesher that need not keep a copy any more. */
export interface CopyDrop {
  readonly kind: 'copy-drop';
}

/** Between meshers that may hold a copy of a lost mesher's journal: which is the newest? */
export interface CopyHeld {
  readonly kind: 'copy-held';
  /** Sent in reply, so that two peers do not reply for ever. */
  readonly answer: boolean;
  readonly owner: NodeId;
  readonly incarnation: number;
  readonly batch: number;
  readonly cursor: string;
  /** It was whole before: what the cursor has not come to is there as it once was. */
  readonly hasPast: boolean;
}

export type CopyData = CopyStart | CopyBatch | CopyRange;
export type DataMessage = LaneData | BestEffort | CopyData;
export type ControlMessage =
  | Hello
  | CopyOpen
  | CopyReady
  | CopyAck
  | CopyDrop
  | CopyHeld
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
  | RouteBuckets
  | MembersAway;
export type LinkMessage = DataMessage | ControlMessage;

const DATA_KINDS: ReadonlySet<LinkMessage['kind']> = new Set<DataMessage['kind']>([
  'data',
  'best-effort',
  'copy-start',
  'copy-batch',
  'copy-range',
]);

export function isData(message: LinkMessage): message is DataMessage {
  return DATA_KINDS.has(message.kind);
}

/** It brings events for this mesher to route. */
export function isEvents(message: LinkMessage): message is LaneData | BestEffort {
  return message.kind === 'data' || message.kind === 'best-effort';
}
