// The checkers find known bugs: each mutant is caught within its seeds, by a promise that it breaks.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MUTANTS } from './mutants.ts';
import { run } from './run.ts';

const SEEDS_MAX = 60;

for (const { name, infect, caughtBy, from = 1 } of MUTANTS) {
  void test(`catches a mesher that ${name}`, () => {
    const heal = infect();
    try {
      const broken = new Set<string>();
      for (let seed = from; seed < from + SEEDS_MAX; seed++) {
        for (const { promise } of run({ seed }).breaches) broken.add(promise);
        if (caughtBy.some((promise) => broken.has(promise))) return;
      }
      assert.fail(`${SEEDS_MAX} seeds from ${from} broke only: ${[...broken].join(', ') || 'nothing'}`);
    } finally {
      heal();
    }
  });
}
