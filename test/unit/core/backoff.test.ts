import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffMs } from '../../../node/core/backoff.ts';

test('waits double up to the cap', () => {
  const longest = [0, 1, 2, 3, 4, 5, 6, 1_000, 1e9].map((failures) =>
    backoffMs(failures, 100, 5_000, () => 1),
  );
  assert.deepEqual(longest, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
});

test('waits between half and all of it', () => {
  assert.equal(
    backoffMs(0, 100, 5_000, () => 0),
    50,
  );
  assert.equal(
    backoffMs(1e9, 100, 5_000, () => 0),
    2_500,
  );
});

test('reaches the cap from the smallest first wait, and never leaves nothing', () => {
  assert.equal(
    backoffMs(20, 1, 60_000, () => 1),
    60_000,
  );
  assert.equal(
    backoffMs(1e9, 0, 60_000, () => 1),
    0,
  );
});
