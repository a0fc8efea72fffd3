// Copies of a journal, on disk and in memory: whatever batches and ranges they are sent, in whatever mixture, in the end they
// hold what the journal holds.

import assert from 'node:assert/strict';
import { access, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import fc from 'fast-check';
import { Level } from 'level';
import { COPY_COMPLETE, COPY_NAMED } from '../../node/core/messages.ts';
import type { CopyChange, CopyHead, JournalOp } from '../../node/core/ports.ts';
import { CorruptionError } from '../../node/journal/bytes.ts';
import { decodeContent, encodeOps } from '../../node/journal/copy-content.ts';
import { blockKey } from '../../node/journal/keys.ts';
import { type DamagedCopy, LevelCopies } from '../../node/journal/level-copies.ts';
import { openLevelJournal } from '../../node/journal/level-journal.ts';
import { MemoryCopies } from '../../node/journal/memory-copies.ts';
import { MemoryDisk, MemoryJournal } from '../../node/journal/memory-journal.ts';
import { isDamage } from '../../node/journal/storage-error.ts';
import { noteDamage } from '../../node/journal/suspicion.ts';
import { storedEvents } from '../support/events.ts';
import { inFull, wants, type RecoveredInFull } from './journal-contract.ts';
import { Interpreter, steps, type Step } from './journal-model.ts';

const OWNER = '12D3KooWOwner';
const OTHER = '12D3KooWOther';
const START: CopyHead = { incarnation: 3, batch: 0, cursor: '', pastBlock: 0, startBlock: 0, nextBlock: 0 };

async function temporary(t: TestContext): Promise<string> {
  const base = await mkdtemp(join(tmpdir(), 'copies-'));
  t.after(async () => rm(base, { recursive: true, force: true }));
  return base;
}

/** An owner's journal in memory, and what it sends to both kinds of copies. */
class Stream {
  readonly disk = new MemoryDisk();
  readonly journal = new MemoryJournal(this.disk);
  readonly memory = new MemoryCopies();
  readonly level: LevelCopies;
  #head = START;

  constructor(level: LevelCopies) {
    this.level = level;
    this.journal.recoverNow();
  }

  get cursor(): string {
    return this.#head.cursor;
  }

  async #write(head: CopyHead, change: CopyChange | undefined): Promise<void> {
    if (change?.isPart !== true) this.#head = head;
    this.memory.writeNow(OWNER, head, change);
    await this.level.write(OWNER, head, change);
  }

  async start(incarnation: number): Promise<void> {
    await this.#write({ ...START, incarnation }, undefined);
  }

  async batch(ops: readonly JournalOp[], pieceBytes: number): Promise<void> {
    this.journal.appendNow(ops, true);
    const copied = ops.filter(({ op }) => !['member', 'drop-member', 'routes', 'drop-routes'].includes(op));
    const pieces = encodeOps(copied, pieceBytes);
    const head = { ...this.#head, batch: this.#head.batch + 1, nextBlock: this.disk.nextBlock };
    for (const [i, content] of pieces.entries()) {
      const isPart = i < pieces.length - 1;
      await this.#write(isPart ? this.#head : head, { content, isPart, range: undefined });
    }
  }

  async range(bytesMax: number): Promise<void> {
    const from = this.#head.cursor;
    const { to, content } = await this.journal.readRange(from, bytesMax);
    await this.#write({ ...this.#head, cursor: to }, { content, isPart: false, range: { from, to } });
  }

  /** Until nothing is left; `look` is called wherever it stops. */
  async complete(bytesMax: number, look: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    while (this.cursor !== COPY_COMPLETE) {
      await this.range(bytesMax);
      await look();
    }
  }
}

const copied = ({ queues, unclaimedBlocks, marks, subscriptions }: RecoveredInFull): unknown => ({
  queues,
  unclaimedBlocks,
  marks,
  subscriptions,
});

async function contentOf(dir: string): Promise<unknown> {
  const journal = await openLevelJournal(dir);
  try {
    return copied(inFull(await journal.recover()));
  } finally {
    await journal.close();
  }
}

test('a copy comes to hold what the journal holds, whatever batches and ranges made it', async (t) => {
  const base = await temporary(t);
  let run = 0;
  const action = fc.record({
    ranges: fc.nat({ max: 2 }),
    rangeBytes: fc.constantFrom(1, 200, 5_000),
    pieceBytes: fc.constantFrom(1, 300, 100_000),
    again: fc.nat({ max: 12 }),
  });
  const batches = (all: readonly Step[]): Exclude<Step, 'reopen'>[] =>
    all.flatMap((step) => (step === 'reopen' ? [] : [step]));
  await fc.assert(
    fc.asyncProperty(
      steps,
      steps,
      fc.array(action, { minLength: 1, maxLength: 8 }),
      async (before, after, actions) => {
        const dir = join(base, `run-${++run}`);
        const { store } = await LevelCopies.open(dir);
        const stream = new Stream(store);
        const interpreter = new Interpreter();
        for (const { draws } of batches(before)) stream.journal.appendNow(interpreter.ops(draws), true);
        await stream.start(3);
        for (const [i, { draws }] of batches(after).entries()) {
          const { ranges, rangeBytes, pieceBytes, again } = actions[i % actions.length] ?? {
            ranges: 0,
            rangeBytes: 1,
            pieceBytes: 1,
            again: 1,
          };
          if (again === 0) await stream.start(4 + i); // the owner was started again: in place
          await stream.batch(interpreter.ops(draws), pieceBytes);
          for (let n = 0; n < ranges && stream.cursor !== COPY_COMPLETE; n++) await stream.range(rangeBytes);
        }
        while (stream.cursor !== COPY_COMPLETE) await stream.range(200);
        await store.close();
        stream.journal.closeNow();
        const wanted = copied(inFull(new MemoryJournal(stream.disk).recoverNow()));
        const inMemory = stream.memory.diskOf(OWNER);
        assert(inMemory);
        assert.deepEqual(copied(inFull(new MemoryJournal(inMemory).recoverNow())), wanted);
        assert.deepEqual(await contentOf(join(dir, OWNER)), wanted);
      },
    ),
    { numRuns: process.env['LONG_TESTS'] === undefined ? 40 : 400 },
  );
});

test('a copy that takes the place of an older one can be read wherever it stops', async (t) => {
  const base = await temporary(t);
  let run = 0;
  const batches = (all: readonly Step[]): Exclude<Step, 'reopen'>[] =>
    all.flatMap((step) => (step === 'reopen' ? [] : [step]));
  await fc.assert(
    fc.asyncProperty(steps, steps, fc.constantFrom(1, 200), async (before, after, rangeBytes) => {
      const { store } = await LevelCopies.open(join(base, `run-${++run}`));
      const stream = new Stream(store);
      const interpreter = new Interpreter();
      await stream.start(3);
      for (const { draws } of batches(before)) stream.journal.appendNow(interpreter.ops(draws), true);
      await stream.complete(5_000);
      // nothing of this is heard of until it is begun anew
      for (const { draws } of batches(after)) stream.journal.appendNow(interpreter.ops(draws), true);
      await stream.start(4);
      await stream.complete(rangeBytes, async () => {
        const disk = stream.memory.diskOf(OWNER);
        assert(disk);
        const inMemory = new MemoryJournal(disk);
        const { queues } = inFull(inMemory.recoverNow());
        assert.deepEqual(inFull(await store.read(OWNER)).queues, queues, `at ${stream.cursor}`);
        for (const { queue, blocks } of queues)
          for (const { block } of blocks) {
            const [loaded] = await store.load(OWNER, block, [queue]);
            assert.deepEqual(loaded, { queue, ...inMemory.loadNow(queue, [block])[0] });
          }
        inMemory.closeNow();
      });
      await store.close();
    }),
    { numRuns: process.env['LONG_TESTS'] === undefined ? 25 : 250 },
  );
});

test('a queue that took the number of another has none of its entries, wherever the copy stops', async (t) => {
  const { store } = await LevelCopies.open(await temporary(t));
  const stream = new Stream(store);
  stream.journal.appendNow(
    [
      { op: 'queue', queue: 5, name: 's:old' },
      { op: 'block', block: 1, events: storedEvents(2) },
      { op: 'entry', queue: 5, block: 1, entry: wants(0, 1) },
    ],
    true,
  );
  await stream.start(3);
  await stream.complete(1_000_000);
  stream.journal.appendNow([{ op: 'drop-queue', queue: 5 }], true);
  stream.journal.appendNow([{ op: 'queue', queue: 5, name: 's:new' }], true);
  await stream.start(4);
  await stream.range(1_000_000);
  assert.equal(stream.cursor, COPY_NAMED);
  const named = [{ queue: 5, name: 's:new', blocks: [] }];
  assert.deepEqual(inFull(await store.read(OWNER)).queues, named);
  const disk = stream.memory.diskOf(OWNER);
  assert(disk);
  assert.deepEqual(inFull(new MemoryJournal(disk).recoverNow()).queues, named);
  await store.close();
});

test('a copy that has entries of a queue that it has not heard of yet is read without them', async (t) => {
  const { store } = await LevelCopies.open(await temporary(t));
  const stream = new Stream(store);
  stream.journal.appendNow([{ op: 'queue', queue: 1, name: 's:a' }], true);
  await stream.start(3);
  await stream.range(1_000_000);
  assert.equal(stream.cursor, COPY_NAMED);
  // the journal is ahead of what was sent
  stream.journal.appendNow(
    [
      { op: 'queue', queue: 2, name: 's:b' },
      { op: 'block', block: 1, events: storedEvents(2) },
      { op: 'entry', queue: 1, block: 1, entry: wants(0) },
      { op: 'entry', queue: 2, block: 1, entry: wants(0, 1) },
    ],
    true,
  );
  await stream.range(1_000_000);
  assert.equal(stream.cursor, COPY_COMPLETE);
  const { queues } = inFull(await store.read(OWNER));
  assert.deepEqual(
    queues.map(({ queue, blocks }) => [queue, blocks.map(({ block }) => block)]),
    [[1, [1]]],
  );
  await store.close();
});

test('names come before blocks, so that a copy is of use for what comes from then on', async (t) => {
  const { store } = await LevelCopies.open(await temporary(t));
  const stream = new Stream(store);
  const events = storedEvents(3);
  stream.journal.appendNow(
    [
      { op: 'queue', queue: 1, name: 's:a' },
      { op: 'block', block: 1, events },
      { op: 'entry', queue: 1, block: 1, entry: wants(0, 1, 2) },
    ],
    true,
  );
  await stream.start(3);
  await stream.range(1_000_000);
  assert.equal(stream.cursor, COPY_NAMED);
  assert.deepEqual([...(stream.memory.diskOf(OWNER)?.queues ?? [])], [[1, 's:a']]);
  assert.equal(stream.memory.diskOf(OWNER)?.blocks.size, 0);
  await store.close();
});

test('a copy is found again where it stood, and its folder goes when it is dropped', async (t) => {
  const dir = await temporary(t);
  const { store } = await LevelCopies.open(dir);
  const stream = new Stream(store);
  await stream.start(3);
  await stream.batch([{ op: 'queue', queue: 1, name: 's:a' }], 1_000);
  await stream.range(1_000);
  await store.close();
  const opened = await LevelCopies.open(dir);
  assert.deepEqual(opened.copies, [
    { owner: OWNER, head: { ...START, batch: 1, cursor: COPY_NAMED, nextBlock: 0 } },
  ]);
  await opened.store.drop(OWNER);
  await opened.store.close();
  assert.deepEqual((await LevelCopies.open(dir)).copies, []);
});

test('parts of a batch that is never whole leave nothing behind', async (t) => {
  const dir = await temporary(t);
  const { store } = await LevelCopies.open(dir);
  const [content] = encodeOps([{ op: 'queue', queue: 1, name: 's:a' }], 1_000);
  assert(content);
  await store.write(OWNER, START, undefined);
  await store.write(OWNER, START, { content, isPart: true, range: undefined });
  await store.close();
  assert.deepEqual(await contentOf(join(dir, OWNER)), {
    queues: [],
    unclaimedBlocks: [],
    marks: [],
    subscriptions: [],
  });
});

test('a range of a journal on disk is what a copy takes, and is not read where it is damaged', async (t) => {
  const base = await temporary(t);
  const dir = join(base, 'journal');
  const { store } = await LevelCopies.open(join(base, 'copies'));
  t.after(() => store.close());
  const journal = await openLevelJournal(dir);
  await journal.recover();
  const events = storedEvents(3);
  await journal.append(
    [
      { op: 'queue', queue: 1, name: 's:a' },
      { op: 'block', block: 1, events },
      { op: 'entry', queue: 1, block: 1, entry: wants(0, 1, 2) },
    ],
    true,
  );
  for (let head = START; head.cursor !== COPY_COMPLETE;) {
    const from = head.cursor;
    const { to, content } = await journal.readRange(from, 1);
    head = { ...head, cursor: to };
    const change = { content, isPart: false, range: { from, to } };
    assert.equal(await store.write(OWNER, head, change), 'written', `from ${from}`);
  }
  await journal.close();
  await damageValue(dir, blockKey(1));
  const damaged = await openLevelJournal(dir);
  await damaged.recover();
  await assert.rejects(damaged.readRange(COPY_NAMED, 1), /block 1: the checksum is wrong/);
  await damaged.close();
  await assert.rejects(
    openLevelJournal(dir),
    /block 1: the checksum is wrong/,
    'it is looked for from now on',
  );
});

/** As it would be in memory that forgets: LevelDB itself sees nothing wrong. */
async function damageValue(dir: string, key: Buffer): Promise<void> {
  const db = new Level<Buffer, Buffer>(dir, { keyEncoding: 'buffer', valueEncoding: 'buffer' });
  const value = await db.get(key);
  value[9] = (value[9] ?? 0) ^ 0x10;
  await db.put(key, value);
  await db.close();
}

test('a copy that is damaged is put aside, and the others are as they were', async (t) => {
  const dir = await temporary(t);
  const { store } = await LevelCopies.open(dir);
  const [content] = encodeOps([{ op: 'queue', queue: 1, name: 's:a' }], 1_000);
  assert(content);
  for (const owner of [OWNER, OTHER])
    await store.write(owner, START, { content, isPart: false, range: undefined });
  await store.close();
  for (let times = 0; times < 2; times++) {
    await writeFile(join(dir, OWNER, 'CURRENT'), 'nonsense');
    const opened = await LevelCopies.open(dir);
    assert.deepEqual(opened.copies, [{ owner: OTHER, head: START }]);
    const [damaged] = opened.damaged;
    assert.deepEqual([opened.damaged.length, damaged?.owner], [1, OWNER]);
    assert.match(String(damaged?.error), /CURRENT: it names no MANIFEST/);
    await access(join(damaged?.aside ?? '', 'CURRENT'));
    await opened.store.write(OWNER, START, { content, isPart: false, range: undefined }); // sent anew
    await opened.store.close();
  }
});

/** Two copies, each with a table, which LevelDB makes of its log when it opens it; `times` they were opened since. */
async function copiesWithTables(dir: string, times: number): Promise<LevelCopies> {
  const { store } = await LevelCopies.open(dir);
  const [content] = encodeOps([{ op: 'block', block: 1, events: storedEvents(3_000) }], 1_000_000);
  assert(content);
  for (const owner of [OWNER, OTHER])
    await store.write(owner, START, { content, isPart: false, range: undefined });
  await store.close();
  for (let n = 1; n < times; n++) await (await LevelCopies.open(dir)).store.close();
  return (await LevelCopies.open(dir)).store;
}

for (const { when, times } of [
  { when: 'before it was opened', times: 2 },
  { when: 'since', times: 1 },
]) {
  test(`a bit that flips in a table that LevelDB made ${when} is found though nobody reads it, and the copy put aside`, async (t) => {
    const dir = await temporary(t);
    const store = await copiesWithTables(dir, times);
    t.after(() => store.close());
    const table = (await readdir(join(dir, OWNER))).find((name) => name.endsWith('.ldb')) ?? '';
    const path = join(dir, OWNER, table);
    const bytes = await readFile(path);
    bytes.writeUInt8(bytes.readUInt8(bytes.length >>> 1) ^ 4, bytes.length >>> 1);
    await writeFile(path, bytes);
    const found = await new Promise<DamagedCopy>((resolve) => store.scrub(resolve, 10));
    assert.equal(found.owner, OWNER);
    assert.ok(isDamage(found.error) && String(found.error).includes(path));
    await store.putAside(OWNER);
    await access(join(found.aside, table));
    await store.write(OWNER, { ...START, incarnation: 4 }, undefined); // begun anew
    await store.close();
    assert.deepEqual((await LevelCopies.open(dir)).copies, [
      { owner: OTHER, head: START },
      { owner: OWNER, head: { ...START, incarnation: 4 } },
    ]);
  });
}

test('what hundreds of queues want of a block is loaded whole, in their order', async (t) => {
  const { store } = await LevelCopies.open(await temporary(t));
  t.after(() => store.close());
  const queues = Array.from({ length: 600 }, (_, i) => i + 1);
  const ops: JournalOp[] = [{ op: 'block', block: 1, events: storedEvents(3) }];
  for (const queue of queues) {
    ops.push({ op: 'queue', queue, name: `s:${queue}` });
    if (queue !== 300) ops.push({ op: 'entry', queue, block: 1, entry: wants(queue % 3) });
  }
  for (const content of encodeOps(ops, 1_000_000))
    await store.write(OWNER, START, { content, isPart: false, range: undefined });
  await store.read(OWNER);
  assert.deepEqual(
    (await store.load(OWNER, 1, queues)).map(({ queue, entry }) => [queue, ...entry.indices]),
    queues.filter((queue) => queue !== 300).map((queue) => [queue, queue % 3]),
  );
});

test('a note of damage goes where nothing is found, as when a file was put back', async (t) => {
  const dir = join(await temporary(t), 'journal');
  const journal = await openLevelJournal(dir);
  await journal.recover();
  await journal.append([{ op: 'block', block: 1, events: storedEvents(3) }], true);
  await journal.close();
  await noteDamage(dir, new CorruptionError('it was there'));
  for (let times = 0; times < 2; times++) await (await openLevelJournal(dir)).close();
  await assert.rejects(access(join(dir, 'SUSPECT')));
  await noteDamage(dir, new Error('a bug is none'));
  await assert.rejects(access(join(dir, 'SUSPECT')));
});

test('bytes that are no content, and keys that are a journal’s own, are refused', async (t) => {
  const { store } = await LevelCopies.open(await temporary(t));
  t.after(() => store.close());
  const write = (content: Uint8Array): Promise<'written' | 'refused'> =>
    store.write(OWNER, START, { content, isPart: false, range: undefined });
  assert.equal(await write(Buffer.of(9)), 'refused');
  assert.equal(await write(Buffer.of(0, 2, 0x00, 0x6c, 1, 1)), 'refused'); // `layout`
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        decodeContent(bytes);
      } catch (error) {
        assert.equal((error as Error).name, 'CorruptionError');
      }
    }),
  );
});
