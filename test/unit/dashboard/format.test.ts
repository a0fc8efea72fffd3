import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatAge,
  formatBytes,
  formatCount,
  formatMs,
  formatRate,
  formatShare,
  formatTime,
  NOTHING,
  plural,
} from '../../../node/dashboard/model/format.ts';

const S = 1_000;
const MIN = 60 * S;
const H = 60 * MIN;

test('ages have the unit that people would say, and no more', () => {
  const ages = [
    0,
    4 * S,
    59.9 * S,
    4 * MIN + 12 * S,
    2 * H,
    2 * H + 5 * MIN,
    26 * H,
    3 * 24 * H,
    12 * 24 * H + H,
  ];
  assert.deepEqual(ages.map(formatAge), [
    'now',
    '4 s',
    '59 s',
    '4 min',
    '2 h',
    '2 h 5 min',
    '1 d 2 h',
    '3 d',
    '12 d',
  ]);
});

test('measured times, rates, counts and sizes', () => {
  assert.deepEqual([undefined, 0, 0.84, 84.4, 1_240, 251_000].map(formatMs), [
    NOTHING,
    '0 ms',
    '0.8 ms',
    '84 ms',
    '1.2 s',
    '4 min',
  ]);
  assert.deepEqual([0, 0.01, 0.3, 9.96, 120.4, 12_480, 2_345_678].map(formatRate), [
    '0/s',
    '<0.1/s',
    '0.3/s',
    '10/s',
    '120/s',
    '12.5k/s',
    '2.35 M/s',
  ]);
  assert.deepEqual([0, 12_345, 1_234_567, 7e9].map(formatCount), ['0', '12,345', '1.23 M', '7 G']);
  assert.deepEqual([0, 412, 1536, 310 * 1024 * 1024].map(formatBytes), [
    '0 B',
    '412 B',
    '1.5 KiB',
    '310 MiB',
  ]);
  assert.deepEqual(
    [1, 2, 0].map((count) => plural(count, 'event')),
    ['1 event', '2 events', '0 events'],
  );
});

test('a share is rounded down: 100 % says that nothing was missing', () => {
  assert.deepEqual([undefined, 1, 0.99999, 0.9305, 0].map(formatShare), [
    NOTHING,
    '100 %',
    '99.99 %',
    '93.05 %',
    '0.00 %',
  ]);
});

test('a time of another day says which', () => {
  const now = Date.parse('2026-11-20T12:00:00Z');
  assert.match(formatTime(now - 60_000, now), /^\d\d:\d\d:\d\d$/);
  assert.match(formatTime(now - 40 * H, now), /2026, \d\d:\d\d:\d\d$/);
});
