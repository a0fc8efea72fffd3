// A small event from each cluster to each other every few seconds, over the very path of users' events: published by the mesher of this cluster
// whose turn it is, committed to its disk, sent over a lane, landed there, taken by a consumer; and an answer that is published there,
// committed to that disk, and comes back the same way. Half of the time from the one to the other counts as the latency: no two clocks
// are compared.
//
// Nothing of it piles up. A probe expires when it is late; where no mesher of the other cluster is linked none is published, and it
// counts as missed. At its destination a probe has an ephemeral consumer, so it is never stored there, nor is an answer where it comes back.

import type { NewEvent, NodeId, StoredEvent } from '../../core/event.ts';
import { Histogram, LATENCY_BOUNDS } from '../../core/histogram.ts';
import { family } from '../../core/metric-family.ts';
import type { CanaryOverview } from '../../core/overview.ts';
import type { Clock, Random } from '../../core/ports.ts';
import type { MetricFamily } from '../../core/views.ts';
import { MONTH_MS, PairRecord, SavedPair } from './pair-record.ts';
import { answerTopic, CANARY_GROUP, canaryEvent, probeTopic, readCanary } from './probe.ts';

export interface CanaryOptions {
  readonly node: NodeId;
  readonly cluster: string;
  readonly everyMs: number;
}

/** Another cluster, as this mesher sees it now. */
export interface CanaryTarget {
  readonly cluster: string;
  /** This mesher is the one of its cluster that probes it. */
  readonly isOurs: boolean;
  /** A link to one of its meshers is up. */
  readonly isLinked: boolean;
  /** Somebody there listens to probes, as far as is known. */
  readonly listens: boolean;
}

export interface CanaryPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly targets: () => readonly CanaryTarget[];
  /** Undefined: it is no member. */
  readonly clusterOf: (node: NodeId) => string | undefined;
  /** Resolves when it is on disk. */
  readonly publish: (event: NewEvent) => Promise<void>;
  /** Takes what comes on a filter, as a consumer of a group or ('') on its own. Returns how to end that. */
  readonly listen: (
    filter: string,
    group: string,
    take: (events: readonly StoredEvent[]) => void,
  ) => () => void;
  readonly save: (record: Readonly<Record<string, SavedPair>>) => Promise<void>;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

/** Intervals after which a probe has not arrived, and expires. */
const PATIENCE_INTERVALS = 3;
/** Clusters that are probed, and remembered: each takes some 100 KB in memory and on disk. */
export const TARGETS_MAX = 200;
const SAVE_EVERY_MS = 5 * 60_000;
/** Answers in an interval, for each cluster that is known: who asks for more means harm. */
const ANSWERS_PER_TARGET = 20;
const JITTER = 0.1;

interface Target {
  readonly record: PairRecord;
  readonly histogram: Histogram;
  arrived: number;
  missed: number;
  state: 'new' | 'answers' | 'silent';
}

interface Pending {
  readonly to: string;
  /** Monotonic ms. */
  readonly sentAt: number;
}

export class Canary {
  readonly #options: CanaryOptions;
  readonly #ports: CanaryPorts;
  readonly #targets = new Map<string, Target>();
  readonly #pending = new Map<string, Pending>();
  /** So that no answer to an earlier life is taken for one to this. */
  readonly #life: string;
  #count = 0;
  #answers = 0;
  #timer: NodeJS.Timeout | undefined;
  #savedAt: number;
  #saving: Promise<void> = Promise.resolve();
  #ends: readonly (() => void)[] = [];

  constructor(options: CanaryOptions, ports: CanaryPorts, saved: Readonly<Record<string, SavedPair>>) {
    this.#options = options;
    this.#ports = ports;
    this.#savedAt = ports.clock.monotonic();
    this.#life = ports.clock.wall().toString(36);
    for (const [cluster, pair] of Object.entries(saved)) this.#target(cluster, new PairRecord(pair));
  }

  start(): void {
    const { node, cluster } = this.#options;
    this.#ends = [
      this.#ports.listen(probeTopic(cluster), CANARY_GROUP, (events) => this.#asked(events)),
      this.#ports.listen(answerTopic(node), '', (events) => this.#answered(events)),
    ];
    this.#schedule();
  }

  /** What is under way is not waited for, and counts for nothing. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    for (const end of this.#ends) end();
    this.#pending.clear();
    if (this.#targets.size > 0) this.#save();
    await this.#saving;
  }

  #schedule(): void {
    const { everyMs } = this.#options;
    const pause = everyMs * (1 + JITTER * (2 * this.#ports.random() - 1));
    this.#timer = setTimeout(() => {
      this.#turn();
      this.#schedule();
    }, pause);
    this.#timer.unref();
  }

  #turn(): void {
    const now = this.#ports.clock.monotonic();
    this.#answers = 0;
    for (const [id, { to, sentAt }] of this.#pending) {
      if (now - sentAt < this.#patienceMs) continue;
      this.#pending.delete(id);
      this.#missed(to);
    }
    const targets = this.#ports.targets().slice(0, TARGETS_MAX);
    for (const target of targets) if (target.isOurs) this.#probe(target);
    this.#forget(targets);
    if (now - this.#savedAt < SAVE_EVERY_MS) return;
    this.#savedAt = now;
    this.#save();
  }

  get #patienceMs(): number {
    return this.#options.everyMs * PATIENCE_INTERVALS;
  }

  #probe({ cluster, isLinked, listens }: CanaryTarget): void {
    const known = this.#targets.get(cluster);
    if (!known && !listens) return; // of a version without probes, or one that does not want them
    if (!isLinked || !listens) {
      if (known?.state !== 'new') this.#missed(cluster);
      return;
    }
    this.#target(cluster);
    const { clock, publish } = this.#ports;
    const id = `${this.#life}-${++this.#count}`;
    this.#pending.set(id, { to: cluster, sentAt: clock.monotonic() });
    const expiresAt = clock.wall() + this.#patienceMs;
    publish(canaryEvent(probeTopic(cluster), this.#options.node, id, expiresAt)).catch(() => {
      // refused: users' events would be as well
      if (this.#pending.delete(id)) this.#missed(cluster);
    });
  }

  /** Somebody probes this cluster. */
  #asked(events: readonly StoredEvent[]): void {
    const { clock, clusterOf, publish } = this.#ports;
    for (const { cloudEvent, origin, expiresAt } of events) {
      const probe = readCanary(cloudEvent);
      const isWelcome = this.#answers < ANSWERS_PER_TARGET * Math.max(1, this.#targets.size);
      if (!probe || probe.by !== origin || clusterOf(origin) === undefined || !isWelcome) continue;
      this.#answers++;
      const until = Math.min(expiresAt, clock.wall() + this.#patienceMs);
      publish(canaryEvent(answerTopic(origin), this.#options.node, probe.id, until)).catch(() => {
        // who asked will miss it, and say so
      });
    }
  }

  #answered(events: readonly StoredEvent[]): void {
    for (const { cloudEvent, origin } of events) {
      const answer = readCanary(cloudEvent);
      const pending = answer && this.#pending.get(answer.id);
      // late, the second one, or forged
      if (!answer || !pending || this.#ports.clusterOf(origin) !== pending.to) continue;
      this.#pending.delete(answer.id);
      this.#arrived(pending);
    }
  }

  #arrived({ to, sentAt }: Pending): void {
    const { clock, log } = this.#ports;
    const ms = (clock.monotonic() - sentAt) / 2;
    const target = this.#target(to);
    target.record.note(clock.wall(), ms);
    target.histogram.observe(ms / 1000);
    target.arrived++;
    if (target.state === 'silent') log.info({ cluster: to }, 'probes arrive again');
    target.state = 'answers';
  }

  #missed(to: string): void {
    const { clock, log } = this.#ports;
    const target = this.#target(to);
    target.record.note(clock.wall(), undefined);
    target.missed++;
    if (target.state !== 'silent')
      log.warn(
        { cluster: to },
        `a probe to cluster ${to} was not answered within ${this.#patienceMs / 1000} s`,
      );
    target.state = 'silent';
  }

  #target(cluster: string, record?: PairRecord): Target {
    let target = this.#targets.get(cluster);
    if (!target) {
      const state = record ? 'answers' : 'new';
      target = {
        record: record ?? new PairRecord(),
        histogram: new Histogram(LATENCY_BOUNDS),
        arrived: 0,
        missed: 0,
        state,
      };
      this.#targets.set(cluster, target);
    }
    return target;
  }

  /** Clusters that are no more, a month later. */
  #forget(targets: readonly CanaryTarget[]): void {
    const now = this.#ports.clock.wall();
    for (const [cluster, { record }] of this.#targets) {
      const isKnown = targets.some((target) => target.cluster === cluster);
      if (!isKnown && (now - record.lastAt > MONTH_MS || this.#targets.size > TARGETS_MAX))
        this.#targets.delete(cluster);
    }
  }

  #save(): void {
    const record = Object.fromEntries([...this.#targets].map(([to, target]) => [to, target.record.save()]));
    this.#saving = this.#saving
      .then(() => this.#ports.save(record))
      .catch((error: unknown) => this.#ports.log.warn({ err: error }, 'what probes found cannot be saved'));
  }

  // ─────────────────────────────────────────────────────────── what is shown

  /** What this mesher found; another of its cluster may have probed before it, and found more. */
  overviews(): CanaryOverview[] {
    const now = this.#ports.clock.wall();
    return [...this.#targets]
      .map(([to, { record }]) => ({
        from: this.#options.cluster,
        to,
        lastAt: record.lastAt,
        ...record.figures(now),
      }))
      .filter(({ month }) => month.sent > 0);
  }

  metrics(): MetricFamily[] {
    const targets = [...this.#targets];
    const now = this.#ports.clock.wall();
    return [
      family(
        'canary_probes_total',
        targets.flatMap(([cluster, { arrived, missed }]) => [
          { labels: { cluster, outcome: 'arrived' }, value: arrived },
          { labels: { cluster, outcome: 'missed' }, value: missed },
        ]),
      ),
      family(
        'canary_latency_seconds',
        targets.flatMap(([cluster, { histogram }]) => histogram.samples({ cluster })),
      ),
      family(
        'canary_availability_ratio',
        targets.flatMap(([cluster, { record }]) => {
          const { availability } = record.figures(now).hour;
          return availability === undefined ? [] : [{ labels: { cluster }, value: availability }];
        }),
      ),
    ];
  }
}
