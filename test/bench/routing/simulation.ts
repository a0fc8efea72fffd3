// The role that lives through one point: a federation of so many clusters, a mesher in each, with so many filters each. It
// starts, rests, changes, loses its gossip, and takes in one mesher more; control bytes and times are counted on the way.

import { playRole } from '../harness/role.ts';
import { distinctTopics, placedInterests, realShapes } from '../matching/topic-shapes.ts';
import { Convergence } from './convergence.ts';
import { Fabric, total, type Station } from './fabric.ts';
import { LOSS } from './loss.ts';

export interface Point {
  /** Meshers, one in each cluster; the one that joins is the last of them. */
  readonly meshers: number;
  /** Of each mesher. */
  readonly filters: number;
  /** New interests a second in the whole federation. */
  readonly churn: readonly number[];
  /** How long it rests, and how long each churn lasts. */
  readonly phaseMs: number;
}

/** Sent by one mesher in a second, on average, by kind of message. */
export type Rates = Readonly<Record<string, number>>;

export interface Lived {
  readonly rest: Rates;
  readonly churn: readonly {
    readonly changesPerSecond: number;
    readonly deltas: number;
    readonly deltaBytes: number;
    readonly rates: Rates;
    /** From the announcement until the last mesher has it. */
    readonly spreadMs: Spread;
  }[];
  /** With all gossip lost: by exchanges alone. */
  readonly exchangedMs: Spread;
  readonly join: {
    readonly tookMs: number;
    readonly received: Rates;
    readonly sent: Rates;
  };
  readonly steps: number;
}

export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface SimulationRole {
  live(point: Point): Lived;
}

const SETTLE_MS = 15_000;
/** Longest that anything may take; longer is a failure of the run. */
const PATIENCE_MS = 120_000;
const LOST_CHANGES = 10;
const SEED = 1;

function live({ meshers, filters, churn, phaseMs }: Point): Lived {
  const shapes = realShapes();
  const interests = [...placedInterests(shapes, meshers * filters, SEED, meshers).values()];
  const changes = distinctTopics(shapes, 20_000, 0, SEED);
  const convergence: Convergence = new Convergence(
    () => fabric.schedule.now,
    () => fabric.stations.keys(),
  );
  const fabric = new Fabric(SEED, convergence);
  const grow = (): Station => {
    const station = fabric.add();
    fabric.subscribe(station, interests[fabric.stations.size - 1] ?? []);
    return station;
  };
  while (fabric.stations.size < meshers - 1) grow();
  fabric.linkAll();
  fabric.run(SETTLE_MS);
  expectWhole(fabric);

  const join = takeIn(fabric, grow);
  fabric.run(SETTLE_MS);
  expectWhole(fabric);

  fabric.forgetTraffic();
  fabric.run(phaseMs);
  const rest = rates(fabric, phaseMs);

  convergence.watching = true;
  const lived = churn.map((changesPerSecond) => {
    fabric.gossipLoss = LOSS;
    fabric.forgetTraffic();
    change(fabric, changes, changesPerSecond, (changesPerSecond * phaseMs) / 1_000);
    fabric.run(phaseMs);
    const { gossiped: deltas, gossipedBytes } = fabric;
    const found = rates(fabric, phaseMs);
    const spreadMs = settle(fabric, convergence);
    return { changesPerSecond, deltas, deltaBytes: gossipedBytes / deltas, rates: found, spreadMs };
  });

  fabric.gossipLoss = 1;
  change(fabric, changes, 1, LOST_CHANGES);
  fabric.run(LOST_CHANGES * 1_000);
  const exchangedMs = settle(fabric, convergence);
  expectWhole(fabric);
  return { rest, churn: lived, exchangedMs, join, steps: fabric.schedule.count };
}

/** So many new interests, evenly apart, at one mesher after the other. */
function change(fabric: Fabric, filters: string[], perSecond: number, count: number): void {
  const stations = [...fabric.stations.values()];
  for (let i = 0; i < count; i++) {
    const station = stations[i % stations.length];
    const filter = filters.pop();
    if (!station || filter === undefined) throw new Error('there are no more filters to change');
    fabric.schedule.after(((i + 1) * 1_000) / perSecond, () =>
      fabric.subscribe(station, [{ filter, group: '' }]),
    );
  }
}

function settle(fabric: Fabric, convergence: Convergence): Spread {
  fabric.run(PATIENCE_MS, () => convergence.pending === 0);
  if (convergence.pending > 0) throw new Error(`${convergence.pending} changes did not reach everybody`);
  const took = convergence.take();
  const at = (share: number): number => took[Math.ceil(share * took.length) - 1] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function takeIn(fabric: Fabric, grow: () => Station): Lived['join'] {
  fabric.forgetTraffic();
  const startedAt = fabric.schedule.now;
  const joiner = grow();
  fabric.linkLast();
  const others = [...fabric.stations.values()].filter((station) => station !== joiner);
  const isWhole = (): boolean =>
    others.every(({ node, core }) => joiner.core.table.complete(node) && core.table.complete(joiner.node));
  // asked now and then: to look at all tables after each message would take longer than the messages
  while (!isWhole()) {
    if (fabric.schedule.now - startedAt > PATIENCE_MS)
      throw new Error('the mesher that joined does not know all');
    fabric.run(50);
  }
  const tookMs = fabric.schedule.now - startedAt;
  fabric.run(500); // what was asked for twice is on its way
  const of = (traffic: Fabric['sent']): Rates => Object.fromEntries(traffic.get(joiner.node) ?? []);
  return { tookMs, received: of(fabric.received), sent: of(fabric.sent) };
}

function rates(fabric: Fabric, ms: number): Rates {
  const perMesher = fabric.stations.size * (ms / 1_000);
  return Object.fromEntries([...total(fabric.sent)].map(([kind, bytes]) => [kind, bytes / perMesher]));
}

/** Every table holds what every owner announced. */
function expectWhole(fabric: Fabric): void {
  for (const { node: at, core } of fabric.stations.values()) {
    for (const { node: of, core: owner } of fabric.stations.values()) {
      const [held, own] = [core.table.describe(of), owner.table.describe(of)];
      if (!held.complete || held.gapped || held.sequence !== own.sequence || held.interests !== own.interests)
        throw new Error(`${at} does not hold what ${of} announced`);
    }
  }
}

playRole<SimulationRole>({ live });
