// The streaming protocol over real sockets to real meshers, spoken by hand: what the client library is built on.

import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { after, before, suite, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { wsBridge } from '../../bridge/ws/bridge.ts';
import type { WsBridgeOptions } from '../../bridge/ws/config.ts';
import { encodeCredit } from '../../bridge/ws/frames/client-frames.ts';
import type { CloudEvent } from '../../node/core/cloud-event.ts';
import { LIMITS } from '../../node/core/limits.ts';
import { buildHttpServer, startHttpServer } from '../../node/http/server.ts';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { payload } from '../support/events.ts';
import { FakeFrontDoor } from '../support/front-door.ts';
import { fakeView } from '../support/mesher-view.ts';
import { until } from '../support/until.ts';
import { ack, WsClient } from '../support/ws-client.ts';

const event = (id: string | number, bytes = 10): CloudEvent => ({
  id: `${id}`,
  source: '/ws-test',
  type: 'com.example.test',
  attributes: new Map(),
  data: { type: 'binary', value: payload(Number(id) || 1, bytes) },
});
const ids = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => `${from + i}`);

/** A TCP connection that has become a WebSocket; `head` comes right behind the request. It does not end by itself. */
async function upgraded(t: TestContext, url: string, head: Uint8Array = new Uint8Array(0)): Promise<Socket> {
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true });
  t.after(() => socket.destroy());
  socket.on('error', () => undefined);
  socket.write(
    Buffer.concat([
      Buffer.from(
        `GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${'A'.repeat(22)}==\r\nSec-WebSocket-Protocol: causeway.v1\r\n\r\n`,
      ),
      head,
    ]),
  );
  const [first] = (await once(socket, 'data')) as [Buffer];
  assert.match(first.toString('latin1'), /^HTTP\/1\.1 101/);
  return socket;
}

suite('two clusters', () => {
  let federation: Federation;
  let a: RunningMesher;
  let b: RunningMesher;
  const ends: (() => Promise<void>)[] = [];
  before(async () => {
    federation = await Federation.start({ after: (end) => ends.push(end) }, { clusters: { a: 1, b: 1 } });
    [a, b] = [federation.mesher('a'), federation.mesher('b')];
  });

  after(async () => {
    for (const end of ends) await end();
  });

  const depth = async (mesher: RunningMesher, name: string): Promise<number> => {
    const { state } = await mesher.get<{ state: { depth: number } }>(`/v1/subscriptions/${name}`);
    return state.depth;
  };

  test('batches published in one cluster are delivered in the other in order, and settled', async (t) => {
    await b.putSubscription('orders', {
      topic: 'orders/#',
      delivery: { ordered: true, maxInFlight: 10_000 },
    });
    await federation.whenRouted(a, 'orders/eu', ['b']);
    const publisher = await WsClient.open(t, a.http);
    const subscriber = await WsClient.open(t, b.http);
    subscriber.open(1, 'orders');
    const keyed = (id: string): CloudEvent => ({
      ...event(id),
      attributes: new Map([['partitionkey', { type: 'string', value: 'k' }]]),
    });
    let last = 0;
    for (let batch = 0; batch < 20; batch++)
      last = publisher.publish('orders/eu', ids(batch * 20 + 1, batch * 20 + 20).map(keyed));
    await publisher.whenAccepted(last);
    const settledTo = { number: 0 };
    while (settledTo.number < 400) {
      const got = await subscriber.whenReceived(settledTo.number + 1);
      const { length } = got;
      const { stale } = await subscriber.settle(1, ack(settledTo.number + 1, length - settledTo.number));
      assert.deepEqual(stale, []);
      settledTo.number = length;
    }
    assert.deepEqual(
      subscriber.received.map(({ id }) => id),
      ids(1, 400),
    );
    assert.deepEqual(
      subscriber.received.map(({ number }) => number),
      ids(1, 400).map(Number),
    );
    assert(subscriber.received.every(({ topic, attempt }) => topic === 'orders/eu' && attempt === 1));
    await until('nothing is left', async () => (await depth(b, 'orders')) === 0);
  });

  test('what is retried comes again, what is rejected becomes a dead letter with its reason', async (t) => {
    await a.putSubscription('tasks', { topic: 'tasks', delivery: { deadLetterTopic: 'dead/tasks' } });
    await a.putSubscription('dead', { topic: 'dead/#' });
    const client = await WsClient.open(t, a.http);
    client.open(1, 'tasks');
    client.open(2, 'dead');
    client.publish(
      'tasks',
      ['1', '2'].map((id) => event(id)),
    );
    await client.whenReceived(2);
    await client.settle(
      1,
      { kind: 'retry', delayMs: 1, ranges: [{ first: 1, count: 1 }] },
      { kind: 'reject', reason: 'not for us', ranges: [{ first: 2, count: 1 }] },
    );
    const [retried] = (await client.whenReceived(4)).filter(
      ({ stream, number }) => stream === 1 && number === 3,
    );
    assert.deepEqual([retried?.id, retried?.attempt], ['1', 2]);
    const [dead] = client.received.filter(({ stream }) => stream === 2);
    assert.deepEqual([dead?.id, dead?.topic, dead?.deadLetter], ['2', 'dead/tasks', 'rejected: not for us']);
    assert.deepEqual((await client.settle(1, ack(3))).stale, []);
  });

  test('what a lost connection had not settled comes again, and nothing else', async (t) => {
    await a.putSubscription('lost', { topic: 'lost', delivery: { maxInFlight: 1000 } });
    const first = await WsClient.open(t, a.http);
    first.open(1, 'lost');
    first.publish(
      'lost',
      ids(1, 100).map((id) => event(id)),
    );
    await first.whenReceived(100);
    await first.settle(1, ack(1, 60));
    first.socket.terminate();
    const second = await WsClient.open(t, a.http);
    second.open(1, 'lost');
    await second.whenReceived(40);
    await second.settle(1, ack(1, 40));
    assert.deepEqual(
      second.received.map(({ id, attempt }) => `${id} ${attempt}`),
      ids(61, 100).map((id) => `${id} 2`),
    );
    await until('nothing is left', async () => (await depth(a, 'lost')) === 0);
  });

  test('a reader that stops has a bounded part of the queue, and gets the rest when it goes on', async (t) => {
    await a.putSubscription('slow', { topic: 'slow', delivery: { maxInFlight: 100_000 } });
    const publisher = await WsClient.open(t, a.http);
    const events = 3_000;
    let last = 0;
    for (let from = 1; from <= events; from += 100)
      last = publisher.publish(
        'slow',
        ids(from, from + 99).map((id) => event(id, 10_000)),
      );
    await publisher.whenAccepted(last);
    const reader = await WsClient.open(t, a.http);
    reader.socket.pause();
    reader.open(1, 'slow');
    const inFlight = async (): Promise<number> =>
      (await a.get<{ state: { inFlight: number } }>('/v1/subscriptions/slow')).state.inFlight;
    await until('something is in flight', async () => (await inFlight()) > 0);
    let before = -1;
    for (let now = await inFlight(); now !== before; now = await inFlight()) {
      before = now;
      await sleep(300);
    }
    // 1 MiB in the socket, as much on its way into it, and what the kernels of both ends hold.
    assert(before * 10_000 < 16 * 1024 * 1024, `${before} of ${events} are in flight`);
    reader.socket.resume();
    await reader.whenReceived(events);
    assert.deepEqual(
      reader.received.map(({ id }) => id),
      ids(1, events),
    );
    assert.deepEqual((await reader.settle(1, ack(1, events))).stale, []);
  });

  test('an ephemeral stream gets what its filter wants, from the other cluster too', async (t) => {
    const client = await WsClient.open(t, b.http);
    client.open(1, 'weather/+/now', 100, 'ephemeral');
    await federation.whenRouted(a, 'weather/oslo/now', ['b']);
    const publisher = await WsClient.open(t, a.http);
    publisher.publish('weather/oslo/now', [event(1)], 'best-effort');
    publisher.publish('weather/oslo', [event(2)], 'best-effort');
    publisher.publish('weather/oslo/now', [event(3)], 'best-effort');
    assert.deepEqual(
      (await client.whenReceived(2)).map(({ id }) => id),
      ['1', '3'],
    );
  });

  test('a stream is told why it ended, the others go on', async (t) => {
    await a.putSubscription('gone', { topic: 'gone' });
    await a.putSubscription('stays', { topic: 'stays' });
    const client = await WsClient.open(t, a.http);
    client.open(1, 'gone');
    client.open(2, 'stays');
    client.open(3, 'never-was');
    assert.equal(
      (await client.whenFrame('closed', ({ stream }) => stream === 3)).problem.code,
      'subscription-not-found',
    );
    await fetch(`${a.http}/v1/subscriptions/gone`, { method: 'DELETE' });
    assert.equal((await client.whenFrame('closed', ({ stream }) => stream === 1)).problem.reason, 'deleted');
    client.publish('stays', [event(1)]);
    assert.equal((await client.whenReceived(1))[0]?.stream, 2);
  });

  test('one bad batch is refused in words, the others are taken', async (t) => {
    const client = await WsClient.open(t, a.http);
    client.publish('a', [event(1)]);
    client.publish('a/+/b', [event(2)]);
    const last = client.publish('a', [event(3)]);
    await client.whenAccepted(last);
    const { request, problem } = await client.whenFrame('refused');
    assert.deepEqual([request, problem.code, problem.status], [2, 'invalid-topic', 400]);
  });

  test('what is no frame ends that connection, with a reason, and is counted; the mesher goes on', async (t) => {
    const cases: [name: string, send: (client: WsClient) => void, code: number, reason: string][] = [
      ['no frame', (client) => client.send(Buffer.from([0x77, 1, 2])), 1002, 'unknown-kind'],
      ['credit for no stream', (client) => client.send(encodeCredit(9, 1)), 1002, 'bad-value'],
      ['text', (client) => client.socket.send('hello'), 1003, 'text-message'],
      [
        'too large',
        (client) => client.send(Buffer.alloc(6 * 1024 * 1024)),
        1009,
        'ws-err-unsupported-message-length',
      ],
    ];
    for (const [name, send, code, reason] of cases) {
      const client = await WsClient.open(t, a.http);
      send(client);
      const closed = await client.whenClosed();
      assert.equal(closed.code, code, name);
      assert.equal(await a.metric('causeway_ws_refused_total', { reason }), 1, name);
    }
    for (let seed = 1; seed <= 50; seed++) {
      const client = await WsClient.open(t, a.http);
      client.send(Buffer.concat([Buffer.of(1 + (seed % 5)), payload(seed, 200)]));
      await until('an answer to garbage', () => client.closed ?? client.frames('refused')[0], { everyMs: 5 });
      client.socket.terminate();
    }
    const client = await WsClient.open(t, a.http);
    await client.whenAccepted(client.publish('fine', [event(1)]));
    client.socket.terminate();
    await until('all are gone', async () => (await a.metric('causeway_ws_connections')) === 0);
  });

  test('bytes that are no WebSocket frame end the connection', async (t) => {
    const socket = await upgraded(t, a.http);
    socket.write(Buffer.alloc(1000, 0xff));
    await once(socket, 'end', { signal: AbortSignal.timeout(10_000) });
  });

  test('what asks for no such WebSocket is answered as HTTP', async () => {
    const ask = async (path: string, headers: Readonly<Record<string, string>>): Promise<[number, string]> =>
      new Promise((resolve, reject) => {
        const asked = httpRequest(`${a.http}${path}`, { headers }, (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => {
            text += chunk.toString();
          });
          response.on('end', () => resolve([response.statusCode ?? 0, text]));
        });
        asked.on('upgrade', () => reject(new Error('upgraded')));
        asked.on('error', reject);
        asked.end();
      });
    const upgrade = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': `${'A'.repeat(22)}==`,
    };
    for (const headers of [{}, upgrade, { ...upgrade, 'sec-websocket-protocol': 'mqtt, causeway.v2' }]) {
      const [status, text] = await ask('/v1/ws', headers);
      assert.equal(status, 400);
      assert.match(text, /"code":"invalid-request".*causeway\.v1|causeway\.v1.*"code":"invalid-request"/);
    }
    const [status] = await ask('/v1/federation', { ...upgrade, 'sec-websocket-protocol': 'causeway.v1' });
    assert.equal(status, 200);
  });

  test('when the mesher stops, it says so, answers what it took, and what was not settled is there later', async (t) => {
    await b.putSubscription('stop', { topic: 'stop', delivery: { maxInFlight: 10_000 } });
    const client = await WsClient.open(t, b.http);
    client.open(1, 'stop');
    client.publish(
      'stop',
      ids(1, 10).map((id) => event(id)),
    );
    await client.whenReceived(10);
    await client.settle(1, ack(1, 4));
    const sent = Array.from({ length: 50 }, (_, i) => client.publish('stop', [event(11 + i)]));
    await client.whenAccepted(sent[0] ?? 0);
    await b.stop();
    const closed = await client.whenClosed();
    assert.equal(closed.code, 1001);
    const { problem } = await client.whenFrame('closed');
    assert.deepEqual([problem.reason, problem.retryable], ['shutting-down', true]);
    const accepted = client.frames('accepted').flatMap(({ requests }) => requests);
    const refused = client.frames('refused').map(({ request, problem: { code } }) => `${request} ${code}`);
    b.start();
    await b.whenReady();
    const again = await WsClient.open(t, b.http);
    again.open(1, 'stop');
    const kept = sent.filter((request) => accepted.includes(request)).length;
    await again.whenReceived(6 + kept);
    await again.settle(1, ack(1, 6 + kept));
    assert(
      refused.every((text) => text.endsWith('shutting-down')),
      refused.join(),
    );
    const expected = [
      ...ids(5, 10),
      ...sent.flatMap((request, i) => (accepted.includes(request) ? [`${11 + i}`] : [])),
    ];
    assert.deepEqual(new Set(again.received.map(({ id }) => id)), new Set(expected));
  });
});

suite('a mesher with little room', () => {
  const settings = ['event-bytes-max', '65536', 'batch-bytes-max', '131072', 'staged-bytes-max', '262144'];
  const flags = settings.map((word, i) => (i % 2 === 0 ? `--limits-${word}` : word));

  test('publishers keep their order when it has no room for all of them, and see nothing of it', async (t) => {
    const federation = await Federation.start(t, { clusters: { a: 1 }, flags });
    const a = federation.mesher('a');
    await a.putSubscription('all', { topic: 'all', delivery: { maxInFlight: 100_000 } });
    const publishers = [
      await WsClient.open(t, a.http),
      await WsClient.open(t, a.http),
      await WsClient.open(t, a.http),
    ];
    const reader = await WsClient.open(t, a.http);
    reader.open(1, 'all');
    // Of small events the records are larger than what was sent, so that the mesher's room ends before the connections' does.
    const [large, small] = [
      { events: 10, bytes: 10_000 },
      { events: 300, bytes: 10 },
    ];
    const batches = 60;
    const perPublisher = (batches / 2) * (large.events + small.events);
    const lasts = publishers.map((publisher, p) => {
      let next = p * 100_000;
      let last = 0;
      for (let i = 0; i < batches; i++) {
        const { events, bytes } = i % 2 === 0 ? large : small;
        last = publisher.publish(
          'all',
          Array.from({ length: events }, () => event(next++, bytes)),
        );
      }
      return last;
    });
    for (const [p, publisher] of publishers.entries()) {
      for (let request = 1; request <= (lasts[p] ?? 0); request++) await publisher.whenAccepted(request);
      assert.deepEqual(publisher.frames('refused'), []);
    }
    const refusals = await a.metric('causeway_publish_refused_total', { reason: 'overloaded' });
    assert(refusals > 0, 'there was too little room');
    await reader.whenReceived(3 * perPublisher);
    for (let p = 0; p < 3; p++) {
      const own = reader.received.map(({ id }) => Number(id)).filter((id) => Math.floor(id / 100_000) === p);
      assert.deepEqual(own, ids(p * 100_000, p * 100_000 + perPublisher - 1).map(Number));
    }
  });
});

suite('a server of its own', () => {
  const start = async (t: TestContext, given: Omit<WsBridgeOptions, 'version' | 'limits'>) => {
    const door = new FakeFrontDoor();
    const clock = { wall: () => Date.now(), monotonic: () => performance.now() };
    const log = { error: () => undefined };
    const streaming = wsBridge({ version: '1', limits: LIMITS, ...given }, { door, clock, log });
    const server = await startHttpServer(
      { host: '127.0.0.1', port: 0, version: '1', limits: LIMITS },
      { view: fakeView(), plugins: [streaming.plugin], upgrade: streaming, log },
    );
    t.after(() => server.close());
    return { door, server, streaming };
  };

  test('one connection too many is told to try again, the others go on', async (t) => {
    const { server } = await start(t, { bounds: { connectionsMax: 1 } });
    const first = await WsClient.open(t, server.url);
    const second = await WsClient.open(t, server.url);
    assert.equal((await second.whenClosed()).code, 1013);
    await first.whenAccepted(first.publish('a', [event(1)]));
    first.socket.terminate();
    await until('there is room again', async () => {
      const third = await WsClient.open(t, server.url);
      await until('it is decided', () => third.closed ?? third.frames('welcome')[0], { everyMs: 5 });
      return third.closed === undefined;
    });
  });

  test('an upgrade that nobody wants is refused, whoever let it through', async (t) => {
    const log = { error: () => undefined };
    let taken = 0;
    const upgrade = { wants: () => false, take: () => taken++ };
    const app = await buildHttpServer(
      { host: '127.0.0.1', port: 0, version: '1', limits: LIMITS },
      { view: fakeView(), plugins: [], upgrade, log },
    );
    t.after(() => app.close());
    const socket = new PassThrough();
    const answer = once(socket, 'data');
    app.server.emit('upgrade', { socket }, socket, Buffer.alloc(0));
    assert.equal(taken, 0);
    assert.match(String((await answer)[0]), /^HTTP\/1\.1 400 /);
  });

  test('closing does not wait for a client that never answers', async (t) => {
    const { server, door } = await start(t, { timing: { closeTimeoutMs: 100 } });
    const client = await WsClient.open(t, server.url);
    await client.whenFrame('welcome');
    door.publishEncoded = () => new Promise(() => undefined);
    client.publish('a', [event(1)]);
    client.socket.pause();
    await server.close();
    client.socket.resume();
    await client.whenClosed();
  });

  test('who is ended is told so at once and heard no more, and need not be waited for', async (t) => {
    const textFrame = Buffer.of(0x81, 0x81, 0, 0, 0, 0, 0x61);
    const cases: [name: string, connectionsMax: number, sent: Uint8Array][] = [
      ['a text message', 10, textFrame],
      ['one too many', 0, Buffer.alloc(0)],
    ];
    for (const [name, connectionsMax, sent] of cases) {
      const { server } = await start(t, { bounds: { connectionsMax }, timing: { closeTimeoutMs: 1_000 } });
      const socket = await upgraded(t, server.url, sent);
      const since = performance.now();
      await once(socket, 'end', { signal: AbortSignal.timeout(10_000) });
      assert(performance.now() - since < 900, `${name}: it was left to the time-out`);
      // All that it still sends is read, so that it is not reset: a beginning of 4 MiB, and what was no frame at any time.
      socket.write(Buffer.alloc(4 * 1024 * 1024, 0xff));
      await once(socket, 'drain');
      socket.end();
      await once(socket, 'close');
      assert.equal(socket.errored, null, name);
    }
  });

  test('ends a client that says nothing, not even to pings', async (t) => {
    const timing = { pingEveryMs: 20, silenceMs: 200, sweepEveryMs: 10 };
    const { server, streaming } = await start(t, { timing });
    const answering = await WsClient.open(t, server.url);
    const silent = new WebSocket(`${server.url.replace('http', 'ws')}/v1/ws`, ['causeway.v1'], {
      autoPong: false,
    });
    t.after(() => silent.terminate());
    silent.on('error', () => undefined);
    let isClosed = false;
    silent.on('close', () => {
      isClosed = true;
    });
    await until('the silent one is ended', () => isClosed, { everyMs: 5 });
    assert.equal(answering.closed, undefined);
    const refused = streaming.metrics().find(({ name }) => name === 'ws_refused_total');
    const counted = refused?.samples.filter(({ value }) => value > 0);
    assert.deepEqual(counted, [{ labels: { reason: 'silent' }, value: 1 }]);
  });
});
