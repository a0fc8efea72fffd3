// The points that are simulated, each once in a process of its own: from one seed a simulation is always the same. And what the
// formulas say of any point.

import { join } from 'node:path';
import { withRun } from '../harness/run.ts';
import { placedInterests, realShapes } from '../matching/topic-shapes.ts';
import {
  deltaBytes,
  joinBytes,
  recordBytes,
  registryBytes,
  repairBytes,
  restBytes,
} from './control-bytes.ts';
import { gossipBytes } from './gossip-bytes.ts';
import { LOSS } from './loss.ts';
import type { Lived, Point, Rates, SimulationRole } from './simulation.ts';

export const CHURN = [1, 10, 100] as const;
/** What one member takes in the registry's list; as the simulation's members, which are as a real one's. */
const MEMBER_BYTES = 410;
const SEED = 1;
export const HEAP_MB = 6_000;

const SIMULATION = join(import.meta.dirname, 'simulation.ts');

/** Limited by memory, which grows with meshers² × filters, and by time, which grows with meshers². */
export const POINTS = {
  short: { meshers: 10, filters: 100, churn: [10], phaseMs: 10_000 },
  '10': { meshers: 10, filters: 10_000, churn: CHURN, phaseMs: 20_000 },
  '30': { meshers: 30, filters: 1_000, churn: CHURN, phaseMs: 20_000 },
  '100': { meshers: 100, filters: 100, churn: CHURN, phaseMs: 10_000 },
} as const satisfies Readonly<Record<string, Point>>;

const lives = new Map<Point, Promise<Lived>>();

export function live(point: Point): Promise<Lived> {
  const known = lives.get(point);
  if (known) return known;
  const lived = withRun('routing', (run) =>
    run
      .role<SimulationRole>('server', SIMULATION, { nodeFlags: [`--max-old-space-size=${HEAP_MB}`] })
      .call('live', point),
  );
  lives.set(point, lived);
  return lived;
}

export function sum(rates: Rates, kinds: (kind: string) => boolean = () => true): number {
  return Object.entries(rates).reduce((all, [kind, bytes]) => all + (kinds(kind) ? bytes : 0), 0);
}

/** Bytes in a second that one mesher sends on links. */
export function computedRest(meshers: number): number {
  const { probes, exchanges } = restBytes(meshers);
  return probes + exchanges;
}

/** Bytes in a second that one mesher has from the registry, on average. */
export function computedRegistry(meshers: number): number {
  return registryBytes(meshers, MEMBER_BYTES);
}

/** As `computedRest`, with gossip. */
export function computedChurn(meshers: number, changesPerSecond: number): number {
  const delta = USUAL_DELTA_BYTES;
  const { messages, told } = gossipBytes(meshers, changesPerSecond, delta);
  return computedRest(meshers) + messages + told + repairBytes(meshers, changesPerSecond, delta, LOSS);
}

/** Bytes that a mesher receives on links when it joins. */
export function computedJoin(meshers: number, filters: number): number {
  const { heads, records } = joinBytes(meshers, usualRecordBytes(filters));
  return heads + records;
}

/** Without the versions that everybody tells. */
export function computedRecords(peers: number, filters: number): number {
  return peers * usualRecordBytes(filters);
}

const recordsBytes = new Map<number, number>();

function usualRecordBytes(filters: number): number {
  const known = recordsBytes.get(filters);
  if (known !== undefined) return known;
  const [record = []] = placedInterests(realShapes(), filters, SEED, 1).values();
  const bytes = recordBytes(record);
  recordsBytes.set(filters, bytes);
  return bytes;
}

/** Of a filter of the usual length. */
export const USUAL_DELTA_BYTES = deltaBytes({
  filter: 'com/github/push/Codertocat/Hello-World-12345',
  group: '',
  durable: false,
});
