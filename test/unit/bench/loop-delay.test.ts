import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quantile } from '../../bench/harness/loop-delay.ts';

const buckets = (...counts: number[]) =>
  [0.001, 0.01, 0.1, Infinity].map((bound, at) => ({ bound, count: counts[at] ?? 0 }));

test('a quantile lies within its bucket in proportion, and not beyond the last bound', () => {
  assert.equal(quantile(buckets(100, 100, 100, 100), 0.5), 0.0005);
  assert.ok(Math.abs(quantile(buckets(0, 90, 100, 100), 0.95) - 0.055) < 1e-9);
  assert.equal(quantile(buckets(0, 0, 10, 100), 0.99), 0.1);
  assert.equal(quantile(buckets(0, 0, 0, 0), 0.99), 0, 'nothing was measured');
});
