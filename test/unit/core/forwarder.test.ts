import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Commits } from '../../../node/core/commits.ts';
import { Counters } from '../../../node/core/counters.ts';
import { type Directive, NO_GROUPS } from '../../../node/core/event.ts';
import { Forwarder } from '../../../node/core/forwarder.ts';
import { LIMITS, LOOSE_STEP_BYTES_MAX } from '../../../node/core/limits.ts';
import { Links } from '../../../node/core/links.ts';
import type { Membership } from '../../../node/core/membership.ts';
import type { BestEffort } from '../../../node/core/messages.ts';
import type { Effect } from '../../../node/core/steps.ts';
import { TIMING } from '../../../node/core/timing.ts';
import { WIRE_VERSION } from '../../../node/core/wire-version.ts';
import { storedEvent } from '../../support/events.ts';

const NOW = { wall: 1_750_000_000_000, monotonic: 1 };
const PEER = 'b';

/** The frames in which best-effort events of these payloads leave for one peer, in one step. */
function framesOf(
  payloads: readonly number[],
  limits: { readonly frameBytesMax: number; readonly frameEventsMax: number },
  directive: (n: number) => Directive = () => NO_GROUPS,
  counters = new Counters(),
): BestEffort[] {
  const frames: BestEffort[] = [];
  const emit = (effect: Effect): void => {
    if (effect.kind === 'data' && effect.message.kind === 'best-effort') frames.push(effect.message);
  };
  const links = new Links(TIMING, emit);
  links.up(PEER, 'eu', WIRE_VERSION, NOW);
  const forwarder = new Forwarder({
    self: 'a',
    cluster: 'eu',
    incarnation: 1,
    limits: { ...LIMITS, ...limits },
    timing: TIMING,
    counters,
    members: {} as Membership, // no lane lands anywhere here
    links,
    commits: new Commits(1, LIMITS, emit),
    emit,
    heirOf: () => undefined,
    isGuest: () => false,
    takeGuest: () => false,
    nextQueueId: () => 1,
  });
  payloads.forEach((bytes, n) => {
    forwarder.looseToPeer(PEER, directive(n), storedEvent({ sequence: n, bytes }));
  });
  forwarder.flushLoose();
  return frames;
}

function bytesOf(frame: BestEffort): number {
  return frame.events.reduce((sum, { event }) => sum + event.bytes, 0);
}

test('best-effort events of a step go in as few frames as they fit in, each within its bound', () => {
  const frames = framesOf(Array<number>(10).fill(400), { frameBytesMax: 2000, frameEventsMax: 100 });
  assert.deepEqual(
    frames.flatMap(({ events }) => events.map(({ event }) => event.sequence)),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
  assert.deepEqual(
    frames.map(({ events }) => events.length),
    [4, 4, 2],
  );
  for (const frame of frames) assert(bytesOf(frame) <= 2000, `${bytesOf(frame)} bytes`);
});

test('a best-effort event that fits into no frame goes alone', () => {
  const frames = framesOf([100, 5000, 100], { frameBytesMax: 2000, frameEventsMax: 100 });
  assert.deepEqual(
    frames.map(({ events }) => events.map(({ event }) => event.sequence)),
    [[0], [1], [2]],
  );
});

test('a frame has no more events than its bound, and directives count in its bytes', () => {
  const small = framesOf(Array<number>(5).fill(1), { frameBytesMax: 10_000, frameEventsMax: 2 });
  assert.deepEqual(
    small.map(({ events }) => events.length),
    [2, 2, 1],
  );
  const long = (n: number): Directive => ({ groups: 'only', names: [`${n}`.repeat(300)] });
  const directed = framesOf(Array<number>(4).fill(1), { frameBytesMax: 2500, frameEventsMax: 100 }, long);
  assert.deepEqual(
    directed.map(({ events }) => events.length),
    [2, 2],
  );
});

test('one step sends no more best effort over a link than its bound, and counts the rest as dropped', () => {
  const counters = new Counters();
  const bytes = 1_000_000;
  const frames = framesOf(Array<number>(12).fill(bytes), LIMITS, undefined, counters);
  const sent = frames.reduce((sum, frame) => sum + bytesOf(frame), 0);
  assert(sent <= LOOSE_STEP_BYTES_MAX && sent > LOOSE_STEP_BYTES_MAX - 2 * bytes, `${sent} bytes`);
  const left = frames.flatMap(({ events }) => events).length;
  assert.equal(counters.total('events_dropped_total', 'slow-link'), 12 - left);
  assert.equal(counters.total('events_forwarded_total'), left);
});

test('a sender that names meshers without end leaves room for those that others name', () => {
  const links = new Links(TIMING, () => undefined);
  const forwarder = new Forwarder({
    self: 'a',
    cluster: 'eu',
    incarnation: 1,
    limits: LIMITS,
    timing: TIMING,
    counters: new Counters(),
    members: { get: () => undefined } as unknown as Membership, // nobody is known
    links,
    commits: new Commits(1, LIMITS, () => undefined),
    emit: () => undefined,
    heirOf: () => undefined,
    isGuest: () => false,
    takeGuest: () => false,
    nextQueueId: () => 1,
  });
  const taken = Array.from({ length: 1_000 }, (_, i) => forwarder.takesPeer(`ghost${i}`, 'evil'));
  const count = taken.filter(Boolean).length;
  assert.ok(count > 0 && count < 100, `${count} of a thousand`);
  assert.equal(forwarder.takesPeer('joined', 'honest'), true);
  assert.equal(forwarder.takesPeer('ghost', 'evil'), false);
});
