import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HISTORY_STEPS } from '../../../node/observe/bounds.ts';
import { History, sumSeries } from '../../../node/observe/history.ts';
import { percentilesSince, Rate, Samples } from '../../../node/observe/samples.ts';

const KINDS = { rate: 'events/s', late: 'ms' } as const;
const valuesOf = (history: History<typeof KINDS>, name: string, step: number) =>
  history.series(name, step)[0]?.values;

test('an hour is kept, what was not written is unknown, and what is older is gone', () => {
  const history = new History(KINDS, 10);
  history.put('a', 1_000, { rate: 1, late: undefined });
  history.put('a', 1_003, { rate: 4, late: 2 });
  const values = valuesOf(history, 'a', 1_004) ?? [];
  assert.equal(values.length, HISTORY_STEPS);
  assert.deepEqual(values.slice(-6), [null, 1, null, null, 4, null]);
  assert.equal(history.value('a', 'late', 1_003), 2);
  assert.equal(history.value('a', 'late', 1_000), undefined);
  assert.equal(history.sum('a', 'rate'), 5);
  history.put('a', 1_003 + HISTORY_STEPS - 1, { rate: 9, late: 0 });
  assert.deepEqual((valuesOf(history, 'a', 1_003 + HISTORY_STEPS - 1) ?? [])[0], 4);
  history.put('a', 5_000, { rate: 7, late: 0 });
  assert.deepEqual(
    valuesOf(history, 'a', 5_000)?.filter((value) => value !== null),
    [7],
  );
  assert.ok(valuesOf(history, 'b', 1)?.every((value) => value === null));
});

test('a clock that was put back writes nothing until it has caught up', () => {
  const history = new History(KINDS, 10);
  history.put('a', 2_000, { rate: 1, late: 0 });
  history.put('a', 1_000, { rate: 2, late: 0 });
  assert.equal(history.value('a', 'rate', 1_000), undefined);
  assert.equal(history.value('a', 'rate', 2_000), 1);
});

test('of more names than are kept the one written longest ago goes', () => {
  const history = new History(KINDS, 2);
  for (const name of ['a', 'b', 'a', 'c']) history.put(name, 1, { rate: 1, late: 0 });
  assert.deepEqual(
    ['a', 'b', 'c'].map((name) => history.has(name)),
    [true, false, true],
  );
});

test('series of several are added up, their latencies are the worst', () => {
  const series = (name: string, unit: 'events/s' | 'ms', last: number | null) => ({
    name,
    unit,
    values: [...Array.from({ length: HISTORY_STEPS - 1 }, () => null), last],
  });
  const sums = sumSeries([
    [series('rate', 'events/s', 3), series('late', 'ms', 10)],
    [series('rate', 'events/s', 4), series('late', 'ms', 7)],
    [series('rate', 'events/s', null)],
  ]);
  assert.deepEqual(
    sums.map(({ name, values }) => [name, values.at(-1), values[0]]),
    [
      ['rate', 7, null],
      ['late', 10, null],
    ],
  );
});

test('rates are of the last seconds, and percentiles of what was counted since', () => {
  const samples = new Samples<'count', { at: number; counters: { count: number } }>();
  assert.equal(samples.rate('count', 6_000), 0);
  for (let at = 0; at <= 60_000; at += 2_000)
    samples.add({ at, counters: { count: at < 50_000 ? 0 : at - 50_000 } });
  assert.equal(samples.rate('count', 6_000), 1_000);
  assert.equal(samples.rate('count', 60_000), 10_000 / 60);
  const rate = new Rate(100);
  assert.equal(rate.look(120, 2_000), 5, 'half of it is believed at once');
  assert.equal(rate.look(0, 2_000), 2.5, 'a counter that began anew is no rate below zero');

  assert.equal(percentilesSince([0.1, 1], [5, 5, 5], [5, 5, 5]), undefined);
  assert.deepEqual(percentilesSince([0.1, 1], [0, 0, 0], [100, 0, 0]), { p50: 50, p95: 95, p99: 99 });
  assert.deepEqual(percentilesSince([0.1, 1], [9, 0, 0], [9, 0, 4]), { p50: 1000, p95: 1000, p99: 1000 });
});
