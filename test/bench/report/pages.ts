// docs/performance.md and docs/performance.json: a run of one scenario rewrites that scenario's part of both, the table of
// goals, and that scenario's drawings.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'prettier';
import { rounded, type ScenarioResult } from '../harness/results.ts';
import type { Scenario } from '../harness/scenario.ts';
import { goalsSection, scenarioSection } from './markdown.ts';
import { putSection } from './sections.ts';

const DOCS = join(import.meta.dirname, '../../../docs');
const PAGE = join(DOCS, 'performance.md');
const FIGURES = join(DOCS, 'performance.json');
const GOALS = 'goals';

/** The form of docs/performance.json: the latest result of each scenario. */
export interface Figures {
  readonly scenarios: readonly ScenarioResult[];
}

export async function writePages(
  ran: readonly { readonly scenario: Scenario; readonly result: ScenarioResult }[],
): Promise<void> {
  const results = mergeResults(
    readFigures().scenarios,
    ran.map(({ result }) => rounded(result)),
  );
  let page = putSection(readFileSync(PAGE, 'utf8'), { name: GOALS, text: goalsSection(results) }, undefined);
  for (const { scenario, result } of ran) {
    const before = results.filter(({ number }) => number < scenario.number).at(-1);
    page = putSection(
      page,
      { name: scenario.name, text: scenarioSection(result, scenario.notes) },
      before?.name ?? GOALS,
    );
  }
  for (const { scenario, result } of ran)
    for (const [name, drawing] of Object.entries(scenario.drawings?.(rounded(result).rows) ?? {}))
      writeFileSync(join(DOCS, name), drawing);
  writeFileSync(PAGE, await format(page, { parser: 'markdown', printWidth: 110 }));
  writeFileSync(FIGURES, await formatFigures({ scenarios: results }));
}

/** One sample a line: small, and what changed shows in a diff. */
export async function formatFigures(figures: object): Promise<string> {
  return format(JSON.stringify(figures), { parser: 'json', printWidth: 110 });
}

/** In the order of their numbers, the new ones in place of the old. */
export function mergeResults(
  old: readonly ScenarioResult[],
  fresh: readonly ScenarioResult[],
): readonly ScenarioResult[] {
  const kept = old.filter(({ name }) => fresh.every((each) => each.name !== name));
  return [...kept, ...fresh].sort((a, b) => a.number - b.number);
}

function readFigures(): Figures {
  return existsSync(FIGURES) ? (JSON.parse(readFileSync(FIGURES, 'utf8')) as Figures) : { scenarios: [] };
}
