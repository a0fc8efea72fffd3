// How durations are spread: counts by bucket, as Prometheus' histograms have them.

import type { HistogramName } from './metric-catalogue.ts';
import type { MetricFamily } from './views.ts';

type Samples = MetricFamily['samples'];

/** Upper bounds, seconds: a local disk's fsync is among the first, a subscriber that was away for an hour below the last. */
export const LATENCY_BOUNDS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600,
];

export class Histogram {
  /** Upper, seconds, ascending. */
  readonly bounds: readonly number[];
  /** One more than bounds: the last is beyond all of them. */
  readonly #counts: number[];
  #sum = 0;

  /** `bounds`: upper, seconds, ascending. */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  /** What is below zero, as differences of two clocks can be, counts as zero. */
  observe(seconds: number): void {
    this.#add(this.#bucketOf(seconds), 1, Math.max(0, seconds));
  }

  /**
   * A batch whose durations go evenly from the first to the last, as those of events that waited in line do: two bounds are looked for,
   * not one for each of a thousand events.
   */
  observeRun(firstSeconds: number, lastSeconds: number, count: number): void {
    const [first, last] = [Math.max(0, firstSeconds), Math.max(0, lastSeconds)];
    const [from, to] = [this.#bucketOf(first), this.#bucketOf(last)];
    if (from === to) this.#add(from, count, ((first + last) / 2) * count);
    else {
      for (let i = 0; i < count; i++) this.observe(first + ((last - first) * i) / (count - 1));
    }
  }

  #bucketOf(seconds: number): number {
    let bucket = 0;
    while (bucket < this.bounds.length && seconds > (this.bounds[bucket] ?? 0)) bucket++;
    return bucket;
  }

  #add(bucket: number, count: number, sum: number): void {
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + count;
    this.#sum += sum;
  }

  /** How many fell into each bucket so far, the one beyond all bounds last. */
  counts(): readonly number[] {
    return [...this.#counts];
  }

  samples(labels: Readonly<Record<string, string>>): Samples {
    let count = 0;
    const buckets = this.#counts.map((one, at) => {
      count += one;
      const bound = this.bounds[at];
      const le = bound === undefined ? '+Inf' : String(bound);
      return { suffix: '_bucket' as const, labels: { ...labels, le }, value: count };
    });
    return [
      ...buckets,
      { suffix: '_sum', labels, value: this.#sum },
      { suffix: '_count', labels, value: count },
    ];
  }
}

/** How long the core took. */
export class Latencies {
  readonly publishAck = new Histogram(LATENCY_BOUNDS);
  readonly delivery = {
    stream: new Histogram(LATENCY_BOUNDS),
    pull: new Histogram(LATENCY_BOUNDS),
    ephemeral: new Histogram(LATENCY_BOUNDS),
  };

  families(): { readonly name: HistogramName; readonly samples: MetricFamily['samples'] }[] {
    const byConsumer = Object.entries(this.delivery);
    return [
      { name: 'publish_ack_duration_seconds', samples: this.publishAck.samples({}) },
      {
        name: 'event_delivery_duration_seconds',
        samples: byConsumer.flatMap(([to, histogram]) => histogram.samples({ to })),
      },
    ];
  }
}
