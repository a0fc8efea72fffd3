// A client whose durable subscription lives elsewhere than where it is connected, in a federation in memory. What must hold: where
// its user meant one subscription there is never a second; a search ends, whatever meshers say; who remembers nothing
// sees a mesher as it always was.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Address } from '../../../sdk/typescript/address.ts';
import { CausewayError } from '../../../sdk/typescript/errors.ts';
import { connectThrough } from '../../../sdk/typescript/mesh-client.ts';
import type { OpenSocket } from '../../../sdk/typescript/socket.ts';
import type { Ask } from '../../../sdk/typescript/subscription-api.ts';
import type { Mesh, SubscribeOptions } from '../../../sdk/typescript/types.ts';
import { watch } from './connected.ts';
import { FakeMesher, type FakeConnection } from './fake-mesher.ts';
import { VirtualTimers } from './virtual-timers.ts';

type Answer = { readonly name?: string; readonly madeOn?: string } | CausewayError;

/** Meshers `a`, `b`, …, each at http://<its name>; what their HTTP APIs answer is said by the test. */
class FakeMesh {
  readonly timers = new VirtualTimers();
  readonly refused: CausewayError[] = [];
  readonly asked: string[] = [];
  readonly #meshers = new Map<string, FakeMesher>();
  /** By mesher and method; else: no such subscription, and PUT makes one. */
  readonly answers = new Map<string, (query: string) => Answer>();

  mesher(name: string): FakeMesher {
    const known = this.#meshers.get(name) ?? new FakeMesher();
    if (known.welcome.node !== name) known.welcome = { ...known.welcome, node: name };
    this.#meshers.set(name, known);
    return known;
  }

  readonly #open: OpenSocket = (address: Address, events) =>
    this.mesher(new URL(address.http).hostname).open(address, events);

  readonly #ask: Ask = async (url, method) => {
    const { hostname, pathname, search } = new URL(url);
    const name = decodeURIComponent(pathname.split('/').at(-1) ?? '');
    this.asked.push(`${method} ${hostname} ${name}${search}`);
    if (this.mesher(hostname).status !== 'up') throw new CausewayError('mesher-unreachable', 'gone');
    const answer = this.answers.get(`${method} ${hostname}`)?.(search);
    if (answer instanceof CausewayError) throw answer;
    if (answer === undefined && method === 'GET') throw new CausewayError('subscription-not-found', 'none');
    return { name, topic: 'a/#', madeOn: hostname, ...answer };
  };

  /** From now on the subscription is there. */
  has(mesher: string, found: { readonly name?: string; readonly madeOn?: string } = {}): void {
    this.answers.set(`GET ${mesher}`, () => found);
  }

  sends(mesher: string, node: string, http = `http://${node}`): void {
    const error = new CausewayError('subscription-elsewhere', `on ${node}`, { details: { node, http } });
    const answer = (query: string): Answer =>
      query === '' ? new CausewayError('subscription-not-found', 'none') : error;
    this.answers.set(`GET ${mesher}`, answer);
    this.answers.set(`PUT ${mesher}`, (query) => (query === '' ? {} : error));
  }

  kill(mesher: string): void {
    this.mesher(mesher).status = 'refuses';
    for (const connection of this.mesher(mesher).connections) connection.drop();
  }

  async connect(...addresses: readonly string[]): Promise<Mesh> {
    const warn = (thrown: unknown): void => assert.fail(String(thrown));
    const ports = { openSocket: this.#open, timers: this.timers, ask: this.#ask, warn };
    const mesh = await connectThrough(ports, addresses, {});
    mesh.on('refused', (error) => this.refused.push(error));
    return mesh;
  }

  /** The connection on which a mesher has a stream open now. */
  streamAt(mesher: string): { readonly connection: FakeConnection; readonly subject: string } | undefined {
    for (const connection of this.mesher(mesher).connections.toReversed()) {
      const open = connection.of('open').at(-1);
      if (open !== undefined && !connection.isOver) return { connection, subject: open.subject };
    }
    return undefined;
  }

  get puts(): string[] {
    return this.asked.filter((each) => each.startsWith('PUT'));
  }
}

const ORDERS: SubscribeOptions = { name: 'orders', topic: 'a/#' };

async function subscribed(mesh: FakeMesh, addresses: readonly string[], options = ORDERS): Promise<Mesh> {
  const client = await mesh.connect(...addresses);
  client.subscribe(options);
  await mesh.timers.turn();
  const [first = ''] = addresses.map((address) => new URL(address).hostname);
  const stream = mesh.streamAt(first);
  assert.ok(stream, 'it is open where the client is connected first');
  for (const { request } of stream.connection.of('publish')) stream.connection.accept(request);
  await mesh.timers.turn();
  return client;
}

const nodeOf = ({ mesher }: Mesh): string | undefined => mesher?.node;

test('a client that comes to another mesher is sent to where its subscription lives, and makes no second one', async () => {
  const mesh = new FakeMesh();
  await subscribed(mesh, ['http://a', 'http://b']);
  assert.deepEqual(mesh.asked, ['GET a orders', 'PUT a orders'], 'who remembers nothing asks as ever');
  mesh.has('heir', { name: 'orders~a', madeOn: 'a' });
  mesh.sends('b', 'heir');
  mesh.kill('a');
  await mesh.timers.pass(1_000);
  assert.equal(mesh.streamAt('heir')?.subject, 'orders~a', 'under the name that it has there');
  assert.equal(mesh.streamAt('b'), undefined);
  assert.deepEqual(mesh.asked.slice(2), ['GET b orders?madeOn=a', 'GET heir orders?madeOn=a']);
  assert.deepEqual(mesh.puts, ['PUT a orders']);
});

test('a subscription that is only used by name learns where it was made, and follows it', async () => {
  const mesh = new FakeMesh();
  mesh.has('a', { madeOn: 'older' });
  await subscribed(mesh, ['http://a', 'http://b'], { name: 'orders' });
  mesh.has('heir', { madeOn: 'older' });
  mesh.sends('b', 'heir');
  mesh.kill('a');
  await mesh.timers.pass(1_000);
  assert.equal(mesh.streamAt('heir')?.subject, 'orders');
  assert.deepEqual(mesh.asked, ['GET a orders', 'GET b orders?madeOn=older', 'GET heir orders?madeOn=older']);
});

test('as long as nobody has taken over it waits, is told so, and goes on when somebody has', async () => {
  const mesh = new FakeMesh();
  await subscribed(mesh, ['http://a', 'http://b']);
  mesh.sends('b', 'a');
  mesh.kill('a');
  await mesh.timers.pass(60_000);
  assert.deepEqual(mesh.puts, ['PUT a orders']);
  assert.ok(mesh.refused.length > 5 && mesh.refused.length < 60, 'with a growing pause');
  mesh.has('b', { madeOn: 'a' });
  await mesh.timers.pass(10_000);
  assert.equal(mesh.streamAt('b')?.subject, 'orders');
});

test('it goes back to the mesher where it was made, at the address where that was reached before', async () => {
  const mesh = new FakeMesh();
  await subscribed(mesh, ['http://a', 'http://b']);
  mesh.sends('b', 'a', 'http://inside');
  mesh.kill('a');
  await mesh.timers.pass(2_000);
  mesh.mesher('a').status = 'up';
  mesh.has('a');
  await mesh.timers.pass(10_000);
  assert.equal(mesh.streamAt('a')?.subject, 'orders');
  assert.equal(mesh.mesher('inside').connections.length > 0, true, 'what b said was tried, too');
});

test('meshers that send a client round and round cost it a bounded number of questions', async () => {
  const mesh = new FakeMesh();
  await subscribed(mesh, ['http://a', 'http://b']);
  for (const [from, to] of [
    ['b', 'c'],
    ['c', 'd'],
    ['d', 'c'],
  ] as const)
    mesh.sends(from, to);
  mesh.kill('a');
  await mesh.timers.pass(200);
  assert.deepEqual(mesh.asked.slice(2, 5), [
    'GET b orders?madeOn=a',
    'GET c orders?madeOn=a',
    'GET d orders?madeOn=a',
  ]);
  await mesh.timers.pass(60_000);
  assert.ok(mesh.asked.length < 200, `${mesh.asked.length} questions in a minute`);
  // one that always names another
  const endless = new FakeMesh();
  await subscribed(endless, ['http://a', 'http://n0']);
  for (let n = 0; n < 200; n++) endless.sends(`n${n}`, `n${n + 1}`);
  endless.kill('a');
  await endless.timers.pass(150);
  assert.ok(endless.refused.length > 0);
  assert.equal(endless.asked.length - 2, 8 * endless.refused.length, 'eight in each search');
});

test('nobody is believed to be a mesher that they are not, and nonsense is no address', async () => {
  const mesh = new FakeMesh();
  await subscribed(mesh, ['http://a', 'http://b']);
  mesh.sends('b', 'heir', 'http://other');
  mesh.has('other', { madeOn: 'a' });
  mesh.kill('a');
  await mesh.timers.pass(10_000);
  assert.equal(mesh.streamAt('other'), undefined);
  assert.ok(mesh.refused.some(({ message }) => message === 'http://other is the mesher other, not heir'));
  assert.ok(mesh.mesher('other').connections.every(({ isOver }) => isOver));
  for (const http of ['', 'file:///etc', 'no address']) {
    mesh.sends('b', 'heir', http);
    await mesh.timers.pass(10_000);
  }
  mesh.sends('b', 'heir');
  mesh.has('heir', { madeOn: 'a' });
  await mesh.timers.pass(10_000);
  assert.ok(mesh.streamAt('heir'));
});

test('a client that came by TLS is not sent to where there is none', async () => {
  const mesh = new FakeMesh();
  await subscribed(mesh, ['https://a', 'https://b']);
  mesh.sends('b', 'heir');
  mesh.has('heir', { madeOn: 'a' });
  mesh.kill('a');
  await mesh.timers.pass(10_000);
  assert.equal(mesh.mesher('heir').connections.length, 0);
  mesh.sends('b', 'heir', 'https://heir');
  await mesh.timers.pass(10_000);
  assert.ok(mesh.streamAt('heir'));
});

test('with one address it is found among the neighbours of the mesher that is gone, and never made there', async () => {
  const mesh = new FakeMesh();
  const welcome = mesh.mesher('a').welcome;
  const neighbours = ['b', 'c'].map((node) => ({ node, http: `http://${node}` }));
  mesh.mesher('a').welcome = { ...welcome, neighbours };
  const client = await subscribed(mesh, ['http://a']);
  mesh.kill('a');
  await mesh.timers.pass(10_000);
  assert.deepEqual(mesh.puts, ['PUT a orders'], 'nobody knows of it yet');
  mesh.has('b', { madeOn: 'a' });
  await mesh.timers.pass(10_000);
  assert.equal(mesh.streamAt('b')?.subject, 'orders');
  assert.ok(
    mesh.mesher('c').connections.every(({ isOver }) => isOver),
    'those that were asked in vain are left',
  );
  assert.ok(!client.mesher, 'what it publishes waits for the mesher that it was told of');
  // back again: what is open stays where it is
  mesh.mesher('a').status = 'up';
  await mesh.timers.pass(10_000);
  assert.equal(nodeOf(client), 'a');
  assert.ok(mesh.streamAt('b'));
  const closed = watch(client.close());
  await mesh.timers.pass(20_000);
  assert.equal(closed.state, 'resolved');
  assert.ok(mesh.mesher('b').connections.every(({ isOver }) => isOver));
});

test('when the link to the heir is lost, it is looked for again', async () => {
  const mesh = new FakeMesh();
  await subscribed(mesh, ['http://a', 'http://b']);
  mesh.has('heir', { madeOn: 'a' });
  mesh.sends('b', 'heir');
  mesh.kill('a');
  await mesh.timers.pass(1_000);
  assert.ok(mesh.streamAt('heir'));
  mesh.sends('b', 'next');
  mesh.has('next', { madeOn: 'a' });
  mesh.kill('heir');
  await mesh.timers.pass(10_000);
  assert.ok(mesh.streamAt('next'));
  assert.deepEqual(mesh.puts, ['PUT a orders']);
});

test('a subscription that was deleted at its heir is made there again, where it was to be made', async () => {
  const mesh = new FakeMesh();
  await subscribed(mesh, ['http://a', 'http://b']);
  mesh.sends('b', 'heir');
  mesh.kill('a');
  await mesh.timers.pass(1_000);
  assert.ok(mesh.streamAt('heir'));
  assert.deepEqual(mesh.puts, ['PUT a orders', 'PUT heir orders?madeOn=a']);
});

test('a client that is told where it was made finds it from the start', async () => {
  const mesh = new FakeMesh();
  mesh.sends('b', 'heir');
  mesh.has('heir', { name: 'orders~a', madeOn: 'a' });
  const client = await mesh.connect('http://b');
  const subscription = client.subscribe({ ...ORDERS, madeOn: 'a' });
  await mesh.timers.turn();
  assert.equal(mesh.streamAt('heir')?.subject, 'orders~a');
  assert.equal(subscription.madeOn, 'a');
  assert.deepEqual(mesh.puts, []);
  assert.throws(() => client.subscribe({ topic: 'a/#', madeOn: 'a' }), { code: 'invalid-request' });
});

test('a mesher that is too old to tell is taken as it always was', async () => {
  const mesh = new FakeMesh();
  await subscribed(mesh, ['http://a', 'http://b']);
  mesh.kill('a');
  await mesh.timers.pass(1_000);
  assert.ok(mesh.streamAt('b'));
  assert.deepEqual(mesh.asked.slice(2), ['GET b orders?madeOn=a', 'PUT b orders?madeOn=a']);
});
