import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TIMING } from '../../../node/core/timing.ts';
import { LaneBench } from './lane-bench.ts';

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

function started(...limits: ConstructorParameters<typeof LaneBench>): LaneBench {
  const bench = new LaneBench(...limits);
  bench.linkUp('x');
  bench.linkUp('y');
  return bench;
}

function publish(bench: LaneBench, count: number): void {
  for (let i = 0; i < count; i++) bench.publish();
}

test('events cross in order, and leave the sender when they are on the receiver’s disk and not before', () => {
  const bench = started();
  publish(bench, 5);
  while (bench.write());
  bench.deliver('x', 'control');
  bench.deliver('x', 'back');
  assert.equal(bench.frames.length, 1);
  bench.deliver('x', 'data');
  assert.deepEqual(bench.channel('x', 'back'), [], 'nothing is acked that is not on disk');
  assert.equal(bench.queued, 5);
  assert.equal(bench.receiver('x').appended(), true);
  bench.deliver('x', 'back');
  assert.equal(bench.queued, 0);
  bench.settle();
  assert.deepEqual(bench.receiver('x').onDisk(), numbers(1, 5));
  assert.deepEqual(bench.onDisk(), []);
});

test('no more is in flight than the receiver granted, and a frame', () => {
  const bench = started({ laneInFlightBytes: 1_000, frameBytesMax: 400, stagedBytesMax: 100_000 });
  publish(bench, 60);
  while (bench.write() || bench.load());
  bench.deliver('x', 'control');
  bench.deliver('x', 'back');
  while (bench.load());
  const bytes = bench.frames
    .flatMap(({ message }) => message.events)
    .reduce((sum, { event }) => sum + event.record.length, 0);
  assert.ok(bytes >= 1_000 - 400 && bytes <= 1_000 + 400, `${bytes} bytes in flight`);
  for (const { message } of bench.frames)
    assert.ok(message.events.reduce((sum, { event }) => sum + event.record.length, 0) <= 400);
  bench.settle();
  assert.deepEqual(bench.receiver('x').onDisk(), numbers(1, 60));
});

test('no more is in flight than the sender itself allows, whatever the receiver grants', () => {
  const bench = started({ frameBytesMax: 400, stagedBytesMax: 100_000 }, { laneInFlightBytes: 1_000 });
  publish(bench, 60);
  while (bench.write() || bench.load());
  bench.deliver('x', 'control');
  bench.deliver('x', 'back');
  while (bench.load());
  const sent = bench.frames.flatMap(({ message }) => message.events);
  const bytes = sent.reduce((sum, { event }) => sum + event.record.length, 0);
  assert.ok(sent.length > 0 && bytes <= 1_000 + 400, `${bytes} bytes in flight`);
});

test('an ack names what is on disk, not what came meanwhile', () => {
  const bench = started({ frameEventsMax: 2 });
  publish(bench, 4);
  while (bench.write());
  bench.deliver('x', 'control');
  bench.deliver('x', 'back');
  bench.deliver('x', 'data');
  bench.deliver('x', 'data');
  bench.receiver('x').appended();
  assert.deepEqual(
    bench.channel('x', 'back').map((message) => message.kind === 'ack' && message.upTo.sequence),
    [2],
  );
  bench.deliver('x', 'back');
  bench.crashReceiver('x');
  bench.linkUp('x');
  bench.settle();
  assert.deepEqual(bench.receiver('x').onDisk(), numbers(1, 4));
});

test('a lane that is opened again is not told of what is not on disk yet', () => {
  const bench = started();
  publish(bench, 2);
  while (bench.write());
  for (const name of ['control', 'back', 'data'] as const) bench.deliver('x', name);
  bench.linkDown('x');
  bench.linkUp('x');
  bench.deliver('x', 'control');
  bench.deliver('x', 'back');
  bench.crashReceiver('x');
  bench.linkUp('x');
  bench.settle();
  assert.deepEqual(bench.receiver('x').onDisk(), [1, 2]);
});

test('a receiver whose disk is full holds the lane, and releases it', () => {
  const bench = started();
  bench.receiver('x').diskFull = true;
  publish(bench, 3);
  bench.settle();
  assert.deepEqual(bench.frames, []);
  bench.receiver('x').release();
  bench.settle();
  assert.deepEqual(bench.receiver('x').onDisk(), [1, 2, 3]);
});

test('a lane that was opened twice goes by the second answer: the first may have been of a receiver that took nothing', () => {
  const bench = started();
  bench.receiver('x').diskFull = true;
  publish(bench, 3);
  while (bench.write());
  bench.pass(TIMING.laneStallMs + 1);
  assert.equal(bench.channel('x', 'control').length, 2, 'opened twice');
  bench.deliver('x', 'control');
  bench.receiver('x').diskFull = false;
  bench.deliver('x', 'control');
  bench.settle();
  assert.deepEqual(bench.receiver('x').onDisk(), [1, 2, 3]);
});

test('a frame that was lost is seen by the one after it, and sent again', () => {
  const bench = started({ frameEventsMax: 2 });
  publish(bench, 6);
  while (bench.write());
  bench.deliver('x', 'control');
  bench.deliver('x', 'back');
  assert.equal(bench.frames.length, 3);
  bench.deliver('x', 'data');
  bench.lose('x', 'data');
  bench.settle();
  assert.deepEqual(bench.receiver('x').onDisk(), numbers(1, 6));
  assert.equal(bench.receiver('x').counters.total('lane_gaps_total'), 1);
  assert.equal(bench.receiver('x').counters.total('events_doubtful_total'), 0);
});

test('a last frame that was lost is sent again after a while', () => {
  const bench = started();
  publish(bench, 2);
  while (bench.write());
  bench.deliver('x', 'control');
  bench.deliver('x', 'back');
  bench.lose('x', 'data');
  bench.settle();
  assert.deepEqual(bench.receiver('x').onDisk(), []);
  bench.pass(TIMING.laneStallMs + 1);
  bench.settle();
  assert.deepEqual(bench.receiver('x').onDisk(), [1, 2]);
});

test('expired events are left out, in the middle too, and counted', () => {
  const bench = started({ frameEventsMax: 3 });
  for (const livesMs of [0, 500, 0, 500, 500, 0, 500]) bench.publish(livesMs);
  while (bench.write());
  bench.pass(1_000);
  bench.settle();
  assert.deepEqual(bench.receiver('x').onDisk(), [1, 3, 6]);
  assert.equal(bench.counters.total('events_dropped_total', 'expired'), 4);
  assert.equal(bench.receiver('x').counters.total('lane_gaps_total'), 0);
  assert.equal(bench.queued, 0);
});

test('a voluntary move waits for the last ack and leaves no doubt', () => {
  const bench = started({ frameEventsMax: 2 });
  publish(bench, 4);
  while (bench.write());
  bench.deliver('x', 'control');
  bench.deliver('x', 'back');
  bench.prefer('y');
  publish(bench, 4);
  bench.settle();
  bench.settle();
  assert.deepEqual(bench.receiver('x').onDisk(), numbers(1, 4));
  assert.deepEqual(bench.receiver('y').onDisk(), numbers(5, 8));
  assert.ok(bench.frames.every(({ message }) => !message.doubt));
  assert.equal(bench.counters.total('lane_moves_total'), 1);
});

test('a lane whose landing is gone waits a grace, then moves, and doubts what was not acked', () => {
  const bench = started({ frameEventsMax: 2 });
  publish(bench, 4);
  while (bench.write());
  bench.deliver('x', 'control');
  bench.deliver('x', 'back');
  bench.deliver('x', 'data');
  bench.receiver('x').appended();
  publish(bench, 2);
  bench.linkDown('x');
  bench.pass(TIMING.linkGraceMs - 1);
  bench.settle();
  assert.deepEqual(bench.receiver('y').taken, []);
  bench.pass(2);
  bench.settle();
  assert.deepEqual(bench.receiver('y').taken, [
    ...numbers(1, 4).map((sequence) => ({ sequence, doubt: true })),
    ...numbers(5, 6).map((sequence) => ({ sequence, doubt: false })),
  ]);
  assert.equal(bench.receiver('y').counters.total('events_doubtful_total'), 4);
});

test('a link that comes back within the grace goes on where the receiver was, without doubt', () => {
  const bench = started({ frameEventsMax: 2 });
  publish(bench, 4);
  while (bench.write());
  bench.deliver('x', 'control');
  bench.deliver('x', 'back');
  bench.deliver('x', 'data');
  bench.receiver('x').appended(); // its ack goes down with the link
  bench.linkDown('x');
  bench.pass(TIMING.linkGraceMs - 1);
  bench.linkUp('x');
  bench.settle();
  assert.deepEqual(
    bench.receiver('x').taken,
    numbers(1, 4).map((sequence) => ({ sequence, doubt: false })),
  );
});

test('a sender that restarts sends what was not acked, and the same receiver knows what it has', () => {
  const bench = started();
  publish(bench, 3);
  while (bench.write());
  bench.deliver('x', 'control');
  bench.deliver('x', 'back');
  bench.deliver('x', 'data');
  bench.receiver('x').appended();
  bench.crashSender();
  bench.linkUp('x');
  publish(bench, 2);
  bench.settle();
  assert.deepEqual(bench.receiver('x').onDisk(), numbers(1, 5));
});

test('what a restart left in doubt stays so when the lane moves before it has sent all of it', () => {
  const bench = started({ frameEventsMax: 2, frameBytesMax: 100, laneInFlightBytes: 100 });
  publish(bench, 6);
  while (bench.write());
  bench.crashSender();
  bench.linkUp('x');
  bench.load();
  bench.deliver('x', 'control');
  bench.deliver('x', 'back');
  const sent = bench.frames.at(-1)?.message.events.at(-1)?.event.sequence ?? 0;
  assert.ok(sent > 0 && sent < 6, `${sent} of 6 were sent before the move, or this shows nothing`);
  bench.linkDown('x');
  bench.linkUp('y');
  bench.pass(TIMING.linkGraceMs + 1);
  bench.settle();
  assert.deepEqual(
    bench.receiver('y').taken,
    numbers(1, 6).map((sequence) => ({ sequence, doubt: true })),
  );
});

const node = fc.constantFrom('x', 'y');
const channel = fc.constantFrom('control' as const, 'data' as const, 'back' as const);
const act =
  (run: (bench: LaneBench) => unknown): ((bench: LaneBench) => void) =>
  (bench) =>
    void run(bench);

const command: fc.Arbitrary<(bench: LaneBench) => void> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom(0, 0, 0, 0, 400).map((livesMs) => act((bench) => bench.publish(livesMs))),
  },
  { weight: 8, arbitrary: fc.constant(act((bench) => bench.write())) },
  { weight: 3, arbitrary: fc.constant(act((bench) => bench.load())) },
  {
    weight: 25,
    arbitrary: fc.tuple(node, channel).map(([to, name]) => act((bench) => bench.deliver(to, name))),
  },
  { weight: 8, arbitrary: node.map((of) => act((bench) => bench.receiver(of).appended())) },
  {
    weight: 2,
    arbitrary: fc.tuple(node, channel).map(([to, name]) =>
      act((bench) => {
        bench.lose(to, name);
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: node.map((to) =>
      act((bench) => {
        bench.linkDown(to);
      }),
    ),
  },
  {
    weight: 4,
    arbitrary: node.map((to) =>
      act((bench) => {
        bench.linkUp(to);
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: node.map((to) =>
      act((bench) => {
        bench.prefer(to);
      }),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(50, 1_000, 6_000, 16_000).map((ms) =>
      act((bench) => {
        bench.pass(ms);
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constant(
      act((bench) => {
        bench.crashSender();
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: node.map((of) =>
      act((bench) => {
        bench.crashReceiver(of);
      }),
    ),
  },
);

test('whatever is lost, moved or crashes, nothing is lost, nothing comes twice undoubted, and all is in order', () => {
  let doubted = 0;
  fc.assert(
    fc.property(fc.array(command, { maxLength: 200, size: 'max' }), (commands) => {
      const bench = started({
        frameEventsMax: 2,
        blockEventsMax: 3,
        queueWindowEvents: 6,
        laneInFlightBytes: 1_000,
        frameBytesMax: 600,
      });
      /** Was on the sender's disk at some time: must arrive, if it does not expire. */
      const promised = new Set<number>();
      for (const run of commands) {
        run(bench);
        for (const sequence of bench.onDisk()) promised.add(sequence);
      }
      for (const to of ['x', 'y']) bench.linkUp(to);
      for (let i = 0; i < 8; i++) {
        assert.ok(bench.settle(), 'it never ends');
        bench.pass(16_000);
      }
      assert.ok(bench.settle(), 'it never ends');
      const landed = new Map<number, string[]>();
      for (const receiver of bench.receivers.values()) {
        const got = receiver.onDisk();
        assert.deepEqual(
          got,
          [...new Set(got)].sort((a, b) => a - b),
          `${receiver.node} has them in order, each once`,
        );
        assert.equal(receiver.queued, got.length);
        for (const sequence of got) landed.set(sequence, [...(landed.get(sequence) ?? []), receiver.node]);
      }
      for (const [sequence, where] of landed) {
        if (where.length < 2) continue;
        doubted++;
        const doubt = [...bench.receivers.values()].some(({ taken }) =>
          taken.some((one) => one.sequence === sequence && one.doubt),
        );
        assert.ok(doubt, `${sequence} came to both, and nobody doubted`);
      }
      const missing = [...promised].filter(
        (sequence) => !landed.has(sequence) && !bench.expiring.has(sequence),
      );
      assert.deepEqual(missing, [], 'lost');
      assert.equal(bench.queued, 0);
      assert.deepEqual(bench.onDisk(), []);
      assert.equal(bench.disk.blocks.size, 0);
    }),
    { numRuns: 1_500 },
  );
  assert.ok(doubted > 0, 'some came twice, or this shows nothing');
});
