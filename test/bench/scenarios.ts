// Every scenario of the benchmark, in the order of their numbers. One line each: `test/bench/<name>/scenario.ts` exports it.

import type { Scenario } from './harness/scenario.ts';

export const scenarios: readonly (() => Promise<{ readonly scenario: Scenario }>)[] = [
  () => import('./durable/scenario.ts'),
  () => import('./http/scenario.ts'),
  () => import('./latency/scenario.ts'),
  () => import('./link/scenario.ts'),
  () => import('./fan-out/scenario.ts'),
  () => import('./local/scenario.ts'),
  () => import('./matching/scenario.ts'),
  () => import('./growth/scenario.ts'),
  () => import('./routing/scenario.ts'),
  () => import('./history/scenario.ts'),
  () => import('./observing/scenario.ts'),
];
