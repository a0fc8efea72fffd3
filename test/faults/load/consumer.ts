// Pulls from one durable subscription and settles, one request at a time, for as long as the run lasts. Everything that
// comes is written to the history before it is settled. Where a mesher does not know the subscription, another of the cluster has
// taken it over, or will.

import { setTimeout as sleep } from 'node:timers/promises';
import { type FaultEvent, recognise } from './events.ts';
import type { History, Place, Received } from './history.ts';

const ANSWER_MS = 8_000;
const WAIT_MS = 2_000;
const RETRY_PAUSE_MS = 100;
const EVENTS_MAX = 500;

interface Pulled {
  readonly events: readonly {
    readonly event: FaultEvent;
    readonly token: string;
    readonly attempt: number;
    readonly origin: string;
    readonly sequence: number;
  }[];
}

/** Which events have come: to one subscription, or to any of a group's. */
export class Seen {
  readonly #numbers = new Map<string, Set<number>>();

  take(publisher: string, n: number): void {
    const numbers = this.#numbers.get(publisher) ?? new Set();
    this.#numbers.set(publisher, numbers.add(n));
  }

  /** How many of a publisher's first `count` have not come. */
  missing(publisher: string, count: number): number {
    return count - (this.#numbers.get(publisher)?.size ?? 0);
  }
}

export class PullingConsumer {
  readonly subscriber: string;
  readonly #urls: readonly string[];
  /** Of the mesher that knew it last. */
  #at = 0;
  readonly #history: History;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  readonly #seen: Seen;
  received = 0;

  /** `urls`: where it was made first, then the others of the cluster. */
  constructor(subscriber: string, urls: readonly string[], seen: Seen, history: History) {
    this.#seen = seen;
    this.subscriber = subscriber;
    this.#urls = urls;
    this.#history = history;
    this.#done = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const pulled = await this.#ask<Pulled>('pull', { max: EVENTS_MAX, waitMs: WAIT_MS });
      if (typeof pulled === 'string') {
        await sleep(RETRY_PAUSE_MS);
        continue;
      }
      if (pulled.events.length === 0) continue;
      this.#take(pulled);
      await this.#settle(pulled.events.map(({ token }) => token));
    }
  }

  #take(pulled: Pulled): void {
    const { subscriber } = this;
    const events: Received[] = [];
    for (const { event, token, attempt, origin, sequence } of pulled.events) {
      const known = recognise(event);
      if (known === undefined) {
        const facts = `${subscriber} got an event that nobody published: ${JSON.stringify(event).slice(0, 300)}`;
        this.#history.write({ op: 'broken', promise: 'nothing unexpected', facts });
        continue;
      }
      const [publisher, n, same] = known;
      events.push([publisher, n, placeOf(token), attempt, origin, sequence, same]);
      this.#seen.take(publisher, n);
      this.received++;
    }
    this.#history.write({ op: 'delivered', subscriber, events });
  }

  async #settle(tokens: readonly string[]): Promise<void> {
    const { subscriber } = this;
    this.#history.write({ op: 'settle', subscriber, places: tokens.map(placeOf) });
    const settled = await this.#ask<{ readonly stale: readonly string[] }>('settle', { ack: tokens });
    if (typeof settled === 'string') this.#history.write({ op: 'unsettled', subscriber, why: settled });
    else this.#history.write({ op: 'settled', subscriber, stale: settled.stale.map(placeOf) });
  }

  /** Why there is no answer, as text: the mesher is away, which is a part of the run. */
  async #ask<T>(what: string, body: object): Promise<T | string> {
    try {
      const response = await fetch(`${this.#urls[this.#at]}/v1/subscriptions/${this.subscriber}/${what}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const text = await response.text();
      if (response.status === 404) this.#at = (this.#at + 1) % this.#urls.length;
      return response.ok ? (JSON.parse(text) as T) : `${response.status} ${text}`.slice(0, 300);
    } catch (error) {
      return String(error instanceof Error && error.cause !== undefined ? error.cause : error);
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}

function placeOf(token: string): Place {
  return token.split('.', 3).join('.');
}
