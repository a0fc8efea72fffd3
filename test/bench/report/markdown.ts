// Results as Markdown: one section for each scenario, and a table of the goals over all of them. Pure.

import type { Pair, RowResult, ScenarioResult } from '../harness/results.ts';
import type { Sample } from '../harness/scenario.ts';
import { spreadOf } from '../harness/statistics.ts';
import { showBytes, showName, showNumber, showRatio } from './figures.ts';
import { machineLine } from './machine-line.ts';

/** `notes`: the scenario's own, Markdown. */
export function scenarioSection(result: ScenarioResult, notes: string): string {
  return [
    `## ${result.number}. ${result.title}`,
    ratioTable(result.rows),
    '**What it cost.** Medians; subject / reference where there is one. CPU is that of all processes, clients too.',
    costTable(result.rows),
    moreTable(result.rows),
    notMeasured(result),
    notes.trim(),
    `_${measuredOn(result)}_`,
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function ratioTable(rows: readonly RowResult[]): string {
  return table(
    ['row', 'measured', 'subject', 'reference', 'ratio (quartiles)', 'goal'],
    rows.map((row) => [
      `\`${row.id}\``,
      `${row.what}, ${row.unit}`,
      `${row.subject}: ${spread(row.pairs, ({ subject }) => subject)}`,
      row.reference === undefined
        ? ''
        : `${row.reference}: ${spread(row.pairs, ({ reference }) => reference)}`,
      row.ratio
        ? `**${showRatio(row.ratio.median)}** (${row.ratio.q1.toFixed(2)}–${row.ratio.q3.toFixed(2)})`
        : '',
      goalOf(row),
    ]),
  );
}

/** Median, with the smallest and the largest. */
function spread(pairs: readonly Pair[], side: (pair: Pair) => Sample | undefined): string {
  const values = pairs.flatMap((pair) => side(pair)?.value ?? []);
  if (values.length === 0) return '';
  const { median, min, max } = spreadOf(values);
  return `${showNumber(median)} (${showNumber(min)}–${showNumber(max)})`;
}

function goalOf({ goal }: RowResult): string {
  if (!goal) return '';
  return `${goal.text}: ${goal.met ? 'met' : '**not met**'}`;
}

function costTable(rows: readonly RowResult[]): string {
  const both = (row: RowResult, show: (sample: Sample) => string | undefined): string => {
    const { subject, reference } = row.medians;
    const sides = [show(subject) ?? '–', ...(reference ? [show(reference) ?? '–'] : [])];
    return sides.join(' / ');
  };
  return table(
    [
      'row',
      'CPU µs per event',
      'fsyncs per event',
      'memory of the largest server',
      'its event loop late, p99 ms',
    ],
    rows.map((row) => [
      `\`${row.id}\``,
      both(row, ({ cpuUsPerEvent }) => (cpuUsPerEvent === undefined ? undefined : showNumber(cpuUsPerEvent))),
      both(row, ({ fsyncsPerEvent }) =>
        fsyncsPerEvent === undefined ? undefined : showNumber(fsyncsPerEvent),
      ),
      both(row, ({ rssMaxBytes }) => (rssMaxBytes === undefined ? undefined : showBytes(rssMaxBytes))),
      both(row, ({ loopDelayP99Ms }) =>
        loopDelayP99Ms === undefined ? undefined : showNumber(loopDelayP99Ms),
      ),
    ]),
  );
}

function moreTable(rows: readonly RowResult[]): string {
  const lines = rows.flatMap(({ id, medians: { subject, reference } }) => {
    const names = new Set([...Object.keys(subject.more ?? {}), ...Object.keys(reference?.more ?? {})]);
    return [...names].map((name) => {
      const [ours, theirs] = [subject.more?.[name], reference?.more?.[name]];
      return [
        `\`${id}\``,
        showName(name),
        ours === undefined ? '–' : showNumber(ours),
        theirs === undefined ? '–' : showNumber(theirs),
      ];
    });
  });
  return lines.length === 0 ? '' : table(['row', 'further figures', 'subject', 'reference'], lines);
}

function notMeasured({ notMeasured: rows = [] }: ScenarioResult): string {
  return rows.map(({ id, what, why }) => `- \`${id}\` (${what}): **not measured**. ${why}.`).join('\n');
}

function measuredOn({ at, size, machine, inputs, programs, rows }: ScenarioResult): string {
  const pairs = rows.length === 0 ? 0 : Math.min(...rows.map((row) => row.pairs.length));
  const others = Object.entries(programs).map(([name, version]) => `, ${name} ${version}`);
  const form = size === 'short' ? 'the short form, ' : '';
  return `Measured ${at.slice(0, 10)} at commit ${machine.commit}, ${form}${pairs} pairs, on ${machineLine(machine, (text) => `**${text}**`)}${others.join('')}; ${inputs}.`;
}

/** Every row that has a goal. */
export function goalsSection(results: readonly ScenarioResult[]): string {
  return table(
    ['row', 'measured', 'goal', 'ratio', 'met'],
    results.flatMap(({ rows, notMeasured: others = [] }) => [
      ...rows.flatMap(goalLine),
      ...others.flatMap(({ id, what, goal }) =>
        goal === undefined ? [] : [[`\`${id}\``, what, goal, '', '**not measured**']],
      ),
    ]),
  );
}

function goalLine(row: RowResult): readonly (readonly string[])[] {
  const { id, what, ratio, goal, medians, unit } = row;
  if (!goal) return [];
  const measured = ratio ? showRatio(ratio.median) : `${showNumber(medians.subject.value)} ${unit}`;
  return [[`\`${id}\``, what, goal.text, measured, goal.met ? 'yes' : '**no**']];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
