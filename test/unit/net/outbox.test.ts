import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Stream } from '@libp2p/interface';
import type { LinkMessage } from '../../../node/core/messages.ts';
import { CHUNK_BYTES, SpareChunks } from '../../../node/net/chunks.ts';
import { Outbox } from '../../../node/net/outbox.ts';
import { FrameReader } from '../../../node/wire/frames.ts';
import { decodeMessage } from '../../../node/wire/link-messages.ts';

/**
 * The part of a stream that an outbox uses: takes `room` writes, then wants a drain. What comes when there is no room it
 * holds, or where `holdsBelow` a layer below it does, whose buffers nobody can see.
 */
class FakeStream extends EventTarget {
  writeStatus = 'writable';
  writableNeedsDrain = false;
  room = Infinity;
  holdsBelow = false;
  #held: Uint8Array[] = [];
  readonly writes: Uint8Array[] = [];
  /** Copies, as of the time when each went out. */
  readonly sent: Buffer[] = [];

  get writeBufferLength(): number {
    return this.holdsBelow ? 0 : this.#held.reduce((sum, { length }) => sum + length, 0);
  }

  send(data: Uint8Array): boolean {
    this.writes.push(data);
    this.#held.push(data);
    return this.#sendHeld();
  }

  #sendHeld(): boolean {
    while (this.room > 0 && this.#held.length > 0) {
      this.sent.push(Buffer.from(this.#held.shift() ?? []));
      this.room--;
    }
    this.writableNeedsDrain = this.#held.length > 0;
    return !this.writableNeedsDrain;
  }

  /** Resolves when whoever waited for it has written. */
  async drain(room: number): Promise<void> {
    this.room = room;
    this.writableNeedsDrain = false;
    queueMicrotask(() => void this.#sendHeld());
    this.dispatchEvent(new Event('drain'));
    await new Promise(setImmediate);
  }

  texts(): string[] {
    const reader = new FrameReader(1e9);
    return this.sent
      .flatMap((write) => [...reader.push(write)])
      .map((body) => {
        const message = decodeMessage(body);
        return message.kind === 'route-delta' ? Buffer.from(message.delta).toString() : message.kind;
      });
  }
}

function outbox(stream: FakeStream, { bytesMax = 1e9, reuses = true } = {}): { box: Outbox; told: string[] } {
  const told: string[] = [];
  const box = new Outbox(
    stream as unknown as Stream,
    { fullBytes: () => 1000, bytesMax, spareChunks: new SpareChunks(reuses) },
    { drained: () => told.push('drained'), overflowed: () => told.push('overflowed') },
  );
  return { box, told };
}

/** A message that takes a few bytes more than its text. */
function delta(text: string): LinkMessage {
  return { kind: 'route-delta', delta: Buffer.from(text) };
}

const nearlyAChunk = 'x'.repeat(CHUNK_BYTES - 100);

test('many small frames of one turn go in one write', async () => {
  const stream = new FakeStream();
  const { box } = outbox(stream);
  const texts = Array.from({ length: 50 }, (_, i) => `m${i}`);
  for (const text of texts) box.send(delta(text));
  assert.equal(stream.writes.length, 0, 'not before the turn is over');
  await Promise.resolve();
  assert.equal(stream.writes.length, 1);
  assert.deepEqual(stream.texts(), texts);
});

test('a large frame goes in chunks, so that others get their turn', async () => {
  const stream = new FakeStream();
  const { box } = outbox(stream);
  const text = 'x'.repeat(300_000);
  box.send(delta(text));
  box.send(delta('after'));
  await Promise.resolve();
  assert(stream.writes.every((write) => write.length <= CHUNK_BYTES));
  assert.deepEqual(stream.texts(), [text, 'after']);
});

test('a frame that fits into a chunk is not spread over two', async () => {
  const stream = new FakeStream();
  const { box } = outbox(stream);
  const texts = ['a', nearlyAChunk, 'b', 'c'.repeat(40_000), 'd'.repeat(40_000), 'e'];
  for (const text of texts) box.send(delta(text));
  await Promise.resolve();
  assert.deepEqual(stream.texts(), texts);
  for (const write of stream.sent) {
    const reader = new FrameReader(1e9);
    assert([...reader.push(write)].length > 0);
    assert.equal(reader.heldBytes, 0, 'it ends with a frame');
  }
});

test('writes only while the stream takes more, and says drained once after it said full', async () => {
  const stream = new FakeStream();
  stream.room = 1;
  const { box, told } = outbox(stream);
  assert.equal(box.send(delta(nearlyAChunk)), false);
  await Promise.resolve();
  assert.deepEqual(told, ['drained'], 'all was taken');
  box.send(delta(nearlyAChunk));
  box.send(delta(nearlyAChunk));
  box.send(delta(nearlyAChunk));
  await Promise.resolve();
  assert.equal(stream.writes.length, 2, 'the stream holds the second');
  await stream.drain(1);
  assert.equal(stream.writes.length, 3);
  assert.deepEqual(told, ['drained']);
  await stream.drain(1);
  assert.equal(stream.writes.length, 4);
  assert.deepEqual(told, ['drained', 'drained']);
  await stream.drain(1);
  assert.equal(told.length, 2, 'not again without a refusal');
});

test('a frame above the bound is dropped and told of', async () => {
  const stream = new FakeStream();
  const { box, told } = outbox(stream, { bytesMax: 300 });
  assert.equal(box.send(delta('x'.repeat(200))), true);
  assert.equal(box.send(delta('y'.repeat(200))), false);
  assert.deepEqual(told, ['overflowed']);
  await Promise.resolve();
  assert.deepEqual(stream.texts(), ['x'.repeat(200)]);
});

test('nothing is written after close', async () => {
  const stream = new FakeStream();
  const { box } = outbox(stream);
  box.send(delta('x'));
  box.close();
  box.send(delta('y'));
  await Promise.resolve();
  await stream.drain(5);
  assert.deepEqual(stream.writes, []);
});

/** Sends them one per turn. */
async function sendEach(box: Outbox, texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    box.send(delta(text));
    await Promise.resolve();
  }
}

const hundred = Array.from({ length: 100 }, (_, i) => `${i} ${'x'.repeat(i * 500)}`);

function memories(stream: FakeStream): number {
  return new Set(stream.writes.map(({ buffer }) => buffer)).size;
}

test('the memory of a chunk is used again when the stream has taken it', async () => {
  const stream = new FakeStream();
  const { box } = outbox(stream);
  await sendEach(box, hundred);
  assert.deepEqual(stream.texts(), hundred);
  assert.equal(memories(stream), 1);
});

for (const holdsBelow of [false, true]) {
  const where = holdsBelow ? 'a layer below the stream' : 'the stream';
  test(`what ${where} holds yet stays as it is`, async () => {
    const stream = new FakeStream();
    stream.holdsBelow = holdsBelow;
    const { box } = outbox(stream);
    await sendEach(box, hundred.slice(0, 40));
    stream.room = 0;
    await sendEach(box, hundred.slice(40, 60));
    while (stream.texts().length < 60) await stream.drain(2);
    stream.room = Infinity;
    await sendEach(box, hundred.slice(60));
    assert.deepEqual(stream.texts(), hundred);
    assert(memories(stream) < 30, 'and then it is used again');
  });
}

test('where a stream keeps what it was given, nothing is used again', async () => {
  const stream = new FakeStream();
  const { box } = outbox(stream, { reuses: false });
  await sendEach(box, hundred);
  assert(
    stream.writes.every((write, i) => stream.sent[i]?.equals(write)),
    'nothing was written over',
  );
  assert.deepEqual(stream.texts(), hundred);
});
