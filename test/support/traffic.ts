// Load for end-to-end tests, and the record of what came of it: a publisher that repeats what was not acked (with the
// same id), consumers that pull and settle and go on through restarts, and a ledger that finds what was lost, came
// twice, or came out of order.
//
// Event `n` has id `e<n>` and ordering key `k<n % keys>`: within a key, numbers must rise.

import type { RunningMesher } from './federation.ts';
import { realEvents } from './real-events.ts';
import { PATIENCE_MS, until } from './until.ts';

const KEYS = 64;

interface Payloads {
  readonly source: string;
  readonly events: readonly Readonly<Record<string, unknown>>[];
}

function payloads(bytesMax: number): Payloads {
  const { source, lines } = realEvents();
  const small = lines.filter((line) => Buffer.byteLength(line) <= bytesMax);
  return { source, events: small.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

export class Publisher {
  readonly #payloads: Payloads;
  /** Numbers acked. */
  acked = 0;
  /** Requests repeated because their answer never came: their events may be there twice. */
  repeated = 0;

  /** `bytesMax`: larger events are left out. */
  constructor(bytesMax = Infinity) {
    this.#payloads = payloads(bytesMax);
  }

  get source(): string {
    return this.#payloads.source;
  }

  event(n: number): Record<string, unknown> {
    const { events } = this.#payloads;
    return { ...events[n % events.length], id: `e${n}`, partitionkey: `k${n % KEYS}` };
  }

  /** Publishes `count` events from number `from` on, in batches, one after another; `target` may change between them. */
  async publish(
    target: () => RunningMesher,
    from: number,
    count: number,
    { batch = 250, pace }: { batch?: number; pace?: (done: number) => Promise<void> } = {},
  ): Promise<void> {
    for (let at = from; at < from + count; at += batch) {
      const events = Array.from({ length: Math.min(batch, from + count - at) }, (_, i) => this.event(at + i));
      await this.#send(target, JSON.stringify(events), events.length);
      await pace?.(at + events.length - from);
    }
  }

  async #send(target: () => RunningMesher, body: string, count: number): Promise<void> {
    const deadline = performance.now() + 3 * PATIENCE_MS;
    while (performance.now() < deadline) {
      try {
        const response = await fetch(`${target().http}/v1/events?topic=e2e/events`, {
          method: 'POST',
          headers: { 'content-type': 'application/cloudevents-batch+json' },
          body,
        });
        const text = await response.text();
        if (response.status === 202) {
          this.acked += count;
          return;
        }
        if (text.includes('"code":"storage-failed"'))
          this.repeated += count; // what is on the disk of a mesher that ends so nobody knows
        else if (response.status !== 503) throw new Error(`publish: ${response.status} ${text}`);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        // refused: nothing was sent; else the connection broke, and whether the batch was taken is in doubt
        if ((error.cause as NodeJS.ErrnoException | undefined)?.code !== 'ECONNREFUSED')
          this.repeated += count;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`publish: not acked within ${(3 * PATIENCE_MS) / 60_000} minutes`);
  }
}

/** What one subscription got. */
export class Ledger {
  readonly name: string;
  readonly #seen: Uint8Array;
  readonly #lastOfKey = new Map<number, number>();
  received = 0;
  duplicates = 0;
  outOfOrder = 0;

  constructor(name: string, events: number) {
    this.name = name;
    this.#seen = new Uint8Array(events);
  }

  take(id: string): void {
    const n = Number(id.slice(1));
    this.received++;
    if (this.#seen[n]) {
      this.duplicates++;
      return;
    }
    this.#seen[n] = 1;
    const key = n % KEYS;
    if ((this.#lastOfKey.get(key) ?? -1) > n) this.outOfOrder++;
    this.#lastOfKey.set(key, Math.max(n, this.#lastOfKey.get(key) ?? -1));
  }

  get distinct(): number {
    return this.received - this.duplicates;
  }

  /** Numbers below `published` that never came, the first few. */
  missing(published: number): number[] {
    const missing: number[] = [];
    for (let n = 0; n < published && missing.length < 10; n++) if (!this.#seen[n]) missing.push(n);
    return missing;
  }
}

/** Waits for deliveries, as long as any are still coming. */
export async function untilTaken(
  what: string,
  ledgers: readonly Ledger[],
  check: () => Promise<boolean> | boolean,
): Promise<void> {
  await until(what, check, {
    progress: () => ledgers.reduce((sum, ledger) => sum + ledger.received, 0),
  });
}

interface Pulled {
  readonly events: readonly {
    readonly event: { readonly id: string };
    readonly token: string;
    readonly attempt: number;
  }[];
}

/** Pulls and settles until stopped; a mesher that is away is asked again. Each event is taken down once it is settled or in doubt. */
export class Consumer {
  readonly #mesher: RunningMesher;
  readonly #subscription: string;
  readonly #ledgers: readonly Ledger[];
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  /** Deliveries whose settlement was not confirmed: they may come again. */
  inDoubt = 0;

  constructor(mesher: RunningMesher, subscription: string, ...ledgers: readonly Ledger[]) {
    this.#mesher = mesher;
    this.#subscription = subscription;
    this.#ledgers = ledgers;
    this.#done = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const pulled = await this.#post<Pulled>('pull', { max: 1000, waitMs: 1000 });
      if (!pulled) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        continue;
      }
      if (pulled.events.length === 0) continue;
      for (const { event } of pulled.events) for (const ledger of this.#ledgers) ledger.take(event.id);
      const settled = await this.#post<{ stale: readonly string[] }>('settle', {
        ack: pulled.events.map(({ token }) => token),
      });
      // stale: settled too late on a slow machine, or held by a process that was killed
      this.inDoubt += settled ? settled.stale.length : pulled.events.length;
    }
  }

  async #post<T>(what: string, body: object): Promise<T | undefined> {
    try {
      const response = await fetch(`${this.#mesher.http}/v1/subscriptions/${this.#subscription}/${what}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(PATIENCE_MS)]),
      });
      const text = await response.text();
      return response.ok ? (JSON.parse(text) as T) : undefined;
    } catch {
      return undefined; // the mesher is away, or we stop
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}
