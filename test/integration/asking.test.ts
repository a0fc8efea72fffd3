// Questions between real meshers' networks.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { LIMITS } from '../../node/core/limits.ts';
import { ANSWER_BYTES_MAX, type Answer } from '../../node/net/asking.ts';
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
  const answers = await Promise.all(['1', '2', '3', '4', '5'].map(ask));
  assert.deepEqual(
    answers,
    [1, 2, 3, 4, 5].map((i) => `${a.node.id} asked ${i}`),
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

test('more questions at once than a peer may ask are refused, and the next are answered', async (t) => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const a = await start(t);
  const b = await start(t, async () => {
    await held;
    return Buffer.from('there');
  });
  await join(a.node, b.node);
  const asked = Array.from({ length: 12 }, () => a.network.ask(b.node.id, Buffer.from('?')));
  const early = await Promise.race(asked.map((one) => one.then(() => 'answered').catch(() => 'refused')));
  assert.equal(early, 'refused');
  release();
  const outcomes = await Promise.allSettled(asked);
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 8);
  assert.equal(Buffer.from(await a.network.ask(b.node.id, Buffer.from('?'))).toString(), 'there');
});
