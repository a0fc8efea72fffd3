// The role of many subscribers in one process; the publisher is that of the latency scenario. Events are numbered over the whole run.

import type { Qos } from '../latency/roles.ts';

export interface SubscribersRole {
  /** Resolves when all of them are open. */
  open(options: SubscribersOptions): Promise<void>;
  /**
   * Resolves when every subscriber has all events below `upTo`, each once, and the mesher has confirmed every ack. Rejects
   * when nothing arrives any more and some are missing.
   */
  take(awaited: { readonly upTo: number }): Promise<void>;
}

export interface SubscribersOptions {
  /** Of the meshers: `each` subscribers at every one. */
  readonly addresses: readonly string[];
  readonly each: number;
  readonly qos: Qos;
}
