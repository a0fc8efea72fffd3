// What the kernel knows of a process, on Linux: CPU time and the most memory it ever held. Elsewhere there is no /proc:
// the figures are undefined, and left out of results rather than guessed.

import { readFileSync } from 'node:fs';

/** USER_HZ: what /proc counts CPU time in, on every architecture that Node runs on. */
const TICKS_PER_S = 100;
const US_PER_TICK = 1e6 / TICKS_PER_S;

export interface ProcessFigures {
  /** User and system, all threads, ended ones and children that were waited for included. Steps of 10 ms. */
  readonly cpuUs: number;
  /** High-water mark of its resident memory. */
  readonly rssMaxBytes: number;
}

/** Undefined where there is no such process any more, or no /proc. */
export function processFigures(pid: number): ProcessFigures | undefined {
  const stat = readProc(pid, 'stat');
  const status = readProc(pid, 'status');
  if (stat === undefined || status === undefined) return undefined;
  return { cpuUs: cpuUsOf(stat), rssMaxBytes: rssMaxBytesOf(status) };
}

/** proc(5): the name, in parentheses, may hold anything; from behind it utime is the 12th field, with three more. */
export function cpuUsOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).map(Number);
  return ticks.reduce((sum, each) => sum + each, 0) * US_PER_TICK;
}

export function rssMaxBytesOf(status: string): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined; // gone, or another system
  }
}
