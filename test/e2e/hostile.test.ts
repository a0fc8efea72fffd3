// Bad input against real meshers, while honest traffic goes on: what clients may send wrong, a peer that is no member, and
// a member that means harm. Each is refused with its own reason, counted, and costs the others nothing.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { encodeRecord } from '../../node/core/event-record.ts';
import { NO_GROUPS, type StoredEvent } from '../../node/core/event.ts';
import { bucketDigest, bucketOf, interestKey, InterestSet } from '../../node/core/interest-set.ts';
import type { Interest, LaneData } from '../../node/core/messages.ts';
import type { Keys } from '../../node/core/ports.ts';
import { encodeHead, signDelta } from '../../node/core/route-record.ts';
import { ephemeralKeys } from '../../node/net/keys.ts';
import { ByteWriter } from '../../node/wire/byte-writer.ts';
import { frameHeader } from '../../node/wire/frames.ts';
import { encodeMessage } from '../../node/wire/link-messages.ts';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { HostileMember, LyingInterests, rawPeer, register, type Victim } from '../support/hostile.ts';
import { Consumer, Ledger, Publisher, untilTaken } from '../support/traffic.ts';
import { until } from '../support/until.ts';

const TEN_MILLION = 10_000_000;
const EVENTS_MAX = 1_000_000;
/** What a liar said is asked for again at once, rather than after a pause that grows. */
const FLAGS = ['--timing-exchange-every-ms', '200', '--timing-pull-timeout-ms', '500'];

interface BadRequest {
  readonly name: string;
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly status: number;
  readonly code: string;
  /** Something that the answer must say. */
  readonly says?: RegExp;
}

const STRUCTURED = { 'content-type': 'application/cloudevents+json' };
const BATCH = { 'content-type': 'application/cloudevents-batch+json' };
const BINARY = {
  'ce-specversion': '1.0',
  'ce-id': '1',
  'ce-source': '/x',
  'ce-type': 'a.b',
  'content-type': 'text/plain',
};
const EVENT = { specversion: '1.0', id: '1', source: '/x', type: 'a.b' };
const JSON_BODY = { 'content-type': 'application/json' };
const bad = { status: 400, code: 'invalid-event' };
const put = { method: 'PUT', headers: JSON_BODY };

const BAD_REQUESTS: readonly BadRequest[] = [
  {
    name: 'binary without id',
    path: '/v1/events',
    headers: without(BINARY, 'ce-id'),
    body: 'x',
    ...bad,
    says: /\bid\b/,
  },
  {
    name: 'binary, another version',
    path: '/v1/events',
    headers: { ...BINARY, 'ce-specversion': '9.9' },
    body: 'x',
    ...bad,
    says: /specversion/,
  },
  {
    name: 'binary, bad time',
    path: '/v1/events',
    headers: { ...BINARY, 'ce-time': 'noon' },
    body: 'x',
    ...bad,
    says: /time/,
  },
  {
    name: 'binary, bad media type',
    path: '/v1/events',
    headers: { ...BINARY, 'content-type': 'nonsense' },
    body: 'x',
    ...bad,
    says: /datacontenttype/,
  },
  { name: 'structured, no JSON', path: '/v1/events', headers: STRUCTURED, body: '{"id":', ...bad },
  { name: 'structured, not an object', path: '/v1/events', headers: STRUCTURED, body: '42', ...bad },
  {
    name: 'structured, empty source',
    path: '/v1/events',
    headers: STRUCTURED,
    body: JSON.stringify({ ...EVENT, source: '' }),
    ...bad,
    says: /source/,
  },
  {
    name: 'structured, data twice',
    path: '/v1/events',
    headers: STRUCTURED,
    body: JSON.stringify({ ...EVENT, data: 1, data_base64: 'AA==' }),
    ...bad,
    says: /data/,
  },
  {
    name: 'structured, bad extension',
    path: '/v1/events',
    headers: STRUCTURED,
    body: JSON.stringify({ ...EVENT, Bad_Name: 1 }),
    ...bad,
    says: /Bad_Name/,
  },
  { name: 'batch, not an array', path: '/v1/events', headers: BATCH, body: JSON.stringify(EVENT), ...bad },
  {
    name: 'batch, one of two bad',
    path: '/v1/events',
    headers: BATCH,
    body: JSON.stringify([EVENT, { ...EVENT, type: 5 }]),
    ...bad,
    says: /type/,
  },
  {
    name: 'topic with a wildcard',
    path: '/v1/events?topic=a/%23',
    headers: BINARY,
    body: 'x',
    status: 400,
    code: 'invalid-topic',
  },
  {
    name: 'topic of the system',
    path: '/v1/events?topic=$sys/x',
    headers: BINARY,
    body: 'x',
    status: 400,
    code: 'invalid-topic',
  },
  {
    name: 'topic too long',
    path: `/v1/events?topic=${'a'.repeat(2000)}`,
    headers: BINARY,
    body: 'x',
    status: 400,
    code: 'invalid-topic',
  },
  {
    name: 'unknown quality',
    path: '/v1/events',
    headers: { ...BINARY, 'causeway-qos': 'perhaps' },
    body: 'x',
    status: 400,
    code: 'invalid-request',
  },
  {
    name: 'event too large',
    path: '/v1/events',
    headers: BINARY,
    body: Buffer.alloc(2 * 1024 * 1024),
    status: 413,
    code: 'event-too-large',
  },
  {
    name: 'batch too large',
    path: '/v1/events',
    headers: BATCH,
    body: Buffer.alloc(17 * 1024 * 1024, 32),
    status: 413,
    code: 'batch-too-large',
  },
  {
    name: 'filter with # inside',
    path: '/v1/subscriptions/s',
    ...put,
    body: '{"topic":"a/#/b"}',
    status: 400,
    code: 'invalid-filter',
  },
  {
    name: 'filter with half a +',
    path: '/v1/subscriptions/s',
    ...put,
    body: '{"topic":"a/b+"}',
    status: 400,
    code: 'invalid-filter',
  },
  {
    name: 'unknown key',
    path: '/v1/subscriptions/s',
    ...put,
    body: '{"topic":"a","dilivery":{}}',
    status: 400,
    code: 'invalid-subscription',
    says: /delivery/,
  },
  { name: 'not JSON', path: '/v1/subscriptions/s', ...put, body: '{', status: 400, code: 'invalid-request' },
  {
    name: 'no such subscription',
    path: '/v1/subscriptions/none/pull',
    method: 'POST',
    headers: JSON_BODY,
    body: '{}',
    status: 404,
    code: 'subscription-not-found',
  },
  {
    name: 'dry run of a filter',
    path: '/v1/routes?topic=a/%2B',
    method: 'GET',
    status: 400,
    code: 'invalid-topic',
  },
  { name: 'no such path', path: '/v2/events', headers: BINARY, body: 'x', status: 404, code: 'not-found' },
  { name: 'wrong method', path: '/v1/events', method: 'DELETE', status: 405, code: 'method-not-allowed' },
];

test('malformed events, topics, filters and oversized bodies are refused with their own codes, and counted', async (t) => {
  const { a, traffic } = await honest(t);
  const expected = new Map<string, number>();
  for (const each of BAD_REQUESTS) {
    const response = await send(a, each);
    const problem = JSON.parse(response.text) as { code?: string; detail?: string; status?: number };
    assert.equal(
      `${response.status} ${problem.code}`,
      `${each.status} ${each.code}`,
      `${each.name}: ${response.text}`,
    );
    assert.equal(response.type, 'application/problem+json', each.name);
    if (each.says) assert.match(`${problem.detail} ${response.text}`, each.says, each.name);
    expected.set(each.code, (expected.get(each.code) ?? 0) + 1);
  }
  for (const [reason, count] of expected) {
    assert.equal(await a.metric('causeway_http_refused_total', { reason }), count, `${reason} is counted`);
  }
  t.diagnostic(`${BAD_REQUESTS.length} bad requests, ${expected.size} codes`);
  await traffic.finish();
});

test('a peer that is no member, and a member that lies, are refused by reason while honest traffic goes on', async (t) => {
  const { federation, a, b, traffic } = await honest(t);
  const victim = await victimOf(b);
  const honestNode = (await a.federation()).self.node;
  const seen: string[] = [];
  const refused = async (
    metric: string,
    reason: string,
    attack: () => void | Promise<void>,
  ): Promise<void> => {
    const started = Date.now();
    const before = await b.metric(metric, { reason });
    await attack();
    // said again now and then: gossip may be lost, and a link that was closed is dialled anew
    let next = Date.now() + 2000;
    await until(`${metric} ${reason}`, async () => {
      if ((await b.metric(metric, { reason })) > before) return true;
      if (Date.now() > next) {
        next = Date.now() + 2000;
        await attack();
      }
      return false;
    });
    seen.push(`${reason} ${Date.now() - started} ms`);
  };

  const evil = await HostileMember.start(t);
  await refused('causeway_messages_refused_total', 'stranger', () => evil.dial(victim));
  await register(t, federation.registryAddress, evil.keys, evil.addresses);
  await evil.whenLinked();

  await routeLies(evil, b, honestNode, refused);
  await laneLies(evil, b, refused);
  await rawLies(t, federation, victim, refused);

  t.diagnostic(`refused: ${seen.join(', ')}`);
  await traffic.finish();
  for (const mesher of [a, b]) {
    const known = (await mesher.federation()).members.filter(({ cluster }) => cluster !== 'evil');
    assert.ok(known.every(({ status, routes }) => status === 'alive' && routes.complete && !routes.gapped));
    assert.equal(
      (await mesher.routes('forged/topic')).destinations.some(({ destination }) => destination !== 'evil'),
      false,
      'no lie is believed',
    );
  }
});

type Refused = (metric: string, reason: string, attack: () => void | Promise<void>) => Promise<void>;

const ROUTES = 'causeway_routes_refused_total';
const MESSAGES = 'causeway_messages_refused_total';
const FORGED: Interest = { filter: 'forged/#', group: '', durable: true };

async function routeLies(
  evil: HostileMember,
  b: RunningMesher,
  honestNode: string,
  refused: Refused,
): Promise<void> {
  const { keys, incarnation } = evil;
  let sequence = 1000;
  const next = (): number => sequence++;
  const delta = (signer: Keys, at: number): Uint8Array => {
    const interests = new InterestSet();
    interests.set(FORGED);
    return signDelta(signer, incarnation, at, interests, [{ add: true, interest: FORGED }]).bytes;
  };
  const forger: Keys = { ...keys, node: honestNode };
  await refused(ROUTES, 'bad-signature', () => evil.gossip(delta(forger, next())));
  await refused(ROUTES, 'bad-signature', () =>
    evil.say({ kind: 'route-delta', delta: delta(forger, next()) }),
  );
  await refused(ROUTES, 'unknown-owner', () => evil.gossip(delta(ephemeralKeys(), next())));
  await refused(ROUTES, 'malformed', () => evil.gossip(Buffer.from(`\u0007nonsense ${next()}`)));
  await refused(ROUTES, 'bad-digest', () => {
    const bytes = Buffer.from(delta(keys, next()));
    bytes[bytes.length - 4] = 0x58; // a letter of the filter, after the signature was made
    evil.gossip(bytes);
  });
  await refused(MESSAGES, 'gossip-too-large', () => evil.gossip(Buffer.alloc(100_000, next() & 0xff)));

  // a jump: the record is pulled, from a peer that lies about what it holds
  const head = (count: number, digests = new Map<number, Uint8Array>()): Uint8Array => {
    const interests = new LyingInterests(count, digests);
    return encodeHead(signDelta(keys, incarnation, next(), interests, []).proof, interests);
  };
  const jump = (): void => evil.say({ kind: 'route-delta', delta: delta(keys, next()) });
  const answerPulls = (make: () => Uint8Array): void => {
    evil.answer = (message) =>
      message.kind === 'route-pull' && message.node === keys.node
        ? { kind: 'route-head', head: make() }
        : undefined;
  };
  answerPulls(() => head(5));
  const gaps = await b.metric('causeway_routes_gapped_total');
  await refused(ROUTES, 'bad-count', jump);
  assert.ok((await b.metric('causeway_routes_gapped_total')) > gaps, 'the jump is a gap');
  answerPulls(() => head(TEN_MILLION));
  await refused(ROUTES, 'too-many-interests', jump);

  const at = bucketOf(interestKey(FORGED.filter, ''));
  const lieInBuckets = (digest: Uint8Array, index: number): void => {
    evil.answer = (message) => {
      if (message.kind === 'route-pull' && message.node === keys.node)
        return { kind: 'route-head', head: head(1, new Map([[index, digest]])) };
      if (message.kind !== 'route-bucket-pull') return undefined;
      const { node, incarnation: of, sequence: version } = message;
      return {
        kind: 'route-buckets',
        node,
        incarnation: of,
        sequence: version,
        buckets: [{ index, interests: [FORGED] }],
      };
    };
  };
  lieInBuckets(bucketDigest([{ ...FORGED, filter: 'other' }]), at);
  await refused(ROUTES, 'bad-digest', jump);
  lieInBuckets(bucketDigest([FORGED]), (at + 1) % 256);
  await refused(ROUTES, 'bad-bucket', jump);
  evil.answer = () => undefined;
}

async function laneLies(evil: HostileMember, b: RunningMesher, refused: Refused): Promise<void> {
  const lane = { scope: 'cluster', lane: 0 } as const;
  const far = { incarnation: evil.incarnation, sequence: 1_000_000 };
  const data = (event: StoredEvent, from: number): LaneData => ({
    kind: 'data',
    ...lane,
    previous: { ...far, sequence: from },
    first: { ...far, sequence: from + 1 },
    doubt: false,
    events: [{ event, directive: NO_GROUPS }],
  });
  const gaps = await b.metric('causeway_lane_gaps_total', { cluster: 'evil' });
  evil.send(data(eventBy(evil, ['evil']), 999));
  await until(
    'the gap is seen',
    async () => (await b.metric('causeway_lane_gaps_total', { cluster: 'evil' })) > gaps,
  );
  let opened = 0;
  await refused('causeway_events_dropped_total', 'loop', () => {
    const base = { ...far, sequence: far.sequence + 10 * opened++ };
    evil.say({ kind: 'lane-open', ...lane, base });
    evil.send(data(eventBy(evil, ['b', 'evil']), base.sequence));
  });
}

function eventBy(evil: HostileMember, path: readonly string[]): StoredEvent {
  const event = { topic: 'nobody/wants', expiresAt: 0, key: '', hash: 0, cloudEvent: Buffer.from('x') };
  const origin = {
    origin: evil.keys.node,
    incarnation: evil.incarnation,
    sequence: 1,
    acceptedAt: Date.now(),
    path,
    deadLetter: undefined,
  };
  return encodeRecord(event, origin);
}

async function rawLies(
  t: TestContext,
  federation: Federation,
  victim: Victim,
  refused: Refused,
): Promise<void> {
  const keys = ephemeralKeys();
  await register(t, federation.registryAddress, keys, []);
  const hello = frame(encodeMessage({ kind: 'hello', federation: 'acme', cluster: 'evil', incarnation: 1 }));
  const control = (reason: string, ...frames: readonly Uint8Array[]): Promise<void> => {
    return refused(MESSAGES, reason, async () => {
      try {
        (await rawPeer(t, keys, victim)).control(Buffer.concat(frames));
      } catch {
        // not known as a member yet, or its last connection is still being closed: it tries again
      }
    });
  };
  await control('no-hello', frame(encodeMessage({ kind: 'ping', sentAt: 1 })));
  await control('frame-too-large', hello, frameHeader(TEN_MILLION));
  await control('unknown-kind', hello, frame(Buffer.of(99)));
  await control(
    'wrong-federation',
    frame(encodeMessage({ kind: 'hello', federation: 'evil', cluster: 'evil', incarnation: 1 })),
  );
  await control('too-many', hello, frame(tenMillionInterests()));
  await control('cut-short', hello, frame(Buffer.of(2)));
  await control(
    'trailing-bytes',
    hello,
    frame(Buffer.concat([encodeMessage({ kind: 'ping', sentAt: 1 }), Buffer.of(0)])),
  );
  await refused(MESSAGES, 'bad-record', async () => {
    try {
      const peer = await rawPeer(t, keys, victim);
      peer.control(hello);
      peer.data(frame(badRecord()));
    } catch {
      // as above
    }
  });
}

/** route-buckets with one bucket that claims ten million interests and has none. */
function tenMillionInterests(): Uint8Array {
  const start = encodeMessage({
    kind: 'route-buckets',
    node: 'x',
    incarnation: 1,
    sequence: 1,
    buckets: [{ index: 0, interests: [] }],
  });
  const count = new ByteWriter();
  count.uint(TEN_MILLION);
  return Buffer.concat([start.subarray(0, -1), count.finish()]);
}

/** Data whose record is of a version that there is not. */
function badRecord(): Uint8Array {
  const origin = {
    origin: 'x',
    incarnation: 1,
    sequence: 1,
    acceptedAt: 1,
    path: ['evil'],
    deadLetter: undefined,
  };
  const bad = encodeRecord(
    { topic: 't', expiresAt: 0, key: '', hash: 0, cloudEvent: Buffer.alloc(64) },
    origin,
  );
  bad.record[0] = 99; // the event is a view of its record from now on
  const position = { incarnation: 1, sequence: 0 };
  const event = { event: bad, directive: NO_GROUPS };
  return encodeMessage({
    kind: 'data',
    scope: 'cluster',
    lane: 0,
    previous: position,
    first: { ...position, sequence: 1 },
    doubt: false,
    events: [event],
  });
}

function frame(body: Uint8Array): Uint8Array {
  return Buffer.concat([frameHeader(body.length), body]);
}

// ───────────────────────────────────────────────────────────── honest traffic

async function honest(
  t: TestContext,
): Promise<{ federation: Federation; a: RunningMesher; b: RunningMesher; traffic: Traffic }> {
  const federation = await Federation.start(t, { clusters: { a: 1, b: 1 }, flags: FLAGS });
  const [a, b] = [federation.mesher('a'), federation.mesher('b')];
  await b.putSubscription('orders', { topic: 'e2e/#' });
  await federation.whenRouted(a, 'e2e/events', ['b']);
  return { federation, a, b, traffic: new Traffic(t, a, b) };
}

/** Publishes from one mesher to the other until it is told to finish, and then finds nothing lost. */
class Traffic {
  readonly #t: TestContext;
  readonly #meshers: readonly [RunningMesher, RunningMesher];
  readonly #pids: readonly (number | undefined)[];
  readonly #ledger = new Ledger('orders', EVENTS_MAX);
  readonly #done: Promise<number>;
  readonly #fell: string[] = [];
  #finishing = false;
  /** The test is over before its time. */
  #abandoned = false;

  constructor(t: TestContext, a: RunningMesher, b: RunningMesher) {
    this.#t = t;
    this.#meshers = [a, b];
    this.#pids = [a.program.pid, b.program.pid];
    const consumer = new Consumer(b, 'orders', this.#ledger);
    t.after(() => consumer.stop());
    t.after(() => (this.#abandoned = true));
    for (const { program } of this.#meshers) {
      program.watch((line) => {
        if (line.includes('"link down"')) this.#fell.push(line);
      });
    }
    this.#done = this.#publish(a);
    this.#done.catch(() => undefined); // heard of in `finish`
  }

  async #publish(a: RunningMesher): Promise<number> {
    const publisher = new Publisher();
    let published = 0;
    while (!this.#finishing && published < EVENTS_MAX) {
      await publisher.publish(
        () => {
          if (this.#abandoned) throw new Error('given up');
          return a;
        },
        published,
        50,
      );
      published += 50;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.equal(publisher.repeated, 0, 'no publish was in doubt');
    return published;
  }

  async finish(): Promise<void> {
    this.#finishing = true;
    const published = await this.#done;
    await untilTaken(
      'all honest events are delivered',
      [this.#ledger],
      () => this.#ledger.missing(published).length === 0,
    );
    this.#t.diagnostic(`${published} honest events meanwhile, none lost`);
    assert.equal(this.#ledger.duplicates, 0, 'none twice');
    assert.equal(this.#ledger.outOfOrder, 0, 'every key in order');
    for (const [i, mesher] of this.#meshers.entries()) {
      assert.ok(mesher.program.running && mesher.program.pid === this.#pids[i], 'nobody crashed');
      const other = this.#meshers[1 - i]?.cluster;
      const link = (await mesher.links()).links.find(({ cluster }) => cluster === other);
      assert.equal(link?.state, 'up');
      const fell = this.#fell.filter((line) => line.includes(link.peer));
      assert.deepEqual(fell, [], 'their link never fell');
    }
  }
}

async function victimOf(mesher: RunningMesher): Promise<Victim> {
  const { self, members } = await mesher.federation();
  return { node: self.node, addresses: members.find(({ node }) => node === self.node)?.addresses ?? [] };
}

async function send(
  mesher: RunningMesher,
  { path, method = 'POST', headers = {}, body }: BadRequest,
): Promise<{ status: number; text: string; type: string | null }> {
  const response = await fetch(mesher.http + path, {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, text: await response.text(), type: response.headers.get('content-type') };
}

function without(headers: Readonly<Record<string, string>>, name: string): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));
}
