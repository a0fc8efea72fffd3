// Cheap keys: a signature is a hash of the signer's secret and the bytes, 64 bytes as Ed25519's. Whoever does not know the
// secret cannot make one, so forged records still fail; the secrets lie in one ring that only `verify` looks into.

import { hash } from 'node:crypto';
import type { NodeId } from '../../node/core/event.ts';
import type { Keys } from '../../node/core/ports.ts';

export class KeyRing {
  readonly #secrets = new Map<NodeId, string>();

  make(node: NodeId, secret: string): Keys {
    this.#secrets.set(node, secret);
    return {
      node,
      sign: (bytes) => signature(secret, bytes),
      verify: (claimed, bytes, given) => {
        const theirs = this.#secrets.get(claimed);
        return theirs !== undefined && Buffer.compare(signature(theirs, bytes), given) === 0;
      },
    };
  }
}

function signature(secret: string, bytes: Uint8Array): Buffer {
  return hash('sha512', Buffer.concat([Buffer.from(secret), bytes]), 'buffer');
}
