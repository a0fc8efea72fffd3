// Exports spans by OTLP over HTTP. The only file that loads OpenTelemetry's packages, so it is itself loaded only where tracing is on.
//
// What waits is bounded here, below the batcher's own bound: what it dropped itself would be counted nowhere.

import { setTimeout as delay } from 'node:timers/promises';
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
/** What the receiver has not taken by then is lost: a mesher that stops is waited for. */
const STOP_MS = 3_000;

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

export interface ExportLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export class OtlpExport {
  readonly #endpoint: string;
  readonly #log: ExportLog;
  /** The receiver did not take the last batch. */
  #isFailing = false;
  readonly #resource;
  readonly #scope;
  readonly #counts: ExportCounts;
  readonly #batches: BatchSpanProcessor;
  readonly #underWay = new Set<Promise<void>>();
  #waiting = 0;

  constructor({ endpoint, headers, resource, version }: ExportOptions, counts: ExportCounts, log: ExportLog) {
    this.#endpoint = endpoint;
    this.#log = log;
    this.#resource = resourceFromAttributes(resource);
    this.#scope = { name: 'causeway', version };
    this.#counts = counts;
    const otlp = new OTLPTraceExporter({
      url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
      headers: { ...headers },
      timeoutMillis: EXPORT_TIMEOUT_MS,
      concurrencyLimit: QUEUE_SPANS_MAX / BATCH_SPANS_MAX, // stopping exports all batches at once
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

  /** Exports what waits, as far as the receiver takes it in a few seconds. Rejects where it does not. */
  async stop(): Promise<void> {
    const late = delay(STOP_MS, undefined, { ref: false });
    await Promise.race([this.#flush(), late]);
    if (this.#waiting > 0) this.#counts.dropped('export-failed', this.#waiting);
  }

  async #flush(): Promise<void> {
    try {
      await this.#batches.shutdown();
    } finally {
      await Promise.all(this.#underWay); // it rejects with the first batch that fails, and the others are still on their way
    }
  }

  #counted(exporter: SpanExporter): SpanExporter {
    const done = (spans: number, result: ExportResult): void => {
      this.#waiting -= spans;
      if (result.code === ExportResultCode.SUCCESS) this.#counts.exported(spans);
      else this.#counts.dropped('export-failed', spans);
      this.#tell(result);
    };
    return {
      export: (spans, callback) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#underWay.add(promise);
        exporter.export(spans, (result) => {
          this.#underWay.delete(promise);
          done(spans.length, result);
          callback(result);
          resolve();
        });
      },
      shutdown: () => exporter.shutdown(),
      forceFlush: async () => exporter.forceFlush?.(),
    };
  }

  /** Once when it begins, and once when it is over. The error itself may hold what the receiver answered: its words are enough. */
  #tell({ code, error }: ExportResult): void {
    const fails = code !== ExportResultCode.SUCCESS;
    if (fails === this.#isFailing) return;
    this.#isFailing = fails;
    const endpoint = this.#endpoint;
    if (fails)
      this.#log.warn(
        { endpoint, why: error === undefined ? 'no reason given' : wordsOf(error) },
        'spans are not taken: those of this time are lost, and counted',
      );
    else this.#log.info({ endpoint }, 'spans are taken again');
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

/** Of several addresses that were tried Node says nothing but the code. */
function wordsOf(error: Error & { readonly code?: unknown }): string {
  if (error.message !== '') return error.message;
  return typeof error.code === 'string' ? error.code : error.name;
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
