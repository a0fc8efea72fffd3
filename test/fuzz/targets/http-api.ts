// The mesher's HTTP API, without sockets, before a front door in memory: any method, path, query, headers and body. Each answer
// is a success or a problem of the catalogue with its own status, and none is a fault of the mesher.

import assert from 'node:assert/strict';
import type { FastifyInstance } from 'fastify';
import { httpBridge } from '../../../bridge/http/bridge.ts';
import { wsBridge } from '../../../bridge/ws/bridge.ts';
import { ERRORS } from '../../../node/core/errors.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import { buildHttpServer } from '../../../node/http/server.ts';
import { FakeFrontDoor } from '../../support/front-door.ts';
import { fakeView } from '../../support/mesher-view.ts';
import { parseRequest, requestText } from '../request.ts';
import type { Target } from '../target.ts';
import { jsonEvent } from './cloudevent-json.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const BINARY = {
  'ce-specversion': '1.0',
  'ce-id': '1',
  'ce-source': '/s',
  'ce-type': 'a.b',
  'content-type': 'text/plain',
};
const SUBSCRIPTION = { topic: 'orders/#', delivery: { retries: 5, deadLetterTopic: 'dead/orders' } };
const REQUESTS: readonly (readonly [string, Readonly<Record<string, string>>?, unknown?])[] = [
  ['POST /v1/events?topic=orders/eu', BINARY, 'hello'],
  ['POST /v1/events', { ...BINARY, 'causeway-qos': 'best-effort' }, 'x'],
  ['PUT /v1/subscriptions/billing', JSON_TYPE, SUBSCRIPTION],
  ['PUT /v1/subscriptions/hook', JSON_TYPE, { topic: 'a', group: 'g', sink: 'https://example.invalid/' }],
  ['GET /v1/subscriptions/billing'],
  ['GET /v1/subscriptions'],
  ['DELETE /v1/subscriptions/billing'],
  ['POST /v1/subscriptions/billing/pull', JSON_TYPE, { max: 10 }],
  [
    'POST /v1/subscriptions/billing/settle',
    JSON_TYPE,
    {
      ack: ['1.0.1.1'],
      retry: [{ token: '1.0.2.1', delayMs: 5 }],
      reject: [{ token: '1.0.3.1', reason: 'no' }],
    },
  ],
  ['GET /v1/routes?topic=a/b'],
  ['GET /v1/federation'],
  ['GET /v1/links'],
  ['GET /v1/queues'],
  ['GET /metrics'],
  ['GET /readyz'],
  ['GET /v1/ws', { 'sec-websocket-protocol': 'causeway.v1', upgrade: 'websocket', connection: 'upgrade' }],
  ['GET /v1/webhooks/abc'],
  ['POST /v1/webhooks/abc', { 'webhook-allowed-rate': '100' }, 'yes'],
  ['GET /errors/invalid-event'],
];

const USES_MAX = 200;
/** Streams do not end, and a pull may wait: both are for tests with sockets. */
const ENDLESS = /^\/v1\/stream|\/events\b|\/docs/;
const WAITS = /"?waitMs/;

let running: { readonly app: FastifyInstance; uses: number } | undefined;

async function server(): Promise<FastifyInstance> {
  if (running && running.uses++ < USES_MAX) return running.app;
  if (running) await running.app.close();
  const door = new FakeFrontDoor();
  const log = { warn: () => undefined, error: () => undefined };
  const clock = { wall: () => door.now, monotonic: () => door.now };
  const webhook = { origin: 'acme', publicUrl: undefined, ratePerMinute: undefined };
  const timers = { after: () => () => undefined };
  const answer = { kind: 'failure', why: 'there is no network here' } as const;
  const sinkClient = { send: () => Promise.resolve(answer), close: () => undefined };
  const http = httpBridge(
    { limits: LIMITS, webhook },
    { door, clock, random: () => 0.5, log, timers, sinkClient },
  );
  const ws = wsBridge({ version: '1', limits: LIMITS }, { door, clock, log });
  const app = await buildHttpServer(
    { host: '', port: 0, version: '0.1.0', limits: LIMITS },
    { view: fakeView(), plugins: [http, ws.plugin], log },
  );
  running = { app, uses: 0 };
  return app;
}

export const target: Target = {
  name: 'http-api',
  shape: 'text',
  bytesMax: 32_768,
  dictionary: [
    '/v1/subscriptions/',
    '/pull',
    '/settle',
    '?topic=',
    '&topic=',
    '%2F',
    '%00',
    '%ff',
    '%',
    '$dead-letters',
    '"__proto__":{}',
    'content-type: application/cloudevents+json\r\n',
    'content-encoding: gzip\r\n',
    'causeway-qos: durable\r\n',
    '"max":',
    '"token":',
  ],
  sample: (chance) => {
    if (chance.is(0.3)) {
      const isBatch = chance.is(0.4);
      const headers = { 'content-type': `application/cloudevents${isBatch ? '-batch' : ''}+json` };
      return requestText(
        'POST /v1/events',
        headers,
        isBatch ? [jsonEvent(chance), jsonEvent(chance)] : jsonEvent(chance),
      );
    }
    const [line, headers = {}, body] = chance.pick(REQUESTS);
    return requestText(line, headers, body);
  },
  quick: 600,
  operationsFree: 600_000,
  memoryFree: 64 * 1024 * 1024,
  run: async (input) => {
    const request = parseRequest(input);
    const [path = ''] = request?.url.split('?', 1) ?? [];
    if (
      !request ||
      (request.method !== 'POST' && ENDLESS.test(decoded(path))) ||
      (request.payload instanceof Buffer && WAITS.test(request.payload.toString()))
    )
      return false;
    const response = await (await server()).inject(request);
    const { statusCode } = response;
    if (statusCode < 300) return true;
    if (request.method === 'HEAD') return false;
    const type = response.headers['content-type'];
    assert.equal(type, 'application/problem+json', `${statusCode} ${response.body.slice(0, 200)}`);
    const problem = JSON.parse(response.body) as { code: keyof typeof ERRORS; status: number };
    assert.equal(ERRORS[problem.code].status, statusCode, `${problem.code} with ${statusCode}`);
    assert.equal(problem.status, statusCode);
    assert(statusCode < 500, `a fault of the mesher: ${response.body}`);
    return false;
  },
};

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // the server refuses it
  }
}
