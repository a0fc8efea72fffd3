// The incarnation of a start: above all that were used before, whichever of disk, registry and clock knows.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseIncarnation } from '../../../node/core/membership.ts';

const DAY_MS = 86_400_000;
const NOW = 1_750_000_000_000;

test('a start is above the last one on the same disk, whatever clock and registry say', () => {
  assert.equal(chooseIncarnation(NOW + DAY_MS, 7, NOW), NOW + DAY_MS + 1);
  assert.equal(chooseIncarnation(5, undefined, 0), 6);
});

test('a disk put back to a backup comes above what was used since, without a registry too', () => {
  const backedUp = chooseIncarnation(0, 12, NOW);
  let used = backedUp;
  for (let start = 1; start <= 10; start++)
    used = chooseIncarnation(used, start % 2 === 0 ? 12 + start : undefined, NOW + start * DAY_MS);
  assert.ok(chooseIncarnation(backedUp, undefined, NOW + 11 * DAY_MS) > used);
});

test('a registry that counted far brings a start above all that it ever gave', () => {
  const used = chooseIncarnation(0, 2 ** 32, NOW);
  assert.ok(chooseIncarnation(0, 2 ** 32 + 1, 0) > used);
  assert.ok(Number.isSafeInteger(used));
});
