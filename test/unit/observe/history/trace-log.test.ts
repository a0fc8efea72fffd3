import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { TraceLog } from '../../../../node/observe/history/trace-log.ts';
import type { LocalHop } from '../../../../node/observe/history/recall.ts';

const log = { warn: () => undefined };

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'causeway-trace-'));
  t.after(() => rm(path, { recursive: true }));
  return join(path, 'trace');
}

function refused(at: number, reason = 'overloaded'): LocalHop {
  return { at, what: 'refused', peer: '', subscription: '', reason, attempt: 0 };
}

test('what was noted is told after a restart, of this event alone', async (t) => {
  const path = await folder(t);
  const first = new TraceLog(path, { log });
  const names = [
    { source: '/a', id: '1' },
    { source: '/b', id: '1' },
    { source: '/a', id: '"id":"1",' },
    { source: '/a', id: 'ünï\n' },
  ];
  for (const [i, name] of names.entries()) first.write(first.line(name, refused(i)));
  await first.close();
  await appendFile(join(path, 'recent.jsonl'), '{"source":"/a","id":"1","at":9,"wh'); // a crash cut it short
  const second = new TraceLog(path, { log });
  for (const [i, name] of names.entries()) assert.deepEqual(await second.of(name), [refused(i)]);
  assert.deepEqual(await second.of({ source: '/c', id: '1' }), []);
  second.write(second.line({ source: '/a', id: '1' }, refused(20, 'not-ready')));
  assert.deepEqual(
    (await second.of({ source: '/a', id: '1' })).length,
    2,
    'what comes after it is read all the same',
  );
});

test('keeps to its bounds: two files, and so many lines in a second', async (t) => {
  const path = await folder(t);
  const noted = new TraceLog(path, { log });
  const text = 'x'.repeat(1_000);
  for (let second = 0; second < 20; second++) {
    for (let i = 0; i < 700; i++)
      noted.write(noted.line({ source: '/a', id: `${second}.${i}` }, refused(second * 1_000, text)));
    await noted.close();
  }
  let bytes = 0;
  const files = await readdir(path);
  for (const file of files) bytes += (await stat(join(path, file))).size;
  assert.deepEqual(files.sort(), ['older.jsonl', 'recent.jsonl']);
  assert.ok(bytes < 6 * 1024 * 1024, `${bytes} bytes`);
  assert.equal((await noted.of({ source: '/a', id: '19.499' })).length, 1);
  assert.equal((await noted.of({ source: '/a', id: '19.500' })).length, 0, 'beyond those of a second');
  assert.equal((await noted.of({ source: '/a', id: '0.0' })).length, 0, 'the oldest are gone');
});

test('notes nothing whose names are longer than can be asked for', async (t) => {
  const path = await folder(t);
  const noted = new TraceLog(path, { log });
  const long = 'x'.repeat(8_193);
  noted.write(noted.line({ source: '/a', id: long }, refused(1)));
  noted.write(noted.line({ source: long, id: '1' }, refused(2)));
  noted.write(noted.line({ source: '/a', id: long.slice(1) }, refused(3)));
  await noted.close();
  assert.deepEqual(await noted.of({ source: '/a', id: long }), []);
  assert.deepEqual(await noted.of({ source: long, id: '1' }), []);
  assert.deepEqual(await noted.of({ source: '/a', id: long.slice(1) }), [refused(3)]);
});

test('a disk that takes nothing is told of once, and ends nothing', async () => {
  let warned = 0;
  const noted = new TraceLog('/dev/null/nowhere', { log: { warn: () => void warned++ } });
  for (let i = 0; i < 3; i++) {
    noted.write(noted.line({ source: '/a', id: '1' }, refused(i)));
    assert.deepEqual(await noted.of({ source: '/a', id: '1' }), []);
  }
  assert.equal(warned, 1);
});
