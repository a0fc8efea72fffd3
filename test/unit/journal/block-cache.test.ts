import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlockCache } from '../../../node/journal/block-cache.ts';
import { encodeBlock, viewBlock } from '../../../node/journal/codec.ts';
import { storedEvents } from '../../support/events.ts';

const block = viewBlock(encodeBlock(Buffer.of(1), storedEvents(1, { bytes: 1000 })));
const size = block.bytes.length;

function held(cache: BlockCache): number[] {
  return [1, 2, 3, 4].filter((number) => cache.get(number) !== undefined);
}

test('a block cache drops the block that was not used for longest when it is full', () => {
  const cache = new BlockCache(size * 2);
  cache.add(1, block);
  cache.add(2, block);
  assert.equal(cache.get(1), block);
  cache.add(3, block);
  assert.deepEqual(held(cache), [1, 3]);
});

test('a block cache frees what is dropped, and counts what is added twice once', () => {
  const cache = new BlockCache(size * 2);
  cache.add(1, block);
  cache.add(1, block);
  cache.add(2, block);
  assert.deepEqual(held(cache), [1, 2]);
  cache.drop(1);
  cache.drop(1);
  cache.add(3, block);
  assert.deepEqual(held(cache), [2, 3]);
});

test('a block cache does not keep a block larger than itself', () => {
  const cache = new BlockCache(size - 1);
  cache.add(1, block);
  assert.deepEqual(held(cache), []);
});
