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
  /**
   * By identity, in the order of their deliveries: a publisher that sent an event again has made two of it, and both may be in
   * hand.
   */
  readonly #memories = new Map<string, Memory[]>();
  readonly #countMax: number;
  #count = 0;
  #forgetAt = 0;

  /** Beyond `countMax` the oldest are forgotten: should they come again, the consumer gets them twice. */
  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  put(bytes: Uint8Array, memory: Memory, now: number): void {
    const identity = identityOf(bytes);
    if (identity === undefined) return;
    const memories = this.#memories.get(identity) ?? [];
    this.#memories.delete(identity); // so that it is the youngest
    this.#memories.set(identity, memories);
    memories.push(memory);
    this.#count++;
    this.#forgetAt = now + REMEMBERED_MS;
    if (this.#count <= this.#countMax) return;
    const [oldest] = this.#memories.keys();
    if (oldest !== undefined) this.#takeFirst(oldest);
  }

  #takeFirst(identity: string): Memory | undefined {
    const memories = this.#memories.get(identity);
    const first = memories?.shift();
    if (first !== undefined) this.#count--;
    if (memories?.length === 0) this.#memories.delete(identity);
    return first;
  }

  /** Whether there may be anything to take. */
  isEmpty(now: number): boolean {
    if (this.#count > 0 && now >= this.#forgetAt) this.clear();
    return this.#count === 0;
  }

  take(bytes: Uint8Array): Memory | undefined {
    const identity = identityOf(bytes);
    return identity === undefined ? undefined : this.#takeFirst(identity);
  }

  /** The consumer has settled what it held, while there is no stream to say so on. */
  settle(delivery: StreamDelivery, outcome: Outcome): void {
    const identity = identityOf(delivery.bytes);
    const memories = identity === undefined ? undefined : this.#memories.get(identity);
    const at = memories?.findIndex((memory) => 'held' in memory && memory.held === delivery) ?? -1;
    if (identity === undefined || memories === undefined || at < 0) return;
    if (outcome.kind !== 'retry') {
      memories[at] = { outcome };
      return;
    }
    memories.splice(at, 1);
    this.#count--;
    if (memories.length === 0) this.#memories.delete(identity);
  }

  clear(): void {
    this.#memories.clear();
    this.#count = 0;
  }
}
