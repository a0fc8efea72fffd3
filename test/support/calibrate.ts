// How fast this machine is: for bounds on computations that hold on any, and for leases and time-outs of real programs that
// a slow machine can keep.

import assert from 'node:assert/strict';

/** What `compute` takes on the machines this was made on. */
const USUAL_MS = 2;
const CALIBRATION_MS = 200;

function compute(): void {
  let x = 1;
  for (let i = 0; i < 1_000_000; i++) x = (Math.imul(x, 1_103_515_245) + 12_345) | 0;
  assert.notEqual(x, 1);
}

/**
 * Milliseconds of CPU that a fixed computation takes: other processes do not add to it. Measured over many of them, since
 * some kernels count a thread's CPU in steps of 10 ms.
 */
export function calibrate(): number {
  const used = process.threadCpuUsage();
  let computed = 0;
  let tookMs = 0;
  while (tookMs < CALIBRATION_MS) {
    compute();
    computed++;
    tookMs = cpuMsSince(used);
  }
  return tookMs / computed;
}

/** How many times slower this machine is just now than the usual one, what else runs on it included: from 1 to 20. */
export function slowness(): number {
  const computations = 50;
  const started = performance.now();
  for (let i = 0; i < computations; i++) compute();
  return Math.min(20, Math.max(1, (performance.now() - started) / computations / USUAL_MS));
}

/** Milliseconds that this thread has computed since `process.threadCpuUsage()` gave `used`. */
export function cpuMsSince(used: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(used);
  return (user + system) / 1000;
}
