// What the core tells as metrics: counters and latencies as they stand, and gauges, read from the same state as its views.

import type { Lane } from './lane.ts';
import type { MesherCore } from './mesher-core.ts';
import type { GAUGES } from './metric-catalogue.ts';
import { family, sumBy } from './metric-family.ts';
import type { Now } from './steps.ts';
import { DEAD_LETTERS } from './subscription.ts';
import type { CopyView, MetricFamily } from './views.ts';

type Samples = MetricFamily['samples'];
type GaugeName = Exclude<keyof typeof GAUGES, 'ready'>;

/** All but `ready`: not the core alone decides that. */
export function viewMetrics(core: MesherCore, now: Now): MetricFamily[] {
  const { counters } = core;
  const found = {
    ...ofMesher(core, now),
    ...ofLinks(core, now),
    ...ofLanes(core, now),
    ...ofQueues(core, now),
  };
  const gauges: Found<GaugeName> = { ...found, ...ofCopies(core), ...ofRoutes(core) };
  return [
    ...[...counters.families(), ...counters.latencies.families()].map(({ name, samples }) =>
      family(name, samples),
    ),
    ...(Object.keys(gauges) as GaugeName[]).map((name) => family(name, gauges[name])),
  ];
}

type Found<N extends GaugeName> = Readonly<Record<N, number | Samples>>;

function ofMesher(core: MesherCore, now: Now) {
  const { self } = core.options;
  const { registry } = core.members;
  const { federation, cluster, node, version } = self;
  const statuses = [...core.members.all()].map(({ status }) => [status, 1] as const);
  return {
    mesher_info: [{ labels: { federation, cluster, mesher: node, version }, value: 1 }],
    registry_up: registry.state === 'up' ? 1 : 0,
    registry_changed_timestamp_seconds: wallSeconds(registry.since, now),
    members: sumBy('status', [['alive', 1], ...statuses]),
    journal_blocks: core.commits.blocks,
    staged_bytes: core.commits.pendingBytes,
  } satisfies Partial<Found<GaugeName>>;
}

/** Of all members that are not dead, also of those never linked: else one that could never be reached would not be seen. */
function ofLinks(core: MesherCore, now: Now) {
  const members = [...core.members.all()].filter(({ status }) => status !== 'dead');
  const each = (value: (node: string, changedAt: number) => number | undefined): Samples =>
    members.flatMap(({ record: { node, cluster } }) => {
      const found = value(node, core.links.get(node)?.since ?? core.startedAt.monotonic);
      return found === undefined ? [] : [{ labels: { peer: node, cluster }, value: found }];
    });
  return {
    link_up: each((node) => (core.links.isUp(node) ? 1 : 0)),
    link_changed_timestamp_seconds: each((_node, since) => wallSeconds(since, now)),
    link_round_trip_seconds: each((node) => {
      const { roundTripMs } = core.links.get(node) ?? {};
      return roundTripMs === undefined ? undefined : roundTripMs / 1000;
    }),
  } satisfies Partial<Found<GaugeName>>;
}

function ofLanes(core: MesherCore, now: Now) {
  const lanes = [...core.forwarder.lanes()].map((lane) => ({
    lane,
    view: lane.view(),
    destination: destinationOf(core, lane),
  }));
  const ages = new Map<string, number>();
  for (const { lane, destination } of lanes) {
    const age = ageOf(core, lane.queue.depth, lane.oldestAt(), now);
    ages.set(destination, Math.max(age, ages.get(destination) ?? 0));
  }
  return {
    lanes: sumBy(
      'state',
      lanes.map(({ view }) => [view.state, 1]),
    ),
    lane_queued_events: sumBy(
      'destination',
      lanes.map(({ view, destination }) => [destination, view.queued]),
    ),
    lane_in_flight_events: sumBy(
      'destination',
      lanes.map(({ view, destination }) => [destination, view.inFlight]),
    ),
    lane_oldest_event_age_seconds: sumBy('destination', ages),
  } satisfies Partial<Found<GaugeName>>;
}

/** Others may name meshers here that are no members, thousands of them: those are one. */
function destinationOf(core: MesherCore, { destination, name }: Lane): string {
  const isMember =
    name.scope === 'cluster'
      ? core.members.clusterSize(destination) > 0
      : core.members.get(destination) !== undefined;
  return isMember ? destination : 'unknown';
}

/** Seconds. What is on disk only was there when the mesher started: it is at least as old as that. */
function ageOf(core: MesherCore, depth: number, acceptedAt: number | undefined, now: Now): number {
  if (depth === 0) return 0;
  return Math.max(0, now.wall - (acceptedAt ?? core.startedAt.wall)) / 1000;
}

function ofQueues(core: MesherCore, now: Now) {
  let [queued, deepest, inFlight, oldest, deadLetters] = [0, 0, 0, 0, 0];
  const all = core.subscriptions.all();
  for (const delivery of all) {
    const { depth, inFlight: out, subscription } = delivery.state();
    queued += depth;
    inFlight += out;
    if (subscription.name === DEAD_LETTERS) {
      deadLetters = depth;
      continue;
    }
    deepest = Math.max(deepest, depth);
    oldest = Math.max(oldest, ageOf(core, depth, delivery.oldestHeldAt(), now));
  }
  const { durable, ephemeral } = core.subscriptions.sessions();
  return {
    subscriptions: all.length,
    subscription_queued_events: queued,
    subscription_queued_events_max: deepest,
    subscription_in_flight_events: inFlight,
    subscription_oldest_event_age_seconds: oldest,
    dead_letter_events: deadLetters,
    sessions: [
      { labels: { of: 'durable' }, value: durable },
      { labels: { of: 'ephemeral' }, value: ephemeral },
    ],
  } satisfies Partial<Found<GaugeName>>;
}

function ofCopies(core: MesherCore) {
  const copies = core.replication.views();
  return {
    copies: sumBy(
      'state',
      copies.map((copy) => [stateOf(copy), 1]),
    ),
    copies_wanted: core.replication.replicas - 1,
    copies_behind_batches: Math.max(0, ...copies.map(({ behind }) => behind)),
    copies_held: core.copies.all().length,
    takeovers_moving: core.takeovers.moving().length,
    guests: core.takeovers.guests().length,
  } satisfies Partial<Found<GaugeName>>;
}

function stateOf({ state, complete }: CopyView): string {
  if (state !== 'streaming') return state;
  return complete ? 'complete' : 'filling';
}

function ofRoutes(core: MesherCore) {
  const records = [...core.members.all()].map(({ record }) => core.table.describe(record.node));
  let interests = 0;
  for (const record of records) interests += record.interests;
  return {
    routes: interests,
    route_records: sumBy(
      'state',
      records.map(({ complete, gapped }) => [complete ? (gapped ? 'gapped' : 'complete') : 'unknown', 1]),
    ),
  } satisfies Partial<Found<GaugeName>>;
}

/** Unix time of a moment of the monotonic clock, to a tenth of a second: two clocks do not go evenly. */
function wallSeconds(monotonic: number, now: Now): number {
  return Math.round((now.wall - now.monotonic + monotonic) / 100) / 10;
}
