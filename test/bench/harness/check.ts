// The regression check: ratios of this run against those of the stored baseline. Absolute figures differ from machine to
// machine and from hour to hour; ratios of interleaved runs much less, so a bound on them can hold anywhere. Rows without a
// reference have an absolute goal, which is what they are held against.

import type { RowResult } from './results.ts';

/** The form of test/bench/baseline.json. */
export interface Baseline {
  /** For people: where the tolerated fraction comes from. */
  readonly why: string;
  /** A ratio below this fraction of the stored one is a regression. */
  readonly toleratedFraction: number;
  readonly rows: Readonly<Record<string, BaselineRow>>;
}

export interface BaselineRow {
  readonly ratio: number;
  /** Where this row's noise asks for another. */
  readonly toleratedFraction?: number;
}

export type Verdict =
  | { readonly kind: 'passed'; readonly row: string; readonly text: string }
  | { readonly kind: 'failed'; readonly row: string; readonly text: string };

export function judge(baseline: Baseline, result: RowResult): Verdict {
  const { id: row, ratio, goal } = result;
  if (ratio === undefined) {
    if (goal === undefined) return { kind: 'failed', row, text: 'it has neither a reference nor a goal' };
    return goal.met
      ? { kind: 'passed', row, text: `meets its goal (${goal.text})` }
      : { kind: 'failed', row, text: `misses its goal (${goal.text})` };
  }
  const known = baseline.rows[row];
  if (known === undefined)
    return { kind: 'failed', row, text: 'the baseline does not know it; write it with --baseline' };
  const fraction = known.toleratedFraction ?? baseline.toleratedFraction;
  const bound = known.ratio * fraction;
  const figures = `ratio ${show(ratio.median)}, at least ${show(bound)} wanted (${show(fraction)} of the baseline's ${show(known.ratio)})`;
  return ratio.median >= bound
    ? { kind: 'passed', row, text: figures }
    : { kind: 'failed', row, text: figures };
}

/** The baseline with these rows' ratios in place of the old ones. Rows of other scenarios stay. */
export function updateBaseline(baseline: Baseline, results: readonly RowResult[]): Baseline {
  const rows: Record<string, BaselineRow> = { ...baseline.rows };
  for (const { id, ratio } of results)
    if (ratio) rows[id] = { ...rows[id], ratio: Number(ratio.median.toPrecision(3)) };
  const sorted = Object.entries(rows).sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
  return { ...baseline, rows: Object.fromEntries(sorted) };
}

function show(value: number): string {
  return String(Number(value.toPrecision(3)));
}
