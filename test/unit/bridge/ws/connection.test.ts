import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WsBounds } from '../../../../bridge/ws/config.ts';
import { WS_BOUNDS, WS_TIMING } from '../../../../bridge/ws/config.ts';
import { Connection } from '../../../../bridge/ws/connection.ts';
import { splitBatch } from '../../../../bridge/ws/frames/batch.ts';
import type { RangeSettlement } from '../../../../bridge/ws/frames/client-frames.ts';
import {
  encodeClose,
  encodeCredit,
  encodeOpen,
  encodePublish,
  encodeSettle,
} from '../../../../bridge/ws/frames/client-frames.ts';
import { SharedDeliveries } from '../../../../bridge/ws/frames/deliver-frame.ts';
import { Overload } from '../../../../bridge/ws/overload.ts';
import { ReceiveBudget } from '../../../../bridge/ws/receive-budget.ts';
import type { CloudEvent } from '../../../../node/core/cloud-event.ts';
import { NO_TOKEN } from '../../../../node/core/delivery-token.ts';
import { MeshError } from '../../../../node/core/errors.ts';
import { LIMITS } from '../../../../node/core/limits.ts';
import { parseSubscription } from '../../../../node/core/subscription.ts';
import { decodeCloudEvent, encodeCloudEvent } from '../../../../node/wire/cloud-event-protobuf.ts';
import { storedEvent } from '../../../support/events.ts';
import { FakeFrontDoor } from '../../../support/front-door.ts';
import { FakeRawSocket, FakeSocket, settled } from './fake-socket.ts';

const MIB = 1024 * 1024;

/** A connection before a front door in memory; time by hand. */
class Bench {
  readonly door: FakeFrontDoor;
  readonly socket = new FakeSocket();
  readonly raw = new FakeRawSocket();
  readonly refused: string[] = [];
  readonly budget: ReceiveBudget;
  readonly connection: Connection;
  hasEnded = false;
  #request = 0;

  constructor(
    given: {
      bounds?: Partial<WsBounds>;
      budget?: ReceiveBudget;
      door?: FakeFrontDoor;
      windowBytes?: number;
    } = {},
  ) {
    this.door = given.door ?? new FakeFrontDoor();
    this.budget = given.budget ?? new ReceiveBudget(64 * MIB);
    const { node, cluster, federation } = this.door;
    const messages = {
      batchBytesMax: MIB,
      messageBytesMax: 2 * MIB,
      publishWindowBytes: given.windowBytes ?? MIB,
    };
    const { eventBytesMax, batchEventsMax } = LIMITS;
    const bounds = { ...WS_BOUNDS, ...given.bounds };
    const { streamsMax } = bounds;
    const limits = { eventBytesMax, batchEventsMax, ...messages, streamsMax, replicasMax: 5, neighbours: [] };
    this.connection = new Connection(
      this.socket.asWebSocket(),
      this.raw.asSocket(),
      0,
      {
        welcome: { node, cluster, federation, version: '1', ...limits },
        messages,
        bounds,
        timing: WS_TIMING,
      },
      {
        door: this.door,
        overload: new Overload(1),
        shared: new SharedDeliveries(),
        budget: this.budget,
        refused: (reason) => void this.refused.push(reason),
        log: { error: () => undefined },
        ended: () => {
          this.hasEnded = true;
        },
      },
    );
    this.connection.open();
  }

  send(frame: Uint8Array): void {
    this.socket.emit('message', Buffer.from(frame), true);
  }

  publish(...ids: string[]): number {
    const request = ++this.#request;
    const head = { qos: 'durable', report: false, topics: [{ count: ids.length, topic: 'orders' }] } as const;
    this.send(
      encodePublish(
        { request, ...head },
        ids.map((id) => encodeCloudEvent(event(id))),
      ),
    );
    return request;
  }

  settle(stream: number, ...settlements: RangeSettlement[]): number {
    const request = ++this.#request;
    this.send(encodeSettle(stream, request, settlements));
    return request;
  }

  isRead(): boolean {
    return !this.socket.isPaused;
  }

  async subscribe(name: string, delivery: object = {}): Promise<void> {
    await this.door.putSubscription(parseSubscription(name, { topic: 'orders', delivery }, LIMITS));
  }

  open(stream: number, subject: string, credit = 100, source: 'durable' | 'ephemeral' = 'durable'): void {
    this.send(encodeOpen({ stream, source, credit, subject, group: '' }));
  }

  /** `number id attempt` of what was delivered on a stream. */
  delivered(stream: number): string[] {
    return this.socket
      .frames('deliver')
      .filter((frame) => frame.stream === stream)
      .flatMap((frame) =>
        splitBatch(frame.batch, frame.count).map(
          (bytes, i) => `${frame.first + i} ${decodeCloudEvent(bytes).id} ${frame.attempts[i]}`,
        ),
      );
  }
}

const event = (id: string, bytes = 1): CloudEvent => ({
  id,
  source: '/s',
  type: 't',
  attributes: new Map(),
  data: { type: 'binary', value: new Uint8Array(bytes) },
});
const ack = (first: number, count = 1): RangeSettlement => ({ kind: 'ack', ranges: [{ first, count }] });

test('says who it is before anything else', () => {
  const { socket } = new Bench();
  const [welcome] = socket.frames('welcome');
  assert.equal(welcome?.welcome.node, '12D3KooWFake');
  assert.equal(welcome.welcome.messageBytesMax, 2 * MIB);
  assert.equal(welcome.welcome.streamsMax, 256);
});

test('delivers what was published, with numbers, as the bytes that came', async () => {
  const bench = new Bench();
  await bench.subscribe('s');
  bench.open(1, 's');
  bench.publish('a', 'b');
  await settled();
  bench.publish('c');
  await settled();
  assert.deepEqual(
    bench.socket.frames('accepted').flatMap(({ requests }) => requests),
    [1, 2],
  );
  assert.deepEqual(bench.delivered(1), ['1 a 1', '2 b 1', '3 c 1']);
  const [first] = bench.socket.frames('deliver');
  assert.deepEqual([first?.topics, first?.origins[0]?.node], [['orders'], '12D3KooWFake']);
});

test('settles by ranges: done with, again, or never again', async () => {
  const bench = new Bench();
  await bench.subscribe('s');
  bench.open(1, 's');
  bench.publish('a', 'b', 'c', 'd', 'e');
  await settled();
  const request = bench.settle(
    1,
    {
      kind: 'ack',
      ranges: [
        { first: 1, count: 1 },
        { first: 4, count: 1 },
      ],
    },
    { kind: 'retry', delayMs: 500, ranges: [{ first: 2, count: 1 }] },
    { kind: 'reject', reason: 'no', ranges: [{ first: 3, count: 1 }] },
  );
  await settled();
  assert.deepEqual(bench.socket.frames('settled'), [{ kind: 'settled', request, stale: [] }]);
  assert.deepEqual(
    bench.door.settlements.map(({ kind }) => kind),
    ['ack', 'ack', 'retry', 'reject'],
  );
  assert.deepEqual(
    bench.door.deadLetters.map(({ reason }) => reason),
    ['no'],
  );
  bench.door.tick(499);
  assert.equal(bench.delivered(1).length, 5);
  bench.door.tick(1);
  assert.deepEqual(bench.delivered(1).slice(5), ['6 b 2']);
});

test('names what was not to be settled any more, and settles the rest', async () => {
  const bench = new Bench();
  await bench.subscribe('s');
  bench.open(1, 's');
  bench.publish('a', 'b', 'c', 'd');
  await settled();
  bench.settle(1, ack(2));
  await settled();
  const again = bench.settle(1, ack(1, 4), ack(3));
  await settled();
  assert.deepEqual(bench.socket.frames('settled').at(-1), {
    kind: 'settled',
    request: again,
    stale: [{ first: 2, count: 2 }],
  });
  assert.equal(bench.door.subscription('s')?.depth, 0);
  const nothing = bench.settle(1, ack(1, 4));
  await settled();
  assert.deepEqual(bench.socket.frames('settled').at(-1)?.stale, [{ first: 1, count: 4 }]);
  assert.equal(bench.socket.frames('settled').at(-1)?.request, nothing);
});

test('settling again and again what is settled costs next to nothing, however much it names', async () => {
  const most = 131_072;
  const bench = new Bench();
  bench.door.attach = (_name, _options, events) => {
    const delivery = {
      event: storedEvent(),
      token: NO_TOKEN,
      attempt: 1,
    };
    assert('deliverEncoded' in events);
    events.deliverEncoded(Array.from({ length: most }, () => delivery));
    return { grant: () => undefined, close: () => undefined };
  };
  bench.door.settle = (_name, settlements) => Promise.resolve({ settled: settlements.length, stale: [] });
  bench.open(1, 's');
  bench.open(2, 's');
  bench.settle(1, ack(1, most));
  bench.send(encodeClose(2));
  await settled();
  assert.deepEqual(bench.socket.frames('settled')[0]?.stale, []);
  for (const stream of [1, 2]) {
    const before = process.cpuUsage();
    for (let i = 0; i < 500; i++) bench.settle(stream, ack(1, most));
    const { user, system } = process.cpuUsage(before);
    assert(user + system < 1_000_000, `500 took ${user + system} µs on stream ${stream}`);
    assert.deepEqual(bench.socket.frames('settled').at(-1)?.stale, [{ first: 1, count: most }]);
  }
});

test('what the door finds stale is named by its number', async () => {
  const bench = new Bench();
  await bench.subscribe('s');
  bench.open(1, 's');
  bench.publish('a', 'b', 'c');
  await settled();
  bench.door.settle = (_name, settlements) =>
    Promise.resolve({ settled: 1, stale: settlements.filter((_each, i) => i !== 1) });
  bench.settle(1, ack(1, 3));
  await settled();
  assert.deepEqual(bench.socket.frames('settled').at(-1)?.stale, [
    { first: 1, count: 1 },
    { first: 3, count: 1 },
  ]);
});

test('a settlement that was refused may be tried again', async () => {
  const bench = new Bench();
  await bench.subscribe('s');
  bench.open(1, 's');
  bench.publish('a');
  await settled();
  const real = bench.door.settle.bind(bench.door);
  bench.door.settle = () => Promise.reject(new MeshError('disk-full', 'no room'));
  const request = bench.settle(1, ack(1));
  await settled();
  const [refused] = bench.socket.frames('refused');
  assert.deepEqual(
    [refused?.request, refused?.problem.code, refused?.problem.retryable],
    [request, 'disk-full', true],
  );
  bench.door.settle = real;
  bench.settle(1, ack(1));
  await settled();
  assert.deepEqual(bench.socket.frames('settled').at(-1)?.stale, []);
  assert.equal(bench.door.subscription('s')?.depth, 0);
});

test('refuses a settlement with what HTTP would not take', async () => {
  const bench = new Bench();
  await bench.subscribe('s');
  bench.open(1, 's');
  bench.publish('a');
  await settled();
  bench.settle(1, { kind: 'retry', delayMs: 3_600_001, ranges: [{ first: 1, count: 1 }] });
  bench.settle(1, { kind: 'reject', reason: 'x'.repeat(1025), ranges: [{ first: 1, count: 1 }] });
  await settled();
  assert.deepEqual(
    bench.socket.frames('refused').map(({ problem }) => problem.code),
    ['invalid-request', 'invalid-request'],
  );
  assert.deepEqual(bench.door.settlements, []);
});

test('grants no more than the client has', async () => {
  const bench = new Bench();
  await bench.subscribe('s');
  bench.open(1, 's', 2);
  bench.publish('a', 'b', 'c', 'd', 'e');
  await settled();
  assert.equal(bench.delivered(1).length, 2);
  bench.send(encodeCredit(1, 1));
  await settled();
  assert.deepEqual(bench.delivered(1).slice(2), ['3 c 1']);
  bench.send(encodeCredit(1, Number.MAX_SAFE_INTEGER));
  bench.send(encodeCredit(1, Number.MAX_SAFE_INTEGER));
  await settled();
  assert.equal(bench.delivered(1).length, 5);
});

test('an ephemeral stream has numbers, and nothing to settle', async () => {
  const bench = new Bench();
  bench.open(7, 'orders/#', 10, 'ephemeral');
  await settled();
  bench.send(
    encodePublish(
      { request: 1, qos: 'best-effort', report: false, topics: [{ count: 1, topic: 'orders/eu' }] },
      [encodeCloudEvent(event('a'))],
    ),
  );
  await settled();
  assert.deepEqual(bench.delivered(7), ['1 a 1']);
  bench.settle(7, ack(1));
  assert.deepEqual(bench.socket.frames('settled').at(-1)?.stale, [{ first: 1, count: 1 }]);
  assert.equal(bench.door.published[0]?.options.qos, 'best-effort');
});

test('a message holds as many events as its bound allows; a larger one goes alone', async () => {
  const bench = new Bench({ bounds: { deliverBytes: 1000 } });
  await bench.subscribe('s');
  const sizes = [300, 300, 300, 5000, 10, 10];
  for (const [i, bytes] of sizes.entries())
    await bench.door.publish([event(`${i}`, bytes)], { qos: 'durable', topic: 'orders' });
  bench.open(1, 's');
  await settled();
  assert.deepEqual(
    bench.socket.frames('deliver').map(({ count }) => count),
    [2, 1, 1, 2],
  );
  assert.deepEqual(bench.delivered(1), ['1 0 1', '2 1 1', '3 2 1', '4 3 1', '5 4 1', '6 5 1']);
});

test('what is sent in one turn is written at its end, at once', async () => {
  const bench = new Bench();
  bench.open(1, 'orders', 10, 'ephemeral');
  await bench.door.publish([event('a')], { qos: 'best-effort', topic: 'orders' });
  await settled();
  const [sent, written] = [bench.socket.sent.length, bench.raw.uncorked];
  bench.settle(1, ack(1));
  bench.settle(1, ack(1));
  assert.equal(bench.socket.sent.length, sent + 2);
  assert.equal(bench.raw.isCorked, true);
  assert.equal(bench.raw.uncorked, written);
  await Promise.resolve();
  assert.equal(bench.raw.uncorked, written + 1);
});

test('what goes to two streams at once is written once, and each has its own numbers', async () => {
  const bench = new Bench();
  bench.open(1, 'orders', 10, 'ephemeral');
  bench.open(2, 'orders', 10, 'ephemeral');
  await settled();
  for (const [id, bytes] of [
    ['small', 10],
    ['large', 5000],
  ] as const) {
    await bench.door.publish([event(id, bytes)], { qos: 'best-effort', topic: 'orders' });
    await settled();
  }
  assert.deepEqual(bench.delivered(1), ['1 small 1', '2 large 1']);
  assert.deepEqual(bench.delivered(2), bench.delivered(1));
  assert.equal(bench.socket.fragmented, 1, 'small ones are copied');
});

test('what a client does not read stays in its queue, but for a bounded part', async () => {
  const bench = new Bench({ bounds: { socketBytesMax: 100_000 } });
  await bench.subscribe('s', { maxInFlight: 100_000 });
  for (let i = 0; i < 100; i++)
    await bench.door.publish(
      Array.from({ length: 10 }, (_, j) => event(`${i * 10 + j}`, 1000)),
      { qos: 'durable', topic: 'orders' },
    );
  bench.socket.isStuck = true;
  bench.open(1, 's', 1_000_000);
  for (let turns = 0; turns < 50; turns++) await settled();
  const stuck = bench.delivered(1).length;
  assert(bench.socket.bufferedAmount > 100_000, 'the bound was reached');
  assert(bench.socket.bufferedAmount < 250_000, `${bench.socket.bufferedAmount} bytes wait in the socket`);
  assert(stuck < 250);
  assert.equal(bench.socket.isPaused, false, 'it is read from all the same');
  bench.socket.drain();
  for (let turns = 0; turns < 50; turns++) await settled();
  assert.equal(bench.delivered(1).length, 1000);
});

test('streams share what the socket may hold', async () => {
  const bench = new Bench({ bounds: { socketBytesMax: 100_000 } });
  for (let i = 0; i < 10; i++) await bench.subscribe(`s${i}`, { maxInFlight: 100_000 });
  const many = Array.from({ length: 500 }, (_, i) => event(`${i}`, 1000));
  await bench.door.publish(many, { qos: 'durable', topic: 'orders' });
  for (let i = 0; i < 10; i++) bench.open(i + 1, `s${i}`, 1_000_000);
  for (let turns = 0; turns < 50; turns++) await settled();
  for (let i = 0; i < 10; i++) assert.equal(bench.delivered(i + 1).length, 500);
  bench.socket.isStuck = true;
  const before = bench.socket.sizes.reduce((sum, size) => sum + size, 0);
  await bench.door.publish(many, { qos: 'durable', topic: 'orders' });
  for (let turns = 0; turns < 50; turns++) await settled();
  const waiting = bench.socket.sizes.reduce((sum, size) => sum + size, 0) - before;
  assert(waiting < 300_000, `${waiting} bytes wait in the socket`);
});

test('answers that nobody reads stop the reading', async () => {
  const bench = new Bench({ bounds: { socketBytesMax: 1_000, answerBytesMax: 10_000 } });
  await bench.subscribe('s');
  bench.open(1, 's');
  bench.publish('a');
  await settled();
  bench.settle(1, ack(1));
  await settled();
  bench.socket.isStuck = true;
  let asked = 0;
  for (; asked < 100_000 && !bench.socket.isPaused; asked++) bench.settle(1, ack(1));
  assert(asked > 100 && asked < 10_000, `${asked} were read`);
  bench.socket.drain();
  assert.equal(bench.socket.isPaused, false);
});

test('reads no more than may be unanswered, and goes on when it was answered', async () => {
  const bench = new Bench({ windowBytes: 500 });
  const answers: (() => void)[] = [];
  bench.door.publishEncoded = () => new Promise((resolve) => answers.push(() => resolve([])));
  bench.publish('a', 'b');
  assert.equal(bench.isRead(), true);
  while (bench.isRead()) bench.publish('more', 'and', 'more');
  for (const answer of answers.splice(0)) answer();
  await settled();
  assert.equal(bench.isRead(), true);
});

test('says why a stream cannot be opened, and takes the next', async () => {
  const bench = new Bench({ bounds: { streamsMax: 2 } });
  await bench.subscribe('s');
  bench.open(1, 'none');
  bench.open(2, 'a//b', 1, 'ephemeral');
  bench.send(encodeOpen({ stream: 3, source: 'durable', credit: 1, subject: 's', group: 'g' }));
  bench.send(encodeOpen({ stream: 4, source: 'ephemeral', credit: 1, subject: 'a', group: '' }));
  bench.send(encodeOpen({ stream: 5, source: 'ephemeral', credit: 1, subject: 'a', group: '#' }));
  bench.open(6, 's');
  bench.open(7, 's');
  await settled();
  assert.deepEqual(
    bench.socket.frames('closed').map(({ stream, problem }) => `${stream} ${problem.code}`),
    [
      '1 subscription-not-found',
      '2 invalid-filter',
      '3 invalid-request',
      '5 invalid-subscription',
      '7 overloaded',
    ],
  );
  assert.equal(bench.connection.streams, 2);
  assert.equal(bench.socket.closeCode(), undefined);
});

test('says why the mesher ended a stream; what comes for it then is harmless', async () => {
  const bench = new Bench();
  await bench.subscribe('s');
  await bench.subscribe('t');
  bench.open(1, 's');
  bench.open(2, 't');
  bench.publish('a');
  await settled();
  await bench.door.deleteSubscription('s');
  await bench.subscribe('t', { retries: 1 });
  assert.deepEqual(
    bench.socket
      .frames('closed')
      .map(({ stream, problem }) => [stream, problem.reason, problem.code, problem.retryable]),
    [
      [1, 'deleted', 'subscription-not-found', false],
      [2, 'replaced', 'not-ready', true],
    ],
  );
  bench.settle(1, ack(1));
  bench.send(encodeCredit(1, 5));
  bench.send(encodeClose(2));
  await settled();
  assert.deepEqual(bench.socket.frames('settled').at(-1)?.stale, [{ first: 1, count: 1 }]);
  assert.equal(bench.socket.closeCode(), undefined);
});

test('what is unsettled when a stream is closed, or the connection is gone, goes back to the queue', async () => {
  const bench = new Bench();
  await bench.subscribe('s');
  bench.open(1, 's');
  bench.publish('a');
  await settled();
  bench.send(encodeClose(1));
  bench.open(2, 's');
  await settled();
  assert.deepEqual(bench.delivered(2), ['1 a 2']);
  bench.socket.gone();
  assert.equal(bench.hasEnded, true);
  const other = new Bench({ door: bench.door });
  other.open(1, 's');
  await settled();
  assert.deepEqual(other.delivered(1), ['1 a 3']);
});

test('ends a connection whose frame is none, and says what was wrong and where', async () => {
  const cases: [name: string, bytes: Uint8Array, reason: string, why: RegExp][] = [
    ['nothing', new Uint8Array(0), 'cut-short', /^a frame: /],
    ['an unknown type', Uint8Array.of(9), 'unknown-kind', /type 9/],
    ['a frame cut short', encodeCredit(1, 300).subarray(0, 3), 'cut-short', /^CREDIT: /],
    ['bytes after the end', Uint8Array.of(5, 1, 0), 'trailing-bytes', /^CLOSE: 1 bytes after the end/],
    ['credit for no stream', encodeCredit(2, 1), 'bad-value', /^CREDIT: the stream 2 was never opened/],
    ['an end of no stream', encodeClose(2), 'bad-value', /^CLOSE: /],
    [
      'a stream out of order',
      encodeOpen({ stream: 1, source: 'durable', credit: 0, subject: 's', group: '' }),
      'bad-value',
      /^OPEN: the stream 1 comes after 1/,
    ],
    [
      'deliveries that were not made',
      encodeSettle(1, 1, [ack(1, 2)]),
      'bad-value',
      /^SETTLE: delivery 2 is settled, the last one was 1/,
    ],
  ];
  for (const [name, bytes, reason, why] of cases) {
    const bench = new Bench();
    await bench.subscribe('s');
    bench.open(1, 's');
    bench.publish('a');
    await settled();
    bench.send(bytes);
    assert.equal(bench.socket.closeCode(), 1002, name);
    assert.match(bench.socket.closed?.reason ?? '', why);
    assert.deepEqual(bench.refused, [reason]);
    bench.send(bytes);
    bench.publish('later');
    await settled();
    assert.equal(bench.door.published.length, 1, 'nothing is taken any more');
    assert.equal(bench.door.subscription('s')?.sessions, 0);
  }
});

test('ends a connection with a text message', () => {
  const bench = new Bench();
  bench.socket.emit('message', Buffer.from('hello'), false);
  assert.equal(bench.socket.closeCode(), 1003);
  assert.deepEqual(bench.refused, ['text-message']);
});

test('what is ended for what it did is heard no more, and what it holds counts until its socket is gone', () => {
  const budget = new ReceiveBudget(3_000);
  const [oldest, bad, other] = [new Bench({ budget }), new Bench({ budget }), new Bench({ budget })];
  oldest.raw.emit('data', Buffer.alloc(10));
  bad.raw.emit('data', Buffer.alloc(2_000));
  bad.socket.emit('message', Buffer.from('a'), false);
  assert.equal(bad.raw.isEnded, true);
  assert.equal(bad.raw.listenerCount('data'), 0, 'nothing more is gathered');
  other.raw.emit('data', Buffer.alloc(1_500));
  assert.equal(other.isRead(), false);
  bad.socket.gone();
  assert.equal(other.isRead(), true);
});

test('what the library finds wrong with the framing is counted, and ends what is open', async () => {
  const bench = new Bench();
  await bench.subscribe('s');
  bench.open(1, 's');
  await settled();
  bench.socket.emit(
    'error',
    Object.assign(new RangeError('no'), { code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' }),
  );
  assert.deepEqual(bench.refused, ['ws-err-unsupported-message-length']);
  assert.equal(bench.door.subscription('s')?.sessions, 0);
});

test('pings every 15 s, and ends what was silent for 30', () => {
  const bench = new Bench();
  for (let now = 1_000; now <= 29_000; now += 1_000) bench.connection.sweep(now);
  assert.equal(bench.socket.pings, 1);
  bench.raw.emit('data', Buffer.alloc(2)); // whatever it was
  for (let now = 30_000; now <= 59_000; now += 1_000) bench.connection.sweep(now);
  assert.equal(bench.socket.isTerminated, false);
  assert.equal(bench.socket.pings, 3);
  bench.connection.sweep(60_000);
  assert.equal(bench.socket.isTerminated, true);
  assert.equal(bench.hasEnded, true);
  assert.deepEqual(bench.refused, ['silent']);
});

test('a slow client that takes what it is sent is not silent, and one that takes nothing is', () => {
  const bench = new Bench();
  bench.raw.writableLength = 1_000_000;
  for (let now = 1_000; now <= 100_000; now += 1_000) {
    bench.raw.bytesWritten = 2_000_000 + now;
    bench.connection.sweep(now);
  }
  assert.equal(bench.socket.isTerminated, false);
  for (let now = 101_000; now <= 130_000; now += 1_000) bench.connection.sweep(now);
  assert.equal(bench.socket.isTerminated, true);
});

test('a connection that is not read from is not taken for silent', () => {
  const bench = new Bench();
  bench.socket.isPaused = true;
  for (let now = 1_000; now <= 100_000; now += 1_000) bench.connection.sweep(now);
  assert.equal(bench.socket.isTerminated, false);
});

test('ends a connection whose message drips in for too long', () => {
  const bench = new Bench();
  for (let now = 1_000; now <= 59_000; now += 1_000) {
    bench.raw.emit('data', Buffer.alloc(10));
    bench.connection.sweep(now);
  }
  assert.equal(bench.socket.closeCode(), undefined);
  bench.raw.emit('data', Buffer.alloc(10));
  bench.connection.sweep(60_000);
  assert.deepEqual(bench.socket.closeCode(), 1002);
  assert.deepEqual(bench.refused, ['request-timeout']);
});

test('messages that are not whole yet share a budget: beyond it only the oldest is read on', () => {
  const budget = new ReceiveBudget(3_000);
  const benches = [
    new Bench({ budget }),
    new Bench({ budget }),
    new Bench({ budget }),
    new Bench({ budget }),
  ];
  const [a, b, c, d] = benches;
  const read = (): string => benches.map((bench) => (bench.isRead() ? 'r' : '-')).join('');
  const chunk = (bench: Bench | undefined, bytes: number): void =>
    void bench?.raw.emit('data', Buffer.alloc(bytes));
  for (const bench of [a, b, c]) chunk(bench, 900);
  assert.equal(read(), 'rrrr');
  chunk(b, 900);
  assert.equal(read(), 'r-rr');
  chunk(c, 900);
  chunk(d, 10);
  assert.equal(read(), 'r---');
  chunk(a, 10_000); // nobody would get on otherwise
  assert.equal(read(), 'r---');
  a?.socket.emit('ping', Buffer.alloc(10_900 - 8)); // its message is whole
  chunk(a, 0);
  assert.equal(read(), 'rr--', 'the next oldest goes on');
  b?.socket.gone();
  assert.equal(read(), 'rrrr');
});

test('a client that always has the next message on its way is not the oldest for ever', () => {
  const budget = new ReceiveBudget(3_000);
  const [busy, other] = [new Bench({ budget }), new Bench({ budget })];
  busy.raw.emit('data', Buffer.alloc(1_000));
  other.raw.emit('data', Buffer.alloc(1_000));
  busy.socket.emit('ping', Buffer.alloc(1_000)); // whole, in a chunk with the beginning of the next
  busy.raw.emit('data', Buffer.alloc(2_200));
  assert.equal(busy.isRead(), false);
  other.raw.emit('data', Buffer.alloc(2_000));
  assert.equal(other.isRead(), true);
});

test('when the mesher stops, streams are told, what is under way is answered, and then it closes', async () => {
  const bench = new Bench();
  await bench.subscribe('s');
  bench.open(1, 's');
  await settled();
  const answers: (() => void)[] = [];
  bench.door.publishEncoded = () => new Promise((resolve) => answers.push(() => resolve([])));
  const request = bench.publish('a');
  bench.connection.stop();
  assert.equal(bench.socket.frames('closed')[0]?.problem.reason, 'shutting-down');
  assert.equal(bench.door.subscription('s')?.sessions, 0);
  const late = bench.publish('b');
  bench.open(2, 's');
  await settled();
  assert.deepEqual(
    bench.socket.frames('refused').map(({ request: refused, problem }) => [refused, problem.code]),
    [[late, 'shutting-down']],
  );
  assert.equal(bench.socket.frames('closed')[1]?.problem.code, 'shutting-down');
  assert.equal(bench.socket.closeCode(), undefined, 'one answer is missing');
  for (const answer of answers) answer();
  await settled();
  assert.deepEqual(bench.socket.sent.at(-1), { kind: 'accepted', requests: [request] });
  assert.equal(bench.socket.closeCode(), 1001);
});

test('a SETTLE under way when the mesher stops is answered before it closes', async () => {
  const bench = new Bench();
  await bench.subscribe('s');
  bench.open(1, 's');
  bench.publish('a');
  await settled();
  let answer = (): void => undefined;
  bench.door.settle = () =>
    new Promise((resolve) => {
      answer = () => resolve({ settled: 1, stale: [] });
    });
  const request = bench.settle(1, ack(1));
  bench.connection.stop();
  await settled();
  assert.equal(bench.socket.closeCode(), undefined);
  answer();
  await settled();
  assert.deepEqual(bench.socket.frames('settled'), [{ kind: 'settled', request, stale: [] }]);
  assert.equal(bench.socket.closeCode(), 1001);
});
