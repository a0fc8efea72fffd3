// What a benchmark run leaves behind: every sample of every pair, and what follows from them. This is the form of
// docs/performance.json, so it is kept small: figures are rounded to what the noise leaves of them.

import type { Machine } from './machine.ts';
import type { Row, Sample, Scenario, Size } from './scenario.ts';
import { medianSample, spreadOf, type Spread } from './statistics.ts';

export interface Pair {
  readonly subject: Sample;
  readonly reference?: Sample;
}

export interface RowResult {
  readonly id: string;
  readonly what: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  readonly subject: string;
  readonly reference?: string;
  readonly pairs: readonly Pair[];
  readonly medians: Pair;
  /** Of the pairs' ratios; above 1 the subject is the better one, whichever way the unit goes. */
  readonly ratio?: Spread;
  readonly goal?: { readonly text: string; readonly met: boolean };
}

export interface ScenarioResult {
  readonly name: string;
  readonly number: number;
  readonly title: string;
  /** ISO 8601, when it ended. */
  readonly at: string;
  readonly size: Size;
  readonly machine: Machine;
  /** For people: what payloads and topics were made of (see `inputSource` in payloads.ts). */
  readonly inputs: string;
  /** Other programs that took part, with their versions. */
  readonly programs: Readonly<Record<string, string>>;
  readonly rows: readonly RowResult[];
  /** Rows that could not be measured here. Left out: all could. */
  readonly notMeasured?: readonly NotMeasuredRow[];
}

export interface NotMeasuredRow {
  readonly id: string;
  readonly what: string;
  readonly why: string;
  /** In words. */
  readonly goal?: string;
}

/** Digits that are kept: a figure that differs by a thousandth from run to run has no use for more than four. */
const DIGITS = 4;

export function rowResult(row: Row, pairs: readonly Pair[]): RowResult {
  const references = pairs.flatMap(({ reference }) => (reference ? [reference] : []));
  const ratios = pairs.flatMap((pair) => ratioOf(row.better, pair) ?? []);
  const medians: Pair = {
    subject: medianSample(pairs.map(({ subject }) => subject)),
    ...(references.length > 0 && { reference: medianSample(references) }),
  };
  const ratio = ratios.length > 0 ? spreadOf(ratios) : undefined;
  const { id, what, unit, better, goal } = row;
  return {
    id,
    what,
    unit,
    better,
    subject: row.subject.name,
    ...(row.reference && { reference: row.reference.name }),
    pairs,
    medians,
    ...(ratio && { ratio }),
    ...(goal && {
      goal: {
        text: goal.text,
        met: goal.met({ ratio: ratio?.median, subject: medians.subject, reference: medians.reference }),
      },
    }),
  };
}

export function ratioOf(better: Row['better'], { subject, reference }: Pair): number | undefined {
  if (reference === undefined) return undefined;
  return better === 'higher' ? subject.value / reference.value : reference.value / subject.value;
}

export function scenarioResult(
  { name, number, title }: Scenario,
  facts: Pick<ScenarioResult, 'at' | 'size' | 'machine' | 'inputs' | 'programs' | 'rows' | 'notMeasured'>,
): ScenarioResult {
  return { name, number, title, ...facts };
}

/** Rounds every number to four significant digits, whole numbers below a million excepted. */
export function rounded<T>(value: T): T {
  const round = (_key: string, each: unknown): unknown =>
    typeof each === 'number' && Number.isFinite(each) && !(Number.isInteger(each) && Math.abs(each) < 1e6)
      ? Number(each.toPrecision(DIGITS))
      : each;
  return JSON.parse(JSON.stringify(value, round)) as T;
}
