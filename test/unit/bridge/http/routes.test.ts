import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { FastifyInstance } from 'fastify';
import { Check, Errors } from 'typebox/value';
import { PublishedSchema, PulledSchema, SubscriptionStateSchema } from '../../../../bridge/http/schemas.ts';
import { MeshError } from '../../../../node/core/errors.ts';
import { LIMITS } from '../../../../node/core/limits.ts';
import { parseSubscription } from '../../../../node/core/subscription.ts';
import { buildTestServer } from '../../../support/http.ts';

interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly limit?: number;
  readonly attribute?: string;
  readonly index?: number;
}

const STRUCTURED = 'application/cloudevents+json';
const BATCH = 'application/cloudevents-batch+json';
const event = (id: string, more: object = {}) => ({
  specversion: '1.0',
  id,
  source: '/s',
  type: 'orders.created',
  ...more,
});
const publish = (
  app: FastifyInstance,
  type: string,
  body: unknown,
  query = '',
  headers: Record<string, string> = {},
) =>
  app.inject({
    method: 'POST',
    url: `/v1/events${query}`,
    headers: { 'content-type': type, ...headers },
    payload: typeof body === 'string' ? body : JSON.stringify(body),
  });
const post = (app: FastifyInstance, url: string, body: object) =>
  app.inject({ method: 'POST', url, payload: body });

suite('POST /v1/events', () => {
  test('takes each mode, and tells where each event goes', async (t) => {
    const { app, door } = await buildTestServer(t);
    const structured = await publish(app, STRUCTURED, event('1'));
    assert.equal(structured.statusCode, 202);
    assert.ok(Check(PublishedSchema, structured.json()));
    assert.deepEqual(structured.json(), {
      events: [
        {
          source: '/s',
          id: '1',
          origin: door.node,
          sequence: 1,
          destinations: { subscriptions: 0, meshers: [], clusters: [] },
        },
      ],
    });
    const batch = await publish(app, BATCH, [event('2'), event('3')], '?topic=a/b');
    assert.equal(batch.json<{ events: unknown[] }>().events.length, 2);
    const binary = await publish(app, 'text/plain', 'hello', '', {
      'ce-specversion': '1.0',
      'ce-id': '4',
      'ce-source': '/s',
      'ce-type': 't',
      'causeway-qos': 'best-effort',
    });
    assert.equal(binary.statusCode, 202);
    assert.deepEqual(
      door.published.map(({ event: { id }, options }) => [id, options.topic, options.qos]),
      [
        ['1', undefined, 'durable'],
        ['2', 'a/b', 'durable'],
        ['3', 'a/b', 'durable'],
        ['4', undefined, 'best-effort'],
      ],
    );
    assert.deepEqual((await publish(app, BATCH, [])).json(), { events: [] });
  });

  const malformed: readonly [string, string, unknown, string, number, string, string | undefined][] = [
    ['structured without id', STRUCTURED, { ...event('1'), id: undefined }, '', 400, 'invalid-event', 'id'],
    ['structured that is not JSON', STRUCTURED, '{', '', 400, 'invalid-event', undefined],
    ['structured without a body', STRUCTURED, '', '', 400, 'invalid-event', undefined],
    ['a batch in structured mode', STRUCTURED, [event('1')], '', 400, 'invalid-event', undefined],
    [
      'a batch with one wrong event',
      BATCH,
      [event('1'), event('2', { time: 'x' })],
      '',
      400,
      'invalid-event',
      'time',
    ],
    ['binary without headers', 'application/json', event('1'), '', 400, 'invalid-event', 'specversion'],
    ['a content type that is none', 'xyz', 'a', '', 400, 'invalid-event', 'datacontenttype'],
    [
      'another event format',
      'application/cloudevents+avro',
      'a',
      '',
      415,
      'unsupported-media-type',
      undefined,
    ],
    ['a topic with a wildcard', STRUCTURED, event('1'), '?topic=a/%23', 400, 'invalid-topic', undefined],
    ['an unknown parameter', STRUCTURED, event('1'), '?topci=a', 400, 'invalid-request', undefined],
    ['two topics', STRUCTURED, event('1'), '?topic=a&topic=b', 400, 'invalid-request', undefined],
  ];
  for (const [name, type, body, query, status, code, attribute] of malformed) {
    test(`refuses ${name}, and takes nothing`, async (t) => {
      const { app, door } = await buildTestServer(t);
      const response = await publish(app, type, body, query);
      assert.equal(response.statusCode, status, response.body);
      assert.equal(response.headers['content-type'], 'application/problem+json');
      assert.deepEqual(
        [response.json<Problem>().code, response.json<Problem>().attribute],
        [code, attribute],
      );
      assert.equal(door.published.length, 0);
    });
  }

  test('refuses an unknown quality of service', async (t) => {
    const { app } = await buildTestServer(t);
    assert.match(
      (await publish(app, STRUCTURED, event('1'), '', { 'causeway-qos': 'fast' })).json<Problem>().detail,
      /causeway-qos.*durable or best-effort/,
    );
  });

  test('too large is 413 with the limit: an event, a batch by bytes, a batch by count', async (t) => {
    const { app, door } = await buildTestServer(t, {
      limits: { eventBytesMax: 1_000, batchBytesMax: 10_000, batchEventsMax: 3 },
    });
    const binary = await publish(app, 'text/plain', 'x'.repeat(1_001), '', { 'ce-id': '1' });
    const structured = await publish(app, STRUCTURED, 'x'.repeat(10_001));
    const batch = await publish(app, BATCH, 'x'.repeat(10_001));
    const many = await publish(
      app,
      BATCH,
      ['1', '2', '3', '4'].map((id) => event(id)),
    );
    const told = [binary, structured, batch, many].map((each) => [
      each.statusCode,
      each.json<Problem>().code,
      each.json<Problem>().limit,
    ]);
    assert.deepEqual(told, [
      [413, 'event-too-large', 1_000],
      [413, 'event-too-large', 1_000],
      [413, 'batch-too-large', 10_000],
      [413, 'batch-too-large', 3],
    ]);
    assert.equal(door.published.length, 0);
  });

  test('overload is 503, a full disk 507, both with Retry-After', async (t) => {
    const { app, door } = await buildTestServer(t);
    for (const [code, status] of [
      ['overloaded', 503],
      ['disk-full', 507],
    ] as const) {
      door.failNext = new MeshError(code, 'no room');
      const response = await publish(app, STRUCTURED, event('1'));
      assert.equal(response.statusCode, status);
      assert.ok(Number(response.headers['retry-after']) >= 1);
    }
  });

  test('a fault is 500, and says no more', async (t) => {
    const { app, door } = await buildTestServer(t);
    door.publish = () => Promise.reject(new TypeError('secret of the inside'));
    const response = await publish(app, STRUCTURED, event('1'));
    assert.deepEqual([response.statusCode, response.json<Problem>().code], [500, 'internal']);
    assert.doesNotMatch(response.body, /secret/);
  });
});

suite('/v1/subscriptions', () => {
  test('one that was made elsewhere is found under its name here, and none is made where another mesher has it', async (t) => {
    const { app, door } = await buildTestServer(t);
    const topic = { topic: 'a/#' };
    const put = (query: string) =>
      app.inject({ method: 'PUT', url: `/v1/subscriptions/orders${query}`, payload: topic });
    const get = (query: string) => app.inject({ method: 'GET', url: `/v1/subscriptions/orders${query}` });
    const details = { node: 'heir', http: 'http://heir', memberStatus: 'alive' };
    door.elsewhere.set('lost', new MeshError('subscription-elsewhere', 'on heir', { details }));
    for (const answer of [await put('?madeOn=lost'), await get('?madeOn=lost')]) {
      assert.equal(answer.statusCode, 409);
      const problem = answer.json<Record<string, unknown>>();
      assert.equal(problem['code'], 'subscription-elsewhere');
      assert.deepEqual([problem['node'], problem['http'], problem['memberStatus']], Object.values(details));
    }
    assert.deepEqual(door.subscriptions(), []);
    door.elsewhere.set('guest', 'orders~guest');
    assert.equal((await get('?madeOn=guest')).json<Problem>().code, 'subscription-not-found');
    const made = await put('?madeOn=guest');
    assert.equal(made.statusCode, 201);
    assert.equal(made.headers['location'], '/v1/subscriptions/orders~guest');
    assert.equal(made.json<{ name: string }>().name, 'orders~guest');
    assert.equal((await put('')).json<{ madeOn: string }>().madeOn, door.node);
    for (const query of ['?madeOn=', '?madeOn=a&madeOn=b', `?madeOn=${'n'.repeat(129)}`])
      assert.equal((await get(query)).json<Problem>().code, 'invalid-request', query);
  });

  test('makes, replaces, shows, lists, deletes', async (t) => {
    const { app } = await buildTestServer(t);
    const put = (body: object) =>
      app.inject({ method: 'PUT', url: '/v1/subscriptions/billing', payload: body });
    const made = await put({ topic: 'orders/#' });
    assert.deepEqual([made.statusCode, made.headers.location], [201, '/v1/subscriptions/billing']);
    assert.ok(
      Check(SubscriptionStateSchema, made.json()),
      JSON.stringify(Errors(SubscriptionStateSchema, made.json())),
    );
    const replaced = await put({ topic: 'orders/+', delivery: { retries: 2 } });
    assert.equal(replaced.statusCode, 200);
    const shown = (await app.inject('/v1/subscriptions/billing')).json<{
      topic: string;
      delivery: { retries: number };
    }>();
    assert.deepEqual([shown.topic, shown.delivery.retries], ['orders/+', 2]);
    assert.equal(
      (await app.inject('/v1/subscriptions')).json<{ subscriptions: unknown[] }>().subscriptions.length,
      1,
    );
    assert.equal((await app.inject({ method: 'DELETE', url: '/v1/subscriptions/billing' })).statusCode, 204);
    for (const method of ['GET', 'DELETE'] as const) {
      assert.equal((await app.inject({ method, url: '/v1/subscriptions/billing' })).statusCode, 404);
    }
  });

  test('says what may be done with the dead letters instead of deleting them', async (t) => {
    const { app, door } = await buildTestServer(t);
    door.deleteSubscription = () => Promise.reject(new MeshError('method-not-allowed', 'always there'));
    const response = await app.inject({ method: 'DELETE', url: '/v1/subscriptions/%24dead-letters' });
    assert.deepEqual([response.statusCode, response.headers.allow], [405, 'GET, HEAD']);
    const put = await app.inject({
      method: 'PUT',
      url: '/v1/subscriptions/$dead-letters',
      payload: { topic: 'a' },
    });
    assert.match(put.json<Problem>().detail, /always there and cannot be changed; pull and settle/);
  });

  test('refuses with the place and the word that was meant', async (t) => {
    const { app } = await buildTestServer(t);
    const put = (url: string, payload: object) => app.inject({ method: 'PUT', url, payload });
    assert.match(
      (await put('/v1/subscriptions/a', { topic: 'a', delivery: { ackTimoutMs: 5 } })).json<Problem>().detail,
      /delivery\.ackTimoutMs.*did you mean 'ackTimeoutMs'/,
    );
    assert.equal(
      (await put('/v1/subscriptions/a', { topic: 'a/#/b' })).json<Problem>().code,
      'invalid-filter',
    );
    assert.equal(
      (await put('/v1/subscriptions/%24dead-letters', { topic: 'a' })).json<Problem>().code,
      'invalid-subscription',
    );
    assert.equal(
      (await app.inject({ method: 'PUT', url: '/v1/subscriptions/a' })).json<Problem>().code,
      'invalid-subscription',
    );
  });

  test('pulls and settles: ack, retry, reject, and what is stale', async (t) => {
    const { app, door } = await buildTestServer(t);
    await door.putSubscription(parseSubscription('a', { topic: '#' }, LIMITS));
    await publish(
      app,
      BATCH,
      ['1', '2', '3', '4'].map((id) => event(id, { data: { n: 1 } })),
    );
    const pulled = await post(app, '/v1/subscriptions/a/pull', { max: 3 });
    assert.ok(Check(PulledSchema, pulled.json()), JSON.stringify(Errors(PulledSchema, pulled.json())));
    const { events } = pulled.json<{
      events: { token: string; attempt: number; topic: string; event: { id: string } }[];
    }>();
    assert.deepEqual(
      events.map((each) => [each.event.id, each.attempt, each.topic]),
      [
        ['1', 1, 'orders/created'],
        ['2', 1, 'orders/created'],
        ['3', 1, 'orders/created'],
      ],
    );
    const [one, two, three] = events.map(({ token }) => token);
    const settled = await post(app, '/v1/subscriptions/a/settle', {
      ack: [one, 'unknown'],
      retry: [{ token: two, delayMs: 0 }],
      reject: [{ token: three, reason: 'no such order' }],
    });
    assert.deepEqual(settled.json(), { settled: 3, stale: ['unknown'] });
    assert.deepEqual(
      door.deadLetters.map(({ reason }) => reason),
      ['no such order'],
    );
    const rest = (await app.inject({ method: 'POST', url: '/v1/subscriptions/a/pull' })).json<{
      events: { attempt: number; event: { id: string } }[];
    }>();
    assert.deepEqual(
      rest.events.map((each) => [each.event.id, each.attempt]),
      [
        ['2', 2],
        ['4', 1],
      ],
    );
  });

  test('a pull waits for the first event, and no longer than asked', async (t) => {
    const { app, door } = await buildTestServer(t);
    await door.putSubscription(parseSubscription('a', { topic: '#' }, LIMITS));
    assert.deepEqual((await post(app, '/v1/subscriptions/a/pull', { waitMs: 1 })).json(), { events: [] });
    const waiting = post(app, '/v1/subscriptions/a/pull', { waitMs: 60_000 });
    await publish(app, STRUCTURED, event('1'));
    assert.equal((await waiting).json<{ events: unknown[] }>().events.length, 1);
  });

  test('an answer stops growing at the limit of a batch', async (t) => {
    const { app, door } = await buildTestServer(t, {
      limits: { batchBytesMax: 100_000, eventBytesMax: 100_000 },
    });
    await door.putSubscription(parseSubscription('a', { topic: '#' }, LIMITS));
    for (let i = 0; i < 200; i++)
      await publish(app, STRUCTURED, event(String(i), { data: 'x'.repeat(2_000) }));
    const pulled = (await post(app, '/v1/subscriptions/a/pull', { max: 10_000 })).json<{
      events: unknown[];
    }>();
    assert.equal(pulled.events.length, 64);
    assert.equal(door.subscription('a')?.inFlight, 64);
  });

  test('bodies that are wrong are told where', async (t) => {
    const { app, door } = await buildTestServer(t);
    await door.putSubscription(parseSubscription('a', { topic: '#' }, LIMITS));
    const cases: readonly [string, object, RegExp][] = [
      ['pull', { max: 0 }, /body\.max: it must be >= 1/],
      ['pull', { max: '1' }, /body\.max: it must be integer/],
      ['pull', { waitms: 5 }, /body\.waitms.*did you mean 'waitMs'/],
      ['settle', { ack: 'x' }, /body\.ack: it must be array/],
      ['settle', { retry: [{ delayMs: 1 }] }, /body\.retry\.0\.token: it is missing/],
      ['settle', { ack: ['t1'], retry: [{ token: 't1' }] }, /"t1" is given twice/],
      ['settle', { rejct: [] }, /did you mean 'reject'/],
    ];
    for (const [action, body, message] of cases) {
      const response = await post(app, `/v1/subscriptions/a/${action}`, body);
      assert.equal(response.statusCode, 400, JSON.stringify(body));
      assert.match(response.json<Problem>().detail, message);
    }
    assert.equal((await post(app, '/v1/subscriptions/b/pull', {})).statusCode, 404);
    assert.equal((await post(app, '/v1/subscriptions/b/settle', {})).statusCode, 404);
    assert.equal((await app.inject('/v1/subscriptions/b/events')).statusCode, 404);
    assert.equal((await app.inject('/v1/subscriptions/a/events?ack=maybe')).statusCode, 400);
    assert.equal((await app.inject('/v1/stream')).statusCode, 400);
    assert.equal((await app.inject('/v1/stream?topic=a/%23/b')).json<Problem>().code, 'invalid-filter');
  });
});

test('a consent may come with a body of any type, or none', async (t) => {
  const { app } = await buildTestServer(t);
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json']) {
    for (const payload of ['', 'granted']) {
      const headers = { 'content-type': type };
      const response = await app.inject({ method: 'POST', url: '/v1/webhooks/unknown', headers, payload });
      assert.match(response.json<Problem>().detail, /no sink waits for this key/);
    }
  }
});
