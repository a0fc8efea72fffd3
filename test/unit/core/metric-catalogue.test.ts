import assert from 'node:assert/strict';
import { test } from 'node:test';
import { METRICS, type MetricFacts, OPEN } from '../../../node/core/metric-catalogue.ts';
import { family } from '../../../node/core/metric-family.ts';

const all: readonly (readonly [string, MetricFacts])[] = Object.entries(METRICS);
/** Not base units, or not the last word of a name. */
const UNITS = /(^|_)(ms|millis|milliseconds|micros|minutes|hours|kb|kib|mb|mib|kilobytes|percent)(_|$)/;

test('names and help are by the conventions', () => {
  for (const [name, { type, help }] of all) {
    assert.match(name, /^[a-z]+(_[a-z]+)*$/);
    assert.equal(name.endsWith('_total'), type === 'counter', `${name} is a ${type}`);
    assert.doesNotMatch(name, UNITS);
    assert.doesNotMatch(name, /_(count|sum|bucket)$/, `${name} looks like a part of a histogram`);
    if (/(_|^)(delay|duration|age|trip|since|timestamp)(_|$)/.test(name)) assert.match(name, /_seconds$/);
    assert.match(help, /^[A-Z0-9].*[^.]$/);
  }
});

test('what is dropped, refused or tried again says why, in words that are listed', () => {
  for (const [name, { labels }] of all) {
    if (!/dropped|refused|dead_lettered|redelivered/.test(name)) continue;
    const [[label, values] = [], ...others] = labels;
    assert.deepEqual([label, others], ['reason', []], name);
    assert.equal(typeof values, 'object', name);
  }
});

test('a label has listed values, each with its meaning, or a bound', () => {
  for (const [name, { labels }] of all) {
    for (const [label, values] of labels) {
      assert.match(label, /^[a-z]+$/, name);
      if (typeof values === 'string') assert.ok(values in OPEN, `${name}: ${values}`);
      else {
        for (const [value, meaning] of Object.entries(values)) {
          assert.match(value, /^[a-z0-9]+(-[a-z0-9]+)*$/, name);
          assert.match(meaning, /[^.]$/, `${name}: ${value}`);
        }
      }
    }
  }
});

test('what can be listed beforehand is there before it happens; what cannot is not', () => {
  const redelivered = family('events_redelivered_total', [{ labels: { reason: 'retry' }, value: 3 }]);
  assert.deepEqual(redelivered.samples, [
    { labels: { reason: 'retry' }, value: 3 },
    { labels: { reason: 'ack-timeout' }, value: 0 },
  ]);
  assert.deepEqual(family('events_landed_total', []).samples, []);
  assert.deepEqual(family('copies_gaps_total', []).samples, [{ labels: {}, value: 0 }]);
  assert.deepEqual(family('takeovers_moving', 0).samples, [{ labels: {}, value: 0 }]);
  assert.deepEqual(family('process_open_fds', []).samples, [], 'not known is not zero');
});
