// What every network promises (the `Network` port). Run by network-libp2p.test.ts.

import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { NO_GROUPS } from '../../node/core/event.ts';
import { WIRE_VERSION } from '../../node/core/wire-version.ts';
import type { LaneData, LinkMessage } from '../../node/core/messages.ts';
import { storedEvent } from '../support/events.ts';
import { allowAll, join, type Node } from './network-harness.ts';

export interface NodeFacts {
  readonly federation?: string;
  readonly cluster?: string;
  readonly incarnation?: number;
}

/** Started, and stopped after the test. */
export type MakeNode = (t: TestContext, facts?: NodeFacts) => Promise<Node>;

export function networkContract(name: string, makeNode: MakeNode): void {
  describe(`network contract: ${name}`, () => {
    test('a link is up on both sides, with what the other said of itself', async (t) => {
      const a = await makeNode(t, { cluster: 'east', incarnation: 7 });
      const b = await makeNode(t, { cluster: 'west', incarnation: 2 ** 53 - 1 });
      await join(a, b);
      assert.deepEqual(a.told.at(-1), {
        what: 'up',
        peer: b.id,
        cluster: 'west',
        incarnation: 2 ** 53 - 1,
        version: WIRE_VERSION,
      });
      assert.deepEqual(b.told.at(-1), {
        what: 'up',
        peer: a.id,
        cluster: 'east',
        incarnation: 7,
        version: WIRE_VERSION,
      });
    });

    test('a link stands where only one of the two dials', async (t) => {
      const [a, b] = [await makeNode(t), await makeNode(t)];
      allowAll(a, b);
      b.connect(a);
      await a.until(() => a.up.has(b.id), 'up at a');
      await b.until(() => b.up.has(a.id), 'up at b');
    });

    test('messages arrive once, in the order sent, control and data each', async (t) => {
      const [a, b] = [await makeNode(t), await makeNode(t)];
      await join(a, b);
      const count = 500;
      for (let i = 0; i < count; i++) {
        a.network.sendControl(b.id, { kind: 'ping', sentAt: i });
        if (!a.network.sendData(b.id, dataOf(i))) await a.until(() => a.count('drained') > 0, 'drained');
      }
      await b.until(() => b.received.length === 2 * count, 'all arrived');
      const sequences = (kind: LinkMessage['kind']): number[] =>
        b.received.filter((message) => message.kind === kind).map(sequenceOf);
      const expected = Array.from({ length: count }, (_, i) => i);
      assert.deepEqual(sequences('ping'), expected);
      assert.deepEqual(sequences('data'), expected);
    });

    test('what was sent before the other side was ready is not lost', async (t) => {
      const [a, b] = [await makeNode(t), await makeNode(t)];
      // The moment the link is up on one side, as the core does.
      for (const node of [a, b]) {
        const linkUp = node.linkUp.bind(node);
        node.linkUp = (peer, hello) => {
          linkUp(peer, hello);
          node.network.sendControl(peer, { kind: 'ping', sentAt: 1 });
          node.network.sendData(peer, dataOf(1));
        };
      }
      await join(a, b);
      for (const node of [a, b]) await node.until(() => node.received.length === 2, 'both messages');
    });

    test('says false when full, and drained when it takes more', async (t) => {
      const [a, b] = [await makeNode(t), await makeNode(t)];
      await join(a, b);
      let sent = 0;
      while (a.network.sendData(b.id, dataOf(sent++, 10_000)))
        assert(sent < 10_000, 'it is full at some time');
      await a.until(() => a.count('drained', b.id) === 1, 'drained');
      assert(a.network.sendData(b.id, dataOf(sent++)));
      await b.until(() => b.received.length === sent, 'the one that was refused more was taken all the same');
    });

    test('every byte arrives as it was sent, however far the receiver is behind', async (t) => {
      const [a, b] = [await makeNode(t), await makeNode(t)];
      await join(a, b);
      const count = 3000;
      const sizes = (sequence: number): number => (sequence * 7919) % 40_000;
      let [sent, arrived] = [0, 0];
      b.onMessage = (_, message) => {
        if (message.kind !== 'data') return;
        const { record } = storedEvent({ sequence: arrived, bytes: sizes(arrived) });
        assert(
          message.events[0] && Buffer.compare(message.events[0].event.record, record) === 0,
          `${arrived}`,
        );
        arrived++;
      };
      const send = (): void => {
        while (sent < count) {
          if (sent % 10 === 0) a.network.sendControl(b.id, { kind: 'ping', sentAt: sent });
          if (!a.network.sendData(b.id, dataOf(sent++, sizes(sent - 1)))) return;
        }
      };
      a.drained = send;
      send();
      await b.until(() => arrived === count, 'all arrived');
    });

    test('disconnect ends the link on both sides, once; connect brings it back', async (t) => {
      const [a, b] = [await makeNode(t), await makeNode(t)];
      await join(a, b);
      a.network.disconnect(b.id);
      assert.equal(a.count('down'), 0, 'not while the core calls');
      a.network.disconnect(b.id);
      a.connect(b);
      await a.until(() => a.count('down') === 1 && a.count('up') === 2, 'down and up at a');
      await b.until(() => b.count('down') === 1 && b.count('up') === 2, 'down and up at b');
    });

    test('messages to a peer without a link go nowhere', async (t) => {
      const a = await makeNode(t);
      a.network.sendControl('nobody', { kind: 'ping', sentAt: 1 });
      a.network.sendData('nobody', dataOf(1));
      a.network.disconnect('nobody');
    });

    test('a stranger is refused and told of, and let in when allowed', async (t) => {
      const [a, b] = [await makeNode(t), await makeNode(t)];
      b.network.allow(new Set([a.id]));
      b.connect(a);
      await a.until(() => a.count('stranger', b.id) > 0, 'stranger');
      assert.equal(a.up.size, 0);
      assert.equal(b.up.size, 0);
      a.network.allow(new Set([b.id]));
      await a.until(() => a.up.has(b.id), 'let in');
      await b.until(() => b.up.has(a.id), 'let in');
    });

    test('who is no member any more loses the link', async (t) => {
      const [a, b, c] = [await makeNode(t), await makeNode(t), await makeNode(t)];
      await join(a, b, c);
      a.network.allow(new Set([c.id]));
      await a.until(() => a.count('down', b.id) === 1, 'down at a');
      await b.until(() => b.count('down', a.id) === 1, 'down at b');
      assert(a.up.has(c.id));
      await a.until(() => a.count('stranger', b.id) > 0, 'b tries again');
    });

    test('another federation is not talked to', async (t) => {
      const [a, b] = [await makeNode(t), await makeNode(t, { federation: 'other' })];
      allowAll(a, b);
      b.connect(a);
      a.connect(b);
      for (const node of [a, b])
        await node.until(() => node.reasons().includes('wrong-federation'), 'refused');
      const c = await makeNode(t);
      await join(a, c);
      assert.deepEqual([...a.up], [c.id]);
      assert.equal(b.up.size, 0);
    });

    test('gossip reaches every peer of the mesh, and not its sender', async (t) => {
      const nodes = [await makeNode(t), await makeNode(t), await makeNode(t)] as const;
      await join(...nodes);
      for (const node of nodes) await gossipUntilHeard(node, nodes);
    });

    test('oversized gossip is not sent', async (t) => {
      const [a, b] = [await makeNode(t), await makeNode(t)];
      await join(a, b);
      await gossipUntilHeard(a, [a, b]);
      a.network.gossip(Buffer.alloc(1024 * 1024));
      await gossipUntilHeard(a, [a, b]);
      assert(b.heard.every((heard) => heard.length < 1024));
    });

    test('tells nothing after stop', async (t) => {
      const [a, b] = [await makeNode(t), await makeNode(t)];
      await join(a, b);
      const told = a.told.length;
      await a.network.stop();
      await b.until(() => b.count('down', a.id) === 1, 'down at b');
      assert.equal(a.told.length, told);
      await a.network.stop();
    });
  });
}

/** Gossip may lose what is said while its streams open, so it is said again until all have heard. */
export async function gossipUntilHeard(from: Node, nodes: readonly Node[]): Promise<void> {
  const said = `${from.id} says ${gossipCount++}`;
  let tries = 0;
  const timer = setInterval(() => from.network.gossip(Buffer.from(`${said}, ${tries++}`)), 5);
  try {
    for (const node of nodes) {
      if (node !== from)
        await node.until(() => node.heard.some((heard) => heard.startsWith(said)), `${node.id} hears`);
    }
  } finally {
    clearInterval(timer);
  }
  assert(!from.heard.some((heard) => heard.startsWith(said)));
}
let gossipCount = 0;

/** A data message with one event of about `bytes`, numbered. */
export function dataOf(sequence: number, bytes = 100): LaneData {
  return {
    kind: 'data',
    scope: 'peer',
    lane: 0,
    previous: { incarnation: 1, sequence },
    first: { incarnation: 1, sequence: sequence + 1 },
    doubt: false,
    events: [{ event: storedEvent({ sequence, bytes }), directive: NO_GROUPS }],
  };
}

export function sequenceOf(message: LinkMessage): number {
  if (message.kind === 'data') return message.previous.sequence;
  return message.kind === 'ping' || message.kind === 'pong' ? message.sentAt : -1;
}
