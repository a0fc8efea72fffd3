// Settles for a stream whose client does not: in order, once events have left this process, and always keeping the
// newest unsettled, since a client that comes back with Last-Event-ID may have got fewer than were sent.

import type { DeliveryToken } from '../../node/core/delivery-token.ts';
import type { Settlement } from '../../node/core/delivery-types.ts';

export class AutoSettler {
  readonly #keep: () => number;
  readonly #settle: (settlements: readonly Settlement[]) => Promise<unknown>;
  readonly #failed: (error: unknown) => void;
  #tokens: DeliveryToken[] = [];
  #status: 'idle' | 'settling' | 'stopped' = 'idle';

  constructor(
    keep: () => number,
    settle: (settlements: readonly Settlement[]) => Promise<unknown>,
    failed: (error: unknown) => void,
  ) {
    this.#keep = keep;
    this.#settle = settle;
    this.#failed = failed;
  }

  flushed(tokens: readonly DeliveryToken[]): void {
    this.#tokens.push(...tokens);
    this.trim();
  }

  /** Settles all but the newest that are kept. What comes while one settling is on its way goes with the next. */
  trim(): void {
    if (this.#status !== 'idle' || this.#tokens.length === 0) return;
    const count = this.#tokens.length - this.#keep();
    if (count <= 0) return;
    this.#status = 'settling';
    const settlements = this.#tokens.splice(0, count).map((token): Settlement => ({ kind: 'ack', token }));
    this.#settle(settlements)
      .then(() => {
        if (this.#status === 'settling') this.#status = 'idle';
        this.trim();
      })
      .catch((error: unknown) => {
        this.stop();
        this.#failed(error);
      });
  }

  stop(): void {
    this.#status = 'stopped';
    this.#tokens = [];
  }
}
