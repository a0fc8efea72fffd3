// All known bugs. `npm run mutants` says how many seeds it takes to catch each; the short form is a part of the tests.

import { OF_DEAD_LETTERS } from './mutants/dead-letters.ts';
import { OF_DISKS } from './mutants/disks.ts';
import { OF_LANES } from './mutants/lanes.ts';
import type { Mutant } from './mutants/mutant.ts';
import { OF_ROUTES } from './mutants/routes.ts';
import { OF_TAKEOVERS } from './mutants/takeovers.ts';

export const MUTANTS: readonly Mutant[] = [
  ...OF_DISKS,
  ...OF_LANES,
  ...OF_ROUTES,
  ...OF_TAKEOVERS,
  ...OF_DEAD_LETTERS,
];
