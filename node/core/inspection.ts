// The read side of a mesher: what it tells about itself, its links, queues and routes. Changes nothing.

import type { MesherCore } from './mesher-core.ts';
import type { Now } from './steps.ts';
import type { Limits } from './limits.ts';
import { checkTopic, matches } from './topic.ts';
import type {
  FederationView,
  LinksView,
  MetricFamily,
  QueueView,
  RouteDestination,
  RoutesView,
} from './views.ts';

const EVERY_GROUP = { groups: 'except', names: [] } as const;
/** Live peers that were not linked yet count against readiness this long after the start, ms. */
const LINKING_MS = 10_000;

/** Why the mesher is not ready: it has not joined, lacks routes of a live peer, or cannot write. Empty: ready. */
export function notReady(core: MesherCore, now: Now): string[] {
  const why: string[] = [];
  const { registry } = core.members;
  if (registry.state === 'never-reached' && !core.options.rejoining)
    why.push('the registry was never reached');
  if (registry.state === 'up' && !core.members.joined) why.push('not registered yet');
  for (const { record, status } of core.members.all()) {
    if (status !== 'alive' || core.table.complete(record.node)) continue;
    if (core.links.isUp(record.node))
      why.push(`routes of ${record.node} (${record.cluster}) are not complete`);
    else if (now.monotonic - core.startedAt.monotonic < LINKING_MS)
      why.push(`no link to ${record.node} (${record.cluster}) yet`);
  }
  if (core.diskFull) why.push('the disk is nearly full');
  return why;
}

export function viewFederation(core: MesherCore, registryAddress: string, now: Now): FederationView {
  const { self } = core.options;
  const { state, revision, since } = core.members.registry;
  const why = notReady(core, now);
  const own = {
    node: self.node,
    cluster: self.cluster,
    incarnation: self.incarnation,
    status: 'alive' as const,
    http: self.http,
    addresses: self.addresses,
    labels: self.labels,
    routes: core.table.describe(self.node),
  };
  const others = [...core.members.all()].map(({ record, status }) => ({
    node: record.node,
    cluster: record.cluster,
    incarnation: record.incarnation,
    status,
    http: record.http,
    addresses: record.addresses,
    labels: record.labels,
    routes: core.table.describe(record.node),
  }));
  return {
    federation: self.federation,
    self: { node: self.node, cluster: self.cluster, incarnation: self.incarnation, version: self.version },
    registry: { address: registryAddress, state, revision, sinceMs: Math.round(now.monotonic - since) },
    ready: { ready: why.length === 0, why },
    members: [own, ...others].sort(
      (a, b) => a.cluster.localeCompare(b.cluster) || a.node.localeCompare(b.node),
    ),
  };
}

export function viewLinks(core: MesherCore, now: Now): LinksView {
  return {
    links: core.links.views(now),
    lanes: core.forwarder.views(),
    copies: core.replication.views(),
  };
}

export function viewQueues(core: MesherCore): QueueView[] {
  const subscriptions = core.subscriptions.all().map((delivery): QueueView => {
    const { subscription, depth, inFlight, oldestAcceptedAt } = delivery.state();
    return { name: subscription.name, kind: 'subscription', depth, inFlight, oldestAcceptedAt };
  });
  const lanes = core.forwarder.queues().map((queue): QueueView => ({
    name: queue.name,
    kind: 'lane',
    depth: queue.depth,
    inFlight: core.forwarder.lane(queue)?.view().inFlight ?? 0,
    oldestAcceptedAt: queue.front()?.event.acceptedAt ?? 0,
  }));
  return [...subscriptions, ...lanes];
}

/** The decision that a publish on `topic` would meet now, with reasons. Sends nothing. Throws `invalid-topic`. */
export function viewRoutes(core: MesherCore, topic: string, limits: Limits): RoutesView {
  checkTopic(topic, limits);
  const decision = core.router.preview(topic, 0, 'anywhere', EVERY_GROUP);
  const routes = core.table.match(topic);
  const because = (wanted: (node: string) => boolean): RouteDestination['because'] =>
    routes.filter((route) => wanted(route.node)).map(({ filter, group, node }) => ({ filter, group, node }));
  const why = (directive: { groups: string }): string =>
    directive.groups === 'except'
      ? 'its interests are not known yet, so it is sent everything'
      : 'somebody there wants it';
  const destinations: RouteDestination[] = [];
  for (const [node, directive] of decision.peers) {
    destinations.push({
      kind: 'mesher',
      destination: node,
      landing: core.links.isUp(node) ? node : undefined,
      roundTripMs: core.links.get(node)?.roundTripMs,
      because: because((one) => one === node),
      why: why(directive),
    });
  }
  for (const [cluster, directive] of decision.clusters) {
    const landing = core.forwarder.landingFor(cluster, 0);
    destinations.push({
      kind: 'cluster',
      destination: cluster,
      landing,
      roundTripMs: landing === undefined ? undefined : core.links.get(landing)?.roundTripMs,
      because: because((one) => core.members.clusterOf(one) === cluster),
      why: why(directive),
    });
  }
  const reached = new Set(destinations.map((one) => one.destination));
  const others = [...core.members.all()]
    .filter(({ record }) => !reached.has(record.node) && !reached.has(record.cluster))
    .map(({ record, status }) => ({
      destination: record.node,
      cluster: record.cluster,
      why: whyNot(
        status,
        because((one) => one === record.node),
      ),
    }));
  return { topic, subscriptions: localSubscriptions(core, topic, decision.local), destinations, others };
}

function whyNot(status: string, interests: RouteDestination['because']): string {
  const groups = interests.filter((one) => one.group !== '').map((one) => one.group);
  if (interests.length === 0) return 'no interest: nobody there has a filter that matches';
  if (groups.length === interests.length)
    return `its group ${groups.join(', ')} is served by another member, which is nearer`;
  return `it is ${status}, and its interest is not durable`;
}

function localSubscriptions(
  core: MesherCore,
  topic: string,
  chosen: readonly { readonly name: string; readonly filter: string; readonly group: string }[],
): RoutesView['subscriptions'] {
  const served = chosen.map(({ name, filter, group }) => ({
    name,
    filter,
    group,
    why: group === '' ? 'its filter matches' : 'chosen for its group',
  }));
  const names = new Set(served.map((one) => one.name));
  for (const { subscription } of core.subscriptions.all()) {
    if (
      names.has(subscription.name) ||
      !matches(subscription.topic, topic) ||
      subscription.topic.startsWith('$')
    )
      continue;
    served.push({
      name: subscription.name,
      filter: subscription.topic,
      group: subscription.group ?? '',
      why: 'not now: another member of its group is next',
    });
  }
  return served;
}

type Samples = MetricFamily['samples'];
type Gauge = (core: MesherCore, now: Now) => number | Samples;

/** Name, help, and the value now: one number, or one for each combination of labels. */
const GAUGES: readonly (readonly [name: string, help: string, value: Gauge])[] = [
  [
    'ready',
    '1 when the mesher has joined, has all routes and can write',
    (core, now) => (notReady(core, now).length === 0 ? 1 : 0),
  ],
  [
    'registry_up',
    '1 when the last call to the registry succeeded',
    (core) => (core.members.registry.state === 'up' ? 1 : 0),
  ],
  [
    'members',
    'Meshers known, by status, this one included',
    (core) =>
      sumBy('status', [['alive', 1], ...[...core.members.all()].map(({ status }) => [status, 1] as const)]),
  ],
  [
    'link_up',
    '1 when the link to the peer stands',
    (core, now) =>
      core.links.views(now).map(({ peer, cluster, state }) => ({
        labels: { peer, cluster },
        value: state === 'up' ? 1 : 0,
      })),
  ],
  [
    'link_round_trip_seconds',
    'Smoothed round trip of the link',
    (core, now) =>
      core.links
        .views(now)
        .flatMap(({ peer, cluster, roundTripMs }) =>
          roundTripMs === undefined ? [] : [{ labels: { peer, cluster }, value: roundTripMs / 1000 }],
        ),
  ],
  [
    'lane_queued_events',
    'Events waiting for, or in flight to, a destination',
    (core) =>
      sumBy(
        'destination',
        core.forwarder.views().map(({ destination, queued }) => [destination, queued]),
      ),
  ],
  ['subscriptions', 'Durable subscriptions of this mesher', (core) => core.subscriptions.all().length],
  [
    'subscription_queued_events',
    'Events held for durable subscriptions, delivered and unsettled ones included',
    (core) => sum(core.subscriptions.all(), (delivery) => delivery.state().depth),
  ],
  [
    'subscription_in_flight_events',
    'Events delivered and not settled',
    (core) => sum(core.subscriptions.all(), (delivery) => delivery.state().inFlight),
  ],
  ['journal_blocks', 'Blocks of events that some queue still wants', (core) => core.commits.blocks],
  ['staged_bytes', 'Bytes of events accepted and not yet on disk', (core) => core.commits.pendingBytes],
  [
    'routes',
    'Interests known of other meshers',
    (core) => sum(core.members.all(), ({ record }) => core.table.describe(record.node).interests),
  ],
];

/** Counters, and gauges of what is held now. */
export function viewMetrics(core: MesherCore, now: Now): MetricFamily[] {
  const gauges = GAUGES.map(([name, help, value]): MetricFamily => {
    const found = value(core, now);
    const samples = typeof found === 'number' ? [{ labels: {}, value: found }] : found;
    return { name, help, type: 'gauge', samples };
  });
  return [...core.counters.families(), ...gauges];
}

function sum<T>(items: Iterable<T>, of: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += of(item);
  return total;
}

/** One sample for each value of the label. */
function sumBy(label: string, counts: readonly (readonly [of: string, count: number])[]): Samples {
  const sums = new Map<string, number>();
  for (const [of, count] of counts) sums.set(of, (sums.get(of) ?? 0) + count);
  return [...sums].map(([of, value]) => ({ labels: { [label]: of }, value }));
}
