// The read side of a mesher: what it tells about itself, its links, queues and routes. Changes nothing.

import type { NodeId } from './event.ts';
import type { MesherCore } from './mesher-core.ts';
import type { Now } from './steps.ts';
import type { Limits } from './limits.ts';
import { checkTopic, matches } from './topic.ts';
import type { FederationView, LinksView, QueueView, RouteDestination, RoutesView } from './views.ts';

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
      roundTripMs: roundTripOf(core, node),
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
      roundTripMs: roundTripOf(core, landing),
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

/** Undefined while the link is down: the last one that was measured says nothing then. */
function roundTripOf({ links }: MesherCore, node: NodeId | undefined): number | undefined {
  return node !== undefined && links.isUp(node) ? links.get(node)?.roundTripMs : undefined;
}
