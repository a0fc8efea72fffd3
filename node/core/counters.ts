// Counts what happened, and how long it took, by name and labels, as the catalogue has them.

import { Latencies } from './histogram.ts';
import { COUNTERS, type CounterName, type LabelValues } from './metric-catalogue.ts';
import type { MetricFamily } from './views.ts';

/**
 * Of one family. Members say which cluster they are of, and may say another each time they come back: what is beyond this counts for
 * the cluster `other`.
 */
const SERIES_MAX = 4096;

export class Counters {
  readonly latencies = new Latencies();
  readonly #values = new Map<CounterName, Map<string, { values: readonly string[]; count: number }>>();

  /** `labels` in the order of the catalogue. */
  add<N extends CounterName>(name: N, count: number, ...labels: LabelValues<N>): void {
    if (count === 0) return;
    let family = this.#values.get(name);
    if (!family) {
      family = new Map();
      this.#values.set(name, family);
    }
    const slot = family.get(keyOf(labels));
    if (slot) slot.count += count;
    else this.#open(name, family, count, labels);
  }

  #open(
    name: CounterName,
    family: Map<string, { values: readonly string[]; count: number }>,
    count: number,
    labels: readonly string[],
  ): void {
    const values =
      family.size < SERIES_MAX
        ? labels
        : labels.map((value, i) => (typeof COUNTERS[name].labels[i]?.[1] === 'string' ? 'other' : value));
    const key = keyOf(values);
    const other = family.get(key);
    if (other) other.count += count;
    else family.set(key, { values, count });
  }

  /** Sum over all label values, or of those whose first label is `first`. */
  total(name: CounterName, first?: string): number {
    let sum = 0;
    for (const { values, count } of this.#values.get(name)?.values() ?? []) {
      if (first === undefined || values[0] === first) sum += count;
    }
    return sum;
  }

  /** Sums by the value of the first label. */
  byFirstLabel(name: CounterName): Record<string, number> {
    const sums: Record<string, number> = {};
    for (const { values, count } of this.#values.get(name)?.values() ?? []) {
      const [first = ''] = values;
      sums[first] = (sums[first] ?? 0) + count;
    }
    return sums;
  }

  /** What was counted so far, in the order of the catalogue. */
  families(): { readonly name: CounterName; readonly samples: MetricFamily['samples'] }[] {
    return (Object.keys(COUNTERS) as CounterName[]).map((name) => ({
      name,
      samples: [...(this.#values.get(name)?.values() ?? [])].map(({ values, count }) => ({
        labels: Object.fromEntries(COUNTERS[name].labels.map(([label], i) => [label, values[i] ?? ''])),
        value: count,
      })),
    }));
  }
}

function keyOf(labels: readonly string[]): string {
  return labels.length === 1 ? (labels[0] ?? '') : labels.join('\u0000');
}
