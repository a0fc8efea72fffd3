// Publishes batches of structured CloudEvents, a bounded number of requests at a time, and tries again what the mesher
// says it could take later. With one request at a time the order of the input is kept.
// At least once: a batch whose answer was lost is sent again with the same ids, and counted in doubt.

import { setTimeout as sleep } from 'node:timers/promises';
import { MeshError } from '../core/errors.ts';
import { asArray, asObject } from './api.ts';
import type { Api } from './api.ts';

export interface PublishedEvent {
  readonly source: string;
  readonly id: string;
  readonly origin: string;
  readonly sequence: number;
  readonly destinations: {
    readonly subscriptions: number;
    readonly meshers: readonly string[];
    readonly clusters: readonly string[];
  };
}

export interface PublisherOptions {
  readonly topic: string | undefined;
  readonly qos: 'durable' | 'best-effort';
  /** Requests under way at once. */
  readonly parallel: number;
  /** Gives up when nothing was taken for this long, ms. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  readonly published: (results: readonly PublishedEvent[]) => void | Promise<void>;
  /** Told before each wait. */
  readonly waiting?: (error: MeshError, waitMs: number) => void;
}

// Well under every limit a mesher has by default, and large enough that the fsync of each batch does not show.
const batchEventsMax = 1_000;
const batchCharactersMax = 512 * 1024;
const firstWaitMs = 200;
const longestWaitMs = 5_000;

export class Publisher {
  /** Events in batches whose answer was lost, so that they may have been taken twice. */
  inDoubt = 0;
  readonly #api: Api;
  readonly #options: PublisherOptions;
  readonly #path: string;
  #underWay = new Set<Promise<void>>();
  #failure: Error | undefined;

  constructor(api: Api, options: PublisherOptions) {
    this.#api = api;
    this.#options = options;
    this.#path =
      options.topic === undefined ? '/v1/events' : `/v1/events?topic=${encodeURIComponent(options.topic)}`;
  }

  /** Resolves when there is room for more. Rejects with the first failure of this or an earlier batch. */
  async publish(events: readonly string[]): Promise<void> {
    for (const batch of batches(events)) {
      while (this.#underWay.size >= this.#options.parallel) await Promise.race(this.#underWay);
      this.#throwFailure();
      const work = this.#send(batch)
        .catch((error: unknown) => {
          this.#failure ??= error instanceof Error ? error : new Error(String(error));
        })
        .finally(() => this.#underWay.delete(work));
      this.#underWay.add(work);
    }
  }

  /** Resolves when all is taken. */
  async flush(): Promise<void> {
    await Promise.all(this.#underWay);
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #send(batch: readonly string[]): Promise<void> {
    const { signal, patienceMs, waiting, qos } = this.#options;
    const deadline = performance.now() + patienceMs;
    let doubted = false;
    for (let waitMs = firstWaitMs; ; waitMs = Math.min(longestWaitMs, waitMs * 2)) {
      try {
        const body = await this.#api.send('POST', this.#path, {
          body: `[${batch.join(',')}]`,
          headers: { 'content-type': 'application/cloudevents-batch+json', 'causeway-qos': qos },
          signal,
        });
        await this.#options.published(readResults(body));
        return;
      } catch (error) {
        if (!(error instanceof MeshError) || !error.facts.retryable || signal.aborted) throw error;
        if (error.code === 'mesher-unreachable' && error.details['reason'] !== 'ECONNREFUSED' && !doubted) {
          doubted = true;
          this.inDoubt += batch.length;
        }
        const asked = error.details['retryAfterMs'];
        const wait = typeof asked === 'number' ? asked : waitMs;
        if (performance.now() + wait > deadline) throw error;
        waiting?.(error, wait);
        await sleep(wait, undefined, { signal });
      }
    }
  }
}

function* batches(events: readonly string[]): Generator<readonly string[]> {
  let batch: string[] = [];
  let characters = 0;
  for (const event of events) {
    if (
      batch.length >= batchEventsMax ||
      (batch.length > 0 && characters + event.length > batchCharactersMax)
    ) {
      yield batch;
      batch = [];
      characters = 0;
    }
    batch.push(event);
    characters += event.length;
  }
  if (batch.length > 0) yield batch;
}

/** One result per event, in order. */
function readResults(body: unknown): PublishedEvent[] {
  const results = Array.isArray(body) ? asArray(body) : asArray(asObject(body)?.['events']);
  return results.map((result) => {
    const { source, id, origin, sequence, destinations } = asObject(result) ?? {};
    const { subscriptions, meshers, clusters } = asObject(destinations) ?? {};
    return {
      source: String(source),
      id: String(id),
      origin: String(origin),
      sequence: Number(sequence),
      destinations: {
        subscriptions: Number(subscriptions ?? 0),
        meshers: asArray(meshers).map(String),
        clusters: asArray(clusters).map(String),
      },
    };
  });
}
