// Scenario 10: what routing costs as the federation grows. Whole cores in virtual time where a machine can hold them, formulas made
// of the messages' encodings beyond that, and the formulas held to the simulation.

import { join } from 'node:path';
import { withRun } from '../harness/run.ts';
import type { Row, Sample, Scenario, Subject } from '../harness/scenario.ts';
import { gossipBytes, MESH_DEGREE } from './gossip-bytes.ts';
import type { GossipLoad, GossipRole } from './gossip-net.ts';
import { notes } from './notes.ts';
import {
  computedOnLinks,
  computedJoin,
  computedRecords,
  computedRest,
  joined,
  JOINED_CLUSTERS,
  JOINED_FILTERS,
  live,
  POINTS,
  sum,
} from './points.ts';
import { routingCurves } from './routing-curves.ts';
import type { Lived, Point } from './simulation.ts';

/** Of the formula, up or down. */
const WITHIN = 0.15;

type OwnRow = Row & { readonly short: boolean };

const followsFormula: NonNullable<Row['goal']> = {
  text: `the formula, ± ${WITHIN * 100} %`,
  met: ({ ratio }) => ratio !== undefined && ratio >= 1 - WITHIN && ratio <= 1 + WITHIN,
};

function simulated(point: Point, sampleOf: (lived: Lived) => Sample): Subject {
  return { name: 'simulated', run: async () => sampleOf(await live(point)) };
}

function computed(value: () => number): Subject {
  return { name: 'computed', run: () => Promise.resolve({ value: value(), events: 1 }) };
}

function shown({ meshers, filters }: Pick<Point, 'meshers' | 'filters'>): string {
  return `${meshers} clusters with ${filters.toLocaleString('en')} filters each`;
}

function rowsOf(id: keyof typeof POINTS): OwnRow[] {
  const point: Point = POINTS[id];
  const { meshers, filters } = point;
  const common = { better: 'lower' as const, short: id === 'short' };
  const churnRows = point.churn.map((changes, i): OwnRow => ({
    ...common,
    id: `10.churn${changes}-${id}`,
    what: `simulated: control bytes of a mesher on links, ${shown(point)}, ${changes} changes/s in all`,
    unit: 'bytes/s',
    subject: simulated(point, (lived) => churnSample(meshers, lived, i)),
    reference: computed(() => computedOnLinks(meshers, changes)),
    goal: followsFormula,
  }));
  if (common.short) return churnRows;
  return [
    {
      ...common,
      id: `10.rest-${id}`,
      what: `simulated: control bytes of a mesher, ${shown(point)}, at rest`,
      unit: 'bytes/s',
      subject: simulated(point, ({ rest, steps }) => ({
        value: sum(rest),
        events: steps,
        more: {
          probesBytesPerSecond: sum(rest, (kind) => kind === 'ping' || kind === 'pong'),
          exchangesBytesPerSecond: sum(rest, (kind) => kind.startsWith('route-')),
        },
      })),
      reference: computed(() => computedRest(meshers)),
      goal: followsFormula,
    },
    ...churnRows,
    {
      ...common,
      id: `10.join-${id}`,
      what: `simulated: bytes that a mesher receives to join ${shown(point)}`,
      unit: 'bytes',
      subject: simulated(point, ({ join: { received, sent, tookMs }, steps }) => ({
        value: sum(received, isRoute),
        events: steps,
        more: { sentBytes: sum(sent, isRoute), tookMs },
      })),
      reference: computed(() => computedJoin(meshers, filters)),
      goal: followsFormula,
    },
    {
      ...common,
      id: `10.spread-${id}`,
      what: `simulated: until the last of ${meshers} meshers knows a change, 20 ms from each other, median`,
      unit: 'ms',
      subject: simulated(point, ({ churn, exchangedMs, steps }) => {
        const busiest = churn.at(-1);
        if (!busiest) throw new Error('nothing changed');
        const { p50, p99, max } = busiest.spreadMs;
        return {
          value: p50,
          events: steps,
          more: {
            p99Ms: p99,
            maxMs: max,
            withoutGossipP50Ms: exchangedMs.p50,
            withoutGossipMaxMs: exchangedMs.max,
          },
        };
      }),
    },
  ];
}

function isRoute(kind: string): boolean {
  return kind.startsWith('route-');
}

/** What went over links was simulated. What gossipsub sends for so many deltas of that size is computed, and stands beside it. */
function churnSample(meshers: number, { churn }: Lived, i: number): Sample {
  const one = churn[i];
  if (!one) throw new Error('nothing changed');
  const { messages, told } = gossipBytes(meshers, one.changesPerSecond, one.deltaBytes);
  const onLinks = sum(one.rates);
  return {
    value: onLinks,
    events: one.deltas,
    more: {
      gossipBytesPerSecond: messages + told,
      deltaBytes: one.deltaBytes,
      spreadP50Ms: one.spreadMs.p50,
      spreadMaxMs: one.spreadMs.max,
    },
  };
}

const GOSSIP_NET = join(import.meta.dirname, 'gossip-net.ts');
const GOSSIP_LOAD: GossipLoad = { meshers: 60, messageBytes: 220, perSecond: 50, seconds: 15 };

const gossipRow: OwnRow = {
  id: '10.gossip',
  what: 'what the gossipsub library sends for 50 deltas/s among 60 meshers',
  unit: 'bytes/s',
  better: 'lower',
  short: false,
  subject: {
    name: 'the library',
    run: async () => {
      const { bytesPerSecond, degree } = await withRun('gossip', (run) =>
        run.role<GossipRole>('server', GOSSIP_NET).call('gossip', GOSSIP_LOAD),
      );
      const { perSecond, seconds } = GOSSIP_LOAD;
      return { value: bytesPerSecond, events: perSecond * seconds, more: { meshDegree: degree } };
    },
  },
  reference: {
    name: `computed, with a mesh of ${MESH_DEGREE}`,
    run: () => {
      const { meshers, perSecond, messageBytes } = GOSSIP_LOAD;
      const { messages, told } = gossipBytes(meshers, perSecond, messageBytes);
      return Promise.resolve({ value: messages + told, events: 1 });
    },
  },
  goal: followsFormula,
};

function recordsRow(clusters: (typeof JOINED_CLUSTERS)[number]): OwnRow {
  return {
    id: `10.records-${clusters}x1e4`,
    what: `bytes of the records that a mesher pulls to join ${shown({ meshers: clusters, filters: JOINED_FILTERS })}`,
    unit: 'bytes',
    better: 'lower',
    short: false,
    subject: {
      name: 'a route table',
      run: async () => {
        const { receivedBytes, cpuMs, heldBytes } = await joined(clusters);
        const interests = (clusters - 1) * JOINED_FILTERS;
        return {
          value: receivedBytes,
          events: interests,
          cpuUsPerEvent: (cpuMs * 1_000) / interests,
          more: { heldBytes, heldBytesPerInterest: heldBytes / interests },
        };
      },
    },
    reference: computed(() => computedRecords(clusters, JOINED_FILTERS)),
    goal: followsFormula,
  };
}

export const scenario: Scenario = {
  name: 'routing',
  number: 10,
  title: 'Routing at scale',
  rows: [
    gossipRow,
    ...Object.keys(POINTS).flatMap((id) => rowsOf(id as keyof typeof POINTS)),
    ...JOINED_CLUSTERS.map(recordsRow),
  ],
  notes: notes(),
  drawings: (rows) => ({ 'routing.svg': routingCurves(rows) }),
};
