// How late a mesher's event loop was over a window, from its histogram before and after.

import type { RunningMesher } from '../../support/federation.ts';

export interface Bucket {
  /** Seconds. */
  readonly bound: number;
  /** Delays up to there, since the start. */
  readonly count: number;
}

export interface LoopDelayWindow {
  readonly forget: () => Promise<void>;
  readonly p99Ms: () => Promise<number>;
}

export function loopDelayOf(mesher: RunningMesher): LoopDelayWindow {
  let before: readonly Bucket[] = [];
  return {
    forget: async () => {
      before = await bucketsOf(mesher);
    },
    p99Ms: async () => {
      const after = await bucketsOf(mesher);
      const counts = after.map(({ bound, count }, at) => ({
        bound,
        count: count - (before[at]?.count ?? 0),
      }));
      return quantile(counts, 0.99) * 1000;
    },
  };
}

async function bucketsOf(mesher: RunningMesher): Promise<Bucket[]> {
  const page = await (await fetch(`${mesher.http}/metrics`)).text();
  const lines = page.matchAll(/^causeway_event_loop_delay_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm);
  return [...lines].map(([, le, count]) => ({
    bound: le === '+Inf' ? Infinity : Number(le),
    count: Number(count),
  }));
}

/** Between the bounds of its bucket in proportion, as Prometheus does it; beyond the last bound: that one. */
export function quantile(buckets: readonly Bucket[], at: number): number {
  const rank = (buckets.at(-1)?.count ?? 0) * at;
  let [lower, below] = [0, 0];
  for (const { bound, count } of buckets) {
    if (count >= rank && bound !== Infinity) {
      return count === below ? lower : lower + ((bound - lower) * (rank - below)) / (count - below);
    }
    if (bound !== Infinity) [lower, below] = [bound, count];
  }
  return lower;
}
