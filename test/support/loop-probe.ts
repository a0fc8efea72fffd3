// Preloaded into a mesher's process (`node --import`): says on stderr for how long its event loop was blocked, and how
// much CPU time its thread used meanwhile. A thread that waits for a busy machine's CPU is late too; but only one that
// computes is blocked by its own doing.
//
//   {"probe":"event-loop","from":1790000000000,"wallMs":120,"cpuMs":118}        from: ms since the epoch

import { isMainThread } from 'node:worker_threads';

const EVERY_MS = 5;
/** Shorter ones are not told. */
const TOLD_MS = 25;

if (isMainThread) {
  let last = performance.now();
  let used = process.threadCpuUsage();
  setInterval(() => {
    const wallMs = performance.now() - last - EVERY_MS;
    if (wallMs > TOLD_MS) {
      const { user, system } = process.threadCpuUsage(used);
      const told = {
        probe: 'event-loop',
        from: Math.round(performance.timeOrigin + last),
        wallMs: Math.round(wallMs),
        cpuMs: Math.round((user + system) / 1000),
      };
      process.stderr.write(`${JSON.stringify(told)}\n`);
    }
    last = performance.now();
    used = process.threadCpuUsage();
  }, EVERY_MS).unref();
}
