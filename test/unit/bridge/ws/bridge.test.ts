import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { wsBridge } from '../../../../bridge/ws/bridge.ts';
import { messageBounds, WS_BOUNDS } from '../../../../bridge/ws/config.ts';
import { LIMITS } from '../../../../node/core/limits.ts';
import { buildHttpServer } from '../../../../node/http/server.ts';
import { FakeFrontDoor } from '../../../support/front-door.ts';
import { fakeView } from '../../../support/mesher-view.ts';

const MIB = 1024 * 1024;

function bridge() {
  const clock = { wall: () => 0, monotonic: () => 0 };
  const log = { error: () => undefined };
  return wsBridge({ version: '1', limits: LIMITS }, { door: new FakeFrontDoor(), clock, log });
}

async function server(t: TestContext) {
  const streaming = bridge();
  const app = await buildHttpServer(
    { host: '127.0.0.1', port: 0, version: '1', limits: LIMITS },
    {
      view: fakeView(),
      plugins: [streaming.plugin],
      upgrade: streaming,
      log: { error: () => undefined },
    },
  );
  t.after(() => app.close());
  return app;
}

test('takes what asks for our protocol by WebSocket, and nothing else', () => {
  const streaming = bridge();
  const asked = (change: object = {}, headers: object = {}): boolean =>
    streaming.wants({
      method: 'GET',
      url: '/v1/ws',
      headers: { upgrade: 'websocket', 'sec-websocket-protocol': 'causeway.v1', ...headers },
      ...change,
    } as Parameters<typeof streaming.wants>[0]);
  assert.equal(asked(), true);
  assert.equal(asked({ url: '/v1/ws?x=1' }), true);
  assert.equal(asked({}, { upgrade: 'WebSocket', 'sec-websocket-protocol': 'mqtt,causeway.v1 , x' }), true);
  assert.equal(asked({ method: 'POST' }), false);
  assert.equal(asked({ url: '/v1/wss' }), false);
  assert.equal(asked({ url: '/v1/events' }), false);
  assert.equal(asked({}, { upgrade: 'h2c' }), false);
  assert.equal(asked({}, { upgrade: undefined }), false);
  assert.equal(asked({}, { 'sec-websocket-protocol': 'causeway.v10' }), false);
  assert.equal(asked({}, { 'sec-websocket-protocol': undefined }), false);
});

test('says to whoever asks by plain HTTP what is needed', async (t) => {
  const response = await (await server(t)).inject({ method: 'GET', url: '/v1/ws' });
  assert.equal(response.statusCode, 400);
  assert.equal(response.headers['content-type'], 'application/problem+json');
  assert.match(response.json<{ detail: string }>().detail, /causeway\.v1/);
});

test('is described', async (t) => {
  const response = await (await server(t)).inject({ method: 'GET', url: '/openapi.json' });
  const { paths } = response.json<{ paths: Record<string, { get?: { responses: object } }> }>();
  assert.deepEqual(Object.keys(paths['/v1/ws']?.get?.responses ?? {}), ['101', '400', '503']);
});

test('a message holds a batch, a batch an event, and the window a batch, whatever the limits', () => {
  const usual = messageBounds(LIMITS, WS_BOUNDS);
  assert.deepEqual(usual, {
    batchBytesMax: 4 * MIB,
    messageBytesMax: 5 * MIB,
    publishWindowBytes: 8 * MIB,
  });
  for (const [eventBytesMax, batchBytesMax] of [
    [1_000, 2_000],
    [1_000, 100 * MIB],
    [50 * MIB, 100 * MIB],
    [50 * MIB, 50 * MIB],
  ] as const) {
    const bounds = messageBounds({ ...LIMITS, eventBytesMax, batchBytesMax }, WS_BOUNDS);
    assert(bounds.batchBytesMax <= batchBytesMax);
    assert(bounds.batchBytesMax >= eventBytesMax);
    assert(bounds.messageBytesMax > bounds.batchBytesMax);
    assert(bounds.publishWindowBytes >= bounds.batchBytesMax);
  }
});
