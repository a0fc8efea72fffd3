// Which curves docs/routing.svg shows: computed and fitted lines, simulated dots. Pure over what was measured.

import type { Drawn } from '../harness/scenario.ts';
import { showNumber } from '../report/figures.ts';
import { type Curve, drawCurves } from './curve.ts';
import {
  CHURN,
  computedChurn,
  computedJoin,
  computedRecords,
  computedRest,
  JOINED_CLUSTERS,
  JOINED_FILTERS,
  POINTS,
} from './points.ts';

const CLUSTERS = [10, 20, 30, 50, 100, 200, 300, 500, 1_000] as const;
const FILTERS = [100, 1_000, 10_000] as const;
const SIMULATED = Object.entries(POINTS).filter(([id]) => id !== 'short');

export function routingCurves(rows: readonly Drawn[]): string {
  const measured = (id: string): number | undefined =>
    rows.find((row) => row.id === id)?.medians.subject.value;
  const more = (id: string, name: string): number | undefined =>
    rows.find((row) => row.id === id)?.medians.subject.more?.[name];
  const withGossip = (id: string): number | undefined => {
    const [links, gossip] = [measured(id), more(id, 'gossipBytesPerSecond')];
    return links === undefined || gossip === undefined ? undefined : links + gossip;
  };
  const dots = (valueOf: (id: string) => number | undefined, filters?: number): Curve['dots'] =>
    SIMULATED.flatMap(([id, point]) => {
      const value = filters === undefined || point.filters === filters ? valueOf(id) : undefined;
      return value === undefined ? [] : [[point.meshers, value] as const];
    });
  const line = (valueOf: (clusters: number) => number): Curve['line'] =>
    CLUSTERS.map((clusters) => [clusters, valueOf(clusters)] as const);

  const bytes: Curve[] = [
    { name: 'at rest', line: line(computedRest), dots: dots((id) => measured(`10.rest-${id}`)) },
    ...CHURN.map((changes) => ({
      name: `${changes} change${changes > 1 ? 's' : ''}/s`,
      line: line((clusters) => computedChurn(clusters, changes)),
      dots: dots((id) => withGossip(`10.churn${changes}-${id}`)),
    })),
  ];
  const joins: Curve[] = FILTERS.map((filters) => ({
    name: `${filters.toLocaleString('en')} filters each`,
    line: line((clusters) => computedJoin(clusters, filters)),
    dots: dots((id) => measured(`10.join-${id}`), filters),
  }));
  joins.push({
    name: 'records alone, 10,000 each',
    line: line((clusters) => computedRecords(clusters, JOINED_FILTERS)),
    dots: JOINED_CLUSTERS.flatMap((clusters) => {
      const value = measured(`10.records-${clusters}x1e4`);
      return value === undefined ? [] : [[clusters, value] as const];
    }),
  });
  const exchanged = dots((id) => more(`10.spread-${id}`, 'withoutGossipP50Ms'));
  const spread: Curve[] = [
    // no line: beyond some hundred clusters the repair of what was lost counts, and that was not run
    { name: 'by gossip, median', line: [], dots: dots((id) => measured(`10.spread-${id}`)) },
    {
      name: 'without gossip, median',
      line: exchanged.length > 1 ? line(fitLogarithm(exchanged)) : [],
      dots: exchanged,
    },
  ].filter((curve) => curve.dots.length > 0);
  return drawCurves([
    { title: 'Control bytes of a mesher, sent in a second', show: showPower, curves: bytes },
    { title: 'Bytes received to join', show: showPower, curves: joins },
    ...(spread.length > 0
      ? [
          {
            title: 'Until all know a change (line: fitted)',
            show: (ms: number) => `${showNumber(ms)} ms`,
            curves: spread,
          },
        ]
      : []),
  ]);
}

/** The axes have powers of ten. */
function showPower(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const step = Math.min(units.length - 1, Math.floor(Math.round(Math.log10(bytes)) / 3));
  return `${showNumber(bytes / 1_000 ** step)} ${units[step] ?? ''}`;
}

/** Exchanges with random peers spread a change as an epidemic: by a + b·ln(meshers). Least squares. */
function fitLogarithm(points: Curve['dots']): (meshers: number) => number {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const logs = points.map(([meshers]) => Math.log(meshers));
  const values = points.map(([, value]) => value);
  const [logMean, valueMean] = [mean(logs), mean(values)];
  const spreadOfLogs = mean(logs.map((log) => (log - logMean) ** 2));
  const slope = mean(logs.map((log, i) => (log - logMean) * ((values[i] ?? 0) - valueMean))) / spreadOfLogs;
  return (meshers) => valueMean + slope * (Math.log(meshers) - logMean);
}
