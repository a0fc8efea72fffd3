// The ledger of a mesher, and who compares it with others', put onto its core.

import type { Logger } from 'pino';
import type { NodeId } from './core/event.ts';
import type { MesherCore } from './core/mesher-core.ts';
import type { Clock, Random } from './core/ports.ts';
import { Ledger } from './observe/ledger/ledger.ts';
import { Reconciler } from './observe/ledger/reconciler.ts';
import type { Questions } from './observe/questions.ts';

export interface AccountingPorts {
  readonly questions: Questions;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** `core`: undefined until it runs. The ledger is to look on from the driver's first step; the reconciler is not started yet. */
export function keepLedger(
  node: NodeId,
  incarnation: number,
  core: () => MesherCore | undefined,
  { questions, clock, random, log }: AccountingPorts,
): { ledger: Ledger; reconciler: Reconciler } {
  const clusterOf = (peer: NodeId): string | undefined => core()?.members.clusterOf(peer);
  const ledger = new Ledger(incarnation, {
    clusterOf,
    heirOf: (peer) => core()?.table.heirs.of(peer),
    isGuest: (peer) => core()?.takeovers.isGuest(peer) ?? false,
    held: (name) => {
      const queue = core()?.forwarder.queueNamed(name);
      return queue && queue.depth + queue.staged;
    },
    differs: (difference) => reconciler.differs(difference),
  });
  const reconciler: Reconciler = new Reconciler(
    { self: node },
    {
      ledger,
      questions,
      linked: () => core()?.links.linked() ?? [],
      clusterOf,
      meshersOf: (cluster) =>
        [...(core()?.members.all() ?? [])]
          .filter(({ record, status }) => record.cluster === cluster && status !== 'dead')
          .map(({ record }) => record.node),
      clock,
      random,
      log,
    },
  );
  return { ledger, reconciler };
}
