// A webhook sink that is a real HTTP server: handshake, deliveries, redirects, time-outs, and many at once.

import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { HTTP } from 'cloudevents';
import type { CloudEvent } from '../../node/core/cloud-event.ts';
import { LIMITS } from '../../node/core/limits.ts';
import { parseSubscription } from '../../node/core/subscription.ts';
import { startTestServer } from '../support/http.ts';
import { until } from '../support/until.ts';

type Post = (request: IncomingMessage, response: ServerResponse, body: string) => void;

async function startSink(
  t: TestContext,
  post: Post,
): Promise<{ url: string; bodies: { headers: IncomingMessage['headers']; body: string }[] }> {
  const bodies: { headers: IncomingMessage['headers']; body: string }[] = [];
  const server = createServer((request, response) => {
    if (request.method === 'OPTIONS') {
      response
        .writeHead(200, { allow: 'POST', 'webhook-allowed-origin': '*', 'webhook-allowed-rate': '*' })
        .end();
      return;
    }
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      bodies.push({ headers: request.headers, body });
      post(request, response, body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, bodies };
}

const make = (id: string): CloudEvent => ({
  id,
  source: '/s',
  type: 't',
  attributes: new Map([
    ['datacontenttype', { type: 'string', value: 'application/json' }],
    ['subject', { type: 'string', value: 'a b' }],
  ]),
  data: { type: 'text', value: '{"n": 1}' },
});

test('events arrive in binary mode, as the SDK reads them, and are settled', async (t) => {
  const { door } = await startTestServer(t);
  const sink = await startSink(t, (_request, response) => response.writeHead(204).end());
  await door.putSubscription(
    parseSubscription('hook', { topic: '#', sink: sink.url, delivery: { maxInFlight: 200 } }, LIMITS),
  );
  const ids = Array.from({ length: 500 }, (_, index) => `e${index}`);
  await door.publish(ids.map(make), { qos: 'durable', topic: 'a' });
  await until('all are settled', () => door.subscription('hook')?.depth === 0);
  assert.deepEqual(new Set(sink.bodies.map(({ headers }) => headers['ce-id'])), new Set(ids));
  assert.equal(sink.bodies.length, 500);
  const [first] = sink.bodies;
  assert.ok(first);
  const event = HTTP.toEvent(first);
  assert.ok(!Array.isArray(event));
  assert.deepEqual([event.id, event['subject'], event.data], ['e0', 'a%20b', { n: 1 }]);
});

test('a redirect is not followed, a sink that hangs is given up after the ack timeout', async (t) => {
  const { door } = await startTestServer(t);
  let elsewhere = 0;
  const other = await startSink(t, (_request, response) => {
    elsewhere += 1;
    response.writeHead(200).end();
  });
  const sink = await startSink(t, (request, response) => {
    if (request.headers['ce-id'] === 'redirect') response.writeHead(307, { location: other.url }).end();
  });
  await door.putSubscription(
    parseSubscription('hook', { topic: '#', sink: sink.url, delivery: { ackTimeoutMs: 200 } }, LIMITS),
  );
  await door.publish([make('redirect'), make('hang')], { qos: 'durable', topic: 'a' });
  await until('both are to be tried again', () => door.settlements.length === 2);
  assert.deepEqual(
    door.settlements.map(({ kind }) => kind),
    ['retry', 'retry'],
  );
  assert.equal(elsewhere, 0);
});

test('a sink that cannot be reached waits, visibly', async (t) => {
  const { url, door } = await startTestServer(t);
  await door.putSubscription(parseSubscription('hook', { topic: '#', sink: 'http://127.0.0.1:9/' }, LIMITS));
  const state = async () =>
    (
      (await (await fetch(`${url}/v1/subscriptions/hook`)).json()) as {
        webhook: { status: string; why: string };
      }
    ).webhook;
  const last = await until('it was asked', async () => {
    const now = await state();
    return now.status !== 'asking' && now;
  });
  assert.equal(last.status, 'refused');
  assert.match(last.why, /cannot be reached.*ECONNREFUSED/);
});
