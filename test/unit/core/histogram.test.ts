import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Histogram } from '../../../node/core/histogram.ts';

const counts = (histogram: Histogram): (number | string)[] =>
  histogram
    .samples({})
    .map(({ suffix, labels, value }) => (suffix === '_bucket' ? `${labels['le'] ?? ''}:${value}` : value));

test('buckets are cumulative, hold their bound, and sum and count go with them', () => {
  const histogram = new Histogram([0.5, 1]);
  for (const seconds of [0, 0.5, 0.75, 2]) histogram.observe(seconds);
  assert.deepEqual(counts(histogram), ['0.5:2', '1:3', '+Inf:4', 3.25, 4]);
});

test('what the difference of two clocks makes negative counts as nothing', () => {
  const histogram = new Histogram([1]);
  histogram.observe(-5);
  histogram.observeRun(-3, -2, 2);
  assert.deepEqual(counts(histogram), ['1:3', '+Inf:3', 0, 3]);
});

test('a run is observed as if each were, in one bucket or over several', () => {
  for (const [first, last, count] of [
    [0.1, 0.4, 7],
    [3, 0.25, 12],
    [0, 2, 2],
    [0.75, 0.75, 1],
  ] as const) {
    const [run, one] = [new Histogram([0.5, 1, 2]), new Histogram([0.5, 1, 2])];
    run.observeRun(first, last, count);
    for (let i = 0; i < count; i++)
      one.observe(count === 1 ? first : first + ((last - first) * i) / (count - 1));
    const [a, b] = [counts(run), counts(one)];
    assert.deepEqual([...a.slice(0, 4), a[5]], [...b.slice(0, 4), b[5]]);
    assert.ok(Math.abs(Number(a[4]) - Number(b[4])) < 1e-9, `${String(a[4])}, ${String(b[4])}`);
  }
});
