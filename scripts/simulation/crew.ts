// Worker threads that run seeds, one thread for each core. A seed is one run, exactly, whichever thread it falls to: a thread
// shares nothing with the others.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { Verdict } from '../../test/simulation/run.ts';
import { run } from '../../test/simulation/run.ts';

/** Seeds given to a thread at a time: enough to keep it busy, few enough to end together. */
const SEEDS_AT_ONCE = 10;
const ROLE = 'seeds';

/** Hands out what `next` gives until it gives nothing more. */
export async function runSeeds(
  threads: number,
  next: () => number | undefined,
  take: (verdict: Verdict) => void,
): Promise<void> {
  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL(import.meta.url), { workerData: ROLE }),
  );
  await Promise.all(workers.map((worker) => feed(worker, next, take)));
  await Promise.all(workers.map((worker) => worker.terminate()));
}

function feed(
  worker: Worker,
  next: () => number | undefined,
  take: (verdict: Verdict) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const give = (): void => {
      const seeds: number[] = [];
      while (seeds.length < SEEDS_AT_ONCE) {
        const seed = next();
        if (seed === undefined) break;
        seeds.push(seed);
      }
      if (seeds.length > 0) worker.postMessage(seeds);
      else resolve();
    };
    worker.on('message', (verdicts: readonly Verdict[]) => {
      for (const verdict of verdicts) take(verdict);
      give();
    });
    worker.on('error', reject);
    give();
  });
}

if (!isMainThread && workerData === ROLE) {
  parentPort?.on('message', (seeds: readonly number[]) => {
    parentPort?.postMessage(seeds.map((seed) => run({ seed })));
  });
}
