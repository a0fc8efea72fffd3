// Exports spans by OTLP over HTTP. The only file that loads OpenTelemetry's packages, so it is itself loaded only where tracing is on.
//
// What waits is bounded here, below the batcher's own bound: what it dropped itself would be counted nowhere.

import {
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  createTraceState,
  type HrTime,
  type Link,
} from '@opentelemetry/api';
import { ExportResultCode, type ExportResult } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from '@opentelemetry/sdk-trace';
import type { SpanDrop } from '../../core/metric-catalogue.ts';
import type { AttributeValue, Span } from './span.ts';

/** Spans that wait to be exported, and are being. Above: dropped, `queue-full`. Some 10 MB. */
export const QUEUE_SPANS_MAX = 8_192;
const BATCH_SPANS_MAX = 512;
/** What has waited so long goes, however little it is. */
const BATCH_DELAY_MS = 1_000;
/** Of one batch, with the exporter's own retries. */
const EXPORT_TIMEOUT_MS = 10_000;

export interface ExportOptions {
  /** Base URL of the OTLP receiver. */
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Who the spans are of. */
  readonly resource: Readonly<Record<string, string>>;
  readonly version: string;
}

export interface ExportCounts {
  exported(spans: number): void;
  dropped(why: SpanDrop, spans: number): void;
}

export class OtlpExport {
  readonly #resource;
  readonly #scope;
  readonly #counts: ExportCounts;
  readonly #batches: BatchSpanProcessor;
  #waiting = 0;

  constructor({ endpoint, headers, resource, version }: ExportOptions, counts: ExportCounts) {
    this.#resource = resourceFromAttributes(resource);
    this.#scope = { name: 'causeway', version };
    this.#counts = counts;
    const otlp = new OTLPTraceExporter({
      url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
      headers: { ...headers },
      timeoutMillis: EXPORT_TIMEOUT_MS,
      concurrencyLimit: 4,
    });
    this.#batches = new BatchSpanProcessor({
      exporter: this.#counted(otlp),
      maxExportBatchSize: BATCH_SPANS_MAX,
      maxQueueSize: QUEUE_SPANS_MAX,
      scheduledDelayMillis: BATCH_DELAY_MS,
      exportTimeoutMillis: 2 * EXPORT_TIMEOUT_MS,
    });
  }

  add(span: Span): void {
    if (this.#waiting >= QUEUE_SPANS_MAX) {
      this.#counts.dropped('queue-full', 1);
      return;
    }
    this.#waiting++;
    this.#batches.onEnd(this.#readable(span));
  }

  /** Exports what waits. Rejects where the receiver does not take it, which is counted as well. */
  async stop(): Promise<void> {
    await this.#batches.shutdown();
  }

  #counted(exporter: SpanExporter): SpanExporter {
    const done = (spans: number, result: ExportResult): void => {
      this.#waiting -= spans;
      if (result.code === ExportResultCode.SUCCESS) this.#counts.exported(spans);
      else this.#counts.dropped('export-failed', spans);
    };
    return {
      export: (spans, callback) =>
        exporter.export(spans, (result) => {
          done(spans.length, result);
          callback(result);
        }),
      shutdown: () => exporter.shutdown(),
      forceFlush: async () => exporter.forceFlush?.(),
    };
  }

  #readable(span: Span): ReadableSpan {
    const { traceId, spanId, parentId, tracestate } = span;
    const traceFlags = TraceFlags.SAMPLED;
    const state = tracestate === '' ? {} : { traceState: createTraceState(tracestate) };
    const context = { traceId, spanId, traceFlags, ...state };
    return {
      name: span.name,
      kind: KINDS[span.kind],
      spanContext: () => context,
      ...(parentId !== undefined && {
        parentSpanContext: { traceId, spanId: parentId, traceFlags, isRemote: span.parentIsRemote },
      }),
      startTime: hrTime(span.startMs),
      endTime: hrTime(span.endMs),
      duration: hrTime(span.endMs - span.startMs),
      status:
        span.error === undefined
          ? { code: SpanStatusCode.UNSET }
          : { code: SpanStatusCode.ERROR, message: span.error },
      attributes: withError(span),
      links: NO_LINKS,
      events: [],
      ended: true,
      resource: this.#resource,
      instrumentationScope: this.#scope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
  }
}

const NO_LINKS: Link[] = [];

const KINDS: Readonly<Record<Span['kind'], SpanKind>> = {
  server: SpanKind.SERVER,
  internal: SpanKind.INTERNAL,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

function withError({ attributes, error }: Span): Record<string, AttributeValue> {
  return error === undefined ? { ...attributes } : { ...attributes, 'error.type': error };
}

/** Seconds and nanoseconds. */
function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.min(999_999_999, Math.round((ms - seconds * 1_000) * 1e6))];
}
