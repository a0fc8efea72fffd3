// The process's own figures as metric families: memory, CPU, open files, and how late the event loop is. Takes the process as an
// option: only the command knows it, and only one mesher of a process may speak for it.

import { readdir, readFile } from 'node:fs/promises';
import { family } from '../core/metric-family.ts';
import type { MetricFamily } from '../core/views.ts';
import type { LoopDelay } from './loop-delay.ts';

/** The parts of `process` that are read; `process` itself fits. */
export interface ProcessFigures {
  memoryUsage(): {
    readonly rss: number;
    readonly heapUsed: number;
    readonly heapTotal: number;
    readonly external: number;
  };
  cpuUsage(): { readonly user: number; readonly system: number };
}

export interface OpenFiles {
  readonly open: number;
  readonly max: number;
}

const US_PER_S = 1e6;

/** Sockets included; undefined where there is no /proc. */
export async function openFiles(): Promise<OpenFiles | undefined> {
  try {
    const [open, limits] = await Promise.all([
      readdir('/proc/self/fd'),
      readFile('/proc/self/limits', 'utf8'),
    ]);
    const max = /^Max open files +(\d+|unlimited)/m.exec(limits)?.[1];
    return { open: open.length - 1, max: max === undefined || max === 'unlimited' ? Infinity : Number(max) }; // less the one that lists them
  } catch {
    return undefined; // not Linux, or no file was left to look with: the page matters more
  }
}

export function processFamilies(
  figures: ProcessFigures,
  files: OpenFiles | undefined,
  delay: LoopDelay,
): MetricFamily[] {
  const memory = figures.memoryUsage();
  const cpu = figures.cpuUsage();
  return [
    family('process_resident_memory_bytes', memory.rss),
    family('process_heap_used_bytes', memory.heapUsed),
    family('process_heap_size_bytes', memory.heapTotal),
    family('process_external_memory_bytes', memory.external),
    family('process_start_time_seconds', performance.timeOrigin / 1000),
    family('process_open_fds', files?.open ?? []),
    family('process_max_fds', files?.max ?? []),
    family('process_cpu_seconds_total', [
      { labels: { mode: 'user' }, value: cpu.user / US_PER_S },
      { labels: { mode: 'system' }, value: cpu.system / US_PER_S },
    ]),
    family('event_loop_delay_seconds', delay.samples()),
  ];
}
