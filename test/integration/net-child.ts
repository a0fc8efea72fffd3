// A mesher's network in a process of its own, to be killed; run by net.test.ts. Its key is in `--keys`; it links with
// `--peer` at `--address` and answers: each ping with a pong, each gossip `x` with a gossip `echo x`. Prints its address,
// then what it is told. A line on standard input stops it; then nothing may keep the process alive.

import { writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { LIMITS } from '../../node/core/limits.ts';
import { loadOrCreateKeys } from '../../node/net/keys.ts';
import { Libp2pNetwork } from '../../node/net/network.ts';

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '' },
    peer: { type: 'string', default: '' },
    address: { type: 'string', default: '' },
    incarnation: { type: 'string', default: '1' },
  },
});
const keys = await loadOrCreateKeys(values.keys);
const network = new Libp2pNetwork(
  {
    federation: 'acme',
    cluster: 'child',
    incarnation: Number(values.incarnation),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    announce: [],
    encryption: 'noise',
    limits: LIMITS,
  },
  { keys, random: Math.random },
);

const say = (what: string): void => void writeSync(1, `${what}\n`);

network.allow(new Set([values.peer]));
await network.start({
  linkUp: () => say('up'),
  linkDown: (_, reason) => say(`down ${reason}`),
  messages: (peer, messages) => {
    for (const message of messages) {
      if (message.kind === 'ping') network.sendControl(peer, { kind: 'pong', sentAt: message.sentAt });
    }
  },
  gossip: (bytes) => {
    const text = Buffer.from(bytes).toString();
    if (!text.startsWith('echo')) network.gossip(Buffer.from(`echo ${text}`));
  },
  stranger: () => say('stranger'),
  drained: () => undefined,
  refused: (_, reason) => say(`refused ${reason}`),
});
say(`node ${keys.node}`);
network.connect(values.peer, [values.address]);
process.stdin.once('data', () => {
  process.stdin.destroy();
  void network.stop().then(() => say('stopped'));
});
