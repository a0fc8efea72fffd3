import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteReader } from '../../../node/wire/byte-reader.ts';
import { ByteWriter } from '../../../node/wire/byte-writer.ts';
import { FrameReader, frameHeader, writeFrame } from '../../../node/wire/frames.ts';
import { WireError } from '../../../node/wire/wire-error.ts';

const MAX = 4 * 1024 * 1024;

test('frames come out as they went in, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 10 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }),
      (bodies, cuts) => {
        const stream = Buffer.concat(bodies.flatMap((body) => [frameHeader(body.length), body]));
        const reader = new FrameReader(300);
        const got: string[] = [];
        let at = 0;
        for (let i = 0; at < stream.length; i++) {
          const end = at + (cuts[i % cuts.length] ?? 1);
          for (const body of reader.push(stream.subarray(at, end))) got.push(hex(body));
          at = end;
        }
        assert.deepEqual(got, bodies.map(hex));
        assert.equal(reader.heldBytes, 0);
      },
    ),
    { numRuns: 1000 },
  );
});

test('frames are written one behind the other, each behind its length', () => {
  const writer = new ByteWriter(1);
  const bodies = ['one', '', 'x'.repeat(70_000)];
  for (const body of bodies) writeFrame(writer, (to) => to.text(body));
  const read = [...new FrameReader(MAX).push(writer.finish())];
  assert.deepEqual(
    read.map((body) => new ByteReader(body).text(MAX)),
    bodies,
  );
});

test('a body within one chunk is a view of it', () => {
  const chunk = Buffer.concat([frameHeader(3), Buffer.from('abc')]);
  const [body] = [...new FrameReader(MAX).push(chunk)];
  assert.equal(body?.buffer, chunk.buffer);
});

test('an announced length costs nothing until its bytes come', () => {
  const readers = Array.from({ length: 1000 }, () => new FrameReader(MAX));
  const before = process.memoryUsage().arrayBuffers;
  for (const reader of readers) assert.deepEqual([...reader.push(frameHeader(MAX))], []);
  for (const reader of readers) assert.deepEqual([...reader.push(Buffer.alloc(1))], []);
  assert(process.memoryUsage().arrayBuffers - before < 1000 * 128 * 1024, 'less than 128 KiB each');
});

test('a large frame in tiny chunks is gathered in linear time', () => {
  const reader = new FrameReader(MAX);
  const body = Buffer.alloc(MAX, 7);
  const chunk = Buffer.alloc(16, 7);
  let got: Uint8Array | undefined;
  const started = performance.now();
  assert.deepEqual([...reader.push(frameHeader(MAX))], []);
  for (let at = 0; at < MAX; at += chunk.length) for (const frame of reader.push(chunk)) got = frame;
  assert(performance.now() - started < 60_000);
  assert(got && body.equals(got));
});

test('a frame above the limit is refused by its header, after those before it', () => {
  const reader = new FrameReader(10);
  const stream = Buffer.concat([frameHeader(2), Buffer.from('ok'), frameHeader(11)]);
  const got: string[] = [];
  assert.throws(
    () => {
      for (const body of reader.push(stream)) got.push(Buffer.from(body).toString());
    },
    (error) => error instanceof WireError && error.reason === 'frame-too-large',
  );
  assert.deepEqual(got, ['ok']);
});

test('an empty frame is refused', () => {
  assert.throws(() => [...new FrameReader(10).push(frameHeader(0))], WireError);
});

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
