// The process's own figures as metric families: memory, CPU, and how late the event loop is. Takes the process as an
// option: only the command knows it, and only one mesher of a process may speak for it.

import type { monitorEventLoopDelay } from 'node:perf_hooks';
import type { MetricFamily } from '../core/views.ts';

/** The parts of the histogram that are read. */
type EventLoopDelay = Pick<
  ReturnType<typeof monitorEventLoopDelay>,
  'count' | 'max' | 'percentile' | 'reset'
>;

/** The parts of `process` that are read; `process` itself fits. */
export interface ProcessFigures {
  memoryUsage(): {
    readonly rss: number;
    readonly heapUsed: number;
    readonly heapTotal: number;
    readonly external: number;
  };
  cpuUsage(): { readonly user: number; readonly system: number };
  uptime(): number;
}

const NS_PER_S = 1e9;
const MS_PER_S = 1e3;
const US_PER_S = 1e6;

/**
 * `delay`: over the time since the last call, which starts it anew. What it holds is the time between two turns of a timer
 * of `resolutionMs`, so it is late by what is beyond that.
 */
export function processFamilies(
  figures: ProcessFigures,
  delay: EventLoopDelay,
  resolutionMs: number,
): MetricFamily[] {
  // an empty histogram has placeholders for figures, 511 ns for its percentiles
  const seconds = (nanoseconds: number): number =>
    delay.count === 0 ? 0 : Math.max(0, nanoseconds / NS_PER_S - resolutionMs / MS_PER_S);
  const memory = figures.memoryUsage();
  const cpu = figures.cpuUsage();
  const samples = [0.5, 0.9, 0.99].map((at) => ({
    labels: { at: String(at) },
    value: seconds(delay.percentile(at * 100)),
  }));
  const families: MetricFamily[] = [
    gauge('process_resident_memory_bytes', 'Memory that the process holds.', memory.rss),
    gauge('process_heap_used_bytes', 'Heap in use by JavaScript.', memory.heapUsed),
    gauge('process_heap_size_bytes', 'Heap reserved for JavaScript.', memory.heapTotal),
    gauge('process_external_memory_bytes', 'Memory of buffers outside the heap.', memory.external),
    gauge('process_uptime_seconds', 'Time since the process started.', figures.uptime()),
    {
      name: 'process_cpu_seconds_total',
      help: 'CPU time used by the process.',
      type: 'counter',
      samples: [
        { labels: { mode: 'user' }, value: cpu.user / US_PER_S },
        { labels: { mode: 'system' }, value: cpu.system / US_PER_S },
      ],
    },
    gauge(
      'event_loop_delay_max_seconds',
      'How late the event loop was at most since the last scrape.',
      seconds(delay.max),
    ),
    {
      name: 'event_loop_delay_seconds',
      help: 'How late the event loop was since the last scrape, by quantile.',
      type: 'gauge',
      samples,
    },
  ];
  delay.reset();
  return families;
}

function gauge(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'gauge', samples: [{ labels: {}, value }] };
}
