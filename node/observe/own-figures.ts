// What a mesher tells of itself: sampled every two seconds from counters and views that are there anyway, and the last hour of it.

import type { MesherCore } from '../core/mesher-core.ts';
import type { HistorySeries, LedgerVerdict } from '../core/overview.ts';
import type { NodeId } from '../core/event.ts';
import type { Now } from '../core/steps.ts';
import { HISTORY_STEP_MS, HISTORY_STEPS, LINKS_MAX, SAMPLE_MS, TOLD_MAX } from './bounds.ts';
import { History, stepOf } from './history.ts';
import { OwnLinks } from './own-links.ts';
import { OwnSubscriptions } from './own-subscriptions.ts';
import type { CanaryReport, MesherReport } from './report.ts';
import { percentilesSince, rounded, Samples, type Sample } from './samples.ts';
import type { TopicCounts } from './topic-counts.ts';

/** Counts by bucket, as a histogram of core/histogram.ts has them. */
export interface Buckets {
  readonly bounds: readonly number[];
  counts(): readonly number[];
}

export interface OwnFiguresPorts {
  readonly core: MesherCore;
  readonly topics: TopicCounts;
  disk(): MesherReport['figures']['disk'];
  rssBytes(): number;
  readonly loopDelay: Buckets;
  notReady(): readonly string[];
  /** What both ends of the link to a peer counted, as compared last. */
  ledger(peer: NodeId): LedgerVerdict | undefined;
  /** Probes that this mesher sent to other clusters. */
  canaries(): readonly CanaryReport[];
}

type Counted = 'published' | 'delivered' | 'forwarded' | 'landed';

interface Taken extends Sample<Counted> {
  readonly publish: readonly number[];
  readonly delivery: readonly number[];
  readonly loop: readonly number[];
  readonly dropped: Readonly<Record<string, number>>;
}

/** Rates are of the last few seconds. */
const RATE_MS = 6_000;
const MINUTE_MS = 60_000;
/** Steps of the history in a minute. */
const MINUTE_STEPS = MINUTE_MS / HISTORY_STEP_MS;

const OF_MESHER = {
  published: 'events/s',
  delivered: 'events/s',
  forwarded: 'events/s',
  landed: 'events/s',
  publishP99: 'ms',
  deliveryP99: 'ms',
  eventLoopP99: 'ms',
  queued: 'events',
  deadLetters: 'events',
  rss: 'bytes',
} as const;
const OF_SUBSCRIPTION = { delivered: 'events/s', depth: 'events', oldest: 'ms' } as const;
const OF_TOPIC = { published: 'events/s' } as const;

export class OwnFigures {
  readonly #ports: OwnFiguresPorts;
  readonly #links: OwnLinks;
  readonly #subscriptions: OwnSubscriptions;
  readonly #samples = new Samples<Counted, Taken>();
  readonly #ofMesher = new History(OF_MESHER, 1);
  readonly #ofSubscriptions = new History(OF_SUBSCRIPTION, TOLD_MAX);
  readonly #ofTopics = new History(OF_TOPIC, TOLD_MAX);
  /** Published in the last hour up to the last step, and the count of that moment, by topic. */
  #hours = new Map<string, { readonly published: number; readonly count: number }>();
  #step = 0;
  #report: MesherReport | undefined;

  constructor(ports: OwnFiguresPorts) {
    this.#ports = ports;
    this.#links = new OwnLinks(ports.core, (peer) => ports.ledger(peer));
    this.#subscriptions = new OwnSubscriptions(ports.core);
  }

  /** As sampled last. */
  report(now: Now): MesherReport {
    return this.#report ?? this.sample(now);
  }

  /** To be called every SAMPLE_MS. */
  sample(now: Now): MesherReport {
    const { core, topics } = this.#ports;
    const before = this.#samples.last;
    const sinceMs = before ? now.monotonic - before.at : 0;
    this.#samples.add(this.#take(now));
    const step = stepOf(now.wall);
    const isStep = step > this.#step;
    topics.look(sinceMs);
    const links = this.#links.look(now, sinceMs, isStep);
    const owed = this.#subscriptions.look(now, sinceMs, (name) =>
      this.#ofSubscriptions.value(name, 'depth', this.#step - MINUTE_STEPS),
    );
    const figures = this.#figures(owed);
    const counted = topics.all();
    const report: MesherReport = {
      at: now.wall,
      figures,
      links: links.links,
      subscriptions: owed.subscriptions,
      topics: counted.slice(0, TOLD_MAX).map(({ topic, published, publishedPerSecond }) => {
        const hour = this.#hours.get(topic) ?? { published: 0, count: 0 };
        return { topic, publishedPerSecond, published: Math.round(hour.published) + published - hour.count };
      }),
      canaries: this.#ports.canaries(),
      droppedLately: this.#droppedLately(),
      copiesWanted: core.replication.replicas - 1,
      cut: cutOf({
        links: [links.links.length, links.count],
        subscriptions: [owed.subscriptions.length, owed.count],
        topics: [Math.min(counted.length, TOLD_MAX), topics.distinct],
      }),
    };
    if (isStep) this.#keep(step, report, now);
    if (isStep && step % HISTORY_STEPS === 0) topics.forgetDistinct();
    this.#step = Math.max(this.#step, step);
    this.#report = report;
    return report;
  }

  #take({ monotonic }: Now): Taken {
    const { counters } = this.#ports.core;
    const { publishAck, delivery } = counters.latencies;
    const [stream, pull, ephemeral] = [delivery.stream, delivery.pull, delivery.ephemeral].map((one) =>
      one.counts(),
    );
    return {
      at: monotonic,
      counters: {
        published: counters.total('events_published_total'),
        delivered: counters.total('events_delivered_total'),
        forwarded: counters.total('events_forwarded_total'),
        landed: counters.total('events_landed_total'),
      },
      publish: publishAck.counts(),
      delivery: publishAck.bounds
        .concat(Infinity)
        .map((_, at) => (stream?.[at] ?? 0) + (pull?.[at] ?? 0) + (ephemeral?.[at] ?? 0)),
      loop: this.#ports.loopDelay.counts(),
      dropped: counters.byFirstLabel('events_dropped_total'),
    };
  }

  #figures({ queued, deadLetters }: { queued: number; deadLetters: number }): MesherReport['figures'] {
    const { core, loopDelay } = this.#ports;
    const { self } = core.options;
    const last = this.#samples.last;
    const first = this.#samples.before(MINUTE_MS);
    const { bounds } = core.counters.latencies.publishAck;
    const since = (of: 'publish' | 'delivery' | 'loop', its: readonly number[]) =>
      percentilesSince(its, first === last ? [] : (first?.[of] ?? []), last?.[of] ?? []);
    const [publish, delivery, loop] = [
      since('publish', bounds),
      since('delivery', bounds),
      since('loop', loopDelay.bounds),
    ];
    const rate = (name: Counted): number => rounded(this.#samples.rate(name, RATE_MS));
    let lanes = 0;
    for (const lane of core.forwarder.lanes()) lanes += lane.queue.depth;
    const why = this.#ports.notReady();
    return {
      version: self.version,
      incarnation: self.incarnation,
      upSince: Math.round(core.startedAt.wall),
      ready: { ready: why.length === 0, why: why.slice(0, LINKS_MAX).map((one) => one.slice(0, 1_000)) },
      rates: {
        published: rate('published'),
        delivered: rate('delivered'),
        forwarded: rate('forwarded'),
        landed: rate('landed'),
      },
      latency: { ...(publish && { publish }), ...(delivery && { delivery }) },
      disk: this.#ports.disk(),
      eventLoopDelayMs: { p50: loop?.p50 ?? 0, p99: loop?.p99 ?? 0 },
      rssBytes: this.#ports.rssBytes(),
      queued: queued + lanes,
      deadLetters,
      copies: core.replication.views().slice(0, LINKS_MAX),
      dropped: last?.dropped ?? {},
      refused: core.counters.byFirstLabel('publish_refused_total'),
    };
  }

  #droppedLately(): Record<string, number> {
    const [last, first] = [this.#samples.last, this.#samples.before(MINUTE_MS)];
    const found: Record<string, number> = {};
    for (const [reason, count] of Object.entries(last?.dropped ?? {})) {
      const news = count - (first?.dropped[reason] ?? 0);
      if (news > 0) found[reason] = news;
    }
    return found;
  }

  /** The step that has just begun gets what was sampled as it did. */
  #keep(step: number, { figures, subscriptions, topics }: MesherReport, now: Now): void {
    const rate = (name: Counted): number => this.#samples.rate(name, HISTORY_STEP_MS);
    this.#ofMesher.put('', step, {
      published: rate('published'),
      delivered: rate('delivered'),
      forwarded: rate('forwarded'),
      landed: rate('landed'),
      publishP99: figures.latency.publish?.p99,
      deliveryP99: figures.latency.delivery?.p99,
      eventLoopP99: figures.eventLoopDelayMs.p99,
      queued: figures.queued,
      deadLetters: figures.deadLetters,
      rss: figures.rssBytes,
    });
    for (const { name, deliveredPerSecond, depth, oldestAt } of subscriptions)
      this.#ofSubscriptions.put(name, step, {
        delivered: deliveredPerSecond,
        depth,
        oldest: oldestAt === 0 ? 0 : Math.max(0, now.wall - oldestAt),
      });
    this.#keepTopics(step, topics);
  }

  #keepTopics(step: number, topics: MesherReport['topics']): void {
    const hours = new Map<string, { readonly published: number; readonly count: number }>();
    const counts = new Map(this.#ports.topics.all().map(({ topic, published }) => [topic, published]));
    for (const { topic } of topics) {
      const count = counts.get(topic) ?? 0;
      const news = Math.max(0, count - (this.#hours.get(topic)?.count ?? 0));
      this.#ofTopics.put(topic, step, { published: (news * 1000) / HISTORY_STEP_MS });
      const published = (this.#ofTopics.sum(topic, 'published') * HISTORY_STEP_MS) / 1000;
      hours.set(topic, { published, count });
    }
    this.#hours = hours;
  }

  /** The last hour; undefined: nothing is known of this name. */
  history(of: 'mesher' | 'topic' | 'subscription', name: string, now: Now): HistorySeries[] | undefined {
    const step = stepOf(now.wall);
    switch (of) {
      case 'mesher':
        return this.#ofMesher.series('', step);
      case 'topic':
        return this.#ofTopics.has(name) || this.#ports.topics.has(name)
          ? this.#ofTopics.series(name, step)
          : undefined;
      case 'subscription':
        return this.#ofSubscriptions.has(name) || this.#ports.core.subscriptions.get(name)
          ? this.#ofSubscriptions.series(name, step)
          : undefined;
    }
  }

  /** Samples until `signal` aborts. `fault`: what a look has thrown; the next one is made all the same. */
  start(clock: () => Now, signal: AbortSignal, fault: (error: unknown) => void): void {
    const timer = setInterval(() => {
      try {
        this.sample(clock());
      } catch (error) {
        fault(error);
      }
    }, SAMPLE_MS);
    signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  }
}

function cutOf(
  lists: Readonly<Record<keyof MesherReport['cut'], readonly [shown: number, there: number]>>,
): MesherReport['cut'] {
  return Object.fromEntries(
    Object.entries(lists).flatMap(([name, [shown, there]]) =>
      there > shown ? [[name, Math.min(there, Number.MAX_SAFE_INTEGER)]] : [],
    ),
  );
}
