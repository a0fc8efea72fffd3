// One overview of what a mesher knows of the federation and what its members said of themselves. Pure. A member's word is taken for
// itself alone: whose a link, a subscription or a figure is, is what was asked, never what was answered.

import { placeOfLabels, placeOfName } from '../core/cloud-regions.ts';
import type { NodeId } from '../core/event.ts';
import { FilterTree } from '../core/filter-tree.ts';
import { isWireTopic } from '../core/limits.ts';
import type {
  CanaryFigures,
  CanaryOverview,
  ClusterOverview,
  LinkOverview,
  MesherOverview,
  Overview,
  SubscriptionOverview,
  TopicOverview,
} from '../core/overview.ts';
import type { FederationView } from '../core/views.ts';
import {
  OVERVIEW_LINKS_MAX,
  OVERVIEW_MESHERS_MAX,
  OVERVIEW_SUBSCRIPTIONS_MAX,
  OVERVIEW_TOPICS_MAX,
  TOPIC_ENDS_MAX,
} from './bounds.ts';
import type { CanaryReport, MesherReport } from './report.ts';

/** What was heard of one member: its report, or why there is none. */
export type Heard = { readonly report: MesherReport } | { readonly silent: string };

export type Composed = Omit<Overview, 'alarms'>;

/** `secret`: as FilterTree wants it. */
export function compose(
  view: FederationView,
  heard: (node: NodeId) => Heard,
  at: number,
  secret: number,
): Composed & { readonly reports: ReadonlyMap<NodeId, MesherReport> } {
  const members = [...view.members].sort(
    (a, b) => Number(b.node === view.self.node) - Number(a.node === view.self.node),
  );
  const cut = new Map<string, number>();
  const meshers: MesherOverview[] = [];
  const links: LinkOverview[] = [];
  const subscriptions: SubscriptionOverview[] = [];
  const canaries: CanaryOverview[] = [];
  const reports = new Map<NodeId, MesherReport>();
  for (const { node, cluster, http, labels, status } of members) {
    const said = heard(node);
    const report = 'report' in said ? said.report : undefined;
    const silent = 'silent' in said ? said.silent : '';
    meshers.push({ node, cluster, http, labels, status, silent, figures: figuresOf(report) });
    if (!report) continue;
    reports.set(node, report);
    for (const link of report.links) links.push(linkOf(node, link));
    for (const one of report.subscriptions) subscriptions.push({ ...one, mesher: node, cluster });
    for (const canary of report.canaries) canaries.push(canaryOf(cluster, canary));
  }
  // what a mesher has cut is counted as it says; of the others what they told is all there is
  for (const name of ['links', 'subscriptions', 'topics'] as const) {
    const told = [...reports.values()];
    if (!told.some((report) => report.cut[name] !== undefined)) continue;
    cut.set(
      name,
      told.reduce((sum, report) => sum + (report.cut[name] ?? report[name].length), 0),
    );
  }
  const bounded = <T>(name: string, list: readonly T[], max: number): readonly T[] => {
    if (list.length > max) cut.set(name, Math.max(cut.get(name) ?? 0, list.length));
    return list.slice(0, max);
  };
  subscriptions.sort(
    (a, b) =>
      Number(b.stuck !== '') - Number(a.stuck !== '') ||
      b.deliveredPerSecond - a.deliveredPerSecond ||
      b.depth - a.depth,
  );
  const clusters = clustersOf(meshers);
  const topics = topicsOf(meshers, reports, subscriptions, secret);
  return {
    federation: view.federation,
    self: view.self.node,
    at,
    registry: view.registry,
    clusters,
    meshers: bounded('meshers', meshers, OVERVIEW_MESHERS_MAX),
    links: bounded('links', links, OVERVIEW_LINKS_MAX),
    subscriptions: bounded('subscriptions', subscriptions, OVERVIEW_SUBSCRIPTIONS_MAX),
    topics: bounded('topics', topics, OVERVIEW_TOPICS_MAX),
    canaries: bounded('canaries', canaries, OVERVIEW_LINKS_MAX),
    cut: Object.fromEntries(cut),
    reports,
  };
}

function figuresOf(report: MesherReport | undefined): MesherOverview['figures'] {
  if (!report) return undefined;
  const { latency, ...rest } = report.figures;
  return { ...rest, latency: { publish: latency.publish, delivery: latency.delivery } };
}

function linkOf(from: NodeId, link: MesherReport['links'][number]): LinkOverview {
  return { ...link, from, roundTripMs: link.roundTripMs, ledger: link.ledger };
}

function canaryOf(from: string, { to, lastAt, lately, hour, day, month }: CanaryReport): CanaryOverview {
  const whole = (span: CanaryReport['hour']): CanaryFigures => ({
    ...span,
    availability: span.availability,
    latencyMs: span.latencyMs,
  });
  const spans = { lately: whole(lately ?? hour), hour: whole(hour), day: whole(day), month: whole(month) };
  return { from, to, lastAt, ...spans };
}

function clustersOf(meshers: readonly MesherOverview[]): ClusterOverview[] {
  const byName = new Map<string, MesherOverview[]>();
  for (const mesher of meshers) {
    const list = byName.get(mesher.cluster);
    if (list) list.push(mesher);
    else byName.set(mesher.cluster, [mesher]);
  }
  return [...byName]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, list]) => ({ name, place: placeOf(name, list), meshers: list.map(({ node }) => node) }));
}

function placeOf(name: string, meshers: readonly MesherOverview[]): ClusterOverview['place'] {
  for (const { labels } of meshers) {
    const labelled = placeOfLabels(labels);
    if (labelled) return { ...labelled, from: 'labels' };
  }
  const named = placeOfName(name);
  return named && { ...named, from: 'name' };
}

/** Who publishes on what, and who listens: the topics of all meshers, against the filters of all subscriptions that were told of. */
function topicsOf(
  meshers: readonly MesherOverview[],
  reports: ReadonlyMap<NodeId, MesherReport>,
  subscriptions: readonly SubscriptionOverview[],
  secret: number,
): TopicOverview[] {
  const topics = new Map<
    string,
    Pick<TopicOverview, 'publishedPerSecond' | 'published'> & { publishers: NodeId[] }
  >();
  for (const [node, { topics: told }] of reports) {
    for (const { topic, publishedPerSecond, published } of told) {
      const one = topics.get(topic) ?? { publishedPerSecond: 0, published: 0, publishers: [] };
      topics.set(topic, {
        publishedPerSecond: one.publishedPerSecond + publishedPerSecond,
        published: one.published + published,
        publishers: [...one.publishers, node],
      });
    }
  }
  const clusters = new Map(meshers.map(({ node, cluster }) => [node, cluster]));
  const tree = new FilterTree<{ readonly filter: string; readonly of: SubscriptionOverview }>(secret);
  for (const of of subscriptions) if (isWireTopic(of.topic)) tree.add({ filter: of.topic, of });
  return [...topics]
    .filter(
      ([topic, { published, publishedPerSecond }]) =>
        isWireTopic(topic) && published + publishedPerSecond > 0,
    )
    .sort(([, a], [, b]) => b.publishedPerSecond - a.publishedPerSecond || b.published - a.published)
    .map(([topic, { publishers, ...counts }], at) => ({
      topic,
      ...counts,
      publishers: publishers
        .slice(0, TOPIC_ENDS_MAX)
        .map((mesher) => ({ mesher, cluster: clusters.get(mesher) ?? '' })),
      listeners:
        at >= OVERVIEW_TOPICS_MAX
          ? []
          : tree
              .match(topic)
              .slice(0, TOPIC_ENDS_MAX)
              .map(({ of }) => ({ mesher: of.mesher, cluster: of.cluster, subscription: of.name })),
    }));
}
