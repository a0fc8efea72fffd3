// How fast this machine is, for bounds on computations that hold on any: CPU time, which other processes do not add to.

import assert from 'node:assert/strict';

/** Median milliseconds of a fixed computation: some 2 ms on the machines this was made on. */
export function calibrate(): number {
  const took = Array.from({ length: 21 }, () => {
    const used = process.threadCpuUsage();
    let x = 1;
    for (let i = 0; i < 1_000_000; i++) x = (Math.imul(x, 1_103_515_245) + 12_345) | 0;
    assert.notEqual(x, 1);
    return cpuMsSince(used);
  });
  return took.toSorted((a, b) => a - b)[10] ?? 0;
}

/** Milliseconds that this thread has computed since `process.threadCpuUsage()` gave `used`. */
export function cpuMsSince(used: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(used);
  return (user + system) / 1000;
}
