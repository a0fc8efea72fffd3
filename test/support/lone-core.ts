// The core of one mesher that nobody else is with.

import { type Limits, LIMITS } from '../../node/core/limits.ts';
import { signMember } from '../../node/core/membership.ts';
import { MesherCore } from '../../node/core/mesher-core.ts';
import type { Recovered, RecoveredMesher } from '../../node/core/ports.ts';
import type { Now } from '../../node/core/steps.ts';
import { TIMING } from '../../node/core/timing.ts';
import { KeyRing } from '../simulation/fake-keys.ts';

export const NOW: Now = { wall: 1_750_000_000_000, monotonic: 1 };

/** What a mesher finds on a new disk. */
export const NOTHING: RecoveredMesher = {
  nextBlock: 1,
  queues: [],
  unclaimedBlocks: [],
  marks: [],
  subscriptions: [],
  members: [],
  takeovers: [],
  routes: [],
  copies: [],
};

/** `recovered`: what it found on its disk. */
export function loneCore(recovered: Recovered | RecoveredMesher, limits: Limits = LIMITS): MesherCore {
  const keys = new KeyRing().make('a', 'secret');
  const self = signMember(keys, {
    federation: 'acme',
    cluster: 'eu',
    node: 'a',
    incarnation: 1,
    addresses: [],
    http: '',
    labels: {},
    version: '0',
  });
  return new MesherCore(
    { self, limits, timing: TIMING, keys, random: () => 0.5, replicas: 1, rejoining: false },
    { copies: [], ...recovered },
    NOW,
  );
}
