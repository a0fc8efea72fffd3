// The role that fills a holder with interests, matches topics against it, looks at its memory and empties it. A process of its
// own for each run: what was compiled for another holder, or is left of it in memory, would count. Needs --expose-gc.

import { matches } from '../../../node/core/topic.ts';
import { cpuMsSince } from '../../support/calibrate.ts';
import { playRole } from '../harness/role.ts';
import { bytesHeld } from './bytes-held.ts';
import { type Found, type Holder, HOLDERS } from './holders.ts';
import { distinctTopics, placedInterests, realShapes, type Shapes } from './topic-shapes.ts';

export interface Load {
  readonly holder: keyof typeof HOLDERS;
  readonly interests: number;
  readonly topics: number;
  readonly forMs: number;
}

export interface Measured {
  /** For people: where the shapes of the topics are from. */
  readonly source: string;
  readonly matches: number;
  /** CPU time: what else runs on the machine takes none of it. */
  readonly usPerMatch: number;
  readonly valuesPerMatch: number;
  readonly bytesPerInterest: number;
  readonly takeInUs: number;
  readonly dropUs: number;
}

export interface MatcherRole {
  measure(load: Load): Promise<Measured>;
}

const SEEDS = { interests: 1, topics: 2 };
const WARM_UP_INTERESTS = 3_000;
/** Comparisons one by one of all interests with some topics, in the check at the end; and how many topics at least. */
const COMPARISONS = 3_000_000;
const CHECKED_MIN = 10;

async function measure({ holder: kind, interests, topics: count, forMs }: Load): Promise<Measured> {
  const shapes = realShapes();
  warmUp(HOLDERS[kind](), shapes);
  const topics = distinctTopics(shapes, count, interests, SEEDS.topics);
  const before = await bytesHeld();
  const holder = HOLDERS[kind]();
  const takeInMs = fill(holder, shapes, interests);
  const after = await bytesHeld();
  matchAll(holder, topics);
  const run = matchFor(holder, topics, forMs);
  const { nodes } = check(holder, shapes, interests, topics);
  const dropMs = nodes.reduce((sum, node) => sum + holder.drop(node), 0);
  if (topics.some((topic) => holder.match(topic).length > 0))
    throw new Error('something is left that matches');
  return {
    source: shapes.source,
    matches: run.matches,
    usPerMatch: (run.tookMs * 1_000) / run.matches,
    valuesPerMatch: run.values / run.matches,
    bytesPerInterest: (after - before) / interests,
    takeInUs: (takeInMs * 1_000) / interests,
    dropUs: (dropMs * 1_000) / interests,
  };
}

/** So that neither the compiler's work nor its memory is counted. */
function warmUp(holder: Holder, shapes: Shapes): void {
  fill(holder, shapes, WARM_UP_INTERESTS);
  matchFor(holder, distinctTopics(shapes, 10_000, WARM_UP_INTERESTS, SEEDS.topics), 100);
}

function fill(holder: Holder, shapes: Shapes, count: number): number {
  let tookMs = 0;
  for (const [node, interests] of placedInterests(shapes, count, SEEDS.interests))
    tookMs += holder.add(node, interests);
  return tookMs;
}

function matchAll(holder: Holder, topics: readonly string[]): number {
  let values = 0;
  for (const topic of topics) values += holder.match(topic).length;
  return values;
}

function matchFor(
  holder: Holder,
  topics: readonly string[],
  forMs: number,
): { readonly matches: number; readonly values: number; readonly tookMs: number } {
  const used = process.threadCpuUsage();
  let matched = 0;
  let values = 0;
  for (let tookMs = 0; ; matched += topics.length) {
    if (tookMs >= forMs) return { matches: matched, values, tookMs };
    values += matchAll(holder, topics);
    tookMs = cpuMsSince(used);
  }
}

/** What is found for some topics is what matches one by one. */
function check(
  holder: Holder,
  shapes: Shapes,
  count: number,
  topics: readonly string[],
): { readonly nodes: readonly string[] } {
  const placed = placedInterests(shapes, count, SEEDS.interests);
  const some = topics.slice(0, Math.max(CHECKED_MIN, Math.floor(COMPARISONS / count)));
  let matching = 0;
  for (const topic of some) {
    const expected: string[] = [];
    for (const [node, interests] of placed)
      for (const { filter, group } of interests)
        if (matches(filter, topic)) expected.push(nameOf({ node, filter, group }));
    const found = holder.match(topic).map(nameOf).sort();
    if (found.join('\n') !== expected.sort().join('\n'))
      throw new Error(`${topic}: ${found.length} interests were found, ${expected.length} match`);
    matching += expected.length;
  }
  if (matching === 0) throw new Error('no interest matches any of the topics that were checked');
  return { nodes: [...placed.keys()] };
}

function nameOf({ node, filter, group }: Found): string {
  return `${node} ${filter} ${group}`;
}

playRole<MatcherRole>({ measure });
