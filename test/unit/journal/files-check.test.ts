// The files of a journal, as LevelDB leaves them: whatever is damaged, cut short below what was synced, or gone is found and named,
// before LevelDB touches anything. That sound ones pass, whenever a process is killed: test/contracts/journal-level.test.ts.

import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { MeshError } from '../../../node/core/errors.ts';
import { crc32c } from '../../../node/journal/crc32c.ts';
import { checkFiles } from '../../../node/journal/files-check.ts';
import { type LevelJournal, openLevelJournal } from '../../../node/journal/level-journal.ts';
import { recordsOf } from '../../../node/journal/log-check.ts';
import { scrub, tablesIn } from '../../../node/journal/scrub.ts';
import { isDamage } from '../../../node/journal/storage-error.ts';
import { MARK_FILE, readSyncedMark } from '../../../node/journal/synced-mark.ts';
import { wants } from '../../contracts/journal-contract.ts';
import { storedEvents } from '../../support/events.ts';
import { until } from '../../support/until.ts';

/** Some blocks more than fit LevelDB's memory: two tables at least, and a log. */
const BLOCKS = 40;
const BLOCK_EVENTS = 1000;

async function temporary(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'causeway-files-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function write(journal: LevelJournal, from: number, blocks: number): Promise<void> {
  for (let block = from; block < from + blocks; block++) {
    const events = storedEvents(BLOCK_EVENTS, { from: block * BLOCK_EVENTS, bytes: 1000 });
    await journal.append(
      [
        { op: 'queue', queue: 1, name: 'q' },
        { op: 'block', block, events },
        { op: 'entry', queue: 1, block, entry: wants(0, 7) },
      ],
      true,
    );
    await journal.append([{ op: 'entry', queue: 1, block, entry: wants(7) }], false);
  }
}

/** Its files while it is in use, which is what a killed process leaves. */
async function killed(t: TestContext): Promise<string> {
  const dir = await temporary(t);
  const journal = await openLevelJournal(join(dir, 'in-use'));
  await journal.recover();
  await write(journal, 0, BLOCKS);
  // nothing is under way any more, and files stay while they are copied
  await until('one log and the last mark', async () => {
    const logs = await filesOf(join(dir, 'in-use'), /\.log$/);
    return logs.length === 1 && (await readSyncedMark(join(dir, 'in-use'))) === BLOCKS;
  });
  const left = join(dir, 'journal');
  await cp(join(dir, 'in-use'), left, { recursive: true });
  await journal.close();
  return left;
}

async function filesOf(dir: string, pattern: RegExp): Promise<string[]> {
  const names = (await readdir(dir)).filter((name) => pattern.test(name)).sort();
  return names.map((name) => join(dir, name));
}

async function fileOf(dir: string, pattern: RegExp): Promise<string> {
  const file = (await filesOf(dir, pattern)).at(-1);
  assert.ok(file, `a file like ${pattern}`);
  return file;
}

/** The damage is found and named, and the files stay as they are. */
async function refuses(dir: string, ...why: readonly (string | RegExp)[]): Promise<void> {
  const before = await filesOf(dir, /^(?!LOG|LOCK)/);
  const sizes = await Promise.all(before.map(async (file) => (await stat(file)).size));
  await assert.rejects(openLevelJournal(dir), (error: unknown) => {
    assert.ok(error instanceof MeshError && error.code === 'storage-failed');
    assert.ok(isDamage(error), 'it counts as damage');
    for (const one of why)
      assert.ok(
        typeof one === 'string' ? error.message.includes(one) : one.test(error.message),
        error.message,
      );
    return true;
  });
  assert.deepEqual(await filesOf(dir, /^(?!LOG|LOCK)/), before);
  assert.deepEqual(await Promise.all(before.map(async (file) => (await stat(file)).size)), sizes);
}

async function flip(file: string, at: number): Promise<void> {
  const bytes = await readFile(file);
  bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (at % 8)), at);
  await writeFile(file, bytes);
}

test('a log that is cut short below what was synced is found, however early it ends', async (t) => {
  const dir = await killed(t);
  const log = await fileOf(dir, /\.log$/);
  const whole = await readFile(log);
  const mark = await readSyncedMark(dir);
  assert.equal(mark, BLOCKS);
  for (const part of [0.99, 0.7, 0.4, 0.2]) {
    await writeFile(log, whole.subarray(0, Math.floor(whole.length * part)));
    await refuses(dir, log, new RegExp(`synced batch \\d+, and ${mark} was written`));
  }
  // nothing numbered is left in it: only the tables can tell
  await writeFile(log, whole.subarray(0, 20));
  await assert.rejects(openLevelJournal(dir), /the last synced batch in it is \d+, and 40 was written/);
});

test('what was written last and not synced may be missing', async (t) => {
  const dir = await killed(t);
  const log = await fileOf(dir, /\.log$/);
  await truncate(log, (await stat(log)).size - 3);
  const journal = await openLevelJournal(dir);
  assert.equal((await journal.recover()).nextBlock, BLOCKS);
  await journal.close();
});

test('without a mark, or with one that cannot be read, nothing is expected', async (t) => {
  const dir = await killed(t);
  await truncate(await fileOf(dir, /\.log$/), 40_000);
  await flip(join(dir, MARK_FILE), 15);
  assert.equal(await readSyncedMark(dir), 0);
  const journal = await openLevelJournal(dir);
  await journal.recover();
  await journal.close();
});

test('a table that is gone, cut short, or damaged anywhere is found', async (t) => {
  const dir = await killed(t);
  const table = await fileOf(dir, /\.ldb$/);
  const whole = await readFile(table);
  for (const at of [whole.length - 60, whole.length - 48, whole.length - 1]) {
    await flip(table, at);
    await refuses(dir, table);
    await writeFile(table, whole);
  }
  const places = [
    0,
    10,
    4_000,
    100_000,
    ...Array.from({ length: 20 }, (_, i) => whole.length - 3_000 + i * 149),
  ];
  for (const at of places) {
    if (at >= whole.length - 30 && at < whole.length - 8) continue; // padding of the footer, which nobody reads
    await flip(table, at);
    await assert.rejects(
      scrub(dir, await tablesIn(dir), new AbortController().signal),
      (error: unknown) => isDamage(error) && error instanceof MeshError && error.message.includes(table),
    );
    await writeFile(table, whole);
  }
  await truncate(table, whole.length - 100);
  await refuses(dir, table, /bytes instead of/);
  await rm(table);
  const before = await readdir(dir);
  await assert.rejects(openLevelJournal(dir), /it is gone, though the MANIFEST names it/);
  assert.deepEqual(await readdir(dir), before);
});

test('a journal whose data is damaged ends when that is come upon, though nothing is written, and is not opened again', async (t) => {
  const dir = await killed(t);
  const table = await fileOf(dir, /\.ldb$/);
  await flip(table, 100_000);
  const journal = await openLevelJournal(dir);
  await journal.recover();
  const failure = await journal.failed;
  assert.ok(isDamage(failure) && failure instanceof MeshError && failure.message.includes(table));
  await assert.rejects(journal.append([], true), { code: 'storage-failed', cause: failure });
  await journal.close();
  await refuses(dir, table);
});

test('a MANIFEST or CURRENT that is gone, damaged or cut short is found, and no table is deleted for it', async (t) => {
  const dir = await killed(t);
  const manifest = await fileOf(dir, /^MANIFEST/);
  const whole = await readFile(manifest);
  for (let length = 0; length < whole.length; length += 7) {
    await writeFile(manifest, whole.subarray(0, length));
    await refuses(dir);
  }
  await writeFile(manifest, whole);
  await flip(manifest, 30);
  await refuses(dir, manifest, /record at byte 0 is damaged/);
  await rm(manifest);
  await refuses(dir, manifest, /gone, though CURRENT names it/);
  await writeFile(manifest, whole);
  const current = join(dir, 'CURRENT');
  await flip(current, 3);
  await refuses(dir, current, /names no MANIFEST/);
  await rm(current);
  await refuses(dir, current, /it is gone/);
});

test('a log that is gone is found', async (t) => {
  const dir = await killed(t);
  const log = await fileOf(dir, /\.log$/);
  await rm(log);
  await refuses(dir, log, /it is gone/);
});

/** Records as a log of LevelDB has them, each whole within a block. */
function logOf(records: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (const record of records) {
    const left = 32_768 - (at % 32_768);
    const padding = Buffer.alloc(left < 7 + record.length ? left : 0);
    const header = Buffer.alloc(7);
    const crc = crc32c(Buffer.of(1, ...record));
    header.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
    header.writeUInt16LE(record.length, 4);
    header.writeUInt8(1, 6);
    parts.push(padding, header, record);
    at += padding.length + header.length + record.length;
  }
  return Buffer.concat(parts);
}

test('of two logs the first one is found when it is cut short, though all that is marked is in the second', async (t) => {
  const dir = await temporary(t);
  const journal = await openLevelJournal(join(dir, 'in-use'));
  await journal.recover();
  for (let queue = 0; queue < 20; queue++)
    await journal.append([{ op: 'queue', queue, name: `queue ${queue}` }], queue % 2 === 0);
  const left = join(dir, 'journal');
  await cp(join(dir, 'in-use'), left, { recursive: true });
  await journal.close();
  // as they are while LevelDB makes a table of the first
  const first = await fileOf(left, /\.log$/);
  const second = first.replace(/\d+\.log$/, '000900.log');
  const records = [...recordsOf(await readFile(first))];
  const half = records.length >>> 1;
  await writeFile(second, logOf(records.slice(half)));
  await writeFile(first, logOf(records.slice(0, half - 4)));
  await refuses(left, second, /the synced batch \d+ is in it behind \d+: a log before it was cut short/);
  await writeFile(first, logOf(records.slice(0, half)));
  const whole = await openLevelJournal(left);
  assert.equal([...(await whole.recover()).queues].length, 20);
  await whole.close();
});

test('what another process has open is in use, however its files look', async (t) => {
  const dir = await temporary(t);
  const journal = await openLevelJournal(dir);
  t.after(() => journal.close());
  await journal.recover();
  await write(journal, 0, 3);
  await writeFile(join(dir, 'CURRENT'), 'nonsense');
  await assert.rejects(openLevelJournal(dir), /in use by another process/);
});

test('a folder that is not there, or empty, has no damage', async (t) => {
  const dir = await temporary(t);
  await checkFiles(dir, 0);
  await checkFiles(join(dir, 'none'), 0);
});
