// What a mesher shows of itself, put together from its parts.

import type { Config } from './config.ts';
import { viewMetrics } from './core/core-metrics.ts';
import { MeshError } from './core/errors.ts';
import { notReady, viewFederation, viewLinks, viewQueues, viewRoutes } from './core/inspection.ts';
import type { MesherCore } from './core/mesher-core.ts';
import { family } from './core/metric-family.ts';
import type { Registry } from './core/ports.ts';
import type { Now } from './core/steps.ts';
import type { MesherView, MetricFamily } from './core/views.ts';
import type { LevelJournal } from './journal/level-journal.ts';
import type { Reconciler } from './observe/ledger/reconciler.ts';
import type { Heirless } from './readiness.ts';

/** `running`: undefined as long as it is starting. `families`: what is counted outside the core. */
export function viewOf(
  running: () => MesherCore | undefined,
  heirless: Heirless,
  registry: Registry,
  reconciler: Reconciler,
  families: () => MetricFamily[],
  limits: Config['limits'],
  now: () => Now,
): Omit<MesherView, 'trace'> {
  const core = (): MesherCore => {
    const found = running();
    if (!found) throw new MeshError('not-ready', 'this mesher is still starting; try again shortly');
    return found;
  };
  return {
    federation: () => viewFederation(core(), registry.address, now()),
    links: () => viewLinks(core(), now()),
    queues: () => viewQueues(core()),
    routes: (topic) => viewRoutes(core(), topic, limits),
    ledger: async () => {
      core();
      return reconciler.verify();
    },
    metrics: () => {
      const found = running();
      return found ? [...viewMetrics(found, now()), ...families()] : [];
    },
    notReady: () => {
      const found = running();
      return found ? [...notReady(found, now()), ...heirless.reasons(found)] : ['it is still starting'];
    },
  };
}

export function journalMetrics(journal: LevelJournal): MetricFamily[] {
  const { appends, syncs, bytesWritten, bytesRead } = journal.counters();
  return [
    family('journal_appends_total', appends),
    family('journal_syncs_total', syncs),
    family('journal_written_bytes_total', bytesWritten),
    family('journal_read_bytes_total', bytesRead),
  ];
}
