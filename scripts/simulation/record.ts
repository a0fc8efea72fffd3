// What a run of the simulator came to, as it is kept in `.causeway/simulate/`: one file for each run, rewritten while it goes
// on, so that one that is killed counts as far as it came. The totals are sums over these files.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Verdict } from '../../test/simulation/run.ts';

export interface Failure {
  readonly seed: number;
  readonly promise: string;
  readonly facts: string;
  /** Of the command that runs the seed again, besides the seed; absent: none. */
  readonly flags?: string;
}

export interface RunRecord {
  /** Of the code; `+` behind it: with changes. */
  readonly commit: string;
  readonly startedAt: string;
  readonly firstSeed: number;
  seconds: number;
  seeds: number;
  quiet: number;
  virtualMs: number;
  meshers: number;
  events: number;
  deliveries: number;
  takeovers: number;
  readonly faults: Record<string, number>;
  readonly met: Record<string, number>;
  readonly excused: Record<string, number>;
  readonly failures: Failure[];
}

const root = dirname(dirname(import.meta.dirname));
const folder = join(root, '.causeway', 'simulate');
/** A broken promise breaks in every seed: the first say enough. */
const FAILURES_KEPT = 1_000;

export function newRecord(firstSeed: number): RunRecord {
  return {
    commit: commitOf(),
    startedAt: new Date().toISOString(),
    firstSeed,
    seconds: 0,
    seeds: 0,
    quiet: 0,
    virtualMs: 0,
    meshers: 0,
    events: 0,
    deliveries: 0,
    takeovers: 0,
    faults: {},
    met: {},
    excused: {},
    failures: [],
  };
}

export function take(record: RunRecord, verdict: Verdict, flags: string): void {
  record.seeds++;
  if (verdict.quiet) record.quiet++;
  record.virtualMs += verdict.virtualMs;
  record.meshers += verdict.meshers;
  record.events += verdict.events;
  record.deliveries += verdict.deliveries;
  record.takeovers += verdict.takeovers;
  addAll(record.faults, verdict.faults);
  addAll(record.met, verdict.met);
  addAll(record.excused, verdict.excused);
  const [first] = verdict.breaches;
  if (first && record.failures.length < FAILURES_KEPT)
    record.failures.push({ seed: verdict.seed, ...first, flags });
}

function addAll(sums: Record<string, number>, more: Iterable<readonly [string, number]>): void {
  for (const [name, count] of more) sums[name] = (sums[name] ?? 0) + count;
}

export function save(record: RunRecord): void {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${record.startedAt.replaceAll(':', '-')}-${process.pid}.json`);
  writeFileSync(`${file}.new`, `${JSON.stringify(record, undefined, 1)}\n`);
  renameSync(`${file}.new`, file);
}

export interface Totals extends RunRecord {
  readonly runs: number;
}

/** Over all runs that are kept here. A seed that was run twice counts twice: it may have been other code. */
export function totals(): Totals {
  const sum = newRecord(0);
  let runs = 0;
  for (const name of filesIn(folder)) {
    const record = JSON.parse(readFileSync(join(folder, name), 'utf8')) as RunRecord;
    runs++;
    for (const key of [
      'seconds',
      'seeds',
      'quiet',
      'virtualMs',
      'meshers',
      'events',
      'deliveries',
      'takeovers',
    ] as const)
      sum[key] += record[key];
    addAll(sum.faults, Object.entries(record.faults));
    addAll(sum.met, Object.entries(record.met));
    addAll(sum.excused, Object.entries(record.excused));
    sum.failures.push(...record.failures);
  }
  return { ...sum, runs };
}

function filesIn(where: string): string[] {
  mkdirSync(where, { recursive: true });
  return readdirSync(where)
    .filter((name) => name.endsWith('.json'))
    .sort();
}

function commitOf(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${changed ? '+' : ''}`;
  } catch {
    return 'unknown'; // no clone, or no git
  }
}
