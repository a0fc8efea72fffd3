// A known bug, switched in from outside by replacing methods: what the checkers are worth is shown by their finding these.

import type { RunOptions } from '../run.ts';

export interface Mutant {
  /** Ends the sentence "a mesher that …". */
  readonly name: string;
  /** Puts the bug in; the result takes it out again. */
  readonly infect: () => () => void;
  /** The first seed that the short form tries: rare bugs want a seed that meets them. */
  readonly from?: number;
  /** Set in all its runs: bugs of what few seeds have want seeds that have it. */
  readonly options?: Omit<RunOptions, 'seed'>;
  /** Promises whose breach counts as having been caught. */
  readonly caughtBy: readonly string[];
}

export const NO_LOSS = 'no acked event is lost';
export const SETTLED = 'what is settled never comes back';
export const REST = 'everything is delivered in the end';
export const TWICE = 'nothing twice without doubt';
export const LEDGERS = 'the ledgers of a link agree';
export const BUG = 'the core throws only for bugs';

/** Replaces one method; `make` gets the right one. */
export function replace<Owner extends object, Name extends keyof Owner>(
  owner: Owner,
  name: Name,
  make: (right: Owner[Name]) => Owner[Name],
): () => void {
  const right = owner[name];
  owner[name] = make(right);
  return () => {
    owner[name] = right;
  };
}

/** Several replacements as one. */
export function all(...heals: readonly (() => void)[]): () => void {
  return () => {
    for (const heal of heals) heal();
  };
}

/** How a seed is run to show the bug: without what came later, of which it needs nothing, so that it is the same run as before. */
export function optionsFor({ options }: Mutant, seed: number): RunOptions {
  return { redrives: false, damages: false, absences: false, ...options, seed };
}

/** The promise by whose breach the seed shows the bug that is switched in; undefined: the seed does not show it. */
export function catchWith(
  { caughtBy }: Mutant,
  breaches: readonly { readonly promise: string }[],
): string | undefined {
  return breaches.map(({ promise }) => promise).find((promise) => caughtBy.includes(promise));
}
