// Keys for tests: quick, without secrets, and as strict as real ones about who signed what.

import { hash } from 'node:crypto';
import type { NodeId } from '../../../node/core/event.ts';
import type { Keys } from '../../../node/core/ports.ts';

export function signingKeys(node: NodeId): Keys {
  return {
    node,
    sign: (bytes) => signature(node, bytes),
    verify: (by, bytes, given) => Buffer.compare(signature(by, bytes), given) === 0,
  };
}

function signature(node: NodeId, bytes: Uint8Array): Buffer {
  return hash('sha512', Buffer.concat([Buffer.from(`${node}\n`), bytes]), 'buffer');
}

/** Numbers in [0, 1) that follow from `seed` (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
