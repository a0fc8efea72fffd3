// What a consumer has in hand, or was done with, when its stream was lost: the mesher delivers that again, as it was never
// told. By source and id it is known again, so that the consumer does not get it a second time.

import { identityOf } from './event.ts';
import type { StreamDelivery } from './delivery.ts';
import type { Outcome } from './settlements.ts';

/** Held: the consumer has it and will settle it. Else: what became of it. */
export type Memory = { readonly held: StreamDelivery } | { readonly outcome: Outcome };

/** Redeliveries come when the stream is open again, so what did not come by then was settled after all, or is another's. */
const REMEMBERED_MS = 10 * 60_000;

export class Remembered {
  readonly #memories = new Map<string, Memory>();
  readonly #countMax: number;
  #forgetAt = 0;

  /** Beyond `countMax` the oldest are forgotten: should they come again, the consumer gets them twice. */
  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  put(bytes: Uint8Array, memory: Memory, now: number): void {
    const identity = identityOf(bytes);
    if (identity === undefined) return;
    this.#memories.delete(identity); // so that it is the youngest
    this.#memories.set(identity, memory);
    this.#forgetAt = now + REMEMBERED_MS;
    if (this.#memories.size <= this.#countMax) return;
    const [oldest] = this.#memories.keys();
    if (oldest !== undefined) this.#memories.delete(oldest);
  }

  /** Whether there may be anything to take. */
  isEmpty(now: number): boolean {
    if (this.#memories.size > 0 && now >= this.#forgetAt) this.#memories.clear();
    return this.#memories.size === 0;
  }

  take(bytes: Uint8Array): Memory | undefined {
    const identity = identityOf(bytes);
    if (identity === undefined) return undefined;
    const memory = this.#memories.get(identity);
    this.#memories.delete(identity);
    return memory;
  }

  /** The consumer has settled what it held, while there is no stream to say so on. */
  settle(delivery: StreamDelivery, outcome: Outcome): void {
    const identity = identityOf(delivery.bytes);
    if (identity === undefined) return;
    const memory = this.#memories.get(identity);
    if (memory === undefined || !('held' in memory) || memory.held !== delivery) return;
    if (outcome.kind === 'retry') this.#memories.delete(identity);
    else this.#memories.set(identity, { outcome });
  }

  clear(): void {
    this.#memories.clear();
  }
}
