// Wakes the main thread on a grid of time, to some tens of microseconds. Timers of Node are late by up to a millisecond and
// more, and spinning until it is time takes a core from what is measured; so a thread sleeps, and sends a message.

import { isMainThread, type MessagePort, parentPort, Worker, workerData } from 'node:worker_threads';

interface Orders {
  readonly everyUs: number;
  /** 1: the main thread has not yet taken the last wake-up, and needs no other. */
  readonly pending: Int32Array;
}

export interface Ticker {
  stop(): Promise<void>;
}

/** Calls `tick` every `everyUs`; ticks that the main thread had no time for are left out. */
export function startTicker(everyUs: number, tick: () => void): Ticker {
  const pending = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL(import.meta.url), { workerData: { everyUs, pending } satisfies Orders });
  worker.on('message', () => {
    Atomics.store(pending, 0, 0);
    tick();
  });
  return { stop: async () => void (await worker.terminate()) };
}

/** In the thread. Ends with it. */
function keepTime({ everyUs, pending }: Orders, port: MessagePort): never {
  const never = new Int32Array(new SharedArrayBuffer(4));
  const everyMs = everyUs / 1000;
  let due = performance.now();
  for (;;) {
    due += everyMs;
    const leftMs = due - performance.now();
    if (leftMs > 0) Atomics.wait(never, 0, 0, leftMs);
    if (Atomics.exchange(pending, 0, 1) === 0) port.postMessage(undefined);
  }
}

if (!isMainThread && parentPort && isOrders(workerData)) keepTime(workerData, parentPort);

/** The module may also be imported in a thread of another purpose. */
function isOrders(data: unknown): data is Orders {
  return typeof data === 'object' && data !== null && 'everyUs' in data && 'pending' in data;
}
