// The checkers find known bugs: each mutant is caught within its seeds, by a promise that it breaks.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MUTANTS } from './mutants.ts';
import { catchWith, optionsFor } from './mutants/mutant.ts';
import { run } from './run.ts';

const SEEDS_MAX = 60;

for (const mutant of MUTANTS) {
  const { name, infect, from = 1 } = mutant;
  void test(`catches a mesher that ${name}`, () => {
    const heal = infect();
    try {
      const broken = new Set<string>();
      for (let seed = from; seed < from + SEEDS_MAX; seed++) {
        const { breaches } = run(optionsFor(mutant, seed));
        if (catchWith(mutant, breaches) !== undefined) return;
        for (const { promise } of breaches) broken.add(promise);
      }
      assert.fail(`${SEEDS_MAX} seeds from ${from} broke only: ${[...broken].join(', ') || 'nothing'}`);
    } finally {
      heal();
    }
  });
}
