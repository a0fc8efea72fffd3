import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Limits, LIMITS } from '../../../node/core/limits.ts';
import type { JournalOp, LoadedEntry } from '../../../node/core/ports.ts';
import { Queue } from '../../../node/core/queue.ts';
import { storedEvents } from '../../support/events.ts';

const at = (sequence: number, incarnation = 7) => ({ incarnation, sequence });

function makeQueue(limits: Partial<Limits> = {}) {
  const ops: JournalOp[] = [];
  const released: number[] = [];
  const loads: (readonly number[])[] = [];
  const queue = new Queue(
    1,
    'q',
    { ...LIMITS, ...limits },
    {
      op: (op) => void ops.push(op),
      load: (_, blocks) => void loads.push(blocks),
      release: (block) => void released.push(block),
      dirty: () => undefined,
    },
  );
  return { queue, ops, released, loads };
}

/** As the journal gives it: whole, whatever was settled since. */
function loadedEntry(block: number, count: number, sequence?: number): LoadedEntry {
  const events = storedEvents(count);
  const first = sequence === undefined ? undefined : at(sequence);
  return { block, entry: { indices: [...events.keys()], first, directives: [] }, events };
}

test('settles what the receiver of a lane has, though nothing of it was loaded since the start', () => {
  const { queue, ops, released, loads } = makeQueue();
  queue.recover(3, 10, at(1));
  queue.recover(4, 10, at(11));
  queue.settleUpTo(at(15));
  assert.deepEqual(released, [3]);
  assert.deepEqual(ops, [{ op: 'drop-entry', queue: 1, block: 3 }]);
  assert.equal(queue.depth, 5);
  assert.deepEqual(queue.firstPosition(), at(16));
  assert.deepEqual(queue.lastPosition(), at(20));
  queue.refill();
  assert.deepEqual(loads, [[4]]);
  queue.loaded([loadedEntry(4, 10, 11)]);
  assert.equal(queue.ready, 5);
  assert.deepEqual(queue.front()?.position, at(16));
  queue.settleUpTo(at(20));
  assert.deepEqual(released, [3, 4]);
  assert.equal(queue.depth, 0);
});

test('settles blocks of an earlier incarnation as a whole, and those behind what is being loaded', () => {
  const { queue, released } = makeQueue();
  for (const [i, block] of [2, 3, 5, 6, 8].entries()) queue.recover(block, 10, at(10 * i + 1));
  queue.recover(9, 10, at(1, 8));
  queue.recover(10, 10, at(11, 8));
  queue.refill();
  queue.settleUpTo(at(3));
  assert.deepEqual([queue.depth, queue.firstPosition()], [67, at(4)], 'of what is being loaded, too');
  queue.settleUpTo(at(12, 8));
  assert.deepEqual(released, [2, 3, 5, 6, 8, 9]);
  assert.deepEqual([queue.depth, queue.firstPosition()], [8, at(13, 8)]);
});

test('loads many blocks at once where they are known to be small, though no more than a part of the window', () => {
  for (const [limits, expected] of [
    [{}, 256],
    [{ queueWindowEvents: 40 }, 10],
    [{ queueWindowBytes: 40 * (storedEvents(1)[0]?.bytes ?? 0) }, 10],
  ] as const) {
    const { queue, loads } = makeQueue(limits);
    for (let block = 0; block < 1000; block++) queue.recover(block, 1, undefined);
    queue.refill();
    assert.deepEqual(loads, [[0, 1, 2, 3]]);
    queue.loaded([0, 1, 2, 3].map((block) => loadedEntry(block, 1)));
    while (queue.take());
    queue.refill();
    assert.deepEqual(
      loads[1],
      Array.from({ length: expected }, (_, i) => 4 + i),
    );
  }
});

test('reads along what others read while its window has room, though it does not run low yet', () => {
  const { queue, loads } = makeQueue({ queueWindowEvents: 40 });
  for (let block = 0; block < 20; block++) queue.recover(block, 7, undefined);
  queue.refillAlong(2);
  assert.deepEqual(loads, [[0, 1, 2]], 'no further than they do');
  queue.loaded([0, 1, 2].map((block) => loadedEntry(block, 7)));
  assert.equal(queue.refill(), undefined, 'the window holds more than half');
  queue.refillAlong(2);
  assert.equal(loads.length, 1, 'it has these blocks');
  queue.refillAlong(19);
  assert.deepEqual(loads[1], [3, 4, 5, 6], 'as many as it would load alone');
  queue.loaded([3, 4, 5, 6].map((block) => loadedEntry(block, 7)));
  queue.refillAlong(19);
  assert.equal(loads.length, 2, 'the window is full');
});

test('asks again for what a load left out, and takes nothing before it', () => {
  const { queue, loads } = makeQueue();
  for (let block = 0; block < 6; block++) queue.recover(block, 1, undefined);
  queue.refill();
  assert.deepEqual(loads, [[0, 1, 2, 3]]);
  queue.loaded([loadedEntry(0, 1), loadedEntry(1, 1)]);
  queue.committed(6, { indices: [0], first: undefined, directives: [] }, storedEvents(1));
  queue.refill();
  assert.deepEqual(loads[1], [2, 3, 4, 5, 6]);
  queue.loaded([2, 3, 4, 5, 6].map((block) => loadedEntry(block, 1)));
  const taken = Array.from({ length: 7 }, () => queue.take()?.block);
  assert.deepEqual(taken, [0, 1, 2, 3, 4, 5, 6]);
});

test('takes up nothing of a load that was settled before it came', () => {
  const { queue, released } = makeQueue();
  for (let block = 0; block < 3; block++) queue.recover(block, 10, at(10 * block + 1));
  queue.refill();
  queue.settleUpTo(at(15));
  queue.loaded([0, 1, 2].map((block) => loadedEntry(block, 10, 10 * block + 1)));
  assert.deepEqual(released, [0]);
  assert.deepEqual([queue.ready, queue.depth], [15, 15]);
  assert.deepEqual(queue.front()?.position, at(16));
});

test('gives up each block once when it is destroyed: those loaded, those being loaded, those on disk', () => {
  const { queue, released } = makeQueue();
  for (let block = 0; block < 300; block++) queue.recover(block, 2, undefined);
  queue.refill();
  queue.loaded([0, 1, 2, 3].map((block) => loadedEntry(block, 2)));
  const items = [queue.take(), queue.take()];
  for (const item of items) if (item) queue.settle(item);
  queue.refill();
  assert.equal(queue.destroy(), 598);
  assert.deepEqual(
    released,
    Array.from({ length: 300 }, (_, block) => block),
  );
});

test('drops the oldest where there are too many: those at hand one by one, those on disk by the block', () => {
  const { queue, released } = makeQueue();
  for (let block = 0; block < 10; block++) queue.recover(block, 2, undefined);
  assert.equal(queue.trim(11).count, 8);
  assert.deepEqual(released, [0, 1, 2, 3]);
  assert.equal(queue.depth, 12);
  queue.refill();
  queue.loaded([4, 5, 6, 7].map((block) => loadedEntry(block, 2)));
  assert.equal(queue.trim(11).count, 1);
  assert.deepEqual([queue.depth, queue.ready], [11, 7]);
});
