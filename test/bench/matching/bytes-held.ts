// What a process holds in memory, without garbage. Needs --expose-gc.

import { setImmediate } from 'node:timers/promises';

/** Heap and what lies beside it (typed arrays). */
export async function bytesHeld(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await setImmediate(); // what a collection found to be garbage beside the heap goes after it
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
