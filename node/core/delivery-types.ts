// Values that pass between the core and the bridges when events go in and out.

import type { DeliveryToken } from './delivery-token.ts';
import type { StoredEvent } from './event.ts';

/** Where one published event was sent; what is told to its publisher. */
export interface PublishResult {
  readonly source: string;
  readonly id: string;
  readonly origin: string;
  readonly sequence: number;
  readonly destinations: Destinations;
}

export interface Destinations {
  /** Subscriptions (durable and ephemeral) on this mesher. */
  readonly subscriptions: number;
  /** Other meshers of this cluster, by node id. */
  readonly meshers: readonly string[];
  /** Remote clusters, by name. */
  readonly clusters: readonly string[];
}

/** One event handed to one consumer. */
export interface Delivery {
  readonly event: StoredEvent;
  /** Settles it; NO_TOKEN for ephemeral subscriptions. */
  readonly token: DeliveryToken;
  /** 1 for the first delivery. */
  readonly attempt: number;
}

export type Settlement =
  | { readonly kind: 'ack'; readonly token: DeliveryToken }
  | { readonly kind: 'retry'; readonly token: DeliveryToken; readonly delayMs: number | undefined }
  | {
      readonly kind: 'reject';
      readonly token: DeliveryToken;
      readonly reason: string;
      /** The front door could not decode it: counted apart from what consumers reject. */
      readonly undecodable?: true;
    };
