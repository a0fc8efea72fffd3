import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TSchema } from 'typebox';
import { Check, Errors } from 'typebox/value';
import {
  FederationSchema,
  LedgerSchema,
  LinksSchema,
  QueuesSchema,
  RoutesSchema,
} from '../../../node/http/schemas.ts';
import { buildTestServer } from '../../support/http.ts';

test('the views come as they are, and as their schemas say', async (t) => {
  const { app } = await buildTestServer(t);
  const bodies: Record<string, TSchema> = {
    '/v1/federation': FederationSchema,
    '/v1/ledger': LedgerSchema,
    '/v1/links': LinksSchema,
    '/v1/queues': QueuesSchema,
    '/v1/routes?topic=orders/eu': RoutesSchema,
  };
  for (const [url, schema] of Object.entries(bodies)) {
    const response = await app.inject(url);
    assert.equal(response.statusCode, 200);
    assert.ok(Check(schema, response.json()), `${url}: ${JSON.stringify(Errors(schema, response.json()))}`);
  }
});

test('a dry run needs a topic, and says where one is wrong', async (t) => {
  const { app } = await buildTestServer(t);
  assert.match(
    (await app.inject('/v1/routes')).json<{ detail: string }>().detail,
    /query\.topic: it is missing/,
  );
  const wrong = await app.inject('/v1/routes?topic=a//b');
  assert.equal(wrong.statusCode, 400);
  assert.deepEqual(
    [wrong.json<{ code: string }>().code, wrong.json<{ position: number }>().position],
    ['invalid-topic', 3],
  );
});

test('alive always, ready only without a reason not to be', async (t) => {
  const { app } = await buildTestServer(t);
  assert.equal((await app.inject('/healthz')).statusCode, 200);
  assert.equal((await app.inject('/readyz')).statusCode, 200);
  const { app: waiting } = await buildTestServer(t, {
    notReady: ['The registry was never reached.', 'The routes of n2 are not complete.'],
  });
  assert.equal((await waiting.inject('/healthz')).statusCode, 200);
  const response = await waiting.inject('/readyz');
  assert.equal(response.statusCode, 503);
  assert.equal(response.headers['retry-after'], '5');
  assert.deepEqual(response.json<{ why: string[] }>().why, [
    'The registry was never reached.',
    'The routes of n2 are not complete.',
  ]);
});
