// What users of the client see, apart from `connect` and CausewayError. Times are in ms, sizes in bytes of UTF-8 or Protobuf.
// It names no type of the mesher's own: those bring Buffer, and with it the types of Node, into every project that uses the client.
// That both mean the same is checked by test/unit/sdk/types.test.ts.

import type { CausewayError } from './errors.ts';

/**
 * A CloudEvent 1.0 as a plain object, in the shape of the CloudEvents JavaScript SDK, whose instances are taken too. All
 * members beside those named here are extension attributes (`[a-z0-9]+`: text, boolean, 32-bit integer, bytes or Date).
 *
 * `data` is any JSON value where `datacontenttype` is JSON or absent; text where it is anything else; bytes
 * (an ArrayBuffer or a view of one) in any case.
 */
export interface EventInput {
  /** A random UUID where it is left out. */
  readonly id?: string | undefined;
  readonly source: string;
  readonly type: string;
  readonly specversion?: string | undefined;
  /** RFC 3339, or a Date. Left out: the event has none. */
  readonly time?: string | Date | undefined;
  readonly datacontenttype?: string | undefined;
  readonly dataschema?: string | undefined;
  readonly subject?: string | undefined;
  readonly data?: unknown;
  /** In place of `data`. */
  readonly data_base64?: string | undefined;
  readonly [extension: string]: unknown;
}

/** A CloudEvent as it is delivered: `data` is parsed JSON, text or a Uint8Array. */
export interface MeshEvent {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly time?: string;
  readonly datacontenttype?: string;
  readonly dataschema?: string;
  readonly subject?: string;
  readonly data?: unknown;
  readonly [extension: string]: unknown;
}

export interface PublishOptions {
  /** Of all events of the call. Left out: each event's type with `.` as `/`. */
  readonly topic?: string;
  /** `durable` (the default): the promise waits for the mesher's disk. `best-effort`: for its memory. */
  readonly qos?: 'durable' | 'best-effort';
  /**
   * Meshers of the cluster that are to have the event on disk before the promise resolves: 1 to 5; at most, and where it is left out, as
   * many as the mesher is set to. What takes no `not-enough-replicas` asks for 1.
   */
  readonly replicas?: number;
  /** Whether the promise is to bring a report for each event. */
  readonly report?: boolean;
}

/** Where an event went, as `POST /v1/events` answers it. */
export interface PublishReport {
  readonly source: string;
  readonly id: string;
  /** The mesher that took it. */
  readonly origin: string;
  /** Its number there. */
  readonly sequence: number;
  readonly destinations: {
    /** Subscriptions (durable and ephemeral) on this mesher. */
    readonly subscriptions: number;
    /** Other meshers of this cluster, by node id. */
    readonly meshers: readonly string[];
    /** Remote clusters, by name. */
    readonly clusters: readonly string[];
  };
}

/** How a durable subscription is delivered; the HTTP API's description (`/docs`) has the defaults. */
export interface DeliverySettings {
  /** How long a delivered event may stay unsettled before it is delivered again, ms. */
  readonly ackTimeoutMs: number;
  /** Deliveries after the first before the event goes to the dead-letter topic. */
  readonly retries: number;
  /** Wait before the first retry, ms; doubles each time up to one minute; jitter takes up to half of it. */
  readonly backoffMs: number;
  /** Events delivered and not yet settled, over all sessions of this subscription. */
  readonly maxInFlight: number;
  /** Events with the same ordering key are delivered one after the other's settlement. */
  readonly ordered: boolean;
  /** Where rejected events go; where none is named, and where nobody listens there, they are kept in `$dead-letters`. */
  readonly deadLetterTopic: string | undefined;
  /** Events the queue may hold; undefined: as many as the disk takes. */
  readonly queueEventsMax: number | undefined;
  /** What happens to events beyond `queueEventsMax`. */
  readonly whenFull: 'drop-oldest' | 'drop-newest';
}

export interface SubscribeOptions {
  /** Of a durable subscription. Left out: an ephemeral one, which lives as long as this connection. */
  readonly name?: string;
  /**
   * A topic filter. With a name: the subscription is made, or replaced where it is not as asked for here. A name alone
   * needs one that is there.
   */
  readonly topic?: string;
  /**
   * Beside a name: the mesher where the subscription was made, as `Subscription.madeOn` said in an earlier life of this program. It is then
   * found wherever it lives by now, and no second one is made. Left out: it is that of the mesher that the client is connected with first.
   */
  readonly madeOn?: string;
  /** Shares the events with all other members of the group. With a name, only beside `topic`. */
  readonly group?: string;
  /** Settings of the durable subscription that is to be made, beside `topic`; those left out are the mesher's defaults. */
  readonly delivery?: Partial<DeliverySettings>;
  /**
   * How many deliveries may be here and not settled (ephemeral: not taken): what bounds memory, and what a mesher sends
   * ahead. 1 to 65,536; 4,096 where it is left out. A loop that settles only after more than these waits for ever; so
   * does one that settles only after more than 1,000 of more than 64 MiB in all (a mesher's `limits.inFlightBytesMax`).
   */
  readonly credit?: number;
}

/** Why an event became a dead letter. */
export interface DeadLetter {
  /** That gave it up. */
  readonly subscription: string;
  readonly reason: string;
  /** Deliveries that it had. */
  readonly attempts: number;
  /** Its topic before. */
  readonly topic: string;
}

/**
 * One event, handed to this consumer, which settles it: by `ack`, `retry` or `reject`, in any order, once. What is not settled stays the
 * consumer's, over lost connections too, until its subscription is closed; then it is delivered again.
 */
export interface Delivery {
  /** Decoded when it is first asked for. Throws `invalid-event` for what only another client could have published. */
  readonly event: MeshEvent;
  /** The event in the CloudEvents Protobuf format: what `publish` takes as it is. Must not be changed. */
  readonly bytes: Uint8Array;
  readonly topic: string;
  /** 1 for the first delivery. */
  readonly attempt: number;
  /** The mesher that took the event from its publisher, its number there, and the clusters it came through. */
  readonly origin: {
    readonly node: string;
    readonly incarnation: number;
    readonly sequence: number;
    readonly clusters: readonly string[];
  };
  /** When it was taken, by the clock of its origin: ms since 1970. */
  readonly acceptedAt: number;
  /** Of a dead letter: why it is one. */
  readonly deadLetter: DeadLetter | undefined;
  /** Done with. Goes out with all others of this turn of the event loop; `Subscription.settled` waits for its answer. */
  ack(): void;
  /** Delivers it again, after `delayMs`, or after the subscription's back-off. Not for ephemeral subscriptions. */
  retry(options?: { readonly delayMs?: number }): void;
  /** Never again: it goes to the dead letters, with this reason. Not for ephemeral subscriptions. */
  reject(reason?: string): void;
}

/**
 * Deliveries, one by one (`for await (const delivery of subscription)`) or as they come (`batches`). For one consumer:
 * leaving the loop closes it. A loop ends when it is closed, and throws when the mesher ended it for good (deleted, refused).
 */
export interface Subscription extends AsyncIterable<Delivery> {
  /** Of a durable subscription, soon after it is open: the mesher where it was made, by which it is found should that one be lost. */
  readonly madeOn: string | undefined;
  /** Arrays of deliveries, none empty, as many as came in one message: faster than one by one. */
  batches(): AsyncIterable<readonly Delivery[]>;
  /** Resolves when the mesher has it open: it gets what is published from then on. Rejects where it ends before. */
  opened(): Promise<void>;
  /** Resolves when all that was settled so far is on the mesher's disk, or is known to come again. */
  settled(): Promise<void>;
  /** Settles what was settled here, bounded by `closeTimeoutMs`, gives back the rest and ends the loop. Never rejects. */
  close(): Promise<void>;
}

/** Who the client is connected with. */
export interface MesherInfo {
  readonly address: string;
  readonly node: string;
  readonly cluster: string;
  readonly federation: string;
  readonly version: string;
}

export interface Mesh {
  /** Undefined while there is no connection. */
  readonly mesher: MesherInfo | undefined;
  /** Events that were sent again because the connection was lost before their answer came: a mesher may have them twice. */
  readonly inDoubt: number;

  /**
   * Publishes an event, or several of which all are taken or none. Resolves when they are on the mesher's disk (best-effort:
   * in its memory). A Uint8Array is an event in the CloudEvents Protobuf format, as `encodeEvent` or `Delivery.bytes` give it.
   *
   * Many may be under way; events are taken in the order of the calls. Calls made in one turn of the event loop, or while
   * as much as the mesher allows is unanswered, travel together. What waits is bounded: above `waitingBytesMax` a call
   * rejects with `overloaded`, so a producer that does not await each call awaits `ready()` now and then.
   *
   * What the mesher cannot take now (`retryable`), and what was unanswered when the connection was lost, is sent again, in
   * order, until `publishTimeoutMs`. A call refused for the moment may be taken after a later one that was
   * already on its way; with `batchesInFlightMax: 1` order holds even then. Rejects with CausewayError.
   */
  publish(
    events: EventInput | Uint8Array | readonly (EventInput | Uint8Array)[],
    options: PublishOptions & { readonly report: true },
  ): Promise<readonly PublishReport[]>;
  publish(
    events: EventInput | Uint8Array | readonly (EventInput | Uint8Array)[],
    options?: PublishOptions,
  ): Promise<void>;

  /** Resolves at once while less than a full message waits to be sent, else when that is so again. */
  ready(): Promise<void>;

  /** Opens at once. Throws `invalid-request` for options that contradict each other. */
  subscribe(options: SubscribeOptions): Subscription;

  /**
   * Told of each connection that stands, and of each that is lost, with why. Returns how to be told no more. What a listener
   * throws becomes a `warning` of the process, and changes nothing else.
   */
  on(change: 'up', listener: (mesher: MesherInfo) => void): () => void;
  on(change: 'down', listener: (error: CausewayError) => void): () => void;
  /** Told of what a mesher refused for the moment (events, settlements, a subscription), and is asked again by itself. */
  on(change: 'refused', listener: (error: CausewayError) => void): () => void;

  /**
   * Takes nothing more, waits for what is under way, closes subscriptions and the connection. Bounded by `closeTimeoutMs`:
   * publishes that have no answer by then reject. Never rejects.
   */
  close(): Promise<void>;
}

export interface ConnectOptions {
  /** `connect` tries all addresses, again and again, for so long; 0 (the default): each of them once. */
  readonly connectTimeoutMs?: number;
  /** A publish that was not taken for so long rejects. 60,000 by default. */
  readonly publishTimeoutMs?: number;
  /** What `close` waits for answers. 10,000 by default. */
  readonly closeTimeoutMs?: number;
  /** Bytes of events that are published and wait to be sent. Above: `overloaded`. 64 MiB by default. */
  readonly waitingBytesMax?: number;
  /** Messages with events under way at once, beside the bytes that the mesher allows. 1,000 by default. */
  readonly batchesInFlightMax?: number;
  /** Ends the attempt to connect. */
  readonly signal?: AbortSignal;
}
