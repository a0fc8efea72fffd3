// Medians and quartiles of a handful of figures. Nothing here assumes a distribution: with five pairs on a shared machine
// a mean would be one outlier's, and a deviation would pretend to know more than it does.

import type { Sample } from './scenario.ts';

export interface Spread {
  readonly median: number;
  readonly q1: number;
  readonly q3: number;
  readonly min: number;
  readonly max: number;
}

/** Between the two nearest values, in proportion (R's type 7). `values` must hold at least one. */
export function quantile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * at;
  const low = sorted[Math.floor(place)];
  const high = sorted[Math.ceil(place)];
  if (low === undefined || high === undefined) throw new RangeError('a quantile of nothing');
  return low + (high - low) * (place - Math.floor(place));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function spreadOf(values: readonly number[]): Spread {
  return {
    median: median(values),
    q1: quantile(values, 0.25),
    q3: quantile(values, 0.75),
    min: Math.min(...values),
    max: Math.max(...values),
  };
}

/** Each figure's own median; a figure that some of the samples lack is left out. */
export function medianSample(samples: readonly Sample[]): Sample {
  const of = (figure: (sample: Sample) => number | undefined): number | undefined => {
    const values = samples.map(figure).filter((value) => value !== undefined);
    return values.length === samples.length ? median(values) : undefined;
  };
  const names = Object.keys(samples[0]?.more ?? {});
  const more = names.flatMap((name) => {
    const value = of((sample) => sample.more?.[name]);
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    value: median(samples.map(({ value }) => value)),
    events: median(samples.map(({ events }) => events)),
    ...defined({
      cpuUsPerEvent: of((sample) => sample.cpuUsPerEvent),
      fsyncsPerEvent: of((sample) => sample.fsyncsPerEvent),
      rssMaxBytes: of((sample) => sample.rssMaxBytes),
      loopDelayP99Ms: of((sample) => sample.loopDelayP99Ms),
    }),
    ...(more.length === 0 ? {} : { more: Object.fromEntries(more) }),
  };
}

type Optional = 'cpuUsPerEvent' | 'fsyncsPerEvent' | 'rssMaxBytes' | 'loopDelayP99Ms';

function defined(figures: Readonly<Record<Optional, number | undefined>>): Partial<Record<Optional, number>> {
  return Object.fromEntries(Object.entries(figures).filter(([, value]) => value !== undefined));
}
