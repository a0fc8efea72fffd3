// Publishes at a steady rate to one mesher, one batch after another: a batch without a definite answer is sent again with
// the same ids until it is acked, so within a key events are always offered in order. What is behind its time after an
// outage is not made up for.

import { setTimeout as sleep } from 'node:timers/promises';
import { eventOf, TOPIC } from './events.ts';
import type { History } from './history.ts';

/** Longer than any healthy mesher takes; a paused one is asked again meanwhile, which puts the batch in doubt. */
const ANSWER_MS = 8_000;
const RETRY_PAUSE_MS = 100;
const BATCHES_PER_SECOND = 5;

export interface PublisherOptions {
  readonly name: string;
  readonly url: string;
  /** Events per second. */
  readonly rate: number;
}

export class SteadyPublisher {
  readonly name: string;
  readonly #url: string;
  readonly #batch: number;
  readonly #history: History;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  /** Events acked; every number below has been. */
  acked = 0;

  constructor({ name, url, rate }: PublisherOptions, history: History) {
    this.name = name;
    this.#url = url;
    this.#batch = Math.max(1, Math.round(rate / BATCHES_PER_SECOND));
    this.#history = history;
    this.#done = this.#run();
  }

  async #run(): Promise<void> {
    let due = performance.now();
    while (!this.#stop.signal.aborted) {
      await this.#publish(this.acked);
      this.acked += this.#batch;
      const now = performance.now();
      due = Math.max(due + 1000 / BATCHES_PER_SECOND, now);
      await sleep(due - now, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  /** Resolves when the batch is acked, also where that takes longer than the run: an attempt must get its answer. */
  async #publish(first: number): Promise<void> {
    const { name: publisher } = this;
    const events = Array.from({ length: this.#batch }, (_, i) => eventOf(publisher, first + i));
    const body = JSON.stringify(events);
    for (let attempt = 1; ; attempt++) {
      this.#history.write({ op: 'publish', publisher, first, count: this.#batch, attempt });
      const [op, why] = await this.#post(body);
      this.#history.write({ op, publisher, first, attempt, ...(why !== '' && { why }) });
      if (op === 'acked') return;
      await sleep(RETRY_PAUSE_MS);
    }
  }

  async #post(body: string): Promise<readonly ['acked' | 'refused' | 'unknown', string]> {
    try {
      const response = await fetch(`${this.#url}/v1/events?topic=${TOPIC}`, {
        method: 'POST',
        headers: { 'content-type': 'application/cloudevents-batch+json' },
        body,
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const text = await response.text();
      if (response.status === 202) return ['acked', ''];
      const why = `${response.status} ${text}`.slice(0, 300);
      // refused before it was taken; a write that failed (500) may be on disk nevertheless
      return [response.status === 503 || response.status === 507 ? 'refused' : 'unknown', why];
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      const code =
        cause instanceof Error && 'code' in cause && typeof cause.code === 'string'
          ? cause.code
          : String(cause);
      return [code === 'ECONNREFUSED' ? 'refused' : 'unknown', code];
    }
  }

  /** After the batch that is under way is acked. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}
