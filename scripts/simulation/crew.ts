// Worker threads that run seeds, one thread for each core. A seed is one run, exactly, whichever thread it falls to: a thread
// shares nothing with the others.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { RunOptions, Verdict } from '../../test/simulation/run.ts';
import { run } from '../../test/simulation/run.ts';

/** What is drawn from a seed unless it is said. */
export type Forced = Pick<RunOptions, 'redrives' | 'damages' | 'absences'>;

/** Seeds given to a thread at a time: enough to keep it busy, few enough to end together. */
const SEEDS_AT_ONCE = 10;
const ROLE = 'seeds';

/** Hands out what `next` gives until it gives nothing more. `all`: what holds for all seeds. */
export async function runSeeds(
  threads: number,
  all: Forced,
  next: () => number | undefined,
  take: (verdict: Verdict) => void,
): Promise<void> {
  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL(import.meta.url), { workerData: ROLE }),
  );
  await Promise.all(workers.map((worker) => feed(worker, all, next, take)));
  await Promise.all(workers.map((worker) => worker.terminate()));
}

function feed(
  worker: Worker,
  all: Forced,
  next: () => number | undefined,
  take: (verdict: Verdict) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const give = (): void => {
      const seeds: RunOptions[] = [];
      while (seeds.length < SEEDS_AT_ONCE) {
        const seed = next();
        if (seed === undefined) break;
        seeds.push({ ...all, seed });
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
  parentPort?.on('message', (seeds: readonly RunOptions[]) => {
    parentPort?.postMessage(seeds.map(run));
  });
}
