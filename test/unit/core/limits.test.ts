import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  brokenRelations,
  FILTER_BYTES_MAX,
  FILTER_LEVELS_MAX,
  FRAME_EVENTS_MAX,
  HEADS_MAX,
  type Limits,
  LIMITS,
  RECORD_TEXT_BYTES_MAX,
} from '../../../node/core/limits.ts';

test('the defaults keep all relations', () => {
  assert.deepEqual(brokenRelations(LIMITS), []);
});

const BROKEN: readonly (readonly [change: Partial<Limits>, named: RegExp])[] = [
  [{ linkFrameBytesMax: LIMITS.eventBytesMax }, /linkFrameBytesMax must hold one event/],
  [
    { frameBytesMax: LIMITS.linkFrameBytesMax + 1, laneInFlightBytes: LIMITS.linkFrameBytesMax * 2 },
    /frameBytesMax must not exceed/,
  ],
  [{ laneInFlightBytes: LIMITS.frameBytesMax - 1 }, /laneInFlightBytes must hold one frame/],
  [{ batchBytesMax: LIMITS.eventBytesMax - 1 }, /batchBytesMax must hold one event/],
  [{ stagedBytesMax: LIMITS.batchBytesMax - 1 }, /stagedBytesMax must hold one batch/],
  [{ blockEventsMax: 65_537 }, /blockEventsMax must fit/],
  [{ topicBytesMax: FILTER_BYTES_MAX + 1 }, /topicBytesMax must be at most/],
  [{ topicLevelsMax: FILTER_LEVELS_MAX + 1 }, /topicLevelsMax must be at most/],
  [{ keyBytesMax: RECORD_TEXT_BYTES_MAX + 1 }, /keyBytesMax must be at most/],
  [{ frameEventsMax: FRAME_EVENTS_MAX + 1 }, /frameEventsMax must be at most/],
  [{ membersMax: HEADS_MAX }, /membersMax must be below/],
  [{ gossipBytesMax: LIMITS.linkFrameBytesMax + 1 }, /gossipBytesMax must not exceed/],
  [{ interestsMax: LIMITS.subscriptionsMax }, /interestsMax must hold/],
  [{ pullBytesMax: LIMITS.linkFrameBytesMax }, /pullBytesMax must be at most half/],
];

for (const [change, named] of BROKEN) {
  test(`${Object.keys(change).join(' and ')} out of proportion is named, and nothing else`, () => {
    const broken = brokenRelations({ ...LIMITS, ...change });
    assert.equal(broken.length, 1);
    assert.match(broken[0] ?? '', named);
  });
}

test('every relation has a case here', () => {
  const nothing = Object.fromEntries(Object.keys(LIMITS).map((name) => [name, NaN])) as unknown as Limits;
  assert.equal(brokenRelations(nothing).length, BROKEN.length);
});
