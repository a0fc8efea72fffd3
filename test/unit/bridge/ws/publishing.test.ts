import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PublishFrame } from '../../../../bridge/ws/frames/client-frames.ts';
import { Outbox } from '../../../../bridge/ws/outbox.ts';
import { Overload } from '../../../../bridge/ws/overload.ts';
import { Publishing } from '../../../../bridge/ws/publishing.ts';
import { MeshError } from '../../../../node/core/errors.ts';
import type { EncodedBatch, PublishResult } from '../../../../node/core/ports.ts';
import { FakeRawSocket, FakeSocket, settled } from './fake-socket.ts';

const NO_LIMITS = { socketBytesMax: Infinity, answerBytesMax: Infinity };
const RESULT: PublishResult = {
  source: '/s',
  id: '1',
  origin: 'n',
  sequence: 7,
  destinations: { subscriptions: 1, meshers: [], clusters: [] },
};

interface Call {
  /** The first byte of its batch. */
  readonly name: number;
  readonly batch: EncodedBatch;
  readonly options: { readonly qos: string; readonly report: boolean };
  readonly succeed: () => void;
  readonly fail: (error: unknown) => void;
}

/** Publishers of one mesher, whose door is answered by hand. */
class Bench {
  readonly calls: Call[] = [];
  /** Since they were last looked at. */
  #seen = 0;
  readonly overload: Overload;
  readonly refused: string[] = [];

  constructor(retryMs = 3_600_000) {
    this.overload = new Overload(retryMs);
  }

  publisher(windowBytes = 1_000_000) {
    const socket = new FakeSocket();
    const changes = { count: 0 };
    const publishing = new Publishing(windowBytes, {
      door: {
        publishEncoded: (batch, options) =>
          new Promise((resolve, reject) => {
            this.calls.push({
              name: batch.bytes[0] ?? 0,
              batch,
              options,
              succeed: () => resolve(options.report ? [RESULT] : []),
              fail: reject,
            });
          }),
      },
      outbox: new Outbox(socket.asWebSocket(), new FakeRawSocket(), NO_LIMITS, () => undefined),
      overload: this.overload,
      refused: ({ code }) => void this.refused.push(code),
      changed: () => changes.count++,
    });
    return { socket, publishing, changes };
  }

  /** What was handed in since this was last asked. */
  handedIn(): Call[] {
    const calls = this.calls.slice(this.#seen);
    this.#seen = this.calls.length;
    return calls;
  }
}

const frame = (request: number, more: Partial<PublishFrame> = {}): PublishFrame => ({
  kind: 'publish',
  request,
  qos: 'durable',
  report: false,
  topics: [{ count: 1, topic: 'a' }],
  batch: Uint8Array.of(request, 0, 0, 0, 0, 0, 0, 0, 0, 0),
  ...more,
});
const names = (calls: readonly Call[]): number[] => calls.map(({ name }) => name);
const overloaded = new MeshError('overloaded', 'too much in hand');

test('hands batches in as they are, and at once', () => {
  const bench = new Bench();
  const { publishing } = bench.publisher();
  const given = frame(1, { qos: 'best-effort', report: true });
  publishing.take(given);
  publishing.take(frame(2));
  const [first, second] = bench.handedIn();
  assert.equal(first?.batch.bytes, given.batch);
  assert.equal(first.batch.topics, given.topics);
  assert.deepEqual(first.options, { qos: 'best-effort', report: true });
  assert.deepEqual(second?.options, { qos: 'durable', report: false });
});

test('a wish for fewer replicas goes with its batch; one that is beyond all bounds is refused', () => {
  const bench = new Bench();
  const { publishing, socket } = bench.publisher();
  publishing.take(frame(1, { replicas: 1 }));
  assert.deepEqual(bench.handedIn()[0]?.options, { qos: 'durable', report: false, replicas: 1 });
  publishing.take(frame(2, { replicas: 6 }));
  assert.deepEqual(bench.handedIn(), []);
  assert.deepEqual(bench.refused, ['invalid-request']);
  assert.equal(socket.frames('refused')[0]?.request, 2);
});

test('answers all that were answered in one turn with one frame', async () => {
  const bench = new Bench();
  const { publishing, socket } = bench.publisher();
  for (const request of [1, 2, 3, 4]) publishing.take(frame(request));
  const calls = bench.handedIn();
  for (const each of [2, 0, 1]) calls[each]?.succeed();
  await settled();
  assert.deepEqual(socket.sent, [{ kind: 'accepted', requests: [3, 1, 2] }]);
  assert.equal(publishing.unanswered, 1);
  calls[3]?.succeed();
  await settled();
  assert.deepEqual(socket.sent.at(-1), { kind: 'accepted', requests: [4] });
  assert.equal(publishing.unanswered, 0);
});

test('reports where that is wanted, and says why something was refused', async () => {
  const bench = new Bench();
  const { publishing, socket } = bench.publisher();
  publishing.take(frame(1, { report: true }));
  publishing.take(frame(2));
  const [first, second] = bench.handedIn();
  first?.succeed();
  second?.fail(new MeshError('invalid-topic', 'topic "": it is empty', { details: { position: 1 } }));
  await settled();
  assert.deepEqual(socket.frames('report'), [{ kind: 'report', request: 1, results: [RESULT] }]);
  const [refused] = socket.frames('refused');
  assert.equal(refused?.request, 2);
  assert.deepEqual(refused.problem, {
    type: '/errors/invalid-topic',
    title: 'The topic is malformed',
    status: 400,
    code: 'invalid-topic',
    detail: 'topic "": it is empty',
    retryable: false,
  });
  assert.deepEqual(bench.refused, ['invalid-topic']);
});

test('a fault of ours is told as no more than that', async () => {
  const bench = new Bench();
  const { publishing, socket } = bench.publisher();
  publishing.take(frame(1));
  bench.handedIn()[0]?.fail(new TypeError('secret'));
  await settled();
  const [refused] = socket.frames('refused');
  assert.equal(refused?.problem.code, 'internal');
  assert.doesNotMatch(refused.problem.detail, /secret/);
});

test('a batch of nothing is answered, and nobody else troubled', async () => {
  const bench = new Bench();
  const { publishing, socket } = bench.publisher();
  publishing.take(frame(1, { topics: [], batch: new Uint8Array(0) }));
  await settled();
  assert.deepEqual(socket.sent, [{ kind: 'accepted', requests: [1] }]);
  assert.deepEqual(bench.handedIn(), []);
});

test('is full when more than the window is unanswered', async () => {
  const bench = new Bench();
  const { publishing, changes } = bench.publisher(625);
  publishing.take(frame(1));
  publishing.take(frame(2));
  assert.equal(publishing.isFull, false);
  publishing.take(frame(3));
  assert.equal(publishing.isFull, true);
  const { count } = changes;
  bench.handedIn()[1]?.succeed();
  await settled();
  assert.equal(publishing.isFull, false);
  assert(changes.count > count, 'whoever reads is told');
});

test('is full of frames that have next to nothing in them, too', () => {
  const { publishing } = new Bench().publisher(1_000_000);
  const tiny = frame(1, { batch: Uint8Array.of(0) });
  let taken = 0;
  for (; taken < 100_000 && !publishing.isFull; taken++) publishing.take(tiny);
  assert(taken < 5_001, `${taken} were read`);
});

test('answers more in one turn than one frame may name', async () => {
  const bench = new Bench();
  const { publishing, socket } = bench.publisher(Infinity);
  const nothing = { topics: [], batch: new Uint8Array(0) };
  for (let request = 1; request <= 65_537; request++) publishing.take(frame(request, nothing));
  await settled();
  const requests = socket.frames('accepted').map((each) => each.requests);
  assert.deepEqual(
    requests.map(({ length }) => length),
    [65_536, 1],
  );
  assert.deepEqual(requests[1], [65_537]);
});

test('keeps its order through an overloaded mesher, and the client sees nothing of it', async () => {
  const bench = new Bench();
  const { publishing, socket } = bench.publisher();
  for (const request of [1, 2, 3]) publishing.take(frame(request));
  const [first, second, third] = bench.handedIn();
  // The mesher refuses all that came after the first it had no room for (mesher-core.ts).
  second?.fail(overloaded);
  third?.fail(overloaded);
  await settled();
  assert.equal(publishing.isFull, true, 'nothing more is to be read');
  publishing.take(frame(4));
  assert.deepEqual(bench.handedIn(), []);
  first?.succeed();
  await settled();
  const again = bench.handedIn();
  assert.deepEqual(names(again), [2, 3, 4]);
  again[0]?.fail(overloaded);
  again[1]?.fail(overloaded);
  again[2]?.fail(overloaded);
  await settled();
  publishing.take(frame(5));
  assert.deepEqual(names(bench.handedIn()), []);
  await settled();
  assert.deepEqual(socket.frames('refused'), []);
  assert.equal(publishing.unanswered, 4);
});

test('tries again after a while where nothing is answered', async () => {
  const bench = new Bench(1);
  const { publishing } = bench.publisher();
  publishing.take(frame(1));
  bench.handedIn()[0]?.fail(overloaded);
  await settled();
  while (bench.calls.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual(names(bench.handedIn()), [1]);
});

test('a refusal that comes in the turn of an answer is still before what was read later', async () => {
  const bench = new Bench();
  const a = bench.publisher();
  const b = bench.publisher();
  a.publishing.take(frame(1));
  b.publishing.take(frame(11));
  a.publishing.take(frame(2));
  const [one, other, two] = bench.handedIn();
  one?.fail(overloaded);
  other?.succeed(); // there is room again, says this, before the second refusal is heard
  two?.fail(overloaded);
  for (let hops = 0; hops < 10; hops++) await Promise.resolve(); // what a turn leaves behind, before the next is read
  a.publishing.take(frame(3));
  await settled();
  assert.deepEqual(names(bench.handedIn()), [1, 2, 3]);
});

test('all connections wait while the mesher is overloaded, and go on in the order in which they began to', async () => {
  const bench = new Bench();
  const [a, b, c] = [bench.publisher(), bench.publisher(), bench.publisher()];
  a.publishing.take(frame(1));
  b.publishing.take(frame(11));
  bench.handedIn()[0]?.fail(overloaded);
  await settled();
  c.publishing.take(frame(21));
  b.publishing.take(frame(12));
  assert.deepEqual(bench.handedIn(), []);
  assert.equal(b.publishing.isFull && c.publishing.isFull, true);
  bench.calls[1]?.succeed();
  await settled();
  assert.deepEqual(names(bench.handedIn()), [1, 21, 12]);
});

test('when it stops, what waits is refused and what was handed in is answered', async () => {
  const bench = new Bench();
  const { publishing, socket } = bench.publisher();
  for (const request of [1, 2]) publishing.take(frame(request));
  const [first, second] = bench.handedIn();
  second?.fail(overloaded);
  await settled();
  publishing.take(frame(3));
  publishing.stop();
  publishing.take(frame(4));
  assert.deepEqual(
    socket.frames('refused').map(({ request, problem }) => [request, problem.code]),
    [
      [2, 'shutting-down'],
      [3, 'shutting-down'],
      [4, 'shutting-down'],
    ],
  );
  assert.equal(publishing.unanswered, 1);
  first?.succeed();
  await settled();
  assert.deepEqual(socket.sent.at(-1), { kind: 'accepted', requests: [1] });
  assert.deepEqual(bench.handedIn(), []);
});

test('what is refused as overloaded once it stops is not tried again', async () => {
  const bench = new Bench();
  const { publishing, socket } = bench.publisher();
  publishing.take(frame(1));
  publishing.stop();
  bench.handedIn()[0]?.fail(overloaded);
  await settled();
  assert.deepEqual(
    socket.frames('refused').map(({ problem }) => problem.code),
    ['shutting-down'],
  );
  assert.equal(publishing.unanswered, 0);
});

test('a connection that is gone hands in nothing more', async () => {
  const bench = new Bench();
  const a = bench.publisher();
  const b = bench.publisher();
  a.publishing.take(frame(1));
  b.publishing.take(frame(11));
  bench.handedIn()[0]?.fail(overloaded);
  await settled();
  a.publishing.end();
  bench.calls[1]?.succeed();
  await settled();
  assert.deepEqual(bench.handedIn(), []);
});
