// A mesher that is lost for good, with its disk: in its place comes another, empty one. What it had acked others have, where
// copies are kept; one of them takes over, and its subscriptions are found there from then on. Healing does not wait for that: what a
// takeover needs may be away, by another nemesis.

import { endTogether } from '../mesher.ts';
import { claim, type Machine, type Nemesis, release, type Scene, type Trouble } from './nemesis.ts';

async function lose(scene: Scene): Promise<Trouble | undefined> {
  const [victim] = claim(scene) ?? [];
  if (!victim) return undefined;
  // a disk lost before the last one is made up for is more than is promised
  const isWhole = await scene.mesh.becomesWhole(victim.cluster);
  const node = isWhole ? await victim.node() : undefined;
  if (node === undefined) {
    release([victim]);
    return undefined;
  }
  await endTogether([victim], 'SIGKILL');
  await victim.loseDisk(node);
  return {
    facts: `${victim.name} is lost for good, with its disk`,
    heal: async () => {
      victim.start();
      release([victim]);
    },
  };
}

const withCopies = ({ replicas }: Machine): string | undefined =>
  replicas > 1 ? undefined : 'what is lost is lost where nobody keeps copies: --replicas 2 or more';

export const lossNemeses: readonly Nemesis[] = [
  { name: 'lost-disk', seconds: [0, 40], cannot: withCopies, inject: lose },
];
