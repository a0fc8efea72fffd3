import { NO_TOKEN, type DeliveryToken } from '../../node/core/delivery-token.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CloudEvent } from '../../node/core/cloud-event.ts';
import { Counters } from '../../node/core/counters.ts';
import { MeshError } from '../../node/core/errors.ts';
import { LIMITS, type Limits } from '../../node/core/limits.ts';
import type { MesherCore } from '../../node/core/mesher-core.ts';
import type { DecodedDelivery, Delivery } from '../../node/core/ports.ts';
import type { Input } from '../../node/core/steps.ts';
import type { Driver, DriverSession } from '../../node/driver.ts';
import { MesherDoor } from '../../node/front-door.ts';
import { encodeCloudEvent } from '../../node/wire/cloud-event-protobuf.ts';
import { storedEvent } from '../support/events.ts';

const NAMES = { node: 'n', cluster: 'c', federation: 'f' };

/** A door whose driver takes down what it is given; pulls are answered with what `pulls` has next, or by hand. */
class Bench {
  readonly counters = new Counters();
  readonly inputs: Input[] = [];
  readonly pulls: Delivery[][] = [];
  readonly door: MesherDoor;
  session: DriverSession | undefined;
  now = 0;

  constructor(limits: Partial<Limits> = {}) {
    const core = { counters: this.counters, subscriptions: { get: () => ({}) } } as unknown as MesherCore;
    const driver = {
      sessions: 0,
      now: () => ({ wall: 0, monotonic: this.now }),
      input: (input: Input) => void this.inputs.push(input),
      openSession: (events: DriverSession) => {
        this.session = events;
        return 1;
      },
      request: (make: (request: number) => Input) => this.#answer(make(7)),
    } as unknown as Driver;
    this.door = new MesherDoor(
      { ...NAMES, limits: { ...LIMITS, ...limits } },
      () => core,
      () => driver,
    );
  }

  #answer(input: Input): Promise<unknown> {
    this.inputs.push(input);
    if (input.kind === 'publish') return Promise.resolve({ kind: 'published', results: [] });
    if (input.kind === 'settle') return Promise.resolve({ kind: 'settled', settled: 1, stale: [] });
    const deliveries = this.pulls.shift();
    return deliveries ? Promise.resolve({ kind: 'pulled', deliveries }) : new Promise(() => undefined);
  }

  publish(key: string) {
    const partitionkey = { type: 'string', value: key } as const;
    return this.door.publish([make('1', '1', new Map([['partitionkey', partitionkey]]))], {
      qos: 'durable',
      topic: 'a',
    });
  }
}

const make = (id: string, json: string, attributes: CloudEvent['attributes'] = new Map()): CloudEvent => ({
  id,
  source: '/s',
  type: 't',
  attributes,
  data: { type: 'text', value: json },
});
/** Letters stand for tokens. */
const tokenOf = (letter: string): DeliveryToken => ({ ...NO_TOKEN, queue: 1, index: letter.charCodeAt(0) });
const letterOf = ({ index }: DeliveryToken): string => String.fromCharCode(index);
const delivery = (letter: string, cloudEvent: Uint8Array): Delivery => ({
  event: storedEvent({ cloudEvent }),
  token: tokenOf(letter),
  attempt: 1,
});
const good = (token: string): Delivery => delivery(token, encodeCloudEvent(make(token, '{}')));
const junk = (token: string): Delivery => delivery(token, Buffer.from('no CloudEvent'));
const notJson = (token: string): Delivery => delivery(token, encodeCloudEvent(make(token, '],"x":[')));
const tokens = (deliveries: readonly DecodedDelivery[]): string[] =>
  deliveries.map(({ token, content }) => {
    assert.equal(content.id, letterOf(token));
    return letterOf(token);
  });

test('does not delete the dead letters, and says how to empty them', async () => {
  const notAsked = (): never => {
    throw new Error('it was asked');
  };
  const door = new MesherDoor({ ...NAMES, limits: LIMITS }, notAsked, notAsked);
  await assert.rejects(door.deleteSubscription('$dead-letters'), {
    code: 'method-not-allowed',
    message: /always there .* pull its events and settle/,
  });
  await assert.rejects(door.deleteSubscription('other'), /it was asked/);
});

test('a key that is too long is refused, and the attribute named', async () => {
  const bench = new Bench();
  const longest = 'é'.repeat(LIMITS.keyBytesMax / 2);
  await bench.publish(longest);
  assert.equal(bench.inputs.length, 1);
  await assert.rejects(bench.publish(`${longest}x`), {
    code: 'invalid-event',
    message: /1025 bytes, the limit is 1024/,
    details: { attribute: 'partitionkey' },
  });
});

test('a stream is handed what can be decoded; the rest is rejected, and takes nothing of its credit', () => {
  const bench = new Bench();
  const got: string[] = [];
  bench.door.attach(
    's',
    { credit: 9 },
    { deliver: (deliveries) => void got.push(...tokens(deliveries)), closed: () => undefined },
  );
  bench.session?.deliver([good('a'), junk('b'), good('c'), notJson('d')]);
  bench.session?.deliver([junk('e')]);
  assert.deepEqual(got, ['a', 'c']);
  const settled = bench.inputs.flatMap((input) => (input.kind === 'settle' ? [...input.settlements] : []));
  assert.deepEqual(
    settled.map((one) => [one.kind, letterOf(one.token), one.kind === 'reject' && one.undecodable]),
    [
      ['reject', 'b', true],
      ['reject', 'd', true],
      ['reject', 'e', true],
    ],
  );
  assert.deepEqual(
    bench.inputs.flatMap((input) => (input.kind === 'grant' ? [input.count] : [])),
    [2, 1],
  );
});

test('what was found good for one stream is not looked at again for the next in this turn; what stands beside it is', async () => {
  const bench = new Bench();
  const got: string[] = [];
  bench.door.attach(
    's',
    { credit: 9 },
    {
      deliverEncoded: (deliveries) => void got.push(deliveries.map(({ token }) => letterOf(token)).join('')),
      closed: () => undefined,
    },
  );
  const [a, b, c] = [good('a'), good('b'), junk('c')];
  for (const list of [
    [a, b],
    [a, b],
    [a, c],
    [a, b, c],
    [c, b],
  ])
    bench.session?.deliver(list);
  assert.deepEqual(got, ['ab', 'ab', 'a', 'ab', 'b']);
  let reads = 0;
  const { cloudEvent } = a.event;
  const counted = {
    ...a,
    event: {
      ...a.event,
      get cloudEvent() {
        reads++;
        return cloudEvent;
      },
    },
  };
  for (let i = 0; i < 3; i++) bench.session?.deliver([counted]);
  assert.equal(reads, 1);
  await Promise.resolve();
  bench.session?.deliver([counted]);
  assert.equal(reads, 2);
});

test('of an ephemeral stream what cannot be decoded is dropped, and counted', () => {
  const bench = new Bench();
  const got: string[] = [];
  bench.door.attachEphemeral(
    '#',
    { credit: 9 },
    {
      deliver: (deliveries) => void got.push(...deliveries.map(({ content }) => content.id)),
      closed: () => 0,
    },
  );
  const without = (one: Delivery): Delivery => ({ ...one, token: NO_TOKEN });
  bench.session?.deliver([without(junk('a')), without(good('b')), without(junk('c'))]);
  assert.deepEqual(got, ['b']);
  assert.equal(bench.counters.total('events_dropped_total', 'undecodable'), 2);
  assert.deepEqual(bench.inputs, [{ kind: 'grant', session: 1, count: 2 }]);
});

test('a pull is answered with what can be decoded, and goes on waiting where nothing can', async () => {
  const bench = new Bench();
  bench.pulls.push([junk('a'), good('b'), notJson('c')]);
  assert.deepEqual(tokens(await bench.door.pull('s', { max: 9, waitMs: 0 })), ['b']);
  bench.pulls.push([junk('d')], [good('e')]);
  bench.inputs.length = 0;
  assert.deepEqual(tokens(await bench.door.pull('s', { max: 9, waitMs: 1_000 })), ['e']);
  assert.deepEqual(
    bench.inputs.map(({ kind }) => kind),
    ['pull', 'settle', 'pull'],
  );
  bench.pulls.push([]);
  assert.deepEqual(await bench.door.pull('s', { max: 9, waitMs: 0 }), []);
});

test('pulls that wait count as sessions', async () => {
  const bench = new Bench({ sessionsMax: 2 });
  const nobody = { deliver: () => undefined, closed: () => undefined };
  for (let i = 0; i < 2; i++) void bench.door.pull('s', { max: 1, waitMs: 60_000 });
  await assert.rejects(bench.door.pull('s', { max: 1, waitMs: 0 }), { code: 'overloaded' });
  assert.throws(() => bench.door.attach('s', { credit: 1 }, nobody), { code: 'overloaded' });
  const other = new Bench({ sessionsMax: 1 });
  other.pulls.push([], [good('a')]);
  assert.deepEqual(await other.door.pull('s', { max: 1, waitMs: 0 }), []);
  assert.equal(
    (await other.door.pull('s', { max: 1, waitMs: 0 })).length,
    1,
    'those that were answered do not',
  );
});

test('as long as it serves no clients it names no neighbours, and says why it cannot say where a subscription is', () => {
  const notReady = (): never => {
    throw new MeshError('not-ready', 'it has no heir yet');
  };
  const door = new MesherDoor({ ...NAMES, limits: LIMITS }, notReady, notReady);
  assert.deepEqual(door.neighbours(), []);
  assert.throws(() => door.nameHere('orders', 'lost'), { code: 'not-ready' });
});
