// A member of the cluster that sends what is no copy of a journal ends nobody: it is refused, and counted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '../../node/core/limits.ts';
import { signMember } from '../../node/core/membership.ts';
import { ephemeralKeys } from '../../node/net/keys.ts';
import { Libp2pNetwork } from '../../node/net/network.ts';
import { openRegistry } from '../../registry/open.ts';
import { Federation } from '../support/federation.ts';
import { until } from '../support/until.ts';

test('a member of the cluster that sends garbage for a copy is refused', async (t) => {
  const federation = await Federation.start(t, { clusters: { b: 1 } });
  const b = federation.mesher('b');
  const { self, members } = await b.federation();
  const keys = ephemeralKeys();
  const network = new Libp2pNetwork(
    {
      federation: 'acme',
      cluster: 'b',
      incarnation: 1_000_000,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      announce: [],
      encryption: 'noise',
      limits: LIMITS,
    },
    { keys, random: Math.random },
  );
  let up = false;
  let ready = (): unknown => undefined;
  await network.start({
    linkUp: () => {
      up = true;
    },
    linkDown: () => {
      up = false;
    },
    messages: (_peer, messages) => {
      for (const message of messages) {
        if (message.kind === 'ping') network.sendControl(self.node, { ...message, kind: 'pong' });
        if (message.kind === 'copy-ready') ready();
      }
    },
    gossip: () => undefined,
    stranger: () => undefined,
    drained: () => undefined,
    refused: () => undefined,
  });
  t.after(() => network.stop());
  const registry = await openRegistry(federation.registryAddress, { federation: 'acme', node: keys.node });
  t.after(() => registry.close());
  await registry.register(
    signMember(keys, {
      federation: 'acme',
      cluster: 'b',
      node: keys.node,
      incarnation: 1_000_000,
      addresses: network.addresses,
      http: '',
      labels: {},
      version: '6',
    }),
  );
  network.allow(new Set([self.node]));
  network.connect(self.node, members.find(({ node }) => node === self.node)?.addresses ?? []);
  await until('up', () => up);
  let isReady = false;
  ready = () => (isReady = true);
  network.sendControl(self.node, { kind: 'copy-open', incarnation: 1 });
  await until('the copy is open', () => isReady);
  network.sendData(self.node, { kind: 'copy-start', incarnation: 1, batch: 0, nextBlock: 1 });
  network.sendData(self.node, {
    kind: 'copy-batch',
    incarnation: 1,
    batch: 1,
    part: 0,
    last: true,
    nextBlock: 1,
    content: Buffer.of(9, 9, 9),
  });
  await until(
    'it is refused',
    async () => (await b.metric('causeway_messages_refused_total', { reason: 'bad-copy' })) === 1,
  );
  assert.ok(b.program.running, `the mesher lives on; it said ${b.program.output.slice(-400)}`);
});
