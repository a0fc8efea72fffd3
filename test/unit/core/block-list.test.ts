import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BlockList, type ListedBlock } from '../../../node/core/block-list.ts';
import type { Position } from '../../../node/core/event.ts';

const far = 2 ** 53 - 1;
const gap = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 300 }), fc.constant(2 ** 44));
const count = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 65_536 }));
const first = fc.oneof(
  fc.constant('follows' as const),
  fc.constant(undefined),
  fc.record({ incarnation: fc.nat(far), sequence: fc.nat({ max: far - 65_536 }) }, { noNullPrototype: true }),
);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('push' as const), gap, count, first }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'shift' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('settle' as const), part: fc.nat(99) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'clear' as const }) },
);

test('a block list is a list of blocks, whatever they are and whatever became of those before', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const list = new BlockList();
      const twin: ListedBlock[] = [];
      let block = -1;
      let next: Position = { incarnation: 1, sequence: 1 };
      for (const one of steps) {
        if (one.kind === 'push') {
          block += one.gap;
          const at = one.first === 'follows' ? next : one.first;
          const item = { block, count: one.count, first: at };
          if (at) next = { incarnation: at.incarnation, sequence: at.sequence + one.count };
          list.push(item);
          twin.push(item);
        } else if (one.kind === 'shift') {
          assert.deepEqual(list.shift(), twin.shift());
        } else if (one.kind === 'clear') {
          list.clear();
          twin.length = 0;
        } else {
          const front = twin[0];
          const settled = front ? Math.floor((front.count * one.part) / 100) : 0;
          list.settleFront(settled);
          if (front) twin[0] = settledFront(front, settled);
        }
        assert.equal(list.size, twin.length);
        assert.deepEqual([...list], twin);
        assert.deepEqual(list.front, twin[0]);
        if (twin.length > 1) assert.deepEqual(list.last, twin.at(-1));
        for (const from of [0, block, block + 1, twin[twin.length >> 1]?.block ?? 0])
          assert.deepEqual(
            readFrom(list, from),
            twin.filter((item) => item.block >= from),
          );
      }
    }),
    { numRuns: 300 },
  );
});

function readFrom(list: BlockList, block: number): ListedBlock[] {
  const reader = list.from(block);
  const read: ListedBlock[] = [];
  for (let item = reader.next(); item; item = reader.next()) read.push(item);
  return read;
}

test('what is before the block where reading begins is passed over, not read', () => {
  const list = new BlockList();
  for (let block = 0; block < 500_000; block++) list.push({ block, count: 1, first: undefined });
  const took = (read: () => void): number => {
    const before = process.threadCpuUsage();
    read();
    const { user, system } = process.threadCpuUsage(before);
    return user + system;
  };
  const all = took(() => assert.equal(readFrom(list, 0).length, 500_000));
  const last = took(() => assert.equal(readFrom(list, 499_999).length, 1));
  assert.ok(last < all / 5, `the last block took ${last} µs, all of them ${all}`);
});

function settledFront({ block, count, first: at }: ListedBlock, settled: number): ListedBlock {
  const left = at && { incarnation: at.incarnation, sequence: at.sequence + settled };
  return { block, count: count - settled, first: left };
}

test('a block list takes no block a second time, nor one that comes before', () => {
  const list = new BlockList();
  const item = { count: 1, first: undefined };
  list.push({ block: 0, ...item });
  assert.throws(() => list.push({ block: 0, ...item }), /comes after/);
  list.push({ block: 2, ...item });
  list.clear();
  assert.throws(() => list.push({ block: 1, ...item }), /comes after/);
});

test('a million blocks of one event each take a few bytes each', () => {
  const list = new BlockList();
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 1; i <= 1_000_000; i++)
    list.push({ block: i, count: 1, first: { incarnation: 5, sequence: i } });
  const bytes = process.memoryUsage().arrayBuffers - before;
  assert.ok(bytes < 4_000_000, `${bytes} bytes`);
  assert.equal(list.size, 1_000_000);
});
