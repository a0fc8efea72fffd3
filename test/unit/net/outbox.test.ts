import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Stream } from '@libp2p/interface';
import { Outbox } from '../../../node/net/outbox.ts';
import { FrameReader } from '../../../node/wire/frames.ts';

/** The part of a stream that an outbox uses: takes `room` writes, then wants a drain. */
class FakeStream extends EventTarget {
  writeStatus = 'writable';
  writableNeedsDrain = false;
  room = Infinity;
  readonly writes: Uint8Array[] = [];

  send(data: Uint8Array): boolean {
    this.writes.push(data);
    this.writableNeedsDrain = --this.room <= 0;
    return !this.writableNeedsDrain;
  }

  drain(room: number): void {
    this.room = room;
    this.writableNeedsDrain = false;
    this.dispatchEvent(new Event('drain'));
  }

  bodies(): string[] {
    const reader = new FrameReader(1e9);
    return this.writes
      .flatMap((write) => [...reader.push(write)])
      .map((body) => Buffer.from(body).toString());
  }
}

function outbox(stream: FakeStream, bytesMax = 1e9): { box: Outbox; told: string[] } {
  const told: string[] = [];
  const box = new Outbox(
    stream as unknown as Stream,
    { fullBytes: 1000, bytesMax },
    { drained: () => told.push('drained'), overflowed: () => told.push('overflowed') },
  );
  return { box, told };
}

test('many small frames of one turn go in one write', async () => {
  const stream = new FakeStream();
  const { box } = outbox(stream);
  for (let i = 0; i < 50; i++) box.send(Buffer.from(`m${i}`));
  assert.equal(stream.writes.length, 0, 'not before the turn is over');
  await Promise.resolve();
  assert.equal(stream.writes.length, 1);
  assert.deepEqual(
    stream.bodies(),
    Array.from({ length: 50 }, (_, i) => `m${i}`),
  );
});

test('a large frame goes in chunks, so that others get their turn', async () => {
  const stream = new FakeStream();
  const { box } = outbox(stream);
  const body = 'x'.repeat(300_000);
  box.send(Buffer.from(body));
  box.send(Buffer.from('after'));
  await Promise.resolve();
  assert(stream.writes.every((write) => write.length <= 64 * 1024));
  assert.deepEqual(stream.bodies(), [body, 'after']);
});

test('writes only while the stream takes more, and says drained once after it said full', async () => {
  const stream = new FakeStream();
  stream.room = 1;
  const { box, told } = outbox(stream);
  const body = Buffer.alloc(64 * 1024 - 4);
  assert.equal(box.send(body), false);
  await Promise.resolve();
  assert.deepEqual(told, ['drained'], 'all was taken');
  box.send(body);
  box.send(body);
  await Promise.resolve();
  assert.equal(stream.writes.length, 1, 'the stream is full');
  stream.drain(1);
  assert.equal(stream.writes.length, 2);
  assert.deepEqual(told, ['drained']);
  stream.drain(1);
  assert.equal(stream.writes.length, 3);
  assert.deepEqual(told, ['drained', 'drained']);
  stream.drain(1);
  assert.equal(told.length, 2, 'not again without a refusal');
});

test('a frame above the bound is dropped and told of', () => {
  const { box, told } = outbox(new FakeStream(), 100);
  assert.equal(box.send(Buffer.alloc(90)), true);
  assert.equal(box.send(Buffer.alloc(90)), false);
  assert.deepEqual(told, ['overflowed']);
});

test('nothing is written after close', async () => {
  const stream = new FakeStream();
  const { box } = outbox(stream);
  box.send(Buffer.from('x'));
  box.close();
  box.send(Buffer.from('y'));
  await Promise.resolve();
  stream.drain(5);
  assert.deepEqual(stream.writes, []);
});
