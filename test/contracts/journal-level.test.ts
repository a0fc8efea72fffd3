import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import fc from 'fast-check';
import { Level } from 'level';
import { MeshError } from '../../node/core/errors.ts';
import type { StoredEvent } from '../../node/core/event.ts';
import type { JournalOp } from '../../node/core/ports.ts';
import { encodeNumber } from '../../node/journal/codec.ts';
import {
  blockKey,
  entryKey,
  headKey,
  layoutKey,
  nextBlockKey,
  nextBlockKeyOfLayout1,
} from '../../node/journal/keys.ts';
import { openLevelJournal } from '../../node/journal/level-journal.ts';
import type { LevelJournal } from '../../node/journal/level-journal.ts';
import { MemoryDisk, MemoryJournal } from '../../node/journal/memory-journal.ts';
import { storedEvents } from '../support/events.ts';
import { EVENTS } from './journal-child.ts';
import { inFull, journalContract, subscription, wants } from './journal-contract.ts';
import type { JournalPlace } from './journal-contract.ts';
import { Interpreter, steps } from './journal-model.ts';

const childScript = join(import.meta.dirname, 'journal-child.ts');

async function temporary(t: TestContext): Promise<string> {
  const base = await mkdtemp(join(tmpdir(), 'journal-'));
  t.after(async () => rm(base, { recursive: true, force: true }));
  return base;
}

async function place(t: TestContext): Promise<JournalPlace> {
  const base = await mkdtemp(join(tmpdir(), 'journal-'));
  const opened: LevelJournal[] = [];
  let generation = 0;
  t.after(async () => {
    for (const journal of opened) await journal.close();
    await rm(base, { recursive: true, force: true });
  });
  const dir = (): string => join(base, `journal-${generation}`);
  return {
    open: async () => {
      const journal = await openLevelJournal(dir());
      opened.push(journal);
      return journal;
    },
    // The files as they are at this moment, which is what a killed process leaves. Power cuts are for the memory twin.
    crash: async () => {
      const left = dir();
      generation += 1;
      await cp(left, dir(), { recursive: true });
    },
    countKeys: async () => {
      const db = new Level<Buffer, Buffer>(dir(), { keyEncoding: 'buffer', valueEncoding: 'buffer' });
      const keys = await db.keys({ gte: Buffer.of(2), lt: nextBlockKey }).all();
      await db.close();
      return keys.length;
    },
  };
}

journalContract('LevelDB', place);

test('agrees with its twin in memory on any sequence of batches and restarts', async (t) => {
  const base = await temporary(t);
  let run = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      const dir = join(base, `${run++}`);
      const disk = new MemoryDisk();
      const interpreter = new Interpreter();
      let level: LevelJournal | undefined;
      let memory: MemoryJournal | undefined;
      try {
        for (const step of ['reopen' as const, ...sequence, 'reopen' as const]) {
          if (step === 'reopen' || !level || !memory) {
            await level?.close();
            memory?.closeNow();
            level = await openLevelJournal(dir, {
              cacheBytes: { writtenBytesMax: 4096, readBytesMax: 4096 },
            });
            memory = new MemoryJournal(disk, { verify: true });
            assert.deepEqual(inFull(await level.recover()), inFull(memory.recoverNow()));
          } else {
            const ops = interpreter.ops(step.draws);
            memory.appendNow(ops, step.sync);
            await level.append(ops, step.sync);
          }
          for (const queue of interpreter.queues.keys()) {
            const blocks = [...interpreter.blocks.keys()].reverse();
            assert.deepEqual(await level.load(queue, blocks), memory.loadNow(queue, blocks));
          }
        }
      } finally {
        await level?.close();
      }
    }),
    { numRuns: 100 },
  );
});

for (const bytes of [100, 20_000]) {
  test(`has every acked block, whole, after it was killed while writing events of ${bytes} bytes`, async (t) => {
    const dir = join(await temporary(t), 'journal');
    let acked = -1;
    for (let round = 0; round < 5; round++) {
      const child = spawn(process.execPath, [childScript, dir, `${bytes}`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      t.after(() => child.kill('SIGKILL'));
      const lines: string[] = [];
      for await (const line of createInterface({ input: child.stdout })) {
        // Killed at a moment that differs from run to run, but not before it has acked something; all it printed is still read.
        if (lines.at(-1) === 'ready') setTimeout(() => child.kill('SIGKILL'), 20 + Math.random() * 200);
        lines.push(line);
      }
      const last = Number(lines.at(-1));
      assert.ok(last > acked, `a round must get something acked, not: ${lines.at(-1)}`);
      acked = last;
      await checkWhole(dir, acked, bytes);
    }
  });
}

async function checkWhole(dir: string, acked: number, bytes: number): Promise<void> {
  const journal = await openLevelJournal(dir);
  const { queues, nextBlock, unclaimedBlocks, marks } = inFull(await journal.recover());
  const blocks = (queues[0]?.blocks ?? []).map(({ block }) => block);
  assert.ok(nextBlock > acked, `acked ${acked}, found up to ${nextBlock - 1}`);
  assert.deepEqual(
    blocks,
    Array.from({ length: nextBlock }, (_, i) => i),
  );
  assert.deepEqual(unclaimedBlocks, []);
  assert.ok((marks[0]?.position.sequence ?? -1) >= acked - 1);
  for (const block of blocks) {
    const [loaded] = await journal.load(1, [block]);
    const expected = storedEvents(EVENTS, { from: block * EVENTS, bytes });
    assert.equal(loaded?.events.length, EVENTS);
    for (const [i, event] of loaded.events.entries())
      assert.ok(expected[i] && Buffer.compare(event.record, expected[i].record) === 0);
  }
  await journal.close();
}

test('fails for good when the disk takes no more, keeps what was acked, and goes on after a restart', async (t) => {
  const dir = join(await temporary(t), 'journal');
  // A limit on file size is a disk that fills up: write() fails in the middle of LevelDB's log.
  const shell = ['-c', 'ulimit -f 512; exec "$0" "$@"', process.execPath, childScript, dir, '1000'];
  const child = spawn('sh', shell, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) lines.push(line);
  assert.equal(lines.at(-1), 'failed storage-failed Error, then storage-failed');
  await checkWhole(dir, Number(lines.at(-2)), 1000);
});

async function journalWithBlock(t: TestContext): Promise<{ dir: string; events: readonly StoredEvent[] }> {
  const dir = join(await temporary(t), 'journal');
  const journal = await openLevelJournal(dir);
  await journal.recover();
  const events = storedEvents(100, { bytes: 100 });
  const ops: JournalOp[] = [{ op: 'queue', queue: 7, name: 'q' }];
  for (const block of [0, 1]) {
    ops.push({ op: 'block', block, events }, { op: 'entry', queue: 7, block, entry: wants(3, 50) });
  }
  await journal.append(ops, true);
  await journal.close();
  return { dir, events };
}

async function edit(dir: string, change: (db: Level<Buffer, Buffer>) => Promise<void>): Promise<void> {
  const db = new Level<Buffer, Buffer>(dir, { keyEncoding: 'buffer', valueEncoding: 'buffer' });
  await change(db);
  await db.close();
}

async function flipBit(dir: string, key: Buffer, at: number): Promise<void> {
  await edit(dir, async (db) => {
    const value = await db.get(key);
    value[at] = (value[at] ?? 0) ^ 0x10;
    await db.put(key, value);
  });
}

test('names queue and block where a block is damaged, and still gives the others', async (t) => {
  const { dir } = await journalWithBlock(t);
  await flipBit(dir, blockKey(1), 5000);
  const journal = await openLevelJournal(dir);
  t.after(() => journal.close());
  await journal.recover();
  await assert.rejects(journal.load(7, [0, 1]), (error: unknown) => {
    assert.ok(error instanceof MeshError && error.code === 'storage-failed' && error.cause instanceof Error);
    assert.match(error.message, /block 1 for queue 7: the checksum is wrong/);
    assert.deepEqual(error.details, { queue: 7, block: 1 });
    return true;
  });
  assert.equal((await journal.load(7, [0]))[0]?.events.length, 2);
});

test('does not start on a damaged entry, since it would forget what somebody waits for', async (t) => {
  const { dir } = await journalWithBlock(t);
  await flipBit(dir, entryKey(7, 1), 3);
  const journal = await openLevelJournal(dir);
  t.after(() => journal.close());
  await assert.rejects(journal.recover(), /block 1 for queue 7/);
  await assert.rejects(journal.append([], true), /out of use/);
});

test('takes an entry as settled whose block is gone, as a power cut may leave it', async (t) => {
  const { dir } = await journalWithBlock(t);
  await edit(dir, async (db) => db.batch([blockKey(1), headKey(1)].map((key) => ({ type: 'del', key }))));
  for (let i = 0; i < 2; i++) {
    const journal = await openLevelJournal(dir);
    const { queues, nextBlock } = inFull(await journal.recover());
    assert.deepEqual(queues[0]?.blocks, [{ block: 0, count: 2, first: undefined }]);
    assert.equal(nextBlock, 2);
    assert.deepEqual(await journal.load(7, [1]), []);
    await journal.close();
  }
});

test('reads a block once for all the queues that want it, and not again while it is cached', async (t) => {
  const { dir, events } = await journalWithBlock(t);
  const journal = await openLevelJournal(dir);
  t.after(() => journal.close());
  await journal.recover();
  const loads = await Promise.all([journal.load(7, [0, 0]), journal.load(7, [1, 0]), journal.load(7, [0])]);
  assert.equal(loads.flat().length, 5);
  await journal.load(7, [0, 1]);
  assert.equal(journal.counters().blocksRead, 2);
  await journal.append([{ op: 'block', block: 2, events }, { op: 'entry', queue: 7, block: 2, entry: wants(1) }], true); // prettier-ignore
  const { bytesRead } = journal.counters();
  assert.deepEqual((await journal.load(7, [2]))[0]?.events, [events[1]]);
  assert.deepEqual(await journal.load(8, [2]), []);
  const { appends, syncs, opsWritten, blocksRead } = journal.counters();
  assert.equal(journal.counters().bytesRead, bytesRead, 'what was written just now is read back');
  assert.deepEqual(
    { appends, syncs, opsWritten, blocksRead },
    { appends: 1, syncs: 1, opsWritten: 2, blocksRead: 2 },
  );
});

test('one load brings many blocks where they are small, and of large ones no more than fit', async (t) => {
  const dir = join(await temporary(t), 'journal');
  const before = await openLevelJournal(dir);
  await before.recover();
  await before.append([{ op: 'queue', queue: 1, name: 'q' }], true);
  const small = storedEvents(1);
  const large = storedEvents(1, { bytes: 1024 * 1024 });
  for (let block = 0; block < 40; block++) {
    const events = block < 20 ? small : large;
    await before.append([{ op: 'block', block, events }, { op: 'entry', queue: 1, block, entry: wants(0) }], true); // prettier-ignore
  }
  const from = (first: number): number[] => Array.from({ length: 40 - first }, (_, i) => first + i);
  const inMemory = (await before.load(1, from(30))).map(({ block }) => block);
  assert.deepEqual(inMemory, [30, 31, 32, 33], 'also of those that are in memory');
  await before.close();

  const journal = await openLevelJournal(dir);
  t.after(() => journal.close());
  await journal.recover();
  const loads: number[][] = [];
  for (let next = 0; next < 40; next = (loads.at(-1)?.at(-1) ?? 40) + 1)
    loads.push((await journal.load(1, from(next))).map(({ block }) => block));
  assert.deepEqual(loads.flat(), from(0));
  assert.deepEqual(loads[0]?.slice(0, 20), from(0).slice(0, 20));
  for (const load of loads) assert(load.filter((block) => block >= 20).length <= 4, `${load.length} blocks`);
});

test('loads what was there at the call, though it is dropped meanwhile', async (t) => {
  const dir = join(await temporary(t), 'journal');
  const before = await openLevelJournal(dir);
  await before.recover();
  const blocks = Array.from({ length: 100 }, (_, i) => i);
  const events = storedEvents(1, { bytes: 5000 });
  const made: JournalOp[] = [{ op: 'queue', queue: 1, name: 'q' }];
  for (const block of blocks)
    made.push({ op: 'block', block, events }, { op: 'entry', queue: 1, block, entry: wants(0) });
  await before.append(made, true);
  await before.close();
  const journal = await openLevelJournal(dir);
  t.after(() => journal.close());
  await journal.recover();
  for (const block of blocks) {
    const loading = journal.load(1, [block]);
    const dropping = journal.append([{ op: 'drop-entry', queue: 1, block }, { op: 'drop-block', block }], false); // prettier-ignore
    assert.deepEqual((await loading)[0]?.events, events);
    await dropping;
  }
});

test('writes something for a synced batch without changes, since LevelDB syncs nothing for an empty one', async (t) => {
  const { dir } = await journalWithBlock(t);
  const journal = await openLevelJournal(dir);
  t.after(() => journal.close());
  await journal.recover();
  await journal.append([], false);
  assert.equal(journal.counters().bytesWritten, 0);
  await journal.append([], true);
  assert.ok(journal.counters().bytesWritten > 0);
});

test('encodes tens of thousands of changes in several turns of the event loop, in one batch', async (t) => {
  const dir = join(await temporary(t), 'journal');
  const journal = await openLevelJournal(dir);
  t.after(() => journal.close());
  await journal.recover();
  const ops = Array.from({ length: 20_000 }, (_, i): JournalOp[] => [
    { op: 'queue', queue: i + 1, name: `s:n${i}` },
    { op: 'subscription', subscription: subscription(`n${i}`) },
  ]).flat();
  const turns: number[] = [];
  let last = process.threadCpuUsage();
  const turn = (): void => {
    const { user, system } = process.threadCpuUsage(last);
    turns.push(user + system);
    last = process.threadCpuUsage();
    next = setImmediate(turn);
  };
  let next = setImmediate(turn);
  await journal.append(ops, true);
  clearImmediate(next);
  const all = turns.reduce((sum, took) => sum + took, 0);
  assert.ok(Math.max(...turns) < 0.75 * all, `${Math.max(...turns)} of ${all} µs of CPU in one turn`);
  assert.equal(journal.counters().appends, 1);
});

test('does not keep a block in memory for the sake of a few of its events', async (t) => {
  const { dir } = await journalWithBlock(t);
  const journal = await openLevelJournal(dir);
  t.after(() => journal.close());
  await journal.recover();
  const [loaded] = await journal.load(7, [0]);
  const inMemory = new Set(loaded?.events.map(({ record }) => record.buffer));
  assert.equal(inMemory.size, 1);
  for (const { byteLength } of inMemory)
    assert.ok(byteLength < 600, `two events of 100 bytes keep ${byteLength}`);
});

test('refuses a directory that another process has, a database that is no journal, and a layout it does not know', async (t) => {
  const { dir } = await journalWithBlock(t);
  const refuses = async (which: string, why: RegExp): Promise<void> => {
    await assert.rejects(openLevelJournal(which), (error: unknown) => {
      assert.ok(error instanceof MeshError && error.code === 'invalid-config');
      assert.match(error.message, why);
      assert.ok(error.message.includes(which));
      return true;
    });
  };
  const child = spawn(process.execPath, [childScript, dir, '10'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  await refuses(dir, /in use by another process; stop that mesher/);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await edit(dir, async (db) => db.put(layoutKey, encodeNumber(layoutKey, 3)));
  await refuses(dir, /has layout 3/);
  const foreign = join(await temporary(t), 'foreign');
  await edit(foreign, async (db) => db.put(Buffer.from('a'), Buffer.from('b')));
  await refuses(foreign, /no journal/);
});

test('takes over a journal of the first layout with all it holds, and gives out no block number twice', async (t) => {
  const { dir } = await journalWithBlock(t);
  const recovered = async (): Promise<unknown> => {
    const journal = await openLevelJournal(dir);
    const all = inFull(await journal.recover());
    await journal.close();
    return all;
  };
  await edit(dir, async (db) => db.put(nextBlockKey, encodeNumber(nextBlockKey, 1000)));
  const before = await recovered();
  await edit(dir, async (db) =>
    db.batch([
      { type: 'put', key: layoutKey, value: encodeNumber(layoutKey, 1) },
      { type: 'put', key: nextBlockKeyOfLayout1, value: encodeNumber(nextBlockKeyOfLayout1, 1000) },
      { type: 'del', key: nextBlockKey },
    ]),
  );
  assert.deepEqual(await recovered(), before);
  assert.deepEqual(await recovered(), before);
});

test('rejects with storage-failed where the directory cannot be made', async (t) => {
  const file = join(await temporary(t), 'file');
  await writeFile(file, '');
  await assert.rejects(openLevelJournal(join(file, 'journal')), (error: unknown) => {
    return error instanceof MeshError && error.code === 'storage-failed' && error.cause instanceof Error;
  });
});
