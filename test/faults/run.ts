// One fault run, inside the enclosure: starts the mesh and the load, lets nemeses come and go, heals everything, waits
// until all that was acked has come, and gives the history to the checker.

import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LedgerView } from '../../node/core/overview.ts';
import { Chance } from '../simulation/chance.ts';
import { until } from '../support/until.ts';
import { check, type Verdict } from './checker.ts';
import { PullingConsumer, Seen } from './load/consumer.ts';
import { History } from './load/history.ts';
import { SteadyPublisher } from './load/publisher.ts';
import { Mesh, shareOf, subscriptionOf } from './mesh.ts';
import type { Nemesis, Trouble } from './nemeses/nemesis.ts';
import type { Period } from './schedule.ts';

/** Of meshers' counters. */
const COUNT_EVERY_MS = 1_000;

export interface RunOptions {
  readonly seed: number;
  readonly clusters: Readonly<Record<string, number>>;
  /** Events per second, all publishers together. */
  readonly rate: number;
  readonly flags: readonly string[];
  readonly replicas: number;
  readonly hasDisks: boolean;
  /** What comes, in order; the run ends with the list or when `seconds` are over. */
  readonly periods: Iterable<Period>;
  readonly seconds: number;
  readonly folder: string;
  readonly historyFile: string;
  readonly stop: AbortSignal;
  readonly say: (line: string) => void;
}

export interface Done {
  /** Nemesis → how often and how long it was there. */
  readonly faults: Readonly<Record<string, { times: number; seconds: number; passedOver: number }>>;
  readonly seconds: number;
  readonly verdict: Verdict;
  /** The run was asked to stop before its time. */
  readonly stopped: boolean;
}

export async function run(options: RunOptions): Promise<Done> {
  const history = new History(options.historyFile);
  const folder = mkdtempSync(join(options.folder, 'mesh-'));
  const startedAt = performance.now();
  const { clusters, hasDisks, replicas, flags } = options;
  options.say(
    `starts ${Object.values(clusters).reduce((sum, count) => sum + count, 0)} meshers in ${Object.keys(clusters).length} clusters, and etcd`,
  );
  const mesh = await Mesh.start({ folder, clusters, hasDisks, replicas, flags }, history);
  const faults = await new Run(mesh, history, options).whole();
  await history.close();
  return {
    faults,
    seconds: (performance.now() - startedAt) / 1000,
    verdict: await check(history.file),
    stopped: options.stop.aborted,
  };
}

class Run {
  readonly #mesh: Mesh;
  readonly #history: History;
  readonly #options: RunOptions;
  readonly #faults: Record<string, { times: number; seconds: number; passedOver: number }> = {};
  readonly #chance: Chance;
  #injected = 0;

  constructor(mesh: Mesh, history: History, options: RunOptions) {
    this.#mesh = mesh;
    this.#history = history;
    this.#options = options;
    this.#chance = new Chance(options.seed).fork('victims');
  }

  async whole(): Promise<Done['faults']> {
    const { say } = this.#options;
    const { meshers } = this.#mesh;
    await this.#mesh.subscribe();
    const subscribers = Object.fromEntries(meshers.map(({ name }) => [subscriptionOf(name), name]));
    const group = Object.fromEntries(meshers.map(({ name }) => [shareOf(name), name]));
    const publishers = Object.fromEntries(meshers.map(({ name }) => [name, name]));
    this.#history.write({ op: 'start', seed: this.#options.seed, subscribers, group, publishers });
    const shared = new Seen();
    const seen = meshers.map(() => new Seen());
    const consumers = meshers.flatMap((mesher, at) => {
      const { name, cluster } = mesher;
      const servers = [mesher, ...this.#mesh.meshersOf(cluster).filter((other) => other !== mesher)];
      return [
        new PullingConsumer(subscriptionOf(name), servers, seen[at] ?? shared, this.#history),
        new PullingConsumer(shareOf(name), servers, shared, this.#history),
      ];
    });
    const rate = this.#options.rate / meshers.length;
    const publishing = meshers.map(
      ({ name, url }) => new SteadyPublisher({ name, url, rate }, this.#history),
    );
    const counting = new AbortController();
    const counts = this.#count(counting.signal);
    say('all linked; events flow');
    await this.#trouble();
    say('no more faults: waits until all that was acked has come');
    this.#history.write({ op: 'quiet' });
    await Promise.all(publishing.map((publisher) => publisher.stop()));
    await this.#recover(publishing, [...seen, shared], consumers);
    counting.abort();
    await counts;
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    return this.#faults;
  }

  async #trouble(): Promise<void> {
    const { periods, seconds, stop } = this.#options;
    const end = performance.now() + seconds * 1000;
    for (const period of periods) {
      if (stop.aborted || performance.now() >= end) return;
      await this.#live(period);
    }
  }

  async #live({ seconds, nemeses }: Period): Promise<void> {
    const { stop } = this.#options;
    const troubles: { readonly nemesis: Nemesis; readonly trouble: Trouble; readonly since: number }[] = [];
    for (const nemesis of nemeses) {
      const chance = this.#chance.fork(`${++this.#injected}`);
      const fault = (this.#faults[nemesis.name] ??= { times: 0, seconds: 0, passedOver: 0 });
      const since = performance.now();
      const trouble = await nemesis.inject({ mesh: this.#mesh, chance, seconds });
      if (!trouble) {
        fault.passedOver++;
        continue;
      }
      fault.times++;
      this.#tell('fault', nemesis.name, trouble.facts);
      troubles.push({ nemesis, trouble, since });
    }
    if (nemeses.length > 0 && troubles.length === 0) return;
    await sleep(seconds * 1000, undefined, { signal: stop }).catch(() => undefined);
    for (const { nemesis, trouble, since } of troubles) {
      await trouble.heal();
      const fault = this.#faults[nemesis.name];
      if (fault) fault.seconds += (performance.now() - since) / 1000;
      this.#tell('healed', nemesis.name, trouble.facts);
    }
  }

  #tell(op: 'fault' | 'healed', nemesis: string, facts: string): void {
    this.#history.write({ op, nemesis, facts });
    const at = (this.#history.nowMs / 1000).toFixed(1).padStart(7);
    this.#options.say(`${at} s  ${op === 'fault' ? facts : `healed: ${facts}`}`);
  }

  async #count(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await Promise.all(this.#mesh.meshers.map((mesher) => mesher.count()));
      await this.#mesh.noteTakeovers();
      await sleep(COUNT_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
    await Promise.all(this.#mesh.meshers.map((mesher) => mesher.count()));
  }

  /** As long as anything still comes it is waited for; what has not come after that is for the checker to tell. */
  async #recover(
    publishers: readonly SteadyPublisher[],
    owed: readonly Seen[],
    consumers: readonly PullingConsumer[],
  ): Promise<void> {
    const missing = (): number =>
      owed.reduce(
        (sum, seen) => sum + publishers.reduce((of, { name, acked }) => of + seen.missing(name, acked), 0),
        0,
      );
    const progress = (): number => consumers.reduce((sum, { received }) => sum + received, 0);
    let queued: Readonly<Record<string, number>> = {};
    try {
      await until(
        () => `${missing()} deliveries are missing`,
        () => missing() === 0,
        { progress },
      );
      await until(
        () => `queues are not empty: ${JSON.stringify(queued)}`,
        async () => {
          queued = await this.#mesh.queued();
          return Object.keys(queued).length === 0;
        },
        { progress },
      );
    } catch (error) {
      this.#options.say(String(error));
    }
    await this.#compareLedgers();
    this.#history.write({ op: 'end', queued });
  }

  /** What differs the meshers print, and it is read there; this says how often all was well. */
  async #compareLedgers(): Promise<void> {
    const outcomes: Record<string, number> = {};
    for (const { running } of this.#mesh.meshers) {
      const { links } = await running.get<LedgerView>('/v1/ledger');
      for (const { verdict } of links) outcomes[verdict.outcome] = (outcomes[verdict.outcome] ?? 0) + 1;
    }
    this.#options.say(`ledgers: ${JSON.stringify(outcomes)}`);
  }
}
