import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BACKOFF_FIRST_MS, BACKOFF_MAX_MS, backoffMs } from '../../../node/net/backoff.ts';

test('waits double up to the cap, with jitter of a half', () => {
  const longest = [0, 1, 2, 3, 4, 5, 6, 1000].map((failures) => backoffMs(failures, () => 1));
  assert.deepEqual(longest, [100, 200, 400, 800, 1600, 3200, BACKOFF_MAX_MS, BACKOFF_MAX_MS]);
  assert.equal(
    backoffMs(0, () => 0),
    BACKOFF_FIRST_MS / 2,
  );
  assert.equal(
    backoffMs(1e9, () => 0),
    BACKOFF_MAX_MS / 2,
  );
});
