// Runs the tests with node:test's runner and one summary for all: first the kinds that need no real program, side
// by side; then those with real programs, two files at a time; then those that load the machine by themselves, one file
// at a time. Finding no test file is a failure.
//
//   npm test                                        everything
//   npm test -- test/unit test/e2e/restart.test.ts  these folders and files
//   npm test -- --test-name-pattern=lease           tests whose name matches

import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { run } from 'node:test';
import type { TestEvent } from 'node:test/reporters';
import { spec } from 'node:test/reporters';
import { parseArgs } from 'node:util';
import { ensureSystemPackages, forDashboard, forTests } from './system-packages.ts';

type Group = { readonly files: readonly string[]; readonly concurrency: number };
type Counts = Extract<TestEvent, { type: 'test:summary' }>['data']['counts'];

// One test, whatever it starts, on a machine ten times slower than the usual one; and one file, should it stay alive
// after its tests.
const testTimeoutMs = 60 * 60_000;
const fileTimeoutMs = 90 * 60_000;

// These kinds use virtual time and nothing outside their process; or, as the benchmark, only what npm installs.
const withoutSystemPackages = ['unit', 'scenarios', 'simulation', 'fuzz', 'bench'];
const inBrowser = ['dashboard'];
const twoAtATime = ['integration', ...inBrowser];
const oneAtATime = ['e2e', 'faults', 'soak', 'bench'];

const root = dirname(import.meta.dirname);

/** What a user names may be relative to where they are, or to the project. */
function chooseFiles(filters: readonly string[]): readonly string[] {
  const all = globSync('test/**/*.test.ts', { cwd: root }).sort();
  if (filters.length === 0) return all;
  const wanted = filters.map((filter) => {
    const path = relative(root, resolve(process.env['INIT_CWD'] ?? process.cwd(), filter));
    const chosen = [path, filter]
      .map((each) => all.filter((file) => isWithin(file, each)))
      .find((hit) => hit.length > 0);
    if (chosen === undefined) fail(`no test file matches ${filter}`);
    return chosen;
  });
  return [...new Set(wanted.flat())].sort();
}

function isWithin(file: string, path: string): boolean {
  const between = relative(path, file);
  return between !== '..' && !between.startsWith(`..${sep}`) && !isAbsolute(between);
}

function kindOf(file: string): string {
  return file.split(sep)[1] ?? '';
}

/** One stream of events for the reporter, as if the groups were one run. */
async function* runGroups(
  groups: readonly Group[],
  options: Parameters<typeof run>[0],
): AsyncGenerator<TestEvent> {
  const total: Counts = { cancelled: 0, passed: 0, skipped: 0, suites: 0, tests: 0, todo: 0, topLevel: 0 };
  const startedMs = performance.now();
  let success = true;
  for (const { files, concurrency } of groups) {
    for await (const event of run({ ...options, files, concurrency }) as AsyncIterable<TestEvent>) {
      if (event.type === 'test:diagnostic' && event.data.file === undefined) continue;
      if (event.type !== 'test:summary' || event.data.file !== undefined) yield event;
      else {
        for (const name of Object.keys(total) as (keyof Counts)[]) total[name] += event.data.counts[name];
        success &&= event.data.success;
      }
    }
  }
  yield* summary(total, performance.now() - startedMs);
  if (!success || total.tests === 0) process.exitCode = 1;
}

/** The lines that node:test ends a run with. */
function summary(counts: Counts, durationMs: number): readonly TestEvent[] {
  const { tests, suites, passed, cancelled, skipped, todo } = counts;
  const failed = tests - passed - cancelled - skipped - todo;
  const lines = {
    tests,
    suites,
    pass: passed,
    fail: failed,
    cancelled,
    skipped,
    todo,
    duration_ms: durationMs,
  };
  return Object.entries(lines).map(([name, value]) => ({
    type: 'test:diagnostic',
    data: { nesting: 0, message: `${name} ${String(value)}`, level: 'info' },
  }));
}

function fail(why: string): never {
  process.stderr.write(`test: ${why}\n`);
  process.exit(1);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'test-name-pattern': { type: 'string', multiple: true } },
});

const files = chooseFiles(positionals);
if (files.length === 0) fail('there is no test file under test/');
const kinds = new Set(files.map(kindOf));
const isReal = (kind: string): boolean => !withoutSystemPackages.includes(kind) && !inBrowser.includes(kind);
const programs = [
  ...([...kinds].some(isReal) ? forTests : []),
  ...(inBrowser.some((kind) => kinds.has(kind)) ? forDashboard : []),
];
const lacking = ensureSystemPackages(programs);
if (lacking !== undefined) fail(lacking);

const concurrencyOf = (file: string): number => {
  if (oneAtATime.includes(kindOf(file))) return 1;
  return twoAtATime.includes(kindOf(file)) ? 2 : Infinity;
};
const groups = [Infinity, 2, 1]
  .map((most) => ({
    files: files.filter((file) => concurrencyOf(file) === most).map((file) => join(root, file)),
    concurrency: Math.min(most, availableParallelism()),
  }))
  .filter((group) => group.files.length > 0);

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    stop.abort();
    process.exitCode = 1;
  });
}

const events = runGroups(groups, {
  cwd: root,
  execArgv: [`--test-timeout=${String(testTimeoutMs)}`],
  timeout: fileTimeoutMs,
  signal: stop.signal,
  ...(values['test-name-pattern'] === undefined ? {} : { testNamePatterns: values['test-name-pattern'] }),
});
await pipeline(Readable.from(events), new spec(), process.stdout);
