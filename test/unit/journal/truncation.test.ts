import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as keys from '../../../node/journal/keys.ts';
import { type Change, del } from '../../../node/journal/level-changes.ts';
import type { Database } from '../../../node/journal/level-recovery.ts';
import { Truncation } from '../../../node/journal/truncation.ts';

const MIB = 1024 * 1024;

/** A database whose blocks have a MiB each on disk, and what it was asked to merge. */
class FakeDatabase {
  readonly merged: (readonly [number, number])[] = [];
  readonly #first: number | undefined;

  constructor(first?: number) {
    this.#first = first;
  }

  keys(): { all: () => Promise<Buffer[]> } {
    return { all: async () => (this.#first === undefined ? [] : [keys.headKey(this.#first)]) };
  }

  async approximateSize(start: Buffer, end: Buffer): Promise<number> {
    return (blockOf(end) - blockOf(start)) * MIB;
  }

  async compactRange(start: Buffer, end: Buffer): Promise<void> {
    this.merged.push([blockOf(start), blockOf(end)]);
  }
}

function blockOf(key: Buffer): number {
  const block = keys.blockOfKey(key);
  assert.ok(block !== undefined);
  return block;
}

async function truncationOf(db: FakeDatabase, nextBlock: number): Promise<Truncation> {
  return Truncation.open(db as unknown as Database, nextBlock);
}

const VALUE = Buffer.alloc(MIB);
const put = (block: number): Change => ({ type: 'put', key: keys.blockKey(block), value: VALUE });
const blocks = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

async function drop(truncation: Truncation, dropped: readonly number[]): Promise<void> {
  for (const block of dropped) {
    truncation.wrote([del(keys.blockKey(block))]);
    if (truncation.isDue) await truncation.free();
  }
}

test('merges what is dropped of old blocks, a part at a time as it is worth it', async () => {
  const db = new FakeDatabase(0);
  await drop(await truncationOf(db, 1000), blocks(0, 300));
  assert.deepEqual(db.merged, [
    [0, 64],
    [64, 128],
    [128, 192],
    [192, 256],
  ]);
});

test('begins with what former lives dropped', async () => {
  const db = new FakeDatabase(500);
  await drop(await truncationOf(db, 1000), [500]);
  assert.deepEqual(db.merged, [[0, 501]]);
});

test('leaves blocks that die young to LevelDB, and takes them once much was written since', async () => {
  const db = new FakeDatabase();
  const truncation = await truncationOf(db, 0);
  for (const block of blocks(0, 127)) {
    truncation.wrote([put(block)]);
    await drop(truncation, [block]);
  }
  assert.deepEqual(db.merged, []);
  for (const block of blocks(127, 400)) truncation.wrote([put(block)]);
  await drop(truncation, blocks(127, 191));
  assert.deepEqual(db.merged, [[127, 191]]);
});

test('one block that lives on, or one that is dropped far below all others, is in the way of nothing', async () => {
  const db = new FakeDatabase(0);
  const dropped = blocks(5000, 5100).filter((block) => block !== 5030);
  await drop(await truncationOf(db, 10_000), [7, ...dropped.slice(0, 50), 8, ...dropped.slice(50)]);
  assert.equal(db.merged.length, 1);
  assert.ok((db.merged[0]?.[0] ?? 0) >= 5000);
});

test('merges nothing for a few dropped blocks among many that live', async () => {
  const db = new FakeDatabase(0);
  const sparse = blocks(0, 3000).filter((block) => block % 60 === 0);
  await drop(await truncationOf(db, 10_000), sparse);
  assert.deepEqual(db.merged, []);
});
