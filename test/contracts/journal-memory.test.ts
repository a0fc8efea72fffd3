import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MeshError } from '../../node/core/errors.ts';
import type { JournalOp } from '../../node/core/ports.ts';
import { MemoryDisk, MemoryJournal } from '../../node/journal/memory-journal.ts';
import { storedEvents } from '../support/events.ts';
import { journalContract, wants } from './journal-contract.ts';
import type { JournalPlace } from './journal-contract.ts';

function place(random: () => number, verify: boolean): JournalPlace {
  const disk = new MemoryDisk();
  return {
    open: async () => Promise.resolve().then(() => new MemoryJournal(disk, { verify })),
    crash: async () => {
      disk.crash(random);
      return Promise.resolve();
    },
    countKeys: async () => Promise.resolve(disk.size),
  };
}

journalContract('memory, losing all that was not synced', async () => Promise.resolve(place(() => 0, false)));
journalContract('memory, losing some', async () => Promise.resolve(place(() => 0.5, false)));

const isStorageFailure = (error: unknown): boolean =>
  error instanceof MeshError && error.code === 'storage-failed';

function recovered(disk: MemoryDisk, verify = false): MemoryJournal {
  const journal = new MemoryJournal(disk, { verify });
  journal.recoverNow();
  return journal;
}

function batch(number: number): JournalOp[] {
  const made: JournalOp[] = [{ op: 'queue', queue: 1, name: 'q' }];
  made.push({ op: 'block', block: number, events: storedEvents(1) });
  made.push({ op: 'entry', queue: 1, block: number, entry: wants(0) });
  return made;
}

test('a memory journal whose append failed refuses all use, and the next one goes on', () => {
  for (const kept of [false, true]) {
    const disk = new MemoryDisk();
    const journal = recovered(disk);
    journal.appendNow(batch(0), true);
    disk.failNextAppend(kept);
    assert.throws(() => journal.appendNow(batch(1), true), isStorageFailure);
    assert.throws(() => journal.appendNow(batch(2), true), isStorageFailure);
    assert.throws(() => journal.loadNow(1, [0]), isStorageFailure);
    journal.closeNow();
    const again = new MemoryJournal(disk);
    assert.equal(again.recoverNow().nextBlock, kept ? 2 : 1);
    again.appendNow(batch(2), true);
  }
});

test('a full memory disk takes nothing until it is full no more', () => {
  const disk = new MemoryDisk();
  const journal = recovered(disk);
  disk.full = true;
  assert.throws(() => journal.putMetaNow('a', 'b'), isStorageFailure);
  journal.closeNow();
  disk.full = false;
  const again = recovered(disk);
  assert.equal(again.getMetaNow('a'), undefined);
  again.putMetaNow('a', 'b');
});

test('a journal whose disk has crashed can do nothing more', () => {
  const disk = new MemoryDisk();
  const journal = recovered(disk);
  disk.crash(() => 0);
  const next = recovered(disk);
  assert.throws(() => journal.appendNow(batch(0), true), isStorageFailure);
  journal.closeNow(); // and does not take the disk from its successor
  next.appendNow(batch(0), true);
});

test('a crash may keep any number of the batches that were not synced, each equally often', () => {
  const seen = new Set<number>();
  for (let chance = 0; chance < 1; chance += 0.05) {
    const disk = new MemoryDisk();
    const journal = recovered(disk);
    for (let i = 0; i < 5; i++) journal.appendNow(batch(i), i === 1);
    assert.equal(disk.unsyncedBatches, 3);
    disk.crash(() => chance);
    seen.add(new MemoryJournal(disk).recoverNow().nextBlock);
  }
  assert.deepEqual([...seen], [2, 3, 4, 5]);
});

test('batches that are never synced do not pile up what would take them back', () => {
  const disk = new MemoryDisk();
  const journal = recovered(disk);
  for (let i = 0; i < 10_000; i++) journal.appendNow([{ op: 'queue', queue: 1, name: `${i}` }], false);
  assert.equal(disk.unsyncedBatches, 4096);
  disk.sync();
  assert.equal(disk.unsyncedBatches, 0);
});

test('verifying finds a block dropped while it is wanted, and an entry beyond its block', () => {
  const dropsTooSoon = recovered(new MemoryDisk(), true);
  dropsTooSoon.appendNow(batch(0), true);
  assert.throws(
    () => dropsTooSoon.appendNow([{ op: 'drop-block', block: 0 }], true),
    /invariant broken: block 0/,
  );
  const wantsTooMuch = recovered(new MemoryDisk(), true);
  wantsTooMuch.appendNow(batch(0), true);
  const beyond: JournalOp = { op: 'entry', queue: 1, block: 0, entry: wants(0, 1) };
  assert.throws(() => wantsTooMuch.appendNow([beyond], true), /invariant broken: queue 1 wants/);
});
