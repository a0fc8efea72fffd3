import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counters, COUNTERS } from '../../../node/core/counters.ts';

test('every counter is a family, with help and labels, also before it counted anything', () => {
  const families = new Counters().families();
  assert.deepEqual(
    families.map(({ name }) => name),
    Object.keys(COUNTERS),
  );
  for (const { name, help, type, samples } of families) {
    assert.match(name, /^[a-z_]+_total$/);
    assert.match(help, /^[A-Z].*[^.]$/);
    assert.equal(type, 'counter');
    assert.deepEqual(samples, []);
  }
});

test('drops and refusals are counted by reason', () => {
  for (const [name, [, labels]] of Object.entries(COUNTERS)) {
    if (/dropped|refused|dead_lettered|redelivered/.test(name)) assert.deepEqual(labels, ['reason']);
  }
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
  const family = counters.families().find(({ name }) => name === 'events_forwarded_total');
  assert.deepEqual(family?.samples, [
    { labels: { cluster: 'eu', qos: 'durable' }, value: 5 },
    { labels: { cluster: 'eu', qos: 'best-effort' }, value: 5 },
    { labels: { cluster: 'us', qos: 'durable' }, value: 7 },
  ]);
  assert.deepEqual(counters.families().find(({ name }) => name === 'events_dropped_total')?.samples, []);
});
