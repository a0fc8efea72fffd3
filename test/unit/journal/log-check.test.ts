// LevelDB's logs, as LevelDB itself writes them: sound ones pass, torn ones pass, and a single wrong bit is found.

import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Level } from 'level';
import { MeshError } from '../../../node/core/errors.ts';
import { crc32c } from '../../../node/journal/crc32c.ts';
import { findDamage, readLog, recordsOf } from '../../../node/journal/log-check.ts';

/** Records of 10 bytes to 100 KB: some alone in a block, some over four of them. */
const SIZES = [10, 1_000, 40_000, 30_000, 100_000, 7, 20, 5_000];

async function writtenLog(t: TestContext): Promise<{ dir: string; file: string; log: Buffer }> {
  const dir = await mkdtemp(join(tmpdir(), 'causeway-log-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const db = new Level<string, Buffer>(dir, { valueEncoding: 'buffer' });
  for (const [at, size] of SIZES.entries())
    await db.put(`key ${at}`, Buffer.alloc(size, at + 1), { sync: true });
  await db.close();
  const name = (await readdir(dir)).find((one) => one.endsWith('.log')) ?? '';
  return { dir, file: join(dir, name), log: await readFile(join(dir, name)) };
}

test('CRC-32C of the known vectors [RFC 3720, B.4]', () => {
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
});

test('a log as LevelDB wrote it is sound, however early it ends and however many zeros follow', async (t) => {
  const { file, log } = await writtenLog(t);
  assert.equal(findDamage(log), undefined);
  assert.deepEqual(await readLog(file), log);
  for (let length = log.length; length >= 0; length -= 4_999) {
    assert.equal(findDamage(log.subarray(0, length)), undefined, `cut to ${length}`);
    const zeros = Buffer.concat([log.subarray(0, length - (length % 512)), Buffer.alloc(40_000)]);
    assert.equal(findDamage(zeros), undefined, `zeros from ${length}`);
  }
});

test('any one wrong bit of it is found, with the record that it is in', async (t) => {
  const { file, log } = await writtenLog(t);
  // the last record has nothing behind it: a wrong length of its own looks like a write that was torn off
  const last = log.length - 5_000;
  for (let at = 0; at < last; at += 491) {
    const damaged = Buffer.from(log);
    damaged.writeUInt8(damaged.readUInt8(at) ^ (1 << (at % 8)), at);
    const found = findDamage(damaged);
    assert.ok(found !== undefined && found <= at, `bit ${at % 8} of byte ${at}, found ${found}`);
  }
  log.writeUInt8(log.readUInt8(50_000) ^ 1, 50_000);
  await writeFile(file, log);
  await assert.rejects(readLog(file), (error: unknown) => {
    assert.ok(error instanceof MeshError && error.code === 'storage-failed');
    assert.ok(error.message.includes(file), error.message);
    assert.match(error.message, /the record at byte \d+ is damaged/);
    return true;
  });
});

test('what was written is read back whole, up to what was torn off', async (t) => {
  const { log } = await writtenLog(t);
  const sizes = (bytes: Buffer): number[] => [...recordsOf(bytes)].map((record) => record.length);
  const whole = sizes(log);
  assert.equal(whole.length, SIZES.length);
  for (const [at, size] of SIZES.entries()) assert.ok((whole[at] ?? 0) > size);
  assert.deepEqual(sizes(log.subarray(0, -1)), whole.slice(0, -1));
});
