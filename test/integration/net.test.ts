// What only real sockets show: control under a load of data, hard restarts, hostile peers, processes that end.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import type { Connection, StreamHandler } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { MeshError } from '../../node/core/errors.ts';
import type { Hello } from '../../node/core/messages.ts';
import { WIRE_VERSION } from '../../node/core/wire-version.ts';
import { ephemeralKeys, loadOrCreateKeys, type NodeKeys } from '../../node/net/keys.ts';
import { frameHeader } from '../../node/wire/frames.ts';
import { encodeMessage } from '../../node/wire/link-messages.ts';
import { dataOf, gossipUntilHeard, sequenceOf } from '../contracts/network-contract.ts';
import { allowAll, join, type Node } from '../contracts/network-harness.ts';
import { libp2pNode, startLibp2pNode } from '../contracts/network-libp2p.ts';

test('a ping is answered while most of a hundred thousand data messages still wait, which all arrive in order', async (t) => {
  const [a, b] = [await startLibp2pNode(t), await startLibp2pNode(t)];
  await join(a, b);
  const count = 100_000;
  const messageBytes = 300;
  let arrived = 0;
  b.onMessage = (peer, message) => {
    if (message.kind === 'ping') b.network.sendControl(peer, { kind: 'pong', sentAt: message.sentAt });
    else assert.equal(sequenceOf(message), arrived++);
  };
  let waitedAtPong: number | undefined;
  let sent = 0;
  a.onMessage = (_, message) => {
    if (message.kind === 'pong') waitedAtPong = (count - sent) * messageBytes;
  };
  const send = (): void => {
    while (sent < count && a.network.sendData(b.id, dataOf(sent, 200))) {
      if (++sent === 10_000) a.network.sendControl(b.id, { kind: 'ping', sentAt: 1 });
    }
  };
  const drained = a.drained.bind(a);
  a.drained = (peer) => {
    drained(peer);
    sent++; // the one that was taken when it said false
    send();
  };
  send();
  await b.until(() => arrived >= count, 'all arrived');
  assert(
    waitedAtPong !== undefined && waitedAtPong >= 10 * 1024 * 1024,
    `${waitedAtPong} bytes waited when the pong came`,
  );
  assert(a.count('drained') > 0, 'the sender was held back');
});

test('a peer that reads nothing costs a bounded queue, then its link', async (t) => {
  const [a, b] = [await startLibp2pNode(t), await startLibp2pNode(t)];
  await join(a, b);
  for (let i = 0; i < 80; i++) a.network.sendData(b.id, dataOf(i, 1024 * 1024)); // against the rules: false is ignored
  await a.until(() => a.count('down', b.id) === 1, 'closed');
  await a.until(() => a.up.has(b.id), 'and linked again');
});

test('links speak the highest version that both ends know, and say nothing that it does not have', async (t) => {
  const today = await startLibp2pNode(t);
  const newer = await startLibp2pNode(t);
  const older = await startLibp2pNode(t, { versions: [WIRE_VERSION - 1] });
  await join(today, newer, older);
  const versionOf = (node: Node, peer: Node): number | undefined =>
    node.told.flatMap((each) => (each.what === 'up' && each.peer === peer.id ? [each.version] : [])).at(-1);
  assert.deepEqual([versionOf(today, newer), versionOf(newer, today)], [WIRE_VERSION, WIRE_VERSION]);
  for (const node of [today, newer])
    assert.deepEqual([versionOf(node, older), versionOf(older, node)], [WIRE_VERSION - 1, WIRE_VERSION - 1]);
  for (const peer of [newer, older]) {
    today.network.sendControl(peer.id, { kind: 'copy-open', incarnation: 1 });
    today.network.sendControl(peer.id, { kind: 'ping', sentAt: 1 });
  }
  await newer.until(() => newer.received.length === 2, 'both');
  await older.until(() => older.received.length === 1, 'what it knows');
  assert.equal(older.received[0]?.kind, 'ping');
  assert.deepEqual(older.reasons(), []);
});

test('a mesher of another version only has no link, and is told why', async (t) => {
  const a = await startLibp2pNode(t);
  const future = await startLibp2pNode(t, { versions: [WIRE_VERSION + 1] });
  allowAll(a, future);
  a.connect(future);
  future.connect(a);
  await a.until(() => a.reasons().includes('wrong-federation'), 'refused');
  assert.equal(a.up.size, 0);
});

test('links and gossip come back after the peer is killed and started anew', async (t) => {
  const folder = await keyFolder(t);
  const { node: childId } = await loadOrCreateKeys(folder);
  const [a, c] = [await startLibp2pNode(t), await startLibp2pNode(t)];
  await join(a, c);
  a.network.allow(new Set([c.id, childId]));
  for (let incarnation = 1; incarnation <= 3; incarnation++) {
    const child = await startChild(t, folder, a, incarnation);
    await a.until(() => a.up.has(childId), 'up');
    assert.deepEqual(
      a.told.findLast((each) => each.what === 'up'),
      { what: 'up', peer: childId, cluster: 'child', incarnation, version: WIRE_VERSION },
    );
    await echoed(a, childId);
    await gossipUntilHeard(a, [a, c]);
    child.kill('SIGKILL');
    await a.until(() => a.count('down', childId) === incarnation, 'down');
  }
});

test('an address that is taken is named in the error, and nothing is left behind', async (t) => {
  const a = await startLibp2pNode(t);
  const second = libp2pNode({ listen: a.network.addresses });
  const isNamed = (error: unknown): boolean =>
    error instanceof MeshError &&
    error.code === 'invalid-config' &&
    error.message.includes(a.network.addresses[0] ?? '?');
  await assert.rejects(second.start(), isNamed);
  assert.deepEqual(second.network.addresses, []);
});

test('an address that is none is refused by itself, and the others are dialled', async (t) => {
  const [a, b] = [await startLibp2pNode(t), await startLibp2pNode(t)];
  allowAll(a, b);
  a.network.connect(b.id, ['nonsense', '/ip4/127.0.0.1/tcp/1', ...b.network.addresses]);
  await a.until(() => a.up.has(b.id), 'up');
  assert.deepEqual(a.reasons(), ['bad-address']);
});

test('announced addresses take the place of those listened on', async (t) => {
  const announce = ['/dns4/mesher.example/tcp/7401', '/ip4/203.0.113.7/tcp/7401'];
  const a = await startLibp2pNode(t, { announce });
  assert.deepEqual(a.network.addresses, announce);
});

test('a peer that begins anew replaces its link, though the old one still looks alive', async (t) => {
  const folder = await keyFolder(t);
  const { node: childId } = await loadOrCreateKeys(folder);
  const a = await startLibp2pNode(t);
  a.network.allow(new Set([childId]));
  const old = await startChild(t, folder, a, 1);
  await a.until(() => a.up.has(childId), 'up');
  old.kill('SIGSTOP');
  await startChild(t, folder, a, 2);
  await a.until(() => a.count('up', childId) === 2, 'up again');
  assert.deepEqual(
    a.told.filter((each) => each.what === 'up' || each.what === 'down').map(({ what }) => what),
    ['up', 'down', 'up'],
  );
  a.network.sendControl(childId, { kind: 'ping', sentAt: 5 });
  await a.until(() => a.received.some((message) => message.kind === 'pong'), 'the new one answers');
  await echoed(a, childId);
});

test('a process whose network has stopped ends by itself', async (t) => {
  const folder = await keyFolder(t);
  const { node: childId } = await loadOrCreateKeys(folder);
  const a = await startLibp2pNode(t);
  a.network.allow(new Set([childId]));
  const child = await startChild(t, folder, a, 1);
  await a.until(() => a.up.has(childId), 'up');
  const ended = once(child, 'exit');
  child.stdin?.write('stop\n');
  assert.deepEqual(await ended, [0, null]);
  await a.until(() => a.count('down', childId) === 1, 'down');
});

const HELLO: Hello = { kind: 'hello', federation: 'acme', cluster: 'evil', incarnation: 1 };
const ATTACKS: { name: string; control: Uint8Array[]; data?: Uint8Array[]; reason: string }[] = [
  { name: 'garbage in place of a hello', control: [Buffer.alloc(100, 0x5a)], reason: 'frame-too-large' },
  { name: 'an unknown kind', control: [frame(HELLO), frameHeader(1), Buffer.of(99)], reason: 'unknown-kind' },
  { name: 'no hello', control: [frame({ kind: 'ping', sentAt: 1 })], reason: 'no-hello' },
  { name: 'two hellos', control: [frame(HELLO), frame(HELLO)], reason: 'not-a-control-message' },
  {
    name: 'data on the control stream',
    control: [frame(HELLO), frame(dataOf(1))],
    reason: 'not-a-control-message',
  },
  {
    name: 'a lying federation',
    control: [frame({ ...HELLO, federation: 'evil' })],
    reason: 'wrong-federation',
  },
  { name: 'a bad cluster', control: [frame({ ...HELLO, cluster: '../etc' })], reason: 'bad-cluster' },
  { name: 'incarnation 0', control: [frame({ ...HELLO, incarnation: 0 })], reason: 'bad-incarnation' },
  {
    name: 'garbage as data',
    control: [frame(HELLO)],
    data: [Buffer.alloc(100, 0x5a)],
    reason: 'frame-too-large',
  },
  { name: 'a bad record', control: [frame(HELLO)], data: [badRecord()], reason: 'bad-record' },
  {
    name: 'control as data',
    control: [frame(HELLO)],
    data: [frame({ kind: 'ping', sentAt: 1 })],
    reason: 'control-on-data-stream',
  },
];

test('a hostile member is refused with a reason, and the others notice nothing', async (t) => {
  const [a, b] = [await startLibp2pNode(t), await startLibp2pNode(t)];
  await join(a, b);
  for (const attack of ATTACKS) {
    const keys = ephemeralKeys();
    a.network.allow(new Set([b.id, keys.node]));
    const connection = await connectRaw(t, a, keys);
    const control = await connection.newStream('/causeway/acme/control/1');
    const data = await connection.newStream('/causeway/acme/data/1');
    control.send(Buffer.concat(attack.control));
    if (attack.data) data.send(Buffer.concat(attack.data));
    const refused = (): boolean =>
      a.told.some(
        (each) => each.what === 'refused' && each.peer === keys.node && each.reason === attack.reason,
      );
    await a.until(refused, `${attack.name}: ${attack.reason}`);
    assert(!a.up.has(keys.node) || attack.data !== undefined, attack.name);
    await a.until(() => !a.up.has(keys.node), 'its link is closed');
  }
  assert.equal(a.count('down', b.id), 0);
  b.network.sendControl(a.id, { kind: 'ping', sentAt: 1 });
  await a.until(() => a.received.some((message) => message.kind === 'ping'), 'the link stands');
});

test('data before the hello waits at its sender', async (t) => {
  const a = await startLibp2pNode(t);
  const keys = ephemeralKeys();
  a.network.allow(new Set([keys.node]));
  const connection = await connectRaw(t, a, keys);
  const data = await connection.newStream('/causeway/acme/data/1');
  const count = 100;
  for (let i = 0; i < count; i++) data.send(frame(dataOf(i, 64 * 1024)));
  const control = await connection.newStream('/causeway/acme/control/1'); // by now a has read all that it takes
  const windowBytes = 256 * 1024;
  assert(
    data.writeBufferLength > (count - 1) * 64 * 1024 - 2 * windowBytes,
    `${data.writeBufferLength} bytes wait`,
  );
  control.send(frame(HELLO));
  await a.until(() => a.received.length === count, 'all arrives once the link is up');
  assert.deepEqual(
    a.received.map(sequenceOf),
    Array.from({ length: count }, (_, i) => i),
  );
});

test('a member is heard only from when its link is up', async (t) => {
  const a = await startLibp2pNode(t);
  const keys = ephemeralKeys();
  a.network.allow(new Set([keys.node]));
  const connection = await connectRaw(t, a, keys);
  const gossip = await connection.newStream('/meshsub/1.1.0');
  gossip.send(gossipRpc('/causeway/acme/routes/1', 'psst'));
  const control = await connection.newStream('/causeway/acme/control/1'); // answered after the gossip has arrived
  await connection.newStream('/causeway/acme/data/1');
  let heardBefore: string[] | undefined;
  const linkUp = a.linkUp.bind(a);
  a.linkUp = (peer, hello) => {
    heardBefore = [...a.heard];
    linkUp(peer, hello);
  };
  control.send(frame(HELLO));
  await a.until(() => a.heard.includes('psst'), 'heard');
  assert.deepEqual(heardBefore, []);
});

test('a gossip stream that is lost is opened again while the link stands', async (t) => {
  const a = await startLibp2pNode(t);
  const keys = ephemeralKeys();
  a.network.allow(new Set([keys.node]));
  let opened = 0;
  const twice = Promise.withResolvers<void>();
  const connection = await connectRaw(t, a, keys, (stream) => {
    if (++opened === 1) stream.abort(new Error('lost'));
    else twice.resolve();
  });
  const control = await connection.newStream('/causeway/acme/control/1');
  await connection.newStream('/causeway/acme/data/1');
  control.send(frame(HELLO));
  await twice.promise;
  assert.deepEqual([...a.up], [keys.node]);
  assert.equal(a.count('down'), 0);
});

test('twenty meshers link and gossip from one address', async (t) => {
  const nodes = await Promise.all(Array.from({ length: 20 }, () => startLibp2pNode(t)));
  await join(...nodes);
  const [first, ...others] = nodes;
  assert(first);
  await gossipUntilHeard(first, nodes);
  for (const node of others) assert.equal(node.count('down'), 0, 'no link was closed by another');
});

test('peers that dial each other at once end with one link', async (t) => {
  const [a, b] = [await startLibp2pNode(t), await startLibp2pNode(t)];
  allowAll(a, b);
  for (let round = 1; round <= 20; round++) {
    a.connect(b);
    b.connect(a);
    for (const [node, other] of [
      [a, b],
      [b, a],
    ] as const)
      await node.until(() => node.up.has(other.id), `up, round ${round}`);
    a.network.sendControl(b.id, { kind: 'ping', sentAt: round });
    await b.until(() => b.received.some((message) => sequenceOf(message) === round), 'it carries');
    a.network.disconnect(b.id);
    b.network.disconnect(a.id);
    await a.until(() => a.up.size === 0, 'down');
    await b.until(() => b.up.size === 0, 'down');
  }
});

/** A member that keeps to no rules: it takes the streams opened to it, so that a link can come up, and does nothing. */
async function connectRaw(
  t: TestContext,
  to: Node,
  keys: NodeKeys,
  onGossip?: StreamHandler,
): Promise<Connection> {
  const raw = await createLibp2p({
    privateKey: keys.libp2pKey,
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
  });
  t.after(() => raw.stop());
  for (const kind of ['control', 'data']) await raw.handle(`/causeway/acme/${kind}/1`, () => undefined);
  if (onGossip) await raw.handle('/meshsub/1.1.0', onGossip);
  return raw.dial(multiaddr(`${to.network.addresses[0]}/p2p/${to.id}`));
}

/** A gossipsub RPC with one unsigned message: RPC { publish = 2: { data = 2, topic = 4 } }, all shorter than 128 bytes. */
function gossipRpc(topic: string, data: string): Uint8Array {
  const field = (tag: number, value: Uint8Array): Buffer =>
    Buffer.concat([Buffer.of(tag, value.length), value]);
  const rpc = field(0x12, Buffer.concat([field(0x12, Buffer.from(data)), field(0x22, Buffer.from(topic))]));
  return Buffer.concat([Buffer.of(rpc.length), rpc]);
}

function frame(message: Parameters<typeof encodeMessage>[0]): Uint8Array {
  const body = encodeMessage(message);
  return Buffer.concat([frameHeader(body.length), body]);
}

/** A data message whose event's version is not ours. */
function badRecord(): Uint8Array {
  const message = dataOf(1);
  const record = message.events[0]?.event.record;
  assert(record);
  const bytes = Buffer.from(frame(message));
  bytes[bytes.indexOf(record)] = 99;
  return bytes;
}

async function keyFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(joinPath(tmpdir(), 'causeway-net-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function startChild(
  t: TestContext,
  folder: string,
  peer: Node,
  incarnation: number,
): Promise<ChildProcess> {
  const [address] = peer.network.addresses;
  const flags = { keys: folder, peer: peer.id, address: address ?? '', incarnation: String(incarnation) };
  const child = spawn(
    process.execPath,
    [
      joinPath(import.meta.dirname, 'net-child.ts'),
      ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  t.after(() => child.kill('SIGKILL'));
  assert(child.stdout);
  for await (const line of createInterface({ input: child.stdout })) if (line.startsWith('node ')) break;
  child.stdout.resume();
  return child;
}

/** Gossip goes there and back. */
async function echoed(node: Node, peer: string): Promise<void> {
  let tries = 0;
  const said = `to ${peer}, after ${node.told.length}`;
  const timer = setInterval(() => node.network.gossip(Buffer.from(`${said}: ${tries++}`)), 5);
  try {
    await node.until(() => node.heard.some((heard) => heard.startsWith(`echo ${said}`)), 'an echo');
  } finally {
    clearInterval(timer);
  }
}
