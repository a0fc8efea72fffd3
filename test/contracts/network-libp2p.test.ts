import { networkContract } from './network-contract.ts';
import { startLibp2pNode } from './network-libp2p.ts';

for (const encryption of ['noise', 'tls'] as const) {
  networkContract(`libp2p with ${encryption}`, (t, facts) => startLibp2pNode(t, { ...facts, encryption }));
}
