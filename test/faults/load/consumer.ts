// Pulls from one durable subscription and settles, one request at a time, for as long as the run lasts. Everything that
// comes is written to the history before it is settled. Where a mesher is away or does not know the subscription, another of the cluster
// may have taken it over: they are asked in turn.

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

/** Where a subscription may be. */
export interface Server {
  readonly url: string;
  /** Another after each loss: what a mesher calls a place is a place of its own. */
  readonly life: string;
}

export class PullingConsumer {
  readonly subscriber: string;
  readonly #servers: readonly Server[];
  /** The one that is asked. */
  #at = 0;
  readonly #history: History;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  readonly #seen: Seen;
  received = 0;

  /** `servers`: where it was made first, then the others of the cluster. */
  constructor(subscriber: string, servers: readonly Server[], seen: Seen, history: History) {
    this.#seen = seen;
    this.subscriber = subscriber;
    this.#servers = servers;
    this.#history = history;
    this.#done = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const { url, life } = this.#server;
      const pulled = await this.#ask<Pulled>(url, 'pull', { max: EVENTS_MAX, waitMs: WAIT_MS });
      if (typeof pulled === 'string') {
        await sleep(RETRY_PAUSE_MS);
        continue;
      }
      if (pulled.events.length === 0) continue;
      const placeOf = (token: string): Place => `${life}:${token.split('.', 3).join('.')}`;
      this.#take(pulled, placeOf);
      const tokens = pulled.events.map(({ token }) => token);
      await this.#settle(url, tokens, placeOf);
    }
  }

  get #server(): Server {
    const server = this.#servers[this.#at];
    if (!server) throw new Error(`${this.subscriber} has nobody to ask`);
    return server;
  }

  #take(pulled: Pulled, placeOf: (token: string) => Place): void {
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

  async #settle(url: string, tokens: readonly string[], placeOf: (token: string) => Place): Promise<void> {
    const { subscriber } = this;
    this.#history.write({ op: 'settle', subscriber, places: tokens.map(placeOf) });
    const settled = await this.#ask<{ readonly stale: readonly string[] }>(url, 'settle', {
      ack: tokens,
    });
    if (typeof settled === 'string') this.#history.write({ op: 'unsettled', subscriber, why: settled });
    else this.#history.write({ op: 'settled', subscriber, stale: settled.stale.map(placeOf) });
  }

  /** Why there is no answer, as text: the mesher is away, which is a part of the run. The next one is asked then. */
  async #ask<T>(url: string, what: string, body: object): Promise<T | string> {
    try {
      const response = await fetch(`${url}/v1/subscriptions/${this.subscriber}/${what}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const text = await response.text();
      if (response.ok) return JSON.parse(text) as T;
      this.#turn();
      return `${response.status} ${text}`.slice(0, 300);
    } catch (error) {
      this.#turn();
      return String(error instanceof Error && error.cause !== undefined ? error.cause : error);
    }
  }

  #turn(): void {
    this.#at = (this.#at + 1) % this.#servers.length;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}
