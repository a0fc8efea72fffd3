// Publishes GitHub's webhook payloads into one cluster at a steady rate and takes them out of durable subscriptions in
// the others, counting honestly: every acked id is waited for, across restarts.

import { randomUUID } from 'node:crypto';
import { MeshError } from '../core/errors.ts';
import { hasAborted } from '../core/has-aborted.ts';
import { Api, asArray, asObject } from './api.ts';
import { cloudEventText, githubEvents } from './github-events.ts';
import { Latencies } from './latencies.ts';
import type { LocalMesher } from './local-federation.ts';
import { encodeJson, Publisher } from './publisher.ts';
import type { LedgerCounts, TrafficLedger } from './traffic-ledger.ts';
import { formatNumber } from './table.ts';
import { fetchRoutes } from './views.ts';
import { pause } from './waiting.ts';

const subscription = 'demo';
const topic = 'com/github/#';
const idPrefix = 'sample-';

const eventsPerSecond = 40;
const publishEveryMs = 25;
// After a stall at most this many are sent at once to catch up.
const catchUpMax = 100;
// Above, publishing waits: subscribers that far behind are not reached sooner by more events.
const inFlightMax = 10_000;
// Those who are away are owed no more: each is looked at with each batch.
const owedMax = 50_000;
const pullMax = 200;
// A pull is never cut off (what it was about to bring would come again later), so this is how long stopping takes.
const pullWaitMs = 500;
const retryPauseMs = 500;
const routesDeadlineMs = 30_000;
const drainDeadlineMs = 10_000;
const lastBatchDeadlineMs = 3_000;

export interface TrafficFigures extends LedgerCounts {
  readonly p50: number | undefined;
  readonly p99: number | undefined;
  /** Why nothing moves right now; '' while it does. */
  readonly trouble: string;
}

/** Which mesher events are published to, and where they are awaited. */
export function chooseRoles(meshers: readonly LocalMesher[]): {
  publisher: LocalMesher | undefined;
  consumers: readonly LocalMesher[];
} {
  const [publisher, ...others] = meshers;
  // One consumer for each other cluster; a federation of one cluster talks to itself.
  const firstOfCluster = others.filter(({ cluster }, index) => {
    return cluster !== publisher?.cluster && others.findIndex((other) => other.cluster === cluster) === index;
  });
  return {
    publisher,
    consumers: firstOfCluster.length > 0 || publisher === undefined ? firstOfCluster : [publisher],
  };
}

export class SampleTraffic {
  readonly #publisher: Api;
  readonly #consumers: readonly { cluster: string; api: Api }[];
  readonly #ledger: TrafficLedger;
  readonly #latencies = new Latencies();
  readonly #stopPublishing = new AbortController();
  readonly #stopConsuming = new AbortController();
  /** For a batch that a mesher does not take, long after publishing was to stop. */
  readonly #stopTrying = new AbortController();
  readonly #run = randomUUID().slice(0, 8);
  #work: Promise<unknown> = Promise.resolve();
  #publishing: Promise<void> = Promise.resolve();
  /** Who does not answer right now, and how; '' is the mesher that is published to, which may only be busy. */
  readonly #troubles = new Map<string, string>();
  /** The mesher that is published to cannot be reached: what it has is not lost, and does not arrive. */
  #isGone = false;
  /** Why nothing is published, where that is not the mesher's doing; '' while something is. */
  #pause = '';
  /** Since when those answer that had not, wall clock, ms. */
  readonly #answeringSince = new Map<string, number>();

  constructor(publisher: LocalMesher, consumers: readonly LocalMesher[], ledger: TrafficLedger) {
    this.#publisher = new Api(publisher.http);
    this.#consumers = consumers.map(({ cluster, http }) => ({ cluster, api: new Api(http) }));
    this.#ledger = ledger;
  }

  /** Subscribes, waits until the publisher's mesher knows of it, and sets both ends going. */
  async start(signal: AbortSignal): Promise<void> {
    const path = `/v1/subscriptions/${subscription}`;
    for (const { api } of this.#consumers) await api.put(path, { topic }, { signal });
    await this.#untilRouted(signal);
    this.#work = Promise.all(this.#consumers.map(({ cluster, api }) => this.#consume(cluster, api, path)));
    this.#work.catch(() => undefined); // stop() passes it on
    this.#publishing = this.#publish();
    this.#publishing.catch(() => undefined); // as above
  }

  figures(): TrafficFigures {
    const counts = this.#counts();
    const [p50, p99] = [this.#latencies.percentile(0.5), this.#latencies.percentile(0.99)];
    return {
      ...counts,
      p50,
      p99,
      trouble: [...this.#troubles.values(), this.#pause].filter((text) => text !== '').join(', '),
    };
  }

  /** What waits for somebody who does not answer is not lost. */
  #counts(): LedgerCounts {
    return this.#ledger.counts(wallMs(), (cluster) =>
      this.#isGone || this.#troubles.has(cluster) ? Infinity : (this.#answeringSince.get(cluster) ?? 0),
    );
  }

  /** What is on its way to those who answer. */
  #arriving(): number {
    if (this.#isGone) return 0;
    return this.#ledger.waitingFor((cluster) => !this.#troubles.has(cluster));
  }

  /** So many are on their way that more would not be reached sooner, or that those who are away are owed too many. */
  #isFull(): boolean {
    const { inFlight } = this.#counts();
    const isFull = inFlight > inFlightMax && (this.#arriving() > inFlightMax || inFlight > owedMax);
    this.#pause = isFull ? `publishing waits: ${formatNumber(inFlight)} are on their way` : '';
    return isFull;
  }

  #answers(name: string): void {
    if (this.#troubles.delete(name)) this.#answeringSince.set(name, wallMs());
  }

  /** Publishes no more, gives what is on its way some time to arrive, and stops. */
  async stop(): Promise<void> {
    this.#stopPublishing.abort();
    const giveUp = setTimeout(() => this.#stopTrying.abort(), lastBatchDeadlineMs);
    await this.#publishing.finally(() => clearTimeout(giveUp));
    const deadline = performance.now() + drainDeadlineMs;
    while (this.#arriving() > 0 && performance.now() < deadline) {
      await pause(50, this.#stopConsuming.signal);
    }
    this.#stopConsuming.abort();
    await this.#work;
  }

  async #untilRouted(signal: AbortSignal): Promise<void> {
    const [example] = githubEvents();
    const path = (example?.type ?? '').replaceAll('.', '/');
    const deadline = performance.now() + routesDeadlineMs;
    for (; !signal.aborted; await pause(50, signal)) {
      const { destinations, subscriptions } = await fetchRoutes(this.#publisher, path, signal);
      const reached = destinations.length + (subscriptions.length > 0 ? 1 : 0);
      if (reached >= this.#consumers.length) return;
      if (performance.now() > deadline) {
        throw new MeshError(
          'not-ready',
          `after ${routesDeadlineMs / 1_000} s the routes to the subscribers are not known; see 'causeway routes ${path}'`,
        );
      }
    }
  }

  async #publish(): Promise<void> {
    const { signal } = this.#stopPublishing;
    const samples = githubEvents();
    let count = 0;
    const publisher = new Publisher(this.#publisher, {
      topic: undefined,
      qos: 'durable',
      parallel: 1,
      patienceMs: Infinity,
      signal: this.#stopTrying.signal,
      published: async (results) => {
        this.#troubles.delete('');
        this.#isGone = false;
        await this.#ledger.acked(results.map(({ id }) => id));
      },
      waiting: ({ code }) => {
        this.#troubles.set('', `publishing waits: ${code}`);
        this.#isGone = code === 'mesher-unreachable';
      },
    });
    const startedMs = performance.now();
    while (!signal.aborted) {
      await pause(publishEveryMs, signal);
      const due = Math.floor(((performance.now() - startedMs) / 1_000) * eventsPerSecond) - count;
      if (hasAborted(signal) || due < 1 || this.#isFull()) continue;
      const now = wallMs();
      const batch: { id: string; text: string }[] = [];
      for (let n = count; n < count + Math.min(due, catchUpMax); n++) {
        const sample = samples[n % samples.length];
        const id = `${idPrefix}${this.#run}-${n}`;
        if (sample !== undefined)
          batch.push({ id, text: cloudEventText(sample, id, new Date(now).toISOString()) });
      }
      count += due; // what is more than can be caught up with is left out
      await this.#ledger.sending(
        batch.map(({ id }) => id),
        now,
      );
      await publisher
        .publish(batch.map(({ text }) => encodeJson(text)))
        .then(() => publisher.flush())
        .catch((error: unknown) => {
          if (!this.#stopTrying.signal.aborted) throw error;
        });
    }
    await publisher.close();
  }

  async #consume(cluster: string, api: Api, path: string): Promise<void> {
    const { signal } = this.#stopConsuming;
    while (!signal.aborted) {
      try {
        const body = await api.post(`${path}/pull`, { max: pullMax, waitMs: pullWaitMs });
        const arrivedAt = wallMs();
        this.#answers(cluster);
        const deliveries = asArray(asObject(body)?.['events']).map((delivery) => asObject(delivery) ?? {});
        if (deliveries.length === 0) continue;
        const ids = deliveries.flatMap(({ event }) => {
          const id = asObject(event)?.['id'];
          return typeof id === 'string' && id.startsWith(idPrefix) ? [id] : [];
        });
        for (const sentAt of await this.#ledger.delivered(cluster, ids))
          this.#latencies.add(arrivedAt - sentAt);
        await api.post(`${path}/settle`, {
          ack: deliveries.map(({ token }) => token),
          retry: [],
          reject: [],
        });
      } catch (error) {
        if (hasAborted(signal)) return;
        if (!(error instanceof MeshError) || !error.facts.retryable) throw error;
        this.#troubles.set(cluster, `${cluster} does not answer: ${error.code}`);
        await pause(retryPauseMs, signal);
      }
    }
  }

  /** Never resolves; rejects when either end fails for good. */
  async failed(): Promise<never> {
    await Promise.all([this.#work, this.#publishing]);
    return new Promise(() => undefined); // both ended because they were told to
  }
}

/** Milliseconds since the epoch, with what is below one. */
function wallMs(): number {
  return performance.timeOrigin + performance.now();
}
