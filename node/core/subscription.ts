// What a subscription is, and the defaults of its delivery settings. Parsing and validation of what users
// write is in `parseSubscription`; everything behind it may rely on the result.

export interface DeliverySettings {
  /** How long a delivered event may stay unsettled before it is delivered again, ms. */
  readonly ackTimeoutMs: number;
  /** Deliveries after the first before the event goes to the dead-letter topic. */
  readonly retries: number;
  /** Wait before the first retry, ms; doubles each time up to one minute, with jitter. */
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

export const DELIVERY_DEFAULTS: DeliverySettings = Object.freeze({
  ackTimeoutMs: 30_000,
  retries: 10,
  backoffMs: 1_000,
  maxInFlight: 1_000,
  ordered: false,
  deadLetterTopic: undefined,
  queueEventsMax: undefined,
  whenFull: 'drop-oldest',
});

/** A durable subscription: it has a name and a queue on disk. */
export interface Subscription {
  readonly name: string;
  readonly topic: string;
  /** Group name; undefined for none. */
  readonly group: string | undefined;
  /** Webhook address; undefined: events are streamed or pulled. */
  readonly sink: string | undefined;
  readonly delivery: DeliverySettings;
}

/** What is known of a subscription's queue at one moment. */
export interface SubscriptionState {
  readonly subscription: Subscription;
  /** Events on disk for it, delivered and unsettled ones included. */
  readonly depth: number;
  readonly inFlight: number;
  /** Open streams and waiting pulls. */
  readonly sessions: number;
  /** Wall clock at which the oldest event waiting was accepted, ms; 0: none waits, or it is not in memory. */
  readonly oldestAcceptedAt: number;
}

export const SUBSCRIPTION_NAME = /^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$/;
/** Holds dead letters for which no subscription exists. Reachable by pull and stream like any other. */
export const DEAD_LETTERS = '$dead-letters';
