import { NO_TOKEN } from '../../../../node/core/delivery-token.ts';
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { WebhookSinks } from '../../../../bridge/http/webhook.ts';
import {
  createSinkClient,
  type SinkRequest,
  type SinkResponse,
} from '../../../../bridge/http/webhook-client.ts';
import type { WebhookOptions } from '../../../../bridge/http/config.ts';
import {
  deliveryMessage,
  judgeDelivery,
  judgeHandshake,
  parseRetryAfter,
} from '../../../../bridge/http/webhook-handshake.ts';
import type { CloudEvent } from '../../../../node/core/cloud-event.ts';
import { LIMITS } from '../../../../node/core/limits.ts';
import { parseSubscription } from '../../../../node/core/subscription.ts';
import { FakeFrontDoor } from '../../../support/front-door.ts';

const SINK = 'https://sink.example/hook?access_token=x';
const options: WebhookOptions = {
  origin: 'acme',
  publicUrl: 'https://mesh.example/',
};
const agreed: SinkResponse = {
  kind: 'answer',
  status: 200,
  headers: { 'webhook-allowed-origin': 'acme', 'webhook-allowed-rate': '*' },
};
const silent: SinkResponse = { kind: 'answer', status: 405, headers: {} };
const answer = (status: number, headers: Record<string, string> = {}): SinkResponse => ({
  kind: 'answer',
  status,
  headers,
});
const event = (id: string, data = '{"a":1}'): CloudEvent => ({
  id,
  source: '/s',
  type: 't',
  attributes: new Map([['datacontenttype', { type: 'string', value: 'application/json' }]]),
  data: { type: 'text', value: data },
});

/** Virtual time, a scripted sink, and a door in memory. */
class World {
  readonly door: FakeFrontDoor;
  readonly requests: SinkRequest[] = [];
  consent: SinkResponse | Error = agreed;
  readonly logged: string[] = [];
  answers: (SinkResponse | Promise<SinkResponse> | Error)[] = [];
  now = 0;
  #timers: { at: number; run: () => void }[] = [];
  readonly sinks: WebhookSinks;

  constructor(given: WebhookOptions = options, door = new FakeFrontDoor()) {
    this.door = door;
    this.sinks = new WebhookSinks(given, {
      door: this.door,
      client: {
        send: async (request) => {
          this.requests.push(request);
          const next = request.method === 'OPTIONS' ? this.consent : (this.answers.shift() ?? answer(204));
          if (next instanceof Error) throw next;
          return next;
        },
        close: () => undefined,
      },
      clock: { wall: () => this.now, monotonic: () => this.now },
      timers: {
        after: (ms, run) => {
          const timer = { at: this.now + ms, run };
          this.#timers.push(timer);
          return () => void (this.#timers = this.#timers.filter((each) => each !== timer));
        },
      },
      random: () => 0.5,
      log: { warn: (_fields, message) => void this.logged.push(message) },
    });
  }

  async put(body: object = {}): Promise<void> {
    await this.door.putSubscription(parseSubscription('hook', { topic: '#', sink: SINK, ...body }, LIMITS));
    await this.settle();
  }

  async publish(...ids: string[]): Promise<void> {
    await this.door.publish(
      ids.map((id) => event(id)),
      { qos: 'durable', topic: 'a' },
    );
    await this.settle();
  }

  async advance(ms: number): Promise<void> {
    const until = this.now + ms;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.now = Math.max(this.now, next.at);
      this.#timers = this.#timers.filter((each) => each !== next);
      next.run();
      await this.settle();
    }
    this.now = until;
    await this.settle();
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 30; i++) await Promise.resolve();
  }

  get posts(): (string | undefined)[] {
    return this.requests.filter(({ method }) => method === 'POST').map(({ headers }) => headers['ce-id']);
  }

  get asked(): number {
    return this.requests.filter(({ method }) => method === 'OPTIONS').length;
  }

  get state() {
    const state = this.sinks.stateOf('hook');
    assert.ok(state);
    return state;
  }
}

async function started(
  consent: SinkResponse = agreed,
  given: WebhookOptions = options,
  body: object = {},
): Promise<World> {
  const world = new World(given);
  world.consent = consent;
  world.sinks.start();
  await world.put(body);
  return world;
}

suite('consent', () => {
  test('is asked for at the exact address, before anything is delivered', async () => {
    const world = await started();
    const [request] = world.requests;
    assert.equal(request?.method, 'OPTIONS');
    assert.equal(request.url, SINK);
    assert.equal(request.headers['webhook-request-origin'], 'acme');
    assert.match(
      request.headers['webhook-request-callback'] ?? '',
      /^https:\/\/mesh\.example\/v1\/webhooks\/[\w-]{32}$/,
    );
    await world.publish('1');
    assert.deepEqual(world.posts, ['1']);
    assert.equal(world.requests[1]?.headers['webhook-request-origin'], 'acme');
    assert.equal(world.requests[1].timeoutMs, 30_000);
    assert.equal(world.door.subscription('hook')?.depth, 0);
  });

  test('without it deliveries wait, the state is visible, and it is asked for again with back-off', async () => {
    const world = await started(silent);
    await world.publish('1');
    assert.deepEqual(world.posts, []);
    assert.equal(world.door.subscription('hook')?.depth, 1);
    assert.equal(world.door.subscription('hook')?.sessions, 0);
    assert.equal(world.state.status, 'refused');
    assert.match(world.state.why, /405 and no WebHook-Allowed-Origin/);
    await world.advance(5_000);
    assert.equal(world.asked, 2);
    await world.advance(5_000);
    assert.equal(world.asked, 2);
    world.consent = agreed;
    await world.advance(5_000);
    assert.deepEqual(world.posts, ['1']);
    assert.equal(world.state.status, 'active');
  });

  test('by callback, with the rate that it grants', async () => {
    const world = await started(silent);
    await world.publish('1', '2');
    const key = (world.requests[0]?.headers['webhook-request-callback'] ?? '').split('/').at(-1) ?? '';
    assert.equal(world.sinks.grant('wrong', {}), false);
    assert.equal(world.sinks.grant(key, { 'webhook-allowed-rate': '60' }), true);
    await world.settle();
    assert.deepEqual(world.posts, ['1']);
    await world.advance(1_000);
    assert.deepEqual(world.posts, ['1', '2']);
    assert.equal(world.state.ratePerMinute, 60);
  });

  test('is asked for daily; not being reached withdraws nothing, another answer does', async () => {
    const world = await started();
    world.consent = { kind: 'failure', why: 'down' };
    await world.advance(24 * 3_600_000);
    assert.equal(world.asked, 2);
    assert.equal(world.state.status, 'active');
    world.consent = silent;
    await world.advance(5_000);
    assert.equal(world.state.status, 'refused');
    await world.publish('1');
    assert.deepEqual(world.posts, []);
  });

  test('is asked for after a restart of the bridge', async () => {
    const world = await started();
    world.sinks.stop();
    await world.publish('1');
    assert.deepEqual(world.posts, []);
    const again = new World(options, world.door);
    again.sinks.start();
    await again.settle();
    assert.equal(again.asked, 1);
    assert.deepEqual(again.posts, ['1']);
  });

  test('for another origin is none', () => {
    assert.equal(judgeHandshake(options, 200, { 'webhook-allowed-origin': 'other' }).allowed, false);
    assert.equal(judgeHandshake(options, 500, { 'webhook-allowed-origin': '*' }).allowed, true);
    assert.equal(
      judgeHandshake(options, 200, { 'webhook-allowed-origin': '*', 'webhook-allowed-rate': '-1' }).allowed,
      false,
    );
    assert.deepEqual(judgeHandshake(options, 200, { 'webhook-allowed-origin': '*' }), {
      allowed: true,
      perMinute: undefined,
    });
  });
});

suite('answers to a delivery', () => {
  test('415 rejects, others are tried again by the core', async () => {
    const world = await started();
    world.answers = [
      answer(415),
      answer(500),
      answer(302, { location: 'https://other.example' }),
      { kind: 'failure', why: 'refused' },
    ];
    await world.publish('1', '2', '3', '4');
    const kinds = world.door.settlements.map(({ kind }) => kind);
    assert.deepEqual(kinds, ['reject', 'retry', 'retry', 'retry']);
    assert.equal(world.requests.filter(({ url }) => url !== SINK).length, 0);
    assert.equal(world.door.deadLetters[0]?.reason, 'the sink answered 415');
  });

  test('410 stops everything until the subscription is put again', async () => {
    const world = await started();
    world.answers = [answer(410)];
    await world.publish('1');
    await world.publish('2');
    assert.equal(world.state.status, 'gone');
    assert.deepEqual(world.posts, ['1']);
    await world.advance(48 * 3_600_000);
    assert.equal(world.asked, 1);
    assert.equal(world.door.subscription('hook')?.depth, 2);
    await world.put();
    assert.equal(world.state.status, 'active');
    assert.deepEqual(world.posts, ['1', '1', '2']);
  });

  test('429 holds back all deliveries for as long as Retry-After says', async () => {
    const world = await started(agreed, options, { delivery: { maxInFlight: 1 } });
    world.answers = [answer(429, { 'retry-after': '120' })];
    await world.publish('1', '2');
    assert.deepEqual(world.posts, ['1']);
    assert.deepEqual(world.door.settlements, [
      { kind: 'retry', token: { ...NO_TOKEN, queue: 1, index: 1 }, delayMs: 120_000, name: 'hook' },
    ]);
    assert.notEqual(world.state.pausedUntil, null);
    await world.advance(119_000);
    assert.deepEqual(world.posts, ['1']);
    await world.advance(1_000);
    assert.deepEqual(world.posts, ['1', '2']);
  });

  test('never more under way than maxInFlight', async () => {
    const world = await started(agreed, options, { delivery: { maxInFlight: 2 } });
    const release: (() => void)[] = [];
    const hold = (): Promise<SinkResponse> =>
      new Promise((resolve) => release.push(() => resolve(answer(200))));
    world.answers = [hold(), hold(), hold(), hold()];
    await world.publish('1', '2', '3', '4');
    assert.equal(world.posts.length, 2);
    release[0]?.();
    await world.settle();
    assert.equal(world.posts.length, 3);
  });

  test('Retry-After as a date, as seconds, as nonsense', () => {
    assert.equal(parseRetryAfter('Thu, 01 Jan 1970 00:01:00 GMT', 0), 60_000);
    assert.equal(parseRetryAfter('7', 0), 7_000);
    assert.equal(parseRetryAfter('999999999', 0), 3_600_000);
    assert.equal(parseRetryAfter('soon', 0), undefined);
    assert.deepEqual(judgeDelivery(503, {}, 0), {
      kind: 'retry',
      why: 'the sink answered 503',
      pauseMs: undefined,
    });
    assert.equal(judgeDelivery(202, {}, 0).kind, 'done');
  });
});

test('a delivery always has a body and its type: binary mode where the event has both', () => {
  const binary = deliveryMessage(event('1'), 'acme');
  assert.equal(binary.headers['content-type'], 'application/json');
  assert.equal(binary.headers['ce-id'], '1');
  const dataless = deliveryMessage({ ...event('1'), data: undefined, attributes: new Map() }, 'acme');
  assert.match(dataless.headers['content-type'] ?? '', /cloudevents\+json/);
  const untyped = deliveryMessage(
    { ...event('1'), data: { type: 'binary', value: new Uint8Array(1) }, attributes: new Map() },
    'acme',
  );
  assert.match(String(untyped.body), /data_base64/);
});

test('a subscription that is replaced keeps its consent, one that is deleted stops', async () => {
  const world = await started();
  await world.put({ delivery: { retries: 1 } });
  assert.equal(world.asked, 1);
  await world.publish('1');
  assert.deepEqual(world.posts, ['1']);
  await world.door.deleteSubscription('hook');
  assert.equal(world.sinks.stateOf('hook'), undefined);
  await world.put({ sink: 'https://other.example/' });
  assert.equal(world.requests.at(-1)?.url, 'https://other.example/');
});

suite('faults of ours', () => {
  test('a request that HTTP does not allow is a failure like others', async (t) => {
    const client = createSinkClient(1);
    t.after(() => client.close());
    const response = await client.send({
      method: 'POST',
      url: 'http://127.0.0.1:9/',
      headers: { 'content-type': 'text/plain; title="\u0142"' },
      body: 'x',
      timeoutMs: 1_000,
      signal: new AbortController().signal,
    });
    assert.equal(response.kind, 'failure');
    assert.match(response.why, /cannot be sent \(Invalid character/);
  });

  test('an event that cannot be sent is retried, and others go on', async () => {
    const world = await started();
    world.answers = [new Error('a bug'), answer(204)];
    await world.publish('a', 'b');
    assert.deepEqual(
      world.door.settlements.map(({ kind }) => kind),
      ['retry', 'ack'],
    );
    assert.equal(world.state.lastFailure, 'a bug');
    assert.deepEqual(world.logged, ['an event could not be sent to its webhook sink']);
    world.door.tick(1_000);
    await world.settle();
    assert.equal(world.door.subscription('hook')?.depth, 0);
  });

  test('a sink that could not be asked is asked again', async () => {
    const world = new World();
    world.consent = new Error('a bug');
    world.sinks.start();
    await world.put();
    assert.equal(world.asked, 1);
    world.consent = agreed;
    await world.advance(60_000);
    assert.equal(world.asked, 2);
    assert.equal(world.state.status, 'active');
    assert.deepEqual(world.logged, ['a webhook sink could not be asked']);
  });

  test('what cannot be attached or settled for a bug is tried again', async () => {
    const door = new FakeFrontDoor();
    const world = new World(options, door);
    const right = { attach: door.attach.bind(door), settle: door.settle.bind(door) };
    door.attach = () => {
      throw new Error('a bug');
    };
    world.sinks.start();
    await world.put();
    door.attach = right.attach;
    await world.advance(2_000);
    assert.equal(door.subscription('hook')?.sessions, 1);
    door.settle = () => Promise.reject(new Error('another'));
    await world.publish('a');
    door.settle = right.settle;
    await world.advance(2_000);
    assert.equal(door.subscription('hook')?.depth, 0);
    assert.equal(world.state.lastFailure, 'another');
    assert.equal(world.logged.length, 2);
  });
});
