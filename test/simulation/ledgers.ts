// Compares the ledgers of all meshers that are linked, as the meshers themselves do every minute. What differs each ledger says of its own
// accord (`MesherObserver.differs`).

import type { MesherCore } from '../../node/core/mesher-core.ts';
import { Comparison } from '../../node/observe/ledger/comparison.ts';
import type { Ledger } from '../../node/observe/ledger/ledger.ts';
import type { SimMesher } from './mesher.ts';

interface Keeper {
  readonly core: MesherCore;
  readonly ledger: Ledger;
  readonly comparison: Comparison;
}

export function compareLedgers(meshers: readonly SimMesher[]): void {
  const keepers = meshers.flatMap(({ core, ledger }) => (core && ledger ? [keeper(core, ledger)] : []));
  for (const { core, ledger, comparison } of keepers) {
    ledger.audit();
    for (const other of keepers) {
      const isLinked = core.links.isUp(other.core.node) && other.core.links.isUp(core.node);
      if (other.core === core || !isLinked) continue;
      const claimed = comparison.claimed(other.core.node);
      comparison.compare(other.core.node, claimed, other.comparison.tell(core.node));
    }
  }
}

function keeper(core: MesherCore, ledger: Ledger): Keeper {
  const comparison = new Comparison({
    ledger,
    linked: () => core.links.linked(),
    clusterOf: (node) => core.members.clusterOf(node),
    meshersOf: (cluster) =>
      [...core.members.all()]
        .filter(({ record, status }) => record.cluster === cluster && status !== 'dead')
        .map(({ record }) => record.node),
  });
  return { core, ledger, comparison };
}
