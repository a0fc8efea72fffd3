// The server against clients that mean no good, or are no HTTP clients at all.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { suite, test } from 'node:test';
import { LIMITS } from '../../node/core/limits.ts';
import { parseSubscription } from '../../node/core/subscription.ts';
import { startTestServer } from '../support/http.ts';
import { PATIENCE_MS, until } from '../support/until.ts';

/** Sends bytes as they are, and gives what came back when the server has closed. */
function raw(t: TestContext, url: string, parts: readonly (string | Buffer)[]): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    t.after(() => socket.destroy());
    let text = '';
    const timer = setTimeout(
      () => reject(new Error(`the server kept the connection; so far: ${text.slice(0, 200)}`)),
      PATIENCE_MS,
    );
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    socket.on('error', () => undefined); // a reset is one way to close
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
    for (const part of parts) socket.write(part);
  });
}

/** A connection whose request the server has begun to take: it has said so, as it was asked to. */
async function begin(t: TestContext, url: string, request: string, body: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  t.after(() => socket.destroy());
  socket.on('error', () => undefined);
  socket.write(`${request}Expect: 100-continue\r\n\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 100 /);
  socket.write(body);
  return socket;
}

const ONE_HOUR_MS = 3_600_000;

const problemIn = (response: string) =>
  JSON.parse(response.slice(response.indexOf('\r\n\r\n') + 4)) as { code: string; status: number };

suite('slow and hostile clients', () => {
  test('headers that never end: 408', async (t) => {
    const { url } = await startTestServer(t, { timing: { headersTimeoutMs: 500, requestTimeoutMs: 1_000 } });
    const response = await raw(t, url, ['POST /v1/events HTTP/1.1\r\nHost: x\r\nA: ']);
    assert.match(response, /^HTTP\/1\.1 408 /);
    assert.equal(problemIn(response).code, 'request-timeout');
  });

  test('a body that never ends: 408, and nothing is taken', async (t) => {
    const { url, door } = await startTestServer(t, {
      timing: { headersTimeoutMs: 500, requestTimeoutMs: 1_000 },
    });
    const response = await raw(t, url, [
      'POST /v1/events HTTP/1.1\r\nHost: x\r\nce-id: 1\r\nContent-Length: 100\r\n\r\nabc',
    ]);
    assert.match(response, /^HTTP\/1\.1 408 /);
    assert.equal(door.published.length, 0);
  });

  test('a connection that says nothing is closed', async (t) => {
    const { url } = await startTestServer(t, { timing: { idleTimeoutMs: 300, headersTimeoutMs: 10_000 } });
    await raw(t, url, []);
  });

  test('a flood of headers: 431 by their bytes, and many small ones are all seen', async (t) => {
    const { url, door } = await startTestServer(t);
    const flood = await raw(t, url, [
      'GET /healthz HTTP/1.1\r\nHost: x\r\n',
      `X-A: ${'a'.repeat(40_000)}\r\n\r\n`,
    ]);
    assert.match(flood, /^HTTP\/1\.1 431 /);
    assert.equal(problemIn(flood).status, 431);
    const headers: Record<string, string> = { 'ce-specversion': '1.0', 'ce-source': '/s', 'ce-type': 't' };
    for (let i = 0; i < 2_500; i++) headers[`x${i}`] = '';
    headers['ce-id'] = 'last';
    const response = await fetch(`${url}/v1/events`, { method: 'POST', headers });
    assert.equal(response.status, 202);
    assert.equal(door.published[0]?.event.id, 'last');
  });

  test('bytes that are no HTTP: 400', async (t) => {
    const { url } = await startTestServer(t);
    const response = await raw(t, url, [Buffer.from([0x16, 0x03, 0x01, 0x00, 0xa5, 0x01, 0x00])]);
    assert.match(response, /^HTTP\/1\.1 400 /);
    assert.equal(problemIn(response).code, 'invalid-request');
  });

  test('a body that says it is 17 MiB is refused before it is sent, one without length once it is too long', async (t) => {
    const { url } = await startTestServer(t);
    const head =
      'POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/cloudevents-batch+json\r\n';
    const told = await raw(t, url, [`${head}Content-Length: ${17 * 1024 * 1024}\r\n\r\n`]);
    assert.match(told, /^HTTP\/1\.1 413 /);
    assert.match(told, new RegExp(`"limit":${LIMITS.batchBytesMax}`));
    const chunk = Buffer.alloc(1024 * 1024, 0x20);
    const chunks = Array.from({ length: 17 }, () => [
      `${chunk.length.toString(16)}\r\n`,
      chunk,
      '\r\n',
    ]).flat();
    assert.match(
      await raw(t, url, [`${head}Transfer-Encoding: chunked\r\n\r\n`, ...chunks]),
      /^HTTP\/1\.1 413 /,
    );
  });

  test('JSON nested a hundred thousand deep is an event like any other, on the way in and out', async (t) => {
    const { url, door } = await startTestServer(t);
    await door.putSubscription(parseSubscription('s', { topic: '#' }, LIMITS));
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    const headers = { 'content-type': 'application/cloudevents+json' };
    const response = await fetch(`${url}/v1/events`, {
      method: 'POST',
      headers,
      body: `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":${deep}}`,
    });
    assert.equal(response.status, 202);
    const pulled = await fetch(`${url}/v1/subscriptions/s/pull`, { method: 'POST' });
    assert.ok((await pulled.text()).includes(deep));
    const settle = await fetch(`${url}/v1/subscriptions/s/settle`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: deep,
    });
    assert.equal(settle.status, 400);
  });

  test('bodies under way are bounded together: 503, and room again once they are gone', async (t) => {
    const { url } = await startTestServer(t, {
      limits: { stagedBytesMax: 1_000, batchBytesMax: 1_000, eventBytesMax: 1_000 },
    });
    const head = 'POST /v1/events HTTP/1.1\r\nHost: x\r\nce-id: 1\r\nContent-Length: 900\r\n';
    const slow = await begin(t, url, head, 'a');
    const publish = () =>
      fetch(`${url}/v1/events`, {
        method: 'POST',
        headers: { 'ce-id': '1', 'ce-source': '/s', 'ce-type': 't', 'ce-specversion': '1.0' },
        body: 'x'.repeat(500),
      });
    const refused = await until('there is no room', async () => {
      const response = await publish();
      return response.status !== 202 && response;
    });
    assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '1']);
    slow.destroy();
    await until('there is room again', async () => (await publish()).status === 202);
  });

  test('a body that was announced and does not come makes room for one that does', async (t) => {
    const { url } = await startTestServer(t, {
      limits: { stagedBytesMax: 1_000, batchBytesMax: 1_000, eventBytesMax: 1_000 },
    });
    const head = 'POST /v1/events HTTP/1.1\r\nHost: x\r\nce-id: 1\r\nContent-Length: 900\r\n';
    const slow = await begin(t, url, head, 'a');
    const isCutOff = once(slow, 'close');
    await until('there is room', async () => {
      const headers = { 'ce-id': '1', 'ce-source': '/s', 'ce-type': 't', 'ce-specversion': '1.0' };
      return (
        (await fetch(`${url}/v1/events`, { method: 'POST', headers, body: 'x'.repeat(500) })).status === 202
      );
    });
    await isCutOff;
  });

  test('who was refused and goes on sending is not listened to for ever', async (t) => {
    const { url } = await startTestServer(t, { timing: { headersTimeoutMs: 300, requestTimeoutMs: 1_000 } });
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    t.after(() => socket.destroy());
    socket.on('error', () => undefined); // reset, at last
    socket.resume();
    const isGone = new Promise((resolve) => socket.once('close', resolve));
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nX: ');
    const trickle = setInterval(() => socket.write('a'), 50);
    t.after(() => clearInterval(trickle));
    await isGone;
  });
});

suite('closing', () => {
  const slowRequest =
    'POST /v1/events HTTP/1.1\r\nHost: x\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\nContent-Length: 9\r\n';

  test('waits for a request under way', async (t) => {
    const { url, server } = await startTestServer(t, { timing: { closeTimeoutMs: ONE_HOUR_MS } });
    const slow = await begin(t, url, slowRequest, 'a');
    let isClosed = false;
    const closed = server.close().then(() => (isClosed = true));
    // it takes nothing new any more: closing has begun
    await until('no connection is taken', () =>
      fetch(`${url}/healthz`).then(
        () => false,
        () => true,
      ),
    );
    assert.equal(isClosed, false);
    const answered = once(slow, 'data') as Promise<[Buffer]>;
    slow.write('bcdefghi');
    assert.match(String((await answered)[0]), /^HTTP\/1\.1 202 /);
    await closed;
  });

  test('cuts off a request that never ends', async (t) => {
    const closeTimeoutMs = 300;
    const { url, server } = await startTestServer(t, {
      timing: { closeTimeoutMs, requestTimeoutMs: ONE_HOUR_MS },
    });
    const stuck = await begin(t, url, slowRequest, 'a');
    const cutOff = once(stuck, 'close');
    const startedAt = performance.now();
    await server.close();
    const took = performance.now() - startedAt;
    assert.ok(took >= closeTimeoutMs - 20, `it was given ${took} ms to end`);
    await cutOff;
  });

  test('does not wait for a connection on which no request ever came', async (t) => {
    const { url, server } = await startTestServer(t, { timing: { closeTimeoutMs: ONE_HOUR_MS } });
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    t.after(() => socket.destroy());
    await once(socket, 'connect');
    await fetch(`${url}/healthz`); // by now the server has taken the silent one too
    await server.close();
  });

  test('lets a waiting pull go, with what there is', async (t) => {
    const { url, server, door } = await startTestServer(t, { timing: { closeTimeoutMs: ONE_HOUR_MS } });
    await door.putSubscription(parseSubscription('s', { topic: '#' }, LIMITS));
    const pull = fetch(`${url}/v1/subscriptions/s/pull`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"waitMs":60000}',
    });
    await until('it waits', () => door.pullsWaiting === 1);
    await server.close();
    assert.equal(door.pullsAborted, 1, 'it was let go before its time');
    assert.deepEqual(await (await pull).json(), { events: [] });
  });

  test('a port that is taken is said in words', async (t) => {
    const { url } = await startTestServer(t);
    const { startHttpServer } = await import('../../node/http/server.ts');
    const { fakeView } = await import('../support/mesher-view.ts');
    const taken = startHttpServer(
      { host: '127.0.0.1', port: Number(new URL(url).port), version: '0', limits: LIMITS },
      { view: fakeView(), plugins: [], log: { error: () => undefined } },
    );
    await assert.rejects(taken, {
      code: 'invalid-config',
      message: /cannot listen on 127\.0\.0\.1:\d+ .*EADDRINUSE.*--http/,
    });
  });
});
