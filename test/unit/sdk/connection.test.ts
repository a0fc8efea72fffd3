import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CausewayError } from '../../../sdk/typescript/errors.ts';
import { connectThrough } from '../../../sdk/typescript/mesh-client.ts';
import type { ConnectOptions, Mesh } from '../../../sdk/typescript/types.ts';
import { askNobody, connected, watch, type Watched } from './connected.ts';
import { FakeMesher } from './fake-mesher.ts';
import { VirtualTimers } from './virtual-timers.ts';

interface Connecting {
  readonly mesher: FakeMesher;
  readonly timers: VirtualTimers;
  readonly promise: Promise<Mesh>;
  readonly connecting: Watched;
}

function connecting(
  addresses: string | readonly string[],
  options: ConnectOptions = {},
  status: FakeMesher['status'] = 'up',
): Connecting {
  const timers = new VirtualTimers();
  const mesher = new FakeMesher();
  mesher.status = status;
  const promise = connectThrough(
    { openSocket: mesher.open, timers, ask: askNobody, warn: (thrown) => assert.fail(String(thrown)) },
    addresses,
    options,
  );
  return { mesher, timers, promise, connecting: watch(promise) };
}

const triedBy = (mesher: FakeMesher): string[] => mesher.connections.map(({ address }) => address.text);

function isError(code: string): (error: unknown) => boolean {
  return (error) => error instanceof CausewayError && error.code === code;
}

test('addresses of any kind lead to the same two places', async () => {
  for (const [text, socket, http] of [
    ['http://h:7400', 'ws://h:7400/v1/ws', 'http://h:7400'],
    ['https://h/mesh/', 'wss://h/mesh/v1/ws', 'https://h/mesh'],
    ['ws://h:1/v1/ws', 'ws://h:1/v1/ws', 'http://h:1'],
    ['wss://h', 'wss://h/v1/ws', 'https://h'],
  ] as const) {
    const { mesher, promise } = connecting(text);
    await promise;
    assert.deepEqual(mesher.last.address, { text, socket, http });
  }
  for (const wrong of ['', 'h:7400', 'ftp://h', '/v1/ws', []] as const)
    await assert.rejects(connecting(wrong).promise, isError('invalid-request'));
});

test('connecting tries each address once, and longer where it was asked to', async () => {
  const once = connecting(['http://a', 'http://b'], {}, 'refuses');
  await once.timers.turn();
  assert.ok(isError('mesher-unreachable')(once.connecting.error));
  assert.deepEqual(triedBy(once.mesher), ['http://a', 'http://b']);
  await once.timers.pass(60_000);
  assert.equal(once.mesher.connections.length, 2);

  const patient = connecting(['http://a', 'http://b'], { connectTimeoutMs: 10_000 }, 'refuses');
  await patient.timers.pass(5_000);
  assert.equal(patient.connecting.state, 'pending');
  assert.ok(patient.mesher.connections.length > 6, `${patient.mesher.connections.length} attempts`);
  assert.ok(patient.mesher.connections.length < 20, `${patient.mesher.connections.length} attempts`);
  patient.mesher.status = 'up';
  await patient.timers.pass(5_000);
  assert.equal(patient.connecting.state, 'resolved');

  const vain = connecting('http://a', { connectTimeoutMs: 10_000 }, 'refuses');
  await vain.timers.pass(20_000);
  assert.ok(isError('mesher-unreachable')(vain.connecting.error));
});

test('a mesher that says nothing is left for the next one', async () => {
  const { mesher, timers, connecting: state } = connecting(['http://a', 'http://b'], {}, 'silent');
  await timers.turn();
  mesher.status = 'up';
  await timers.pass(9_000);
  assert.equal(state.state, 'pending');
  await timers.pass(2_000);
  assert.equal(state.state, 'resolved');
  assert.deepEqual(triedBy(mesher), ['http://a', 'http://b']);
});

test('options that no client can keep to are refused, and named', async () => {
  for (const [options, named] of [
    [{ publishTimeoutMs: Number.NaN }, /publishTimeoutMs is NaN/],
    [{ connectTimeoutMs: -1 }, /connectTimeoutMs is -1/],
    [{ closeTimeoutMs: 2 ** 31 }, /closeTimeoutMs is 2147483648/],
    [{ closeTimeoutMs: Infinity }, /closeTimeoutMs is Infinity/],
    [{ batchesInFlightMax: 0.5 }, /batchesInFlightMax is 0.5/],
    [{ waitingBytesMax: '1' as unknown as number }, /waitingBytesMax is 1/],
    [{ publishTimeout: 5 } as object, /no option publishTimeout; there are .*publishTimeoutMs/],
    [{ signal: {} as AbortSignal }, /signal must be/],
  ] as const)
    await assert.rejects(connected(options), { code: 'invalid-request', message: named });
  await connected({ publishTimeoutMs: undefined, closeTimeoutMs: 0 });
  await connected({ connectTimeoutMs: Infinity, publishTimeoutMs: Infinity, batchesInFlightMax: Infinity });
});

test('connecting can be given up', async () => {
  const stop = new AbortController();
  const {
    mesher,
    timers,
    connecting: state,
  } = connecting('http://a', { connectTimeoutMs: 60_000, signal: stop.signal }, 'refuses');
  await timers.pass(1_000);
  const tried = mesher.connections.length;
  stop.abort();
  await timers.pass(60_000);
  assert.ok(isError('closed')(state.error));
  assert.equal(mesher.connections.length, tried);
  await assert.rejects(connecting('http://a', { signal: stop.signal }).promise, isError('closed'));
});

test('a lost connection is made again: first where it was, then in turn, at growing intervals', async () => {
  const { mesher, timers, promise } = connecting(['http://a', 'http://b', 'http://c']);
  const mesh = await promise;
  const where = (): string | undefined => mesh.mesher?.address;
  assert.equal(where(), 'http://a');
  const changes: string[] = [];
  mesh.on('down', ({ message }) => changes.push(message));
  const off = mesh.on('up', ({ address }) => changes.push(address));
  mesher.status = 'refuses';
  mesher.last.drop('lost');
  await timers.pass(500);
  assert.equal(where(), undefined);
  assert.deepEqual(triedBy(mesher).slice(0, 4), ['http://a', 'http://a', 'http://b', 'http://c']);
  await timers.pass(60_000);
  // rounds of three, 5 s apart at last (and of that three quarters, as chance has it here)
  const before = mesher.connections.length;
  await timers.pass(37_500);
  assert.equal(mesher.connections.length - before, 30);
  mesher.status = 'up';
  await timers.pass(5_000);
  assert.deepEqual(changes.slice(0, 1), ['lost']);
  assert.match(changes[1] ?? '', /^http:\/\/[abc]$/);
  assert.equal(where(), changes[1]);
  off();
  mesher.last.drop('lost again');
  await timers.pass(5_000);
  assert.equal(changes.length, 3);
});

test('a connection on which nothing comes is asked for a sign of life, and ended when there is none', async () => {
  const { mesh, mesher, timers } = await connected();
  const downs: string[] = [];
  mesh.on('down', ({ message }) => downs.push(message));
  await timers.pass(12_000);
  assert.ok(mesher.last.pings > 0);
  mesher.last.alive();
  await timers.pass(14_000);
  assert.deepEqual(downs, []);
  await timers.pass(8_000);
  assert.match(downs.join(), /it fell silent/);
  await timers.pass(1_000);
  assert.equal(mesher.connections.length, 2);
});

test('close ends a client that has no connection, and one that is being made', async () => {
  const { mesh, mesher, timers } = await connected();
  mesher.status = 'refuses';
  mesher.last.drop();
  await timers.pass(1_000);
  const closing = watch(mesh.close());
  await timers.turn();
  assert.equal(closing.state, 'resolved');
  const tried = mesher.connections.length;
  await timers.pass(60_000);
  assert.equal(mesher.connections.length, tried);
  assert.throws(() => mesh.subscribe({ topic: 'a' }), isError('closed'));
});

test('a mesher that welcomes, and ends each connection for what was said on it, is come back to ever more slowly', async () => {
  const { mesher, timers } = await connected();
  const end = async (code: 'invalid-request' | 'mesher-unreachable'): Promise<number> => {
    const before = mesher.connections.length;
    mesher.last.drop('ended', code);
    let waited = 0;
    for (; mesher.connections.length === before; waited += 10) await timers.pass(10);
    return waited;
  };
  const pauses: number[] = [];
  for (let i = 0; i < 10; i++) pauses.push(await end('invalid-request'));
  assert.ok((pauses.at(-1) ?? 0) > 2_000, pauses.join());
  assert.ok((await end('mesher-unreachable')) <= 100);
});
