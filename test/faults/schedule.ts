// Which nemeses come when: a list of periods, made from a seed before the run begins, so that a seed says what was done
// whatever the machine did. A quarter of the periods are quiet; of the others a third have two nemeses at a time.

import { Chance } from '../simulation/chance.ts';
import type { Nemesis } from './nemeses/nemesis.ts';

export interface Period {
  readonly seconds: number;
  /** None: quiet. */
  readonly nemeses: readonly Nemesis[];
}

const QUIET_SHARE = 0.25;
const TWO_SHARE = 1 / 3;
/** Between two periods, s: some faults hurt those who have not yet got over the one before, some do not. */
const BREATH_SECONDS = [0.5, 8] as const;

export function* randomPeriods(seed: number, nemeses: readonly Nemesis[]): Generator<Period, never> {
  const chance = new Chance(seed).fork('schedule');
  for (;;) {
    if (chance.is(QUIET_SHARE)) yield { seconds: chance.between(2, 15), nemeses: [] };
    else {
      const first = chance.pick(nemeses);
      const others = nemeses.filter((one) => one !== first);
      const second = chance.is(TWO_SHARE) && others.length > 0 ? [chance.pick(others)] : [];
      const [low, high] = first.seconds;
      // long ones are rare: a run should see many
      yield { seconds: chance.skewed(low, high), nemeses: [first, ...second] };
      yield { seconds: chance.skewed(...BREATH_SECONDS), nemeses: [] };
    }
  }
}

/** Each of these for so many seconds, with a breath between: the short form. */
export function* fixedPeriods(nemeses: readonly Nemesis[], seconds: number): Generator<Period> {
  for (const nemesis of nemeses) {
    yield { seconds, nemeses: [nemesis] };
    yield { seconds: 1, nemeses: [] };
  }
}
