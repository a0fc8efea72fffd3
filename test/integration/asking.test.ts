// Questions between real meshers' networks.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Connection, Stream } from '@libp2p/interface';
import { LIMITS } from '../../node/core/limits.ts';
import { ANSWER_BYTES_MAX, type Answer, Asking } from '../../node/net/asking.ts';
import { ephemeralKeys } from '../../node/net/keys.ts';
import { Libp2pNetwork } from '../../node/net/network.ts';
import { join, Node } from '../contracts/network-harness.ts';

async function start(t: TestContext, answer?: Answer): Promise<{ node: Node; network: Libp2pNetwork }> {
  const keys = ephemeralKeys();
  const network = new Libp2pNetwork(
    {
      federation: 'acme',
      cluster: 'here',
      incarnation: 1,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      announce: [],
      encryption: 'noise',
      limits: LIMITS,
    },
    { keys, random: Math.random, ...(answer && { answer }) },
  );
  t.after(() => network.stop());
  return { node: await new Node(keys.node, network).start(), network };
}

test('a peer answers over its link, also much and to many at once, and the link goes on', async (t) => {
  const large = Buffer.alloc(ANSWER_BYTES_MAX, 7);
  const a = await start(t);
  const b = await start(t, async (peer, question) =>
    question.length === 0 ? large : Buffer.from(`${peer} asked ${Buffer.from(question).toString()}`),
  );
  await join(a.node, b.node);
  const ask = async (text: string): Promise<string> =>
    Buffer.from(await a.network.ask(b.node.id, Buffer.from(text))).toString();
  assert.equal(await ask('this'), `${a.node.id} asked this`);
  assert.deepEqual(await a.network.ask(b.node.id, Buffer.alloc(0)), large);
  const many = Array.from({ length: 40 }, (_, i) => `${i}`);
  assert.deepEqual(
    await Promise.all(many.map(ask)),
    many.map((i) => `${a.node.id} asked ${i}`),
  );
  assert(a.node.up.has(b.node.id) && b.node.up.has(a.node.id), 'the link is as it was');
});

test('a question that cannot be answered fails alone, and says why', async (t) => {
  const a = await start(t);
  const b = await start(t, async (_, question) => {
    if (question.length === 1) throw new Error('a fault');
    return Buffer.alloc(question.length === 2 ? ANSWER_BYTES_MAX + 1 : 0);
  });
  await assert.rejects(a.network.ask(b.node.id, Buffer.alloc(0)), /there is no link to it/);
  await join(a.node, b.node);
  await assert.rejects(a.network.ask(b.node.id, Buffer.alloc(1)), /it gave no answer/);
  await assert.rejects(a.network.ask(b.node.id, Buffer.alloc(2)), /more than agreed/);
  await assert.rejects(a.network.ask(b.node.id, Buffer.alloc(100_000)), /it gave no answer/);
  await assert.rejects(b.network.ask(a.node.id, Buffer.alloc(0)), /it gave no answer/);
  assert.deepEqual(await a.network.ask(b.node.id, Buffer.alloc(0)), Buffer.alloc(0));
  assert(a.node.up.has(b.node.id) && b.node.up.has(a.node.id), 'the link is as it was');
});

/** A stream of a peer that has asked, and what became of it. */
class AskedStream {
  end: 'open' | 'answered' | 'refused' = 'open';
  send = (): boolean => true;
  close = async (): Promise<void> => void (this.end = 'answered');
  abort = (): void => void (this.end = 'refused');

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    yield Buffer.from([0, 0, 0, 1, 63]);
  }
}

test('more questions at once than a peer may ask are refused, and the next are answered', async () => {
  const held = Promise.withResolvers<Uint8Array>();
  const asking = new Asking('questions', () => held.promise);
  const connection = { remotePeer: { toString: () => 'peer' } } as Connection;
  const streams = Array.from({ length: 12 }, () => new AskedStream());
  const taken = streams.map((stream) => asking.take(stream as unknown as Stream, connection));
  assert.equal(streams.filter(({ end }) => end === 'refused').length, 4);
  held.resolve(Buffer.from('there'));
  await Promise.all(taken);
  assert.equal(streams.filter(({ end }) => end === 'answered').length, 8);
  const next = new AskedStream();
  await asking.take(next as unknown as Stream, connection);
  assert.equal(next.end, 'answered');
});
