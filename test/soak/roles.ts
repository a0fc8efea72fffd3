// The ends of a soak, each in a process of its own: publishers that keep to a rate, and a durable subscriber. Each publisher
// numbers its events from 0; on the wire stands `publisher × NUMBERS_EACH + number`, in the digits that an event's id has.

export const TOPIC = 'soak/events';
export const SUBSCRIPTION = 'soak';
/** More than any soak publishes; a hundred publishers fit the twelve digits of an id. */
export const NUMBERS_EACH = 1e10;

export interface PublisherRole {
  open(options: {
    readonly address: string;
    readonly payloadBytes: number;
    /** Which publisher it is, from 0. */
    readonly which: number;
  }): Promise<void>;
  /** As fast as it goes, for so long. Resolves with how many there are in all when each has its ack. */
  fill(load: { readonly seconds: number }): Promise<number>;
  /** Events per second from now on, until `stop`. */
  start(options: { readonly ratePerS: number }): void;
  /** Resolves with how many there are in all when each has its ack; rejects when one was not taken. */
  stop(nothing: undefined): Promise<number>;
  progress(nothing: undefined): PublisherProgress;
}

export interface PublisherProgress {
  readonly acked: number;
  /** Sent again after a connection was lost: the mesher may have them twice. */
  readonly inDoubt: number;
}

export interface SubscriberRole {
  open(options: { readonly address: string; readonly publishers: number }): Promise<void>;
  progress(nothing: undefined): SubscriberProgress;
  /** For people: what of the first `published[i]` numbers of publisher `i` has not come. Throws for a number that nobody published. */
  missing(published: readonly number[]): { readonly count: number; readonly facts: string };
  /** Resolves when the mesher has confirmed all acks. */
  settled(nothing: undefined): Promise<void>;
}

export interface SubscriberProgress {
  /** Different events. */
  readonly received: number;
  readonly duplicates: number;
  /** Deliveries that the mesher itself called further attempts. */
  readonly redelivered: number;
}
