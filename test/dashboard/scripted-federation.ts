// A federation of three clusters on one bad night, as the dashboard is shown it: a link that is down, one that is slow, one whose
// routes are gapped, a subscriber that does not keep up, one that nobody takes, dead letters in two clusters, a mesher that does not
// answer. The same at every run, but for the time it begins at.

import type {
  DeadLetterView,
  HistorySeries,
  HistoryView,
  LedgerView,
  LinkOverview,
  MesherOverview,
  Overview,
  SubscriptionOverview,
  TraceHop,
  TraceView,
} from '../../node/core/overview.ts';
import type { RoutesView } from '../../node/core/views.ts';

const S = 1_000;
const MIN = 60 * S;
const H = 60 * MIN;
const MIB = 1024 * 1024;

const AWS = 'aws-eu-west-1';
const GCP = 'gcp-us-east1';
const AZURE = 'azure-ap-southeast1';

export const NODES = {
  aws1: '12D3KooWDq3r5xFb8m2kY1tZpVw7hRn4cUeJs9aLgXoP6iEuAw11',
  aws2: '12D3KooWHk7v9bQz3n6fT8sLmRx2cYp5dWgJe1uAoZiN4tKqBw22',
  gcp1: '12D3KooWMv2n8cXk5p9jR4wQhTz7bLs3fUeYd6oGaViW1mKrCg11',
  gcp2: '12D3KooWPz6t4dLm1q8gV7xShNk9cRw5bYfJe3uAoTiX2nKvDg22',
  azure1: '12D3KooWSx9w7fNv3r5hZ2yTkPm8dQb6cLgUe4oJaWiR1tKzEz11',
} as const;

type Name = keyof typeof NODES;
const CLUSTER_OF: Readonly<Record<Name, string>> = {
  aws1: AWS,
  aws2: AWS,
  gcp1: GCP,
  gcp2: GCP,
  azure1: AZURE,
};
const NAMES = Object.keys(NODES) as Name[];

export const WHY = {
  down: 'The connection was refused by 10.3.0.4:7401; 48 tries since, the last 3 s ago.',
  slow: 'The round trip is 812 ms, where 78 ms was usual over the last day.',
  gapped:
    'Routes of …bEz11 are known only in part since a change was missed; it is sent every event until they are whole.',
  stuck: 'Its consumer takes 11 events a second, and 42 come.',
  nobody: 'Nobody has taken an event for 2 h.',
};

export function overviewAt(at: number): Overview {
  const { meshers, links, subscriptions } = {
    meshers: mesherViews(at),
    links: linkViews(at),
    subscriptions: subscriptionViews(at),
  };
  return {
    federation: 'acme',
    self: NODES.aws1,
    at,
    registry: { address: 'etcd://e1:2379,e2:2379,e3:2379', state: 'up', revision: 4_711, sinceMs: 3 * H },
    alarms: [
      {
        severity: 'critical',
        code: 'link-down',
        text: `No link from ${AZURE} to ${GCP} for 4 minutes: the connection is refused by 10.3.0.4:7401. 1,204 events wait for it.`,
        help: `See whether the mesher at 10.3.0.4 runs, and whether a firewall between both lets port 7401 through.`,
        since: at - 4 * MIN - 12 * S,
        about: { cluster: AZURE, mesher: NODES.azure1, peer: NODES.gcp1 },
      },
      {
        severity: 'warning',
        code: 'subscription-stuck',
        text: `Subscription billing in ${GCP} does not keep up: 12,480 events wait, the oldest for 18 minutes.`,
        help: 'Give it more consumers, or see why each event takes its consumer 90 ms.',
        since: at - 18 * MIN,
        about: { cluster: GCP, mesher: NODES.gcp1, subscription: 'billing' },
      },
      {
        severity: 'warning',
        code: 'dead-letters',
        text: `37 dead letters came in the last hour, 31 of them of subscription invoices in ${AWS}.`,
        help: 'Inspect one for the reason, mend it, and redrive them.',
        since: at - 41 * MIN,
        about: { cluster: AWS, subscription: 'invoices' },
      },
      {
        severity: 'warning',
        code: 'link-slow',
        text: `The link from ${AWS} to ${AZURE} is slow: 812 ms for a round trip where 78 ms is usual.`,
        help: 'Events arrive late, and none is lost. See the network between both regions.',
        since: at - 22 * MIN,
        about: { cluster: AWS, mesher: NODES.aws2, peer: NODES.azure1 },
      },
      {
        severity: 'warning',
        code: 'mesher-silent',
        text: `Mesher g2 of ${GCP} does not answer the others' questions: its figures are missing here.`,
        help: 'See its log, and whether its HTTP address is reachable from the other clusters.',
        since: at - 6 * MIN,
        about: { cluster: GCP, mesher: NODES.gcp2 },
      },
    ],
    clusters: [
      { name: AWS, place: { lat: 53.3, lon: -6.3, from: 'name' }, meshers: [NODES.aws1, NODES.aws2] },
      { name: GCP, place: { lat: 33.2, lon: -80, from: 'name' }, meshers: [NODES.gcp1, NODES.gcp2] },
      { name: AZURE, place: { lat: 1.3, lon: 103.8, from: 'labels' }, meshers: [NODES.azure1] },
    ],
    meshers,
    links,
    subscriptions,
    topics: topicViews(),
    canaries: canaryViews(at),
    cut: {},
  };
}

/** The same federation on a good day. */
export function healthyOverviewAt(at: number): Overview {
  const overview = overviewAt(at);
  return {
    ...overview,
    alarms: [],
    meshers: overview.meshers.map((mesher) => ({
      ...mesher,
      silent: '',
      figures: mesher.figures ?? figuresOf('gcp1', at, 0),
    })),
    links: overview.links.map((link) => ({
      ...link,
      state: 'up',
      why: '',
      queued: 0,
      lagMs: 0,
      since: at - 5 * H,
    })),
    subscriptions: overview.subscriptions.map((each) => ({ ...each, stuck: '', depth: 0, oldestAt: 0 })),
  };
}

/** Many clusters of a few meshers each, all well, of which nobody knows where half are. */
export function largeOverviewAt(at: number, clusters: number, each: number): Overview {
  const base = healthyOverviewAt(at);
  const [first] = base.meshers;
  if (first === undefined) return base;
  const names = Array.from({ length: clusters }, (_, index) => `site-${String(index + 1).padStart(2, '0')}`);
  const meshers = names.flatMap((cluster) =>
    Array.from({ length: each }, (_, index) => ({
      ...first,
      node: `${cluster}-node-${index}`,
      cluster,
      labels: { name: `m${index + 1}` },
    })),
  );
  const [link] = base.links;
  return {
    ...base,
    self: meshers[0]?.node ?? '',
    meshers,
    clusters: names.map((name, index) => ({
      name,
      place: index % 2 === 0 ? { lat: 60 - index * 5, lon: index * 13 - 90, from: 'labels' } : undefined,
      meshers: meshers.filter(({ cluster }) => cluster === name).map(({ node }) => node),
    })),
    links: meshers.flatMap(({ node: from }) =>
      meshers.flatMap(({ node: to }) => (link === undefined || from === to ? [] : [{ ...link, from, to }])),
    ),
    cut: { subscriptions: 12_000 },
  };
}

function mesherViews(at: number): MesherOverview[] {
  return NAMES.map((name, index) => ({
    node: NODES[name],
    cluster: CLUSTER_OF[name],
    http: `http://10.${index + 1}.0.4:7400`,
    labels: { name: `${name[0] ?? ''}${name.at(-1) ?? ''}`, zone: name.endsWith('1') ? 'a' : 'b' },
    status: 'alive',
    silent: name === 'gcp2' ? 'It did not answer within 2 s: http://10.4.0.4:7400 cannot be reached.' : '',
    figures: name === 'gcp2' ? undefined : figuresOf(name, at, index),
  }));
}

function figuresOf(name: Name, at: number, index: number): MesherOverview['figures'] {
  return {
    version: '0.1.0',
    incarnation: 3,
    upSince: at - (26 + index * 31) * H,
    ready: { ready: true, why: [] },
    rates: {
      published: wave(at, 84 - 14 * index, index),
      delivered: wave(at, 122 - 20 * index, index + 2),
      forwarded: wave(at, 70 - 11 * index, index + 4),
      landed: wave(at, 64 - 10 * index, index + 6),
    },
    latency: {
      publish: { p50: 1.8 + index, p95: 4.2 + index, p99: 9.5 + 2 * index },
      delivery: { p50: 4.1 + index, p95: 88, p99: name === 'gcp1' ? 1_240 : 143 },
    },
    disk: { freeBytes: (41_000 - 7_000 * index) * MIB, journalBytes: (310 + 840 * index) * MIB, full: false },
    eventLoopDelayMs: { p50: 1.1, p99: 8.4 + index },
    rssBytes: (212 + 18 * index) * MIB,
    queued: { aws1: 18, aws2: 240, gcp1: 12_480, gcp2: 0, azure1: 1_204 }[name],
    deadLetters: { aws1: 31, aws2: 0, gcp1: 0, gcp2: 0, azure1: 6 }[name],
    copies: [
      { node: NODES[name === 'aws1' ? 'aws2' : 'aws1'], state: 'streaming', complete: true, behind: 0 },
    ],
    dropped: name === 'gcp1' ? { expired: 12 } : {},
    refused: {},
  };
}

/** So much and a little more or less, as time goes. */
function wave(at: number, mean: number, phase: number): number {
  return Math.round(10 * mean * (1 + 0.15 * Math.sin(at / 20_000 + phase))) / 10;
}

function linkViews(at: number): LinkOverview[] {
  return NAMES.flatMap((from) =>
    NAMES.filter((to) => to !== from).map((to) => {
      const bad = badLink(from, to, at);
      return {
        from: NODES[from],
        to: NODES[to],
        state: 'up',
        why: '',
        since: at - 26 * H,
        roundTripMs: CLUSTER_OF[from] === CLUSTER_OF[to] ? 0.7 : tripMs(from, to),
        eventsPerSecond: wave(at, 24, NAMES.indexOf(from) + NAMES.indexOf(to)),
        bytesPerSecond: wave(at, 30_000, NAMES.indexOf(from)),
        queued: 0,
        lagMs: 0,
        doubtful: 0,
        ledger: { at: at - 20 * S, outcome: 'agrees', text: 'Nothing lost between sequence 1 and 48,211.' },
        ...bad,
      } satisfies LinkOverview;
    }),
  );
}

function tripMs(from: Name, to: Name): number {
  const pair = new Set([CLUSTER_OF[from], CLUSTER_OF[to]]);
  if (!pair.has(AZURE)) return 78;
  return pair.has(AWS) ? 171 : 214;
}

function badLink(from: Name, to: Name, at: number): Partial<LinkOverview> {
  const pair = [from, to].toSorted().join(' ');
  if (pair === 'azure1 gcp1') {
    return {
      state: 'down',
      why: from === 'azure1' ? WHY.down : 'The other end closed the connection, and does not come back.',
      since: at - 4 * MIN - 12 * S,
      roundTripMs: undefined,
      eventsPerSecond: 0,
      bytesPerSecond: 0,
      queued: from === 'azure1' ? 1_204 : 86,
      lagMs: 4 * MIN + 11 * S,
      doubtful: 3,
      ledger: {
        at: at - 4 * MIN - 30 * S,
        outcome: 'unknown',
        text: 'The other end cannot be asked; up to sequence 48,211 both agreed.',
      },
    };
  }
  if (pair === 'aws2 azure1' && from === 'aws2')
    return {
      state: 'slow',
      why: WHY.slow,
      since: at - 22 * MIN,
      roundTripMs: 812,
      queued: 240,
      lagMs: 2_100,
    };
  if (from === 'gcp2' && to === 'azure1') return { state: 'gapped', why: WHY.gapped, since: at - 50 * S };
  return {};
}

function subscriptionViews(at: number): SubscriptionOverview[] {
  const usual = {
    group: '',
    via: 'stream',
    consumers: 2,
    depth: 0,
    inFlight: 4,
    oldestAt: 0,
    deliveredPerSecond: 42,
    redelivered: 0,
    deadLettered: 0,
    stuck: '',
  } as const;
  const at1 = (name: Name) => ({ mesher: NODES[name], cluster: CLUSTER_OF[name] });
  return [
    {
      ...usual,
      ...at1('gcp1'),
      name: 'billing',
      topic: 'orders/#',
      depth: 12_480,
      inFlight: 64,
      consumers: 1,
      oldestAt: at - 18 * MIN,
      deliveredPerSecond: 11,
      redelivered: 214,
      stuck: WHY.stuck,
    },
    {
      ...usual,
      ...at1('aws1'),
      name: 'invoices',
      topic: 'orders/+/created',
      via: 'webhook',
      consumers: 1,
      depth: 18,
      oldestAt: at - 3 * S,
      redelivered: 96,
      deadLettered: 31,
    },
    { ...usual, ...at1('aws2'), name: 'search-index', topic: 'catalogue/#', group: 'indexers' },
    {
      ...usual,
      ...at1('azure1'),
      name: 'archive',
      topic: '#',
      via: 'pull',
      consumers: 0,
      depth: 1_020,
      oldestAt: at - 2 * H,
      deliveredPerSecond: 0,
      deadLettered: 6,
      stuck: WHY.nobody,
    },
    { ...usual, ...at1('azure1'), name: 'stock', topic: 'stock/+/changed', deliveredPerSecond: 18 },
  ];
}

function topicViews(): Overview['topics'] {
  const publisher = (name: Name) => ({ mesher: NODES[name], cluster: CLUSTER_OF[name] });
  const listener = (name: Name, subscription: string) => ({ ...publisher(name), subscription });
  return [
    {
      topic: 'orders/eu/created',
      publishedPerSecond: 42,
      published: 148_200,
      publishers: [publisher('aws1'), publisher('aws2')],
      listeners: [listener('gcp1', 'billing'), listener('aws1', 'invoices'), listener('azure1', 'archive')],
    },
    {
      topic: 'catalogue/item/updated',
      publishedPerSecond: 12.4,
      published: 43_100,
      publishers: [publisher('gcp1')],
      listeners: [listener('aws2', 'search-index'), listener('azure1', 'archive')],
    },
    {
      topic: 'stock/sg/changed',
      publishedPerSecond: 18,
      published: 64_900,
      publishers: [publisher('azure1')],
      listeners: [listener('azure1', 'stock'), listener('azure1', 'archive')],
    },
    {
      topic: 'audit/login',
      publishedPerSecond: 0.3,
      published: 1_020,
      publishers: [publisher('gcp1')],
      listeners: [],
    },
  ];
}

function canaryViews(at: number): Overview['canaries'] {
  const pairs = [AWS, GCP, AZURE].flatMap((from) =>
    [AWS, GCP, AZURE].filter((to) => to !== from).map((to) => ({ from, to })),
  );
  return pairs.map(({ from, to }) => {
    const broken = from === AZURE && to === GCP;
    const p50 = from === AWS && to === AZURE ? 174 : 84;
    const figures = (sent: number, lost: number) => ({
      sent,
      arrived: sent - lost,
      availability: (sent - lost) / sent,
      latencyMs: { p50, p95: 1.4 * p50, p99: 2.2 * p50 },
    });
    return {
      from,
      to,
      lastAt: broken ? at - 4 * MIN - 13 * S : at - 4 * S,
      lately: figures(30, broken ? 25 : 0),
      hour: figures(360, broken ? 25 : 0),
      day: figures(8_640, broken ? 26 : 0),
      month: figures(259_200, broken ? 31 : 2),
    };
  });
}

export function historyAt(at: number, of: HistoryView['of'], name: string): HistoryView {
  const count = 360;
  const series = (
    label: string,
    unit: HistorySeries['unit'],
    mean: number,
    seed: number,
    shape = 0,
  ): HistorySeries => ({
    name: label,
    unit,
    // The mesher was away for two minutes, 40 minutes ago.
    values: Array.from({ length: count }, (_, index) =>
      index > 118 && index < 131 ? null : round(mean * (1 + shape * rise(index) + 0.12 * noise(index, seed))),
    ),
  });
  const base = { of, name, until: at, stepMs: 10 * S };
  switch (of) {
    case 'topic':
      return { ...base, series: [series('published', 'events/s', 42, 1)] };
    case 'subscription':
      return {
        ...base,
        series: [
          series('delivered', 'events/s', 42, 1, -0.7),
          series('depth', 'events', 120, 3, 100),
          series('oldest', 'ms', 900, 4, 1_200),
        ],
      };
    case 'cluster':
    case 'mesher':
      return {
        ...base,
        series: [
          series('published', 'events/s', 84, 1),
          series('delivered', 'events/s', 122, 2),
          series('forwarded', 'events/s', 70, 3),
          series('landed', 'events/s', 64, 4),
          series('publishP99', 'ms', 9.5, 6),
          series('deliveryP99', 'ms', 88, 8, 0.6),
          series('eventLoopP99', 'ms', 8, 9),
          series('queued', 'events', 40, 10, 6),
          series('rss', 'bytes', 212 * MIB, 12),
        ],
      };
  }
}

/** Begins 18 minutes before the end. */
function rise(index: number): number {
  return Math.max(0, (index - 252) / 108);
}

function noise(index: number, seed: number): number {
  return (
    0.6 * Math.sin(index / (9 + seed)) +
    0.3 * Math.sin(index / 4 + seed * seed) +
    0.1 * Math.sin(index * 1.7 * seed)
  );
}

function round(value: number): number {
  return Math.round(10 * value) / 10;
}

export function deadLettersAt(at: number): DeadLetterView[] {
  return Array.from({ length: 37 }, (_, index) => {
    const archive = index % 6 === 5;
    return {
      at: { mesher: archive ? NODES.azure1 : NODES.aws1, token: `${archive ? 'z' : 'a'}.${index}` },
      cluster: archive ? AZURE : AWS,
      source: '/shop',
      id: `order-${4_711 + index}`,
      type: 'com.example.order.created',
      topic: index % 3 === 0 ? 'orders/us/created' : 'orders/eu/created',
      subscription: archive ? 'archive' : 'invoices',
      reason: archive
        ? 'rejected by its consumer: no such customer'
        : 'its webhook answered 422 Unprocessable Content: field "vat" is missing',
      attempts: archive ? 1 : 5,
      acceptedAt: at - (41 * MIN - index * 61 * S),
      bytes: 412 + 7 * index,
    };
  });
}

export function eventOf(letter: DeadLetterView): Readonly<Record<string, unknown>> {
  return {
    specversion: '1.0',
    id: letter.id,
    source: letter.source,
    type: letter.type,
    time: new Date(letter.acceptedAt).toISOString(),
    datacontenttype: 'application/json',
    partitionkey: 'customer-815',
    data: {
      order: letter.id,
      customer: 815,
      total: 129.9,
      currency: 'EUR',
      items: [{ sku: 'A-100', count: 2 }],
    },
  };
}

export function traceAt(at: number, source: string, id: string): TraceView {
  const start = at - 39 * MIN;
  const hop = (ms: number, name: Name, what: TraceHop['what'], more: Partial<TraceHop> = {}): TraceHop => ({
    at: start + ms,
    mesher: NODES[name],
    cluster: CLUSTER_OF[name],
    what,
    peer: '',
    subscription: '',
    reason: '',
    attempt: 0,
    ...more,
  });
  if (id === 'nowhere') {
    return {
      source,
      id,
      hops: [],
      verdict:
        'No mesher that answered knows of this event: it was never published here, or it is longer ago than they remember.',
      waits: [],
      silent: [{ mesher: NODES.gcp2, why: 'It did not answer within 2 s.' }],
    };
  }
  const way = [
    hop(0, 'gcp1', 'published'),
    hop(3, 'gcp1', 'committed'),
    hop(4, 'gcp1', 'forwarded', { peer: NODES.aws1 }),
    hop(83, 'aws1', 'landed', { peer: NODES.gcp1 }),
    hop(86, 'aws1', 'committed'),
    hop(166, 'gcp1', 'forward-acked', { peer: NODES.aws1 }),
    hop(168, 'aws1', 'delivered', { subscription: 'invoices', attempt: 1 }),
  ];
  if (id === 'fine') {
    return {
      source,
      id,
      hops: [...way, hop(191, 'aws1', 'acked', { subscription: 'invoices', attempt: 1 })],
      verdict: `It arrived: subscription invoices in ${AWS} acked it 191 ms after it was published.`,
      waits: [],
      silent: [],
    };
  }
  const retry = { subscription: 'invoices', reason: 'webhook-status' };
  return {
    source,
    id,
    hops: [
      ...way,
      hop(214, 'aws1', 'retried', { ...retry, attempt: 1 }),
      hop(1_240, 'aws1', 'delivered', { subscription: 'invoices', attempt: 2 }),
      hop(1_262, 'aws1', 'retried', { ...retry, attempt: 2 }),
      hop(31_300, 'aws1', 'dead-lettered', { ...retry, attempt: 5 }),
    ],
    verdict: `It stopped in ${AWS}: subscription invoices was handed it 5 times, and its webhook answered 422 each time. It is a dead letter.`,
    waits: [],
    silent: [{ mesher: NODES.gcp2, why: 'It did not answer within 2 s.' }],
  };
}

export function routesOf(topic: string): RoutesView {
  if (!topic.startsWith('orders/')) {
    return {
      topic,
      subscriptions: [],
      destinations: [],
      others: [AWS, GCP, AZURE].map((cluster) => ({
        destination: cluster,
        cluster,
        why: 'Nobody there wants this topic.',
      })),
    };
  }
  return {
    topic,
    subscriptions: [
      { name: 'invoices', filter: 'orders/+/created', group: '', why: 'Its filter fits the topic.' },
    ],
    destinations: [
      {
        kind: 'cluster',
        destination: GCP,
        landing: NODES.gcp1,
        roundTripMs: 78,
        because: [{ filter: 'orders/#', group: '', node: NODES.gcp1 }],
        why: 'A mesher there wants it; it crosses once, whoever wants it there.',
      },
    ],
    others: [
      {
        destination: NODES.aws2,
        cluster: AWS,
        why: 'Nobody at this mesher wants this topic: it wants catalogue/#.',
      },
      {
        destination: AZURE,
        cluster: AZURE,
        why: 'Nobody there wants this topic: they want stock/+/changed.',
      },
    ],
  };
}

export function ledgerAt(at: number): LedgerView {
  return {
    mesher: NODES.aws1,
    links: NAMES.filter((name) => name !== 'aws1').map((name) => ({
      peer: NODES[name],
      verdict: { at: at - 20 * S, outcome: 'agrees', text: 'Nothing lost between sequence 1 and 48,211.' },
      lanes: (['out', 'in'] as const).flatMap((direction) =>
        [0, 1].map((lane) => ({
          lane: `${CLUSTER_OF[name]}/${lane}`,
          direction,
          incarnation: 3,
          from: 1,
          to: 24_105,
          sent: 24_105,
          acked: 24_105,
          received: 24_105,
          duplicate: 0,
          refused: {},
          difference: '',
        })),
      ),
    })),
  };
}
