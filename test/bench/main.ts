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
import { BadArguments } from '../../scripts/arguments.ts';
import { ensureSystemPackages, forTracing } from '../../scripts/system-packages.ts';
import { type Asked, chooseScenarios, readArguments, USAGE } from './asked.ts';
import { type Baseline, judge, updateBaseline } from './harness/check.ts';
import { describeMachine } from './harness/machine.ts';
import { NotMeasured } from './harness/not-measured.ts';
import { inputSource } from './harness/payloads.ts';
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
import type { Row, Scenario } from './harness/scenario.ts';
import { showNumber, showRatio } from './report/figures.ts';
import { machineLine } from './report/machine-line.ts';
import { formatFigures, writePages } from './report/pages.ts';
import { scenarios } from './scenarios.ts';

/** Where npm was called, which is what a user's path is relative to. */
const CALLED_IN = process.env['INIT_CWD'] ?? process.cwd();
const BASELINE = join(import.meta.dirname, 'baseline.json');
/** One for the caches of disk and machine; the short form has no time for it. */
const WARM_UPS = { full: 1, short: 0 } as const;
/** A row that fails the check is measured this often before it is believed. */
const ATTEMPTS = 3;

/** Below it a goal is not judged: of few pairs one that something else slowed decides. */
const PAIRS_TO_JUDGE = 5;

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(signal, () => process.exit(code)); // what runs is ended by each run's own hook

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

function tellRow({ id, unit, medians, ratio, goal, pairs }: RowResult): void {
  const ours = `${showNumber(medians.subject.value)} ${unit}`;
  const against = ratio
    ? `, ${showRatio(ratio.median)} the reference (${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})`
    : '';
  const verdict = pairs.length < PAIRS_TO_JUDGE ? 'too few pairs to judge' : goal?.met ? 'met' : 'not met';
  say(`  ${id}: ${ours}${against}${goal ? `; goal ${goal.text}: ${verdict}` : ''}`);
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
  say(`  on ${machineLine(machine, (text) => text.toUpperCase())}`);
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
  const at = new Date().toISOString();
  const facts = { at, size: want.size, machine, inputs: inputSource(), programs, rows };
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

async function run(want: Asked): Promise<void> {
  const all = (await Promise.all(scenarios.map((load) => load()))).map(({ scenario }) => scenario);
  const chosen = chooseScenarios(all, want);
  if (want.list) {
    for (const { name, rows } of chosen) say(`${name}: ${rows.map(({ id }) => id).join(' ')}`);
    return;
  }
  if (want.first) goFirst();
  if (want.profile) askForProfiles();
  say(inputSource());
  const lacking = want.size === 'full' ? ensureSystemPackages(forTracing) : undefined;
  if (lacking !== undefined) say(`fsyncs of programs that do not count them are left out: ${lacking}`);
  const stored = JSON.parse(readFileSync(BASELINE, 'utf8')) as Baseline;
  const results: ScenarioResult[] = [];
  const regressed: string[] = [];
  for (const scenario of chosen) {
    const one = await runScenario(scenario, want, want.check ? stored : undefined);
    results.push(one.result);
    regressed.push(...one.regressed);
    // at once: the next one may fail, or be interrupted
    if (want.write) await writePages([{ scenario, result: one.result }]);
  }
  if (want.json !== undefined)
    writeFileSync(resolve(CALLED_IN, want.json), await formatFigures(rounded({ scenarios: results })));
  if (want.baseline) {
    const rows = results.flatMap((result) => result.rows);
    writeFileSync(BASELINE, await formatFigures(updateBaseline(stored, rows)));
  }
  if (regressed.length > 0) {
    say(`regressed: ${regressed.join(', ')}`);
    process.exitCode = 1;
  }
}

try {
  const want = readArguments(process.argv.slice(2));
  if (want.help) say(USAGE);
  else await run(want);
} catch (error) {
  if (!(error instanceof BadArguments)) throw error;
  process.stderr.write(`bench: ${error.message}; \`npm run bench -- --help\` names all options\n`);
  process.exitCode = 2;
}
