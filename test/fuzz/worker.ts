// The thread in which one target is fuzzed. What it runs is in shared memory before it runs, so that whoever watches can
// say which input never ended, and end the thread.

import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import { Coverage } from './coverage.ts';
import { Fuzzer } from './fuzzer.ts';
import { type Order, type Progress, SHARED_HEAD_BYTES, type Told } from './order.ts';
import { targetNamed } from './targets/index.ts';

const PROGRESS_EVERY_MS = 1_000;

async function work({ target: name, seed, inputs, executionsMax, msMax, shared }: Order): Promise<void> {
  const tell = (told: Told): void => parentPort?.postMessage(told);
  const target = await targetNamed(name);
  const counters = new Int32Array(shared, 0, 2);
  const bytes = new Uint8Array(shared, SHARED_HEAD_BYTES);
  const root = pathToFileURL(dirname(dirname(import.meta.dirname))).href;
  const coverage = new Coverage(
    (url) => url.startsWith(root) && !url.includes('/node_modules/') && !url.includes('/test/'),
  );
  const fuzzer = new Fuzzer(target, seed, coverage, {
    started: (input) => {
      bytes.set(input.subarray(0, bytes.length));
      Atomics.store(counters, 1, input.length);
      Atomics.add(counters, 0, 1);
    },
    kept: (input) => tell({ kind: 'kept', input }),
    found: (finding) => tell({ kind: 'found', finding }),
  });
  const startedAt = performance.now();
  let blocksAtFirst = 0;
  const progress = (): Progress => ({
    tally: fuzzer.tally,
    blocks: coverage.blocks,
    blocksAtFirst,
    seconds: (performance.now() - startedAt) / 1000,
  });
  coverage.start();
  await fuzzer.begin(inputs);
  blocksAtFirst = coverage.blocks;
  let toldAt = startedAt;
  await fuzzer.run((executions) => {
    const now = performance.now();
    if (now - toldAt >= PROGRESS_EVERY_MS) {
      toldAt = now;
      tell({ kind: 'progress', ...progress() });
    }
    return executions >= executionsMax || now - startedAt >= msMax;
  });
  coverage.stop();
  tell({ kind: 'done', ...progress() });
}

await work(workerData as Order);
