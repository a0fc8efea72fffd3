import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counters } from '../../../node/core/counters.ts';
import { COUNTERS, type CounterName } from '../../../node/core/metric-catalogue.ts';

const samplesOf = (counters: Counters, wanted: CounterName) =>
  counters.families().find(({ name }) => name === wanted)?.samples;

test('every counter of the catalogue is a family, also before it counted anything', () => {
  const families = new Counters().families();
  assert.deepEqual(
    families.map(({ name }) => name),
    Object.keys(COUNTERS),
  );
  for (const { samples } of families) assert.deepEqual(samples, []);
});

test('samples are summed by label values', () => {
  const counters = new Counters();
  counters.add('events_forwarded_total', 2, 'eu', 'durable');
  counters.add('events_forwarded_total', 3, 'eu', 'durable');
  counters.add('events_forwarded_total', 5, 'eu', 'best-effort');
  counters.add('events_forwarded_total', 7, 'us', 'durable');
  counters.add('events_dropped_total', 0, 'expired');
  assert.equal(counters.total('events_forwarded_total'), 17);
  assert.equal(counters.total('events_forwarded_total', 'eu'), 10);
  assert.deepEqual(samplesOf(counters, 'events_forwarded_total'), [
    { labels: { cluster: 'eu', qos: 'durable' }, value: 5 },
    { labels: { cluster: 'eu', qos: 'best-effort' }, value: 5 },
    { labels: { cluster: 'us', qos: 'durable' }, value: 7 },
  ]);
  assert.deepEqual(samplesOf(counters, 'events_dropped_total'), []);
});

test('a member that names ever new clusters makes no more than 4,096 series, and nothing goes uncounted', () => {
  const counters = new Counters();
  for (let i = 0; i < 10_000; i++) counters.add('events_landed_total', 1, `cluster-${i}`, 'durable');
  counters.add('events_landed_total', 1, 'cluster-9999', 'best-effort');
  counters.add('events_landed_total', 1, 'cluster-0', 'durable');
  const samples = samplesOf(counters, 'events_landed_total') ?? [];
  assert.ok(samples.length <= 4096 + 2, `${samples.length} series`);
  assert.equal(counters.total('events_landed_total'), 10_002);
  assert.equal(counters.total('events_landed_total', 'cluster-0'), 2);
  assert.equal(counters.total('events_landed_total', 'other'), 10_000 - 4096 + 1);
});
