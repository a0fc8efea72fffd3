// An overview in which all is well, for tests that make something go wrong in it.

import type { LinkOverview, MesherOverview, SubscriptionOverview } from '../../../node/core/overview.ts';
import type { AlarmFacts } from '../../../node/observe/alarms.ts';

export const AT = Date.UTC(2026, 0, 31, 17, 30, 0);
export const HOUR_AGO = AT - 3_600_000;

type Figures = NonNullable<MesherOverview['figures']>;

export function mesher(
  node: string,
  cluster: string,
  figures: Partial<Figures> = {},
  rest: Partial<MesherOverview> = {},
): MesherOverview {
  return {
    node,
    cluster,
    http: `http://${node}`,
    labels: {},
    status: 'alive',
    silent: '',
    figures: {
      version: '1',
      incarnation: 1,
      upSince: HOUR_AGO,
      ready: { ready: true, why: [] },
      rates: { published: 0, delivered: 0, forwarded: 0, landed: 0 },
      latency: { publish: undefined, delivery: undefined },
      disk: { freeBytes: 1e12, journalBytes: 1e6, full: false },
      eventLoopDelayMs: { p50: 1, p99: 10 },
      rssBytes: 1e8,
      queued: 0,
      deadLetters: 0,
      copies: [],
      dropped: {},
      refused: {},
      ...figures,
    },
    ...rest,
  };
}

export function silentMesher(
  node: string,
  cluster: string,
  status: MesherOverview['status'],
  silent: string,
): MesherOverview {
  return mesher(node, cluster, {}, { status, silent, figures: undefined });
}

export function link(from: string, to: string, rest: Partial<LinkOverview> = {}): LinkOverview {
  return {
    from,
    to,
    state: 'up',
    why: '',
    since: HOUR_AGO,
    roundTripMs: 10,
    eventsPerSecond: 0,
    bytesPerSecond: 0,
    queued: 0,
    lagMs: 0,
    doubtful: 0,
    ledger: undefined,
    ...rest,
  };
}

export function subscription(name: string, rest: Partial<SubscriptionOverview> = {}): SubscriptionOverview {
  return {
    name,
    mesher: 'a1',
    cluster: 'a',
    topic: 'orders/#',
    group: '',
    via: 'stream',
    consumers: 1,
    depth: 0,
    inFlight: 0,
    oldestAt: 0,
    deliveredPerSecond: 0,
    redelivered: 0,
    deadLettered: 0,
    stuck: '',
    ...rest,
  };
}

/** `a1` and `b1`, linked, as `a1` sees them. */
export function facts(
  overview: Partial<AlarmFacts['overview']> = {},
  rest: Partial<Omit<AlarmFacts, 'overview'>> = {},
): AlarmFacts {
  return {
    overview: {
      federation: 'acme',
      self: 'a1',
      at: AT,
      registry: { address: 'etcd://e1', state: 'up', revision: 1, sinceMs: 1_000_000 },
      clusters: [],
      meshers: [mesher('a1', 'a'), mesher('b1', 'b')],
      links: [link('a1', 'b1'), link('b1', 'a1')],
      subscriptions: [],
      canaries: [],
      ...overview,
    },
    reports: new Map(),
    statusSince: new Map(),
    ...rest,
  };
}
