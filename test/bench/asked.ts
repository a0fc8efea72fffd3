// What the command line of the benchmark asks for. Pure: it reads arguments and the list of scenarios, and runs nothing. What it
// cannot make sense of it refuses before anything is measured, since an hour later would be too late.

import { BadArguments, parsed } from '../../scripts/arguments.ts';
import type { Scenario, Size } from './harness/scenario.ts';

export const USAGE = `npm run bench -- [scenario …] [options]
  --row <id>      only this row; may be given more than once
  --pairs <n>     pairs of subject and reference a row (default 5; with --short 3); where they run together, so often both are started
  --short         the short rows only, each run a few seconds
  --check         compare ratios with test/bench/baseline.json; a row that fails is measured again, twice at most
  --baseline      write the ratios of the short rows to test/bench/baseline.json
  --write         write docs/performance.md and docs/performance.json
  --json <file>   write everything measured to this file
  --first         at a higher priority than all else on this machine, where the system allows it (as root)
  --profile       says of each run where its CPU time went (by perf); not with --write, --check or --baseline
  --list          name scenarios and rows, and run nothing
`;

/** Of two, one that a busy machine made up would be half of the median. */
const PAIRS = { full: 5, short: 3 } as const;

export interface Asked {
  /** Of scenarios; none: all. */
  readonly names: readonly string[];
  /** None: all. */
  readonly rows: readonly string[];
  readonly size: Size;
  readonly pairs: number;
  readonly json: string | undefined;
  readonly check: boolean;
  readonly baseline: boolean;
  readonly write: boolean;
  readonly first: boolean;
  readonly profile: boolean;
  readonly list: boolean;
  readonly help: boolean;
}

/** Throws BadArguments. */
export function readArguments(args: readonly string[]): Asked {
  const { values, positionals: names } = parsed({
    args: [...args],
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
  const { row: rows, short, check, baseline, write, profile, first, list, help, json } = values;
  const size: Size = short ? 'short' : 'full';
  const pairs = values.pairs === undefined ? PAIRS[size] : Number(values.pairs);
  if (!Number.isInteger(pairs) || pairs < 1)
    throw new BadArguments(`--pairs must be a whole number from 1, not ${values.pairs}`);
  if ((check || baseline) && !short)
    throw new BadArguments('--check and --baseline are about the short rows: add --short');
  if (profile && (write || check || baseline))
    throw new BadArguments('--profile slows what it looks at: leave out --write, --check and --baseline');
  if (write && rows.length > 0) throw new BadArguments('--write needs whole scenarios: leave out --row');
  return { names, rows, size, pairs, json, check, baseline, write, profile, first, list, help };
}

/** The scenarios that are asked for, each with the rows that are. Throws BadArguments where one is unknown, or none is left. */
export function chooseScenarios(
  all: readonly Scenario[],
  { names, rows, size }: Pick<Asked, 'names' | 'rows' | 'size'>,
): readonly Scenario[] {
  const known = new Set(all.map(({ name }) => name));
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0)
    throw new BadArguments(`there is no scenario ${unknown.join(', ')}; there are ${[...known].join(', ')}`);
  const possible = all
    .filter(({ name }) => names.length === 0 || names.includes(name))
    .map((scenario) => ({ ...scenario, rows: scenario.rows.filter(({ short }) => size === 'full' || short) }))
    .sort((a, b) => a.number - b.number);
  const ids = possible.flatMap((scenario) => scenario.rows.map(({ id }) => id));
  const absent = rows.filter((row) => !ids.includes(row));
  if (absent.length > 0)
    throw new BadArguments(
      `there is no row ${absent.join(', ')}${among(names, size)}; there are ${ids.join(' ')}`,
    );
  const chosen = possible
    .map((scenario) => ({
      ...scenario,
      rows: scenario.rows.filter(({ id }) => rows.length === 0 || rows.includes(id)),
    }))
    .filter((scenario) => scenario.rows.length > 0);
  if (chosen.length === 0) throw new BadArguments(`there are no rows${among(names, size)}`);
  return chosen;
}

function among(names: readonly string[], size: Size): string {
  const short = size === 'short' ? ' among the short ones' : '';
  return names.length === 0 ? short : `${short} in ${names.join(', ')}`;
}
