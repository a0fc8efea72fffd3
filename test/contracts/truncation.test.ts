// LevelDB keeps what is dropped until it merges the table that it is in: of a backlog, that may be never.

import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openLevelJournal, type LevelJournal } from '../../node/journal/level-journal.ts';
import { storedEvent } from '../support/events.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;
/** What is not worth a merge, and what is alive. */
const LEFT_BYTES_MAX = (64 + 32) * MIB;
const QUEUE = 1;
const ENTRY = { indices: [0], first: undefined, directives: [] };
/** Of 128 KiB each that do not compress: three times what is worth a merge. */
const BLOCKS = 1_536;
const BLOCK_BYTES = 128 * 1024;

async function temporary(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'truncation-'));
  t.after(async () => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function recovered(dir: string): Promise<LevelJournal> {
  const journal = await openLevelJournal(dir);
  await journal.recover();
  return journal;
}

/** `count` blocks of one event each, from `from` on, which a queue wants. */
async function writeBlocks(journal: LevelJournal, from: number, count: number): Promise<void> {
  for (let block = from; block < from + count; block++)
    await journal.append(
      [
        { op: 'block', block, events: [storedEvent({ sequence: block + 1, bytes: BLOCK_BYTES })] },
        { op: 'entry', queue: QUEUE, block, entry: ENTRY },
      ],
      false,
    );
}

async function dropBlocks(journal: LevelJournal, from: number, count: number): Promise<void> {
  for (let block = from; block < from + count; block++)
    await journal.append(
      [
        { op: 'drop-entry', queue: QUEUE, block },
        { op: 'drop-block', block },
      ],
      false,
    );
}

async function tableBytes(dir: string): Promise<number> {
  const tables = (await readdir(dir)).filter((name) => name.endsWith('.ldb'));
  const sizes = await Promise.all(
    tables.map(async (name) =>
      stat(join(dir, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

test('the disk of a backlog is free again when it has been dropped, and what is alive stays', async (t) => {
  const dir = await temporary(t);
  const first = await recovered(dir);
  await first.append([{ op: 'queue', queue: QUEUE, name: 'q' }], true);
  await writeBlocks(first, 0, BLOCKS);
  await first.close();
  const journal = await recovered(dir);
  t.after(() => journal.close());
  assert.ok((await tableBytes(dir)) > 1.5 * LEFT_BYTES_MAX, 'there is a backlog');
  const alive = [3, BLOCKS - 1];
  await dropBlocks(journal, 0, 3);
  await dropBlocks(journal, 4, BLOCKS - 5);
  await until('the tables are gone', async () => (await tableBytes(dir)) < LEFT_BYTES_MAX);
  assert.deepEqual(
    (await journal.load(QUEUE, alive)).map(({ block, events }) => [block, events[0]?.cloudEvent.length]),
    alive.map((block) => [block, BLOCK_BYTES]),
  );
});
