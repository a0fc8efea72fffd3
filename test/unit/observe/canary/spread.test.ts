import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BUCKETS, Spread } from '../../../../node/observe/canary/spread.ts';

function spreadOf(values: readonly number[]): Spread {
  const spread = new Spread();
  for (const value of values) spread.observe(value);
  return spread;
}

test('percentiles are within an eighth of those of the values themselves', () => {
  const values = fc.array(fc.double({ min: 1, max: 50_000, noNaN: true }), { minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(values, (all) => {
      const sorted = all.toSorted((a, b) => a - b);
      const found = spreadOf(all).percentiles();
      assert.ok(found);
      for (const [share, value] of [
        [0.5, found.p50],
        [0.95, found.p95],
        [0.99, found.p99],
      ] as const) {
        const exact = sorted[Math.ceil(all.length * share) - 1] ?? 0;
        assert.ok(value >= exact * 0.88 && value <= exact * 1.13, `${value} for ${exact}`);
      }
    }),
  );
});

test('nothing has no percentiles; what is very short or very long has its place', () => {
  assert.equal(new Spread().percentiles(), undefined);
  const spread = spreadOf([0, 1e9]);
  assert.deepEqual(spread.counts, [
    [0, 1],
    [BUCKETS - 1, 1],
  ]);
  const sum = Spread.of(spread.counts);
  sum.addAll(spread);
  assert.deepEqual(sum.counts, [
    [0, 2],
    [BUCKETS - 1, 2],
  ]);
});
