import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlockCache } from '../../../node/journal/block-cache.ts';
import { WrittenBlock } from '../../../node/journal/written-block.ts';
import { storedEvents } from '../../support/events.ts';
import { wants } from '../../contracts/journal-contract.ts';

const block = new WrittenBlock(storedEvents(1, { bytes: 1000 }));
const size = block.bytes;

function cacheOf(bytesMax: number): BlockCache {
  return new BlockCache({ writtenBytesMax: bytesMax, readBytesMax: bytesMax });
}

function held(cache: BlockCache): number[] {
  return [1, 2, 3, 4].filter((number) => cache.get(number) !== undefined);
}

test('a block cache drops the block that was not used for longest when it is full', () => {
  const cache = cacheOf(size * 2);
  cache.addRead(1, block);
  cache.addRead(2, block);
  assert.equal(cache.get(1), block);
  cache.addRead(3, block);
  assert.deepEqual(held(cache), [1, 3]);
});

test('a block cache frees what is dropped, and counts what is added twice once', () => {
  const cache = cacheOf(size * 2);
  cache.addRead(1, block);
  cache.addWritten(1, block);
  cache.addRead(2, block);
  assert.deepEqual(held(cache), [1, 2]);
  cache.drop(1);
  cache.drop(1);
  cache.addRead(3, block);
  assert.deepEqual(held(cache), [2, 3]);
});

test('a block cache keeps what was read though much is written, and what was written though much is read', () => {
  const cache = cacheOf(size);
  cache.addRead(1, block);
  cache.addWritten(2, block);
  cache.addWritten(3, block);
  assert.deepEqual(held(cache), [1, 3]);
  cache.addRead(4, block);
  assert.deepEqual(held(cache), [3, 4]);
});

test('a block cache does not keep a block larger than itself', () => {
  const cache = cacheOf(size - 1);
  cache.addRead(1, block);
  assert.deepEqual(held(cache), []);
});

test('a block cache knows all entries of a block that was written, and none of one that was read', () => {
  const cache = cacheOf(size * 4);
  cache.addWritten(1, block);
  cache.addRead(2, block);
  cache.setEntry(7, 1, wants(0));
  cache.setEntry(7, 2, wants(0));
  cache.setEntry(7, 3, wants(0));
  assert.deepEqual(
    [1, 2, 3].map((number) => cache.entry(7, number)),
    [wants(0), 'unknown', 'unknown'],
  );
  assert.equal(cache.entry(8, 1), 'none');
  cache.dropEntry(7, 1);
  assert.equal(cache.entry(7, 1), 'none');
});

test('a block cache forgets the entries of a queue that is dropped', () => {
  const cache = cacheOf(size * 4);
  for (const number of [1, 2]) {
    cache.addWritten(number, block);
    for (const queue of [7, 8]) cache.setEntry(queue, number, wants(0));
  }
  cache.dropQueue(7);
  assert.deepEqual(
    [7, 8].map((queue) => [1, 2].map((number) => cache.entry(queue, number))),
    [
      ['none', 'none'],
      [wants(0), wants(0)],
    ],
  );
});

test('a block cache counts the entries it keeps, each as it is now', () => {
  const indices = Array.from({ length: 1000 }, (_, i) => i);
  const cache = cacheOf(size + 17_000);
  for (const number of [1, 2]) cache.addWritten(number, block);
  for (let i = 0; i < 10; i++) cache.setEntry(7, 1, wants(...indices));
  assert.deepEqual(held(cache), [1, 2]);
  cache.dropEntry(7, 1);
  cache.setEntry(7, 2, wants(...indices));
  assert.deepEqual(held(cache), [1, 2]);
  cache.setEntry(8, 2, wants(...indices));
  assert.deepEqual(held(cache), [2]);
});
