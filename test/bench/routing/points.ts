// The points that are simulated, and the joins to what cannot be, each once in a process of its own: from one seed they are always
// the same. And what the
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
import type { Joined, JoinerRole } from './joiner.ts';
import { LOSS } from './loss.ts';
import type { Lived, Point, Rates, SimulationRole } from './simulation.ts';

export const CHURN = [1, 10, 100] as const;
/** What one member takes in the registry's list; as the simulation's members, which are as a real one's. */
const MEMBER_BYTES = 410;
const SEED = 1;
const HEAP_MB = 6_000;

const SIMULATION = join(import.meta.dirname, 'simulation.ts');
const JOINER = join(import.meta.dirname, 'joiner.ts');

/** Limited by memory, which grows with meshers² × filters, and by time, which grows with meshers². */
export const POINTS = {
  short: { meshers: 10, filters: 100, churn: [10], phaseMs: 10_000 },
  '10': { meshers: 10, filters: 10_000, churn: CHURN, phaseMs: 20_000 },
  '30': { meshers: 30, filters: 1_000, churn: CHURN, phaseMs: 20_000 },
  '100': { meshers: 100, filters: 100, churn: CHURN, phaseMs: 10_000 },
} as const satisfies Readonly<Record<string, Point>>;

/** Where one mesher alone is real, and pulls the records of all others. */
export const JOINED_CLUSTERS = [100, 1_000] as const;
export const JOINED_FILTERS = 10_000;

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

const joins = new Map<number, Promise<Joined>>();

export function joined(clusters: number): Promise<Joined> {
  const known = joins.get(clusters);
  if (known) return known;
  const made = withRun('joining', (run) =>
    run
      .role<JoinerRole>('server', JOINER, { nodeFlags: ['--expose-gc', `--max-old-space-size=${HEAP_MB}`] })
      .call('join', { owners: clusters - 1, filters: JOINED_FILTERS }),
  );
  joins.set(clusters, made);
  return made;
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

/** As `computedRest`, with the repair of what gossip lost. */
export function computedOnLinks(meshers: number, changesPerSecond: number): number {
  return computedRest(meshers) + repairBytes(meshers, changesPerSecond, USUAL_DELTA_BYTES, LOSS);
}

/** As `computedOnLinks`, with gossip. */
export function computedChurn(meshers: number, changesPerSecond: number): number {
  const { messages, told } = gossipBytes(meshers, changesPerSecond, USUAL_DELTA_BYTES);
  return computedOnLinks(meshers, changesPerSecond) + messages + told;
}

/** Bytes that a mesher receives on links when it joins. */
export function computedJoin(meshers: number, filters: number): number {
  const { heads, records } = joinBytes(meshers, usualRecordBytes(filters));
  return heads + records;
}

/** Without the versions that everybody tells. */
export function computedRecords(meshers: number, filters: number): number {
  return (meshers - 1) * usualRecordBytes(filters);
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
