// What became of spans and of trace contexts, for /metrics. It knows nothing of OpenTelemetry: a mesher without tracing tells zeros.

import type { ContextIgnoral, SpanDrop } from '../../core/metric-catalogue.ts';
import { family } from '../../core/metric-family.ts';
import type { MetricFamily } from '../../core/views.ts';

export class TraceCounts {
  #exported = 0;
  readonly #dropped = new Map<SpanDrop, number>();
  readonly #ignored = new Map<ContextIgnoral, number>();

  exported(spans: number): void {
    this.#exported += spans;
  }

  dropped(why: SpanDrop, spans: number): void {
    this.#dropped.set(why, (this.#dropped.get(why) ?? 0) + spans);
  }

  ignored(why: ContextIgnoral): void {
    this.#ignored.set(why, (this.#ignored.get(why) ?? 0) + 1);
  }

  metrics(): MetricFamily[] {
    return [
      family('trace_spans_exported_total', this.#exported),
      family('trace_spans_dropped_total', samples(this.#dropped)),
      family('trace_contexts_ignored_total', samples(this.#ignored)),
    ];
  }
}

function samples(counts: ReadonlyMap<string, number>): MetricFamily['samples'] {
  return [...counts].map(([reason, value]) => ({ labels: { reason }, value }));
}
