// When a mesher begins to serve clients, and why not yet.

import type { Logger } from 'pino';
import { MeshError } from './core/errors.ts';
import type { NodeId } from './core/event.ts';
import { notReady } from './core/inspection.ts';
import type { MesherCore } from './core/mesher-core.ts';
import type { Driver } from './driver.ts';

const READY_POLL_MS = 25;

/** Names that this mesher had before, and gave up, and that nobody has taken over as far as is known here (lost-journal.ts). */
export class Heirless {
  #names: readonly NodeId[];

  constructor(names: readonly NodeId[]) {
    this.#names = names;
  }

  /** Why clients are not served. */
  reasons(core: MesherCore): string[] {
    if (this.#names.length === 0) return [];
    this.#names = this.#names.filter((node) => core.table.heirs.of(node) === undefined);
    return this.#names.map((node) => `${node}, which this mesher was before, is not taken over yet`);
  }

  /** Rejects with `shutting-down`. */
  async whenNone(core: MesherCore, signal: AbortSignal): Promise<void> {
    while (this.reasons(core).length > 0) await pollAgain(signal);
  }
}

async function pollAgain(signal: AbortSignal): Promise<void> {
  if (signal.aborted) throw new MeshError('shutting-down', 'stopped before it was ready');
  await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
}

/** Resolves when nothing keeps it from serving. Rejects with `shutting-down`. */
export async function whenReady(
  core: MesherCore,
  driver: Driver,
  signal: AbortSignal,
  log: Logger,
): Promise<void> {
  while (notReady(core, driver.now()).length > 0) await pollAgain(signal);
  log.info({ node: core.node }, 'ready');
}
