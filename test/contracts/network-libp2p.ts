// Real networks on loopback.

import type { TestContext } from 'node:test';
import { LIMITS } from '../../node/core/limits.ts';
import { ephemeralKeys, type NodeKeys } from '../../node/net/keys.ts';
import { Libp2pNetwork, type NetworkOptions } from '../../node/net/network.ts';
import { Node } from './network-harness.ts';

export function libp2pNode(options: Partial<NetworkOptions> = {}, keys: NodeKeys = ephemeralKeys()): Node {
  const network = new Libp2pNetwork(
    {
      federation: 'acme',
      cluster: 'here',
      incarnation: 1,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      announce: [],
      encryption: 'noise',
      limits: LIMITS,
      ...options,
    },
    { keys, random: Math.random },
  );
  return new Node(keys.node, network);
}

/** Started, and stopped after the test. */
export async function startLibp2pNode(
  t: TestContext,
  options: Partial<NetworkOptions> = {},
  keys?: NodeKeys,
): Promise<Node> {
  const node = libp2pNode(options, keys);
  t.after(() => node.network.stop());
  return node.start();
}
