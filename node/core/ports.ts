// What the inside needs from the outside, one small type for each need. Implementations live in the folders
// named; every one of them runs the port's contract suite in test/contracts/. Times are ms unless said.

import type { BlockList } from './block-list.ts';
import type { DeliveryToken } from './delivery-token.ts';
import type { Delivery, PublishResult, Settlement } from './delivery-types.ts';
import type { Directive, LaneName, NodeId, Position, StoredEvent } from './event.ts';
import type { ControlMessage, DataMessage, LinkMessage } from './messages.ts';
import type { MessageRefusal } from './metric-catalogue.ts';
import type { CloudEvent } from './cloud-event.ts';
import type { Subscription, SubscriptionState } from './subscription.ts';
import type { Neighbour } from './views.ts';

// ───────────────────────────────────────────────────────────── time, chance, keys

export interface Clock {
  /** Wall clock, ms since the epoch: for expiry and for people. May jump. */
  wall(): number;
  /** Monotonic, ms: for time-outs and round trips. Never goes back. */
  monotonic(): number;
}

/** A number in [0, 1). */
export type Random = () => number;

/** This mesher's key, and everybody's public key, which is their node id. Synchronous: signatures are ~0.1 ms. */
export interface Keys {
  readonly node: NodeId;
  sign(bytes: Uint8Array): Uint8Array;
  /** False for a wrong signature and for a node id that is no key. Never throws. */
  verify(node: NodeId, bytes: Uint8Array, signature: Uint8Array): boolean;
}

// ───────────────────────────────────────────────────────────── journal (node/journal)

/** The part of one block that one queue has still to get. */
export interface QueueEntry {
  /** Indices into the block, ascending. Never empty: an entry that wants nothing is dropped. */
  readonly indices: readonly number[];
  /** Lane queues: the position of `indices[0]`; the others follow one by one. */
  readonly first: Position | undefined;
  /** Lane queues: what was decided for each of `indices`, as (offset of the first it holds for, directive) runs. */
  readonly directives: readonly { readonly from: number; readonly directive: Directive }[];
}

/** One change to the journal. A batch of them is applied whole, or not at all. */
export type JournalOp =
  | { readonly op: 'block'; readonly block: number; readonly events: readonly StoredEvent[] }
  | { readonly op: 'drop-block'; readonly block: number }
  | { readonly op: 'entry'; readonly queue: number; readonly block: number; readonly entry: QueueEntry }
  | { readonly op: 'drop-entry'; readonly queue: number; readonly block: number }
  | { readonly op: 'queue'; readonly queue: number; readonly name: string }
  | { readonly op: 'drop-queue'; readonly queue: number }
  | ({ readonly op: 'mark'; readonly sender: NodeId; readonly position: Position } & LaneName)
  | { readonly op: 'subscription'; readonly subscription: Subscription }
  | { readonly op: 'drop-subscription'; readonly name: string }
  | { readonly op: 'member'; readonly member: KnownMember }
  | { readonly op: 'drop-member'; readonly node: NodeId }
  /** Replaces what is kept of this bucket of the mesher's record; nothing is kept of an empty one. */
  | {
      readonly op: 'routes';
      readonly node: NodeId;
      readonly bucket: number;
      readonly interests: readonly RememberedInterest[];
    }
  | { readonly op: 'drop-routes'; readonly node: NodeId }
  | { readonly op: 'takeover'; readonly takeover: Takeover };

/** What this mesher has taken over of one that is gone for good (heirs.ts). Kept for as long as it lives. */
export interface Takeover {
  readonly owner: NodeId;
  /** Its subscriptions live on here; else what another holder did not have is handed to the one that is. */
  readonly isHeir: boolean;
  /** What is claimed now, and not yet marked as done in the registry. */
  readonly claims: readonly BlockRange[];
  /** Of these, blocks below this number have moved. */
  readonly upTo: number;
  /** All that was claimed at first has moved: the heir serves. */
  readonly isDone: boolean;
  /** What the owner itself had taken over, or was about to: until the registry has how far that went. */
  readonly theirs: readonly Takeover[];
}

/** Blocks of a journal: from `from` on, below `upTo`. */
export interface BlockRange {
  readonly from: number;
  readonly upTo: number;
}

/** Blocks of a lost mesher's journal that one mesher has claimed, in the registry. */
export interface Claim extends BlockRange {
  readonly taker: NodeId;
  /** All of them have moved to the taker's journal, and to the copies of that: nobody else need keep them. */
  readonly isDone: boolean;
}

/** By lost mesher, in the order of the first claims; the first claim on each makes its heir. */
export type Claims = Readonly<Record<NodeId, readonly Claim[]>>;

/** How a mesher's claims that are not done come to an end. */
export interface ClaimsEnd {
  readonly taker: NodeId;
  /** Of what was claimed so, all below `upTo` is done; the rest is free to be claimed by others. */
  readonly moved: readonly Takeover[];
  /** Its other claims stay as they are on these; on all others they are void. `rest`: stay on all. */
  readonly keep: readonly NodeId[] | 'rest';
}

/** A durable interest of another mesher, kept for the time when the mesher is not there to be asked. */
export interface RememberedInterest {
  readonly filter: string;
  readonly group: string;
}

/** What the core needs of the past. */
export interface Recovered {
  /** One above the highest block number ever used. */
  readonly nextBlock: number;
  readonly queues: readonly {
    readonly queue: number;
    readonly name: string;
    /** Blocks with an entry of this queue, ascending, and how many events it still wants of each. */
    readonly blocks: BlockList;
  }[];
  /** Blocks on disk that no queue wants: left over by a crash between two batches; the core drops them. */
  readonly unclaimedBlocks: readonly number[];
  readonly marks: readonly ({ readonly sender: NodeId; readonly position: Position } & LaneName)[];
  readonly subscriptions: readonly Subscription[];
  readonly members: readonly KnownMember[];
  readonly takeovers: readonly Takeover[];
  /** Durable interests of other meshers, one after the other by bucket. */
  readonly routes: readonly {
    readonly node: NodeId;
    readonly interests: readonly RememberedInterest[];
  }[];
}

/** The same of a mesher that keeps copies of others' journals. */
export interface RecoveredMesher extends Recovered {
  readonly copies: readonly RecoveredCopy[];
}

/** What a copy of another mesher's journal is worth. */
export interface CopyHead {
  /** Of the owner, when it sent this. */
  readonly incarnation: number;
  /** All batches of that incarnation up to here are in it, from where its stream began. */
  readonly batch: number;
  /** How far what was there before was copied (messages.ts). */
  readonly cursor: string;
  /** Blocks below this number are here all the same, as they once were: it was whole up to here before. 0: it never was. */
  readonly pastBlock: number;
  /** The owner's next block number when the stream began: blocks from here on are in the copy, whatever the cursor. */
  readonly startBlock: number;
  /** One above the highest block number in it. */
  readonly nextBlock: number;
}

/** Copies of other meshers' journals that are kept here. */
export interface RecoveredCopy {
  readonly owner: NodeId;
  readonly head: CopyHead;
}

export interface LoadedEntry {
  readonly block: number;
  readonly entry: QueueEntry;
  /** The events of `entry.indices`, in that order. */
  readonly events: readonly StoredEvent[];
}

export interface Journal {
  /** Reads what is there. Called once, before anything else. */
  recover(): Promise<Recovered>;
  /**
   * Applies the batch whole. Resolves after fsync where `sync`, else once it is ordered before every later batch.
   * Rejects with `storage-failed`: what is on disk is then unknown, and the journal must not be used again.
   * Batches are applied in call order. The journal may keep `ops` and the events in them: they are immutable.
   */
  append(ops: readonly JournalOp[], sync: boolean): Promise<void>;
  /**
   * Entries of a queue with their events, in the order of `blocks`, which is ascending. Blocks with no entry are left out. Where
   * there are many bytes, only those of the first blocks, at least one: the others may be asked for again.
   */
  load(queue: number, blocks: readonly number[]): Promise<LoadedEntry[]>;
  /**
   * What a copy of this journal needs behind the cursor `from`, as of all batches appended before the call and none after it, up to
   * about `bytesMax` bytes. `to` says how far that goes.
   */
  readRange(from: string, bytesMax: number): Promise<{ readonly to: string; readonly content: Uint8Array }>;
  /** Small values kept for the mesher (its incarnation): read and synced write, outside of batches. */
  getMeta(key: string): Promise<string | undefined>;
  putMeta(key: string, value: string): Promise<void>;
  close(): Promise<void>;
}

/** Copies of other meshers' journals. Calls for one owner are carried out in order; each rejects with `storage-failed`. */
export interface CopyStore {
  /** Resolves when the change, if any, and the head are on disk; with `refused`, and nothing written, where the content is none. */
  write(owner: NodeId, head: CopyHead, change: CopyChange | undefined): Promise<'written' | 'refused'>;
  drop(owner: NodeId): Promise<void>;
  /** It is damaged: what is written next begins it anew, and what there is is kept beside the copies. */
  putAside(owner: NodeId): Promise<void>;
  /** What the copy holds, as a journal recovers it. Nothing is written to it any more. */
  read(owner: NodeId): Promise<Recovered>;
  /** What these queues want of the block. After `read`. */
  load(owner: NodeId, block: number, queues: readonly number[]): Promise<QueuedEntry[]>;
  close(): Promise<void>;
}

export interface QueuedEntry extends LoadedEntry {
  readonly queue: number;
}

/** What comes to a copy besides its head. */
export interface CopyChange {
  readonly content: Uint8Array;
  /** More of the same batch follows: it is applied with the last of it, and with the head that comes then. */
  readonly isPart: boolean;
  /** The content is all there is behind `from`, up to and with `to`. */
  readonly range: { readonly from: string; readonly to: string } | undefined;
}

// ───────────────────────────────────────────────────────────── registry (registry/)

/** What a mesher says of itself in the registry. Signed by `node`'s key over `memberBytes` (membership.ts). */
export interface MemberRecord {
  readonly federation: string;
  readonly cluster: string;
  readonly node: NodeId;
  readonly incarnation: number;
  /** Multiaddrs at which it can be dialled, without the /p2p part. */
  readonly addresses: readonly string[];
  /** Base URL of its HTTP API as others reach it, or ''. */
  readonly http: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly version: string;
  /** base64url */
  readonly signature: string;
}

/** A member as it is kept. */
export interface KnownMember extends MemberRecord {
  /** The peer that alone said so: the registry has not listed it since this mesher joined (away.ts). */
  readonly heardFrom?: NodeId;
}

/** Everything registered at `revision`. */
export interface MemberList {
  readonly revision: number;
  readonly members: readonly MemberRecord[];
}

/** A revisioned federation-wide setting. */
export interface Setting {
  readonly key: string;
  readonly value: string;
  /** Revision of the last write to this key. */
  readonly revision: number;
}

/**
 * Where meshers find each other. One per mesher process, for one federation and one node. Every call rejects with
 * `registry-unavailable` (MeshError) when the registry does not answer within the client's time-out; the client
 * reconnects by itself, for ever, with capped back-off. Nothing here is a lock: writes are fenced by revision.
 */
export interface Registry {
  /** The address in words fit for logs (no passwords). */
  readonly address: string;
  /** A number greater than any that this call ever returned for this federation, to any node. */
  nextRevision(): Promise<number>;
  /**
   * Puts the record under a lease of `ttlMs` that the client keeps alive (apart from the event loop), replacing any
   * of the same node. A lease that was lost is replaced, and the record put again, without being asked.
   */
  register(record: MemberRecord): Promise<void>;
  /** All members, read at one revision, from a quorum. */
  members(): Promise<MemberList>;
  /**
   * Calls `changed` soon after the member list may have changed, and after each reconnect. A hint only: it may be late,
   * repeated, or lost. Until `signal` aborts.
   */
  watch(changed: () => void, signal: AbortSignal): void;
  /** Takes the record away and gives the lease back. */
  deregister(): Promise<void>;
  getSetting(key: string): Promise<Setting | undefined>;
  listSettings(prefix: string): Promise<Setting[]>;
  /** Writes if the key's revision is still `expected` (0: the key must not exist). Undefined: it was not. */
  putSetting(key: string, value: string, expected: number): Promise<Setting | undefined>;
  /** Deletes if the key's revision is still `expected`; false: it was not. */
  deleteSetting(key: string, expected: number): Promise<boolean>;
  /** Deregisters nothing: the lease ends by itself. Releases sockets, timers and threads. */
  close(): Promise<void>;
}

// ───────────────────────────────────────────────────────────── network (node/net)

/** What the network tells the mesher. All calls are made from the event loop, one at a time. */
export interface NetworkEvents {
  /**
   * Both directions of the link stand and the peer's hello has come; `version` is what both ends speak (wire-version.ts). A link that
   * comes back calls this again.
   */
  linkUp(peer: NodeId, hello: { cluster: string; incarnation: number; version: number }): void;
  /** After linkUp only, once. `reason` is for people. */
  linkDown(peer: NodeId, reason: string): void;
  /** Messages that came in one read, in order. */
  messages(peer: NodeId, messages: readonly LinkMessage[]): void;
  /** Bytes that somebody gossiped on the route topic (checked for size only). */
  gossip(bytes: Uint8Array): void;
  /** A peer that is no member knocked: the member list may be stale. */
  stranger(peer: NodeId): void;
  /** The data stream to this peer takes more again after `sendData` said false. */
  drained(peer: NodeId): void;
  /** Something was refused (bad frame, oversized, wrong federation): counted by reason. */
  refused(peer: NodeId | undefined, reason: MessageRefusal): void;
}

export interface Network {
  /** Multiaddrs it listens on, after start, without the /p2p part. */
  readonly addresses: readonly string[];
  start(events: NetworkEvents): Promise<void>;
  /** Wanted links: dials until it stands, again after each fall, with capped back-off, until `disconnect`. */
  connect(peer: NodeId, addresses: readonly string[]): void;
  disconnect(peer: NodeId): void;
  /** Who may have a link: asked at each handshake. */
  allow(peers: ReadonlySet<NodeId>): void;
  /** Never waits behind data. Dropped when there is no link. */
  sendControl(peer: NodeId, message: ControlMessage): void;
  /** False: the stream is full, wait for `drained` before sending more (this one is taken all the same). */
  sendData(peer: NodeId, message: DataMessage): boolean;
  gossip(bytes: Uint8Array): void;
  stop(): Promise<void>;
}

// ───────────────────────────────────────────────────────────── front door (for bridges)

export type { Delivery, PublishResult, Settlement } from './delivery-types.ts';

/** Events as their publisher encoded them. */
export interface EncodedBatch {
  /** io.cloudevents.v1.CloudEventBatch; must not change afterwards. */
  readonly bytes: Uint8Array;
  /** In the order of the events, for all of them. The topic '' stands for each event's type with `.` as `/`. */
  readonly topics: readonly { readonly count: number; readonly topic: string }[];
}

export interface PublishOptions {
  readonly qos: 'durable' | 'best-effort';
  /** Topic for all events; undefined: each one's type with `.` as `/`. */
  readonly topic: string | undefined;
  /** Meshers that are to have durable events on disk; at most, and where it is left out: as many as the mesher is set to. */
  readonly replicas?: number;
}

/** A delivery as bridges get it: what cannot be decoded never comes this far. */
export interface DecodedDelivery extends Delivery {
  readonly content: CloudEvent;
}

/** One consumer of a subscription. Closed by either side; closing returns what is unsettled to the queue. */
export interface Session {
  /** Lets `count` more events come. */
  grant(count: number): void;
  close(): void;
}

/** A consumer takes events decoded, or as bytes that were checked to be a CloudEvent in the Protobuf format. */
export type SessionEvents = DecodedSessionEvents | EncodedSessionEvents;

export interface DecodedSessionEvents {
  deliver(deliveries: readonly DecodedDelivery[]): void;
  /** The subscription was deleted or the mesher stops. Not called after `close()`. */
  closed(reason: 'deleted' | 'replaced' | 'shutting-down'): void;
}

export interface EncodedSessionEvents extends Pick<DecodedSessionEvents, 'closed'> {
  deliverEncoded(deliveries: readonly Delivery[]): void;
}

/** `stale` are the very objects that were passed. */
export interface Settled {
  readonly settled: number;
  readonly stale: readonly Settlement[];
}

/** Of a request, as they came; a header that came several times is no context. */
export interface TraceHeaders {
  /** W3C Trace Context. */
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
  /** SkyWalking. */
  readonly sw8?: string | undefined;
}

/** How bridges carry trace contexts. There is none where tracing is off, and nothing is carried. Never throws. */
export interface TraceCarrier {
  /** The same events, or copies that have the request's context as attributes where they have none of their own. */
  adopt(events: readonly CloudEvent[], headers: TraceHeaders): readonly CloudEvent[];
  /** Headers that go out with a delivery. */
  headersFor(subscription: string, delivery: DecodedDelivery): Readonly<Record<string, string>>;
}

/**
 * The one way in for every bridge. Each call rejects with a MeshError. An event that came over a link and cannot be
 * decoded is rejected (a dead letter, counted as `undecodable`) or, where nothing is kept, dropped; no bridge sees it.
 */
export interface FrontDoor {
  readonly node: NodeId;
  readonly cluster: string;
  readonly federation: string;
  /** Validates, encodes, routes, commits: all events or none. Resolves when durable events are on disk. */
  publish(events: readonly CloudEvent[], options: PublishOptions): Promise<PublishResult[]>;
  /** As `publish`; the bytes of each event are checked, and stored as they are. The results are for `report` only, else empty. */
  publishEncoded(
    batch: EncodedBatch,
    options: Omit<PublishOptions, 'topic'> & { readonly report: boolean },
  ): Promise<PublishResult[]>;
  /** Makes or replaces; resolves when it is on disk and its interest is announced. */
  putSubscription(subscription: Subscription): Promise<{ created: boolean; state: SubscriptionState }>;
  deleteSubscription(name: string): Promise<void>;
  subscription(name: string): SubscriptionState | undefined;
  /**
   * What a subscription that was made on the mesher `madeOn` under this name is called here. Throws `subscription-elsewhere` where
   * another mesher has it, `not-ready` where that cannot be known yet (core/whereabouts.ts).
   */
  nameHere(name: string, madeOn: NodeId): string;
  /** Other live meshers of this cluster, some of them where they are many; none while it serves no clients. Never throws. */
  neighbours(): readonly Neighbour[];
  subscriptions(): SubscriptionState[];
  /**
   * Opens a stream on a durable subscription. Deliveries stay unsettled, without time-out, while it is open.
   * `resumeAfter`: the token of the last delivery that an earlier stream's client is known to have: what that stream was
   * handed up to it, and nobody was handed since, is settled first. Nothing is where the mesher was started since, which
   * knows nothing of earlier streams.
   */
  attach(
    name: string,
    options: { credit: number; resumeAfter?: DeliveryToken },
    events: SessionEvents,
  ): Session;
  /** Opens an ephemeral subscription. Deliveries need no settling; when it lags, the oldest events are dropped. */
  attachEphemeral(topic: string, options: { credit: number; group?: string }, events: SessionEvents): Session;
  /** Waits up to `waitMs` for up to `max` events; they must be settled within the subscription's ack timeout. */
  pull(
    name: string,
    options: { max: number; waitMs: number; signal?: AbortSignal },
  ): Promise<DecodedDelivery[]>;
  /** Resolves when the settlements are on disk. Those with unknown or stale tokens are returned, the others still done. */
  settle(name: string, settlements: readonly Settlement[]): Promise<Settled>;
  /** Told of every subscription with a `sink` that appears, changes or goes, and of all at the time of the call. */
  watchSinks(
    listener: (name: string, subscription: Subscription | undefined) => void,
    signal: AbortSignal,
  ): void;
}
