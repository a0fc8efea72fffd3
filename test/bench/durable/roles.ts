// The roles of durable publishing from one cluster to another, the same for Causeway and for its reference: a publisher that
// has many events under way, and a subscriber that acks each. Events are numbered from 0 over the whole run.

/** One end's connection. */
export interface OpenOptions {
  /** Of the server of its own cluster. */
  readonly address: string;
}

/** Event `n` gets topic `n % topics.length`; the first one gets the number `first`. Left out: one topic, from 0. */
export interface Numbering {
  readonly topics: readonly string[];
  readonly first: number;
}

export interface PublisherRole {
  open(options: OpenOptions & { readonly payloadBytes: number } & Partial<Numbering>): Promise<void>;
  /** Resolves when every event has its durable ack; rejects when one has none. */
  publish(load: Load): Promise<Published>;
}

export type Load = { readonly seconds: number } | { readonly count: number };

export interface Published {
  readonly count: number;
  /** Published since the start of the run: the number that the next one gets. */
  readonly upTo: number;
  /** By `monotonicUs`. */
  readonly startUs: number;
}

export interface SubscriberRole {
  open(options: OpenOptions): Promise<void>;
  /**
   * Resolves when all events below `upTo` arrived and the server has confirmed all acks. Rejects when nothing arrives any
   * more and some are missing.
   */
  take(awaited: { readonly upTo: number }): Promise<Taken>;
}

export interface Taken {
  /** Since the start of the run. */
  readonly duplicates: number;
  /** When the last ack was confirmed, by `monotonicUs`. */
  readonly endUs: number;
}
