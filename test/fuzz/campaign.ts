// Fuzzes one target in a thread of its own, and watches it: an input that does not end is a finding, and so is a thread
// that dies (memory, a crash in native code, an error outside of any call).

import { Worker } from 'node:worker_threads';
import type { Finding } from './fuzzer.ts';
import { SHARED_HEAD_BYTES, type Order, type Progress, type Told } from './order.ts';

export interface CampaignOptions extends Omit<Order, 'shared'> {
  readonly bytesMax: number;
  /** For one input. Left out: as long as on a machine that is busy with other things; most take some microseconds. */
  readonly patienceMs?: number;
}

export interface CampaignEvents {
  kept(input: Uint8Array): void;
  found(finding: Finding): void;
}

const PATIENCE_MS = 60_000;
const LOOKS = 60;
const HEAP_MIB_MAX = 1024;

const NOTHING_DONE: Progress = {
  tally: { executions: 0, taken: 0, refused: 0, kept: 0 },
  blocks: 0,
  blocksAtFirst: 0,
  seconds: 0,
};

/** Resolves when the thread is gone, with what it told last. */
export async function fuzz(options: CampaignOptions, events: CampaignEvents): Promise<Progress> {
  const { bytesMax, patienceMs = PATIENCE_MS, ...order } = options;
  const shared = new SharedArrayBuffer(SHARED_HEAD_BYTES + bytesMax);
  const counters = new Int32Array(shared, 0, 2);
  const worker = new Worker(new URL('worker.ts', import.meta.url), {
    workerData: { ...order, shared } satisfies Order,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX },
  });
  const found = (kind: Finding['kind'], message: string, stack = ''): void => {
    const length = Atomics.load(counters, 1);
    const input = Buffer.from(new Uint8Array(shared, SHARED_HEAD_BYTES, Math.min(length, bytesMax)));
    events.found({ target: options.target, kind, message, stack, input });
  };
  let last = NOTHING_DONE;
  let executions = -1;
  let movedAt = performance.now();
  const watch = setInterval(() => {
    const now = Atomics.load(counters, 0);
    if (now !== executions) [executions, movedAt] = [now, performance.now()];
    else if (now > 0 && performance.now() - movedAt >= patienceMs) {
      found('hang', `not over after ${patienceMs / 1000} s`);
      void worker.terminate();
    }
  }, patienceMs / LOOKS);
  return new Promise((resolve) => {
    worker.on('message', (told: Told) => {
      if (told.kind === 'kept') events.kept(told.input);
      else if (told.kind === 'found') events.found(told.finding);
      else last = told;
      if (told.kind === 'done') void worker.terminate();
    });
    worker.on('error', (error: unknown) => {
      const said = error instanceof Error ? error : new Error(String(error));
      found('error', `the thread ended: ${said.message}`, said.stack);
    });
    worker.on('exit', () => {
      clearInterval(watch);
      resolve(last);
    });
  });
}
