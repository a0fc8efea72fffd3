import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_GROUPS, START } from '../../../node/core/event.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import type { LaneData, LinkMessage } from '../../../node/core/messages.ts';
import { storedEvents } from '../../support/events.ts';
import { Receiver } from './lane-bench.ts';

const STAGED_BYTES = 10_000;
const EVENTS = storedEvents(4, { bytes: 200 });
const FRAME_BYTES = EVENTS.reduce((sum, { bytes }) => sum + bytes, 0);
const LANES = 100;

/** The `turn`th frame of a lane. */
function frame(lane: number, turn: number): LaneData {
  const first = turn * EVENTS.length + 1;
  return {
    kind: 'data',
    scope: 'cluster',
    lane,
    previous: turn === 0 ? START : { incarnation: 1, sequence: first - 1 },
    first: { incarnation: 1, sequence: first },
    doubt: false,
    events: EVENTS.map((event) => ({ event, directive: NO_GROUPS })),
  };
}

test('of ever so many lanes, each of which keeps to its credit, no more is taken than three times what may be staged', () => {
  const said: LinkMessage[] = [];
  const receiver = new Receiver('x', { ...LIMITS, stagedBytesMax: STAGED_BYTES }, (message) =>
    said.push(message),
  );
  for (let lane = 0; lane < LANES; lane++) receiver.take(frame(lane, 0));
  const frames = receiver.taken.length / EVENTS.length;
  assert.ok(frames * FRAME_BYTES > 2 * STAGED_BYTES, `${frames} frames`);
  assert.ok(frames * FRAME_BYTES <= 3 * STAGED_BYTES + FRAME_BYTES, `${frames} frames`);
  assert.equal(receiver.counters.total('messages_refused_total', 'over-credit'), LANES - frames);
  while (receiver.appended());
  assert.equal(said.filter(({ kind }) => kind === 'ack').length, frames, 'what was not taken is not acked');
  said.length = 0;
  receiver.take(frame(LANES - 1, 1));
  assert.deepEqual(said, [{ kind: 'gap', scope: 'cluster', lane: LANES - 1, last: START }]);
});
