import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import fc from 'fast-check';
import { BlockList, BlockReader } from '../../../node/core/block-list.ts';
import type { BlockRange, Recovered } from '../../../node/core/ports.ts';
import { wantedBlocks, type WantedBlock } from '../../../node/core/wanted-blocks.ts';

type Queues = Recovered['queues'];

function queuesOf(blocks: readonly (readonly number[])[]): Queues {
  return blocks.map((each, i) => ({
    queue: 10 + i,
    name: `s:${i}`,
    blocks: new BlockList(each.map((block) => ({ block, count: 1, first: undefined }))),
  }));
}

/** The same, by looking at every block of every range. */
function twin(blocks: readonly (readonly number[])[], ranges: readonly BlockRange[]): WantedBlock[] {
  const found: WantedBlock[] = [];
  for (const { from, upTo } of ranges)
    for (let block = from; block < upTo; block++) {
      const queues = blocks.flatMap((each, i) => (each.includes(block) ? 10 + i : []));
      if (queues.length > 0) found.push({ block, queues });
    }
  return found;
}

const BLOCKS = 60;
const someBlocks = fc
  .uniqueArray(fc.nat(BLOCKS - 1), { maxLength: BLOCKS })
  .map((all) => all.sort((a, b) => a - b));
/** Of an even number of bounds, each two are a range. */
const ranges = fc
  .uniqueArray(fc.nat(BLOCKS), { maxLength: 6 })
  .map((bounds) => bounds.sort((a, b) => a - b))
  .map((bounds) =>
    bounds.flatMap((from, i) => (i % 2 === 0 ? [{ from, upTo: bounds[i + 1] ?? BLOCKS }] : [])),
  );

test('each block in the ranges that some queue wants comes once, ascending, with all queues that want it', () => {
  fc.assert(
    fc.property(fc.array(someBlocks, { maxLength: 12 }), ranges, (blocks, wanted) => {
      assert.deepEqual([...wantedBlocks(queuesOf(blocks), wanted)], twin(blocks, wanted));
    }),
    { numRuns: 500 },
  );
});

test('no more is read than what comes: neither what was before, nor what lies ahead', () => {
  const all = Array.from({ length: 10_000 }, (_, block) => block);
  const queues = queuesOf(Array<number[]>(20).fill(all));
  const read = mock.method(BlockReader.prototype, 'next');
  const blocks = wantedBlocks(queues, [{ from: 9_000, upTo: 10_000 }]);
  assert.equal(read.mock.callCount(), 0, 'nothing before it is asked for');
  for (let taken = 1; taken <= 3; taken++) {
    assert.equal(blocks.next().value?.block, 8_999 + taken);
    assert.ok(read.mock.callCount() <= 20 * (taken + 1), `${read.mock.callCount()} times`);
  }
  mock.restoreAll();
});
