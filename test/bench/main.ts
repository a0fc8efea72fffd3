// The benchmark: runs scenarios (see harness/scenario.ts), each row as interleaved pairs of subject and reference, prints
// what it measures as it goes, and on demand writes it down or holds it against the baseline.
//
//   npm run bench                          every scenario, five pairs a row: an hour or more
//   npm run bench -- http local            these
//   npm run bench -- http --row 5.binary   this row alone
//   npm run bench -- --short --check       the short rows, against test/bench/baseline.json: the regression check
//
// Exit code 1: a run failed or lost something, or a ratio is worse than the baseline allows. A goal that is missed is a
// result, not a failure; so is a row that cannot be measured here, which is said to be just that.

import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureSystemPackages, forTracing } from '../../scripts/system-packages.ts';
import { type Baseline, judge, updateBaseline } from './harness/check.ts';
import { describeMachine } from './harness/machine.ts';
import { NotMeasured } from './harness/not-measured.ts';
import { runRow, type Ran } from './harness/pairs.ts';
import {
  type NotMeasuredRow,
  type Pair,
  rounded,
  rowResult,
  type RowResult,
  type ScenarioResult,
  scenarioResult,
} from './harness/results.ts';
import { goFirst } from './harness/priority.ts';
import { askForProfiles } from './harness/profile.ts';
import { dataFolder } from './harness/run.ts';
import type { Row, Scenario, Size } from './harness/scenario.ts';
import { showNumber, showRatio } from './report/figures.ts';
import { formatFigures, writePages } from './report/pages.ts';
import { scenarios } from './scenarios.ts';

const USAGE = `npm run bench -- [scenario …] [options]
  --row <id>      only this row; may be given more than once
  --pairs <n>     pairs of subject and reference a row (default 5; with --short 3)
  --short         the short rows only, each run a few seconds
  --check         compare ratios with test/bench/baseline.json; a row that fails is measured again, twice at most
  --baseline      write the ratios of the short rows to test/bench/baseline.json
  --write         write docs/performance.md and docs/performance.json
  --json <file>   write everything measured to this file
  --first         at a higher priority than all else on this machine, where the system allows it (as root)
  --profile       says of each run where its CPU time went (by perf); not with --write, --check or --baseline
  --list          name scenarios and rows, and run nothing
`;

/** Where npm was called, which is what a user's path is relative to. */
const CALLED_IN = process.env['INIT_CWD'] ?? process.cwd();
const BASELINE = join(import.meta.dirname, 'baseline.json');
/** Of two, one that a busy machine made up would be half of the median. */
const PAIRS = { full: 5, short: 3 } as const;
/** One for the caches of disk and machine; the short form has no time for it. */
const WARM_UPS = { full: 1, short: 0 } as const;
/** A row that fails the check is measured this often before it is believed. */
const ATTEMPTS = 3;

interface Asked {
  readonly names: readonly string[];
  readonly rows: readonly string[];
  readonly size: Size;
  readonly pairs: number;
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(signal, () => process.exit(code)); // what runs is ended by each run's own hook

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    row: { type: 'string', multiple: true, default: [] },
    pairs: { type: 'string' },
    short: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    baseline: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    json: { type: 'string' },
    first: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

function fail(why: string): never {
  process.stderr.write(`bench: ${why}\n\n${USAGE}`);
  process.exit(2);
}

function asked(): Asked {
  const size: Size = values.short ? 'short' : 'full';
  const pairs = values.pairs === undefined ? PAIRS[size] : Number(values.pairs);
  if (!Number.isInteger(pairs) || pairs < 1)
    fail(`--pairs must be a whole number from 1, not ${values.pairs}`);
  if ((values.check || values.baseline) && size !== 'short')
    fail('--check and --baseline are about the short rows: add --short');
  if (values.profile && (values.write || values.check || values.baseline))
    fail('--profile slows what it looks at: leave out --write, --check and --baseline');
  if (values.write && values.row.length > 0) fail('--write needs whole scenarios: leave out --row');
  return { names: positionals, rows: values.row, size, pairs };
}

async function chooseScenarios({ names, rows, size }: Asked): Promise<readonly Scenario[]> {
  const all = (await Promise.all(scenarios.map((load) => load()))).map(({ scenario }) => scenario);
  const unknown = names.find((name) => all.every((scenario) => scenario.name !== name));
  if (unknown !== undefined)
    fail(`there is no scenario ${unknown}; there are ${all.map(({ name }) => name).join(', ')}`);
  const wanted = (row: Row & { readonly short: boolean }): boolean =>
    (size === 'full' || row.short) && (rows.length === 0 || rows.includes(row.id));
  const chosen = all
    .filter(({ name }) => names.length === 0 || names.includes(name))
    .map((scenario) => ({ ...scenario, rows: scenario.rows.filter(wanted) }))
    .filter((scenario) => scenario.rows.length > 0)
    .sort((a, b) => a.number - b.number);
  if (chosen.length === 0) fail('no row is left to run');
  return chosen;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function tellRun({ row, pair, subject, sample, tookMs }: Ran): void {
  const cpu = sample.cpuUsPerEvent === undefined ? '' : `, ${showNumber(sample.cpuUsPerEvent)} µs CPU/event`;
  const which = pair === 0 ? 'warm-up' : `pair ${pair}`;
  say(
    `    ${row} ${which} ${subject}: ${showNumber(sample.value)}${cpu}, took ${showNumber(tookMs / 1000)} s`,
  );
}

function tellRow({ id, unit, medians, ratio, goal }: RowResult): void {
  const ours = `${showNumber(medians.subject.value)} ${unit}`;
  const against = ratio
    ? `, ${showRatio(ratio.median)} the reference (${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})`
    : '';
  say(`  ${id}: ${ours}${against}${goal ? `; goal ${goal.text}: ${goal.met ? 'met' : 'not met'}` : ''}`);
}

/** Measures the row; where it is checked, again while all its pairs so far fail. */
async function measure(
  row: Row,
  { pairs, size }: Asked,
  baseline: Baseline | undefined,
): Promise<{ readonly result: RowResult; readonly passed: boolean }> {
  const all: Pair[] = [];
  for (let left = ATTEMPTS - 1; ; left--) {
    const { pairs: fresh } = await runRow(row, { size, pairs, warmUps: WARM_UPS[size], told: tellRun });
    all.push(...fresh);
    const result = rowResult(row, all);
    tellRow(result);
    if (!baseline) return { result, passed: true };
    const { kind, text } = judge(baseline, result);
    say(`  ${row.id}: ${kind}, ${text}`);
    if (kind === 'passed' || left === 0) return { result, passed: kind === 'passed' };
    say(`  ${row.id}: measured again, ${left} left`);
  }
}

async function runScenario(
  scenario: Scenario,
  want: Asked,
  baseline: Baseline | undefined,
): Promise<{ readonly result: ScenarioResult; readonly regressed: readonly string[] }> {
  say(`${scenario.number}. ${scenario.title}`);
  const machine = describeMachine(dataFolder());
  const programs = (await scenario.programs?.()) ?? {};
  const rows: RowResult[] = [];
  const regressed: string[] = [];
  const notMeasured: NotMeasuredRow[] = [];
  for (const row of scenario.rows) {
    const measured = await measure(row, want, baseline).catch((error: unknown) => whyNot(row, error));
    if ('why' in measured) notMeasured.push(measured);
    else {
      rows.push(measured.result);
      if (!measured.passed) regressed.push(row.id);
    }
  }
  const facts = { at: new Date().toISOString(), size: want.size, machine, programs, rows };
  return {
    result: scenarioResult(scenario, { ...facts, ...(notMeasured.length > 0 && { notMeasured }) }),
    regressed,
  };
}

function whyNot({ id, what, goal }: Row, error: unknown): NotMeasuredRow {
  if (!(error instanceof NotMeasured)) throw error;
  say(`  ${id}: not measured. ${error.message}`);
  return { id, what, why: error.message, ...(goal && { goal: goal.text }) };
}

async function main(): Promise<void> {
  const want = asked();
  const chosen = await chooseScenarios(want);
  if (values.list) {
    for (const { name, rows } of chosen) say(`${name}: ${rows.map(({ id }) => id).join(' ')}`);
    return;
  }
  if (values.first) goFirst();
  if (values.profile) askForProfiles();
  const lacking = want.size === 'full' ? ensureSystemPackages(forTracing) : undefined;
  if (lacking !== undefined) say(`fsyncs of programs that do not count them are left out: ${lacking}`);
  const stored = JSON.parse(readFileSync(BASELINE, 'utf8')) as Baseline;
  const results: ScenarioResult[] = [];
  const regressed: string[] = [];
  for (const scenario of chosen) {
    const one = await runScenario(scenario, want, values.check ? stored : undefined);
    results.push(one.result);
    regressed.push(...one.regressed);
    // at once: the next one may fail, or be interrupted
    if (values.write) await writePages([{ scenario, result: one.result }]);
  }
  if (values.json !== undefined)
    writeFileSync(resolve(CALLED_IN, values.json), await formatFigures(rounded({ scenarios: results })));
  if (values.baseline) {
    const rows = results.flatMap((result) => result.rows);
    writeFileSync(BASELINE, await formatFigures(updateBaseline(stored, rows)));
  }
  if (regressed.length > 0) {
    say(`regressed: ${regressed.join(', ')}`);
    process.exitCode = 1;
  }
}

if (values.help) say(USAGE);
else await main();
