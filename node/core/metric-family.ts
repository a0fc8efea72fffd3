// Families as the catalogue describes them, made of what was counted or measured.

import { METRICS, type MetricFacts, type MetricName } from './metric-catalogue.ts';
import type { MetricFamily } from './views.ts';

type Samples = MetricFamily['samples'];

/**
 * One number, or one for each combination of labels. What can be listed beforehand and was not counted yet is there with 0; a gauge without
 * labels and without a number is not known.
 */
export function family(name: MetricName, found: number | Samples): MetricFamily {
  const { help, type, labels }: MetricFacts = METRICS[name];
  const samples = typeof found === 'number' ? [{ labels: {}, value: found }] : found;
  const isWhole = type === 'histogram' || (type === 'gauge' && labels.length === 0);
  return { name, help, type, samples: isWhole ? samples : [...samples, ...zeros(labels, samples)] };
}

/** A counter that appears with its first count has no increase to be seen; so all that can be are there from the start. */
function zeros(labels: MetricFacts['labels'], samples: Samples): Samples {
  let all: Record<string, string>[] = [{}];
  for (const [label, values] of labels) {
    if (typeof values === 'string') return [];
    all = all.flatMap((one) => Object.keys(values).map((value) => ({ ...one, [label]: value })));
  }
  const keyOf = (one: Readonly<Record<string, string>>): string =>
    labels.map(([label]) => one[label]).join('/');
  const counted = new Set(samples.map((sample) => keyOf(sample.labels)));
  return all.filter((one) => !counted.has(keyOf(one))).map((one) => ({ labels: one, value: 0 }));
}

/** One sample for each value of the label: the sum of those given for it. */
export function sumBy(label: string, counts: Iterable<readonly [value: string, count: number]>): Samples {
  const sums = new Map<string, number>();
  for (const [of, count] of counts) sums.set(of, (sums.get(of) ?? 0) + count);
  return [...sums].map(([of, value]) => ({ labels: { [label]: of }, value }));
}
