// Tracing, put together: the observer that makes spans, the exporter that takes them, and the carrier that bridges use. Loaded only where
// `tracing.endpoint` is set.

import { readFile } from 'node:fs/promises';
import { MeshError } from '../../core/errors.ts';
import type { NodeId } from '../../core/event.ts';
import type { TraceCarrier } from '../../core/ports.ts';
import { HttpCarrier } from './carrier.ts';
import { type ExportLog, OtlpExport } from './exporter.ts';
import { TraceObserver } from './observer.ts';
import type { TraceCounts } from './trace-counts.ts';
import { Tracer } from './traced-event.ts';

export interface TracingOptions {
  /** Base URL of the OTLP receiver. */
  readonly endpoint: string;
  readonly headersFile: string | undefined;
  /** Of the events that come without a trace context, 0 to 1. */
  readonly sampleRatio: number;
  readonly federation: string;
  readonly cluster: string;
  readonly node: NodeId;
  readonly version: string;
}

export interface Tracing {
  readonly observer: TraceObserver;
  readonly carrier: TraceCarrier;
  /** Exports what is over. Rejects where the receiver does not take it. */
  stop(): Promise<void>;
}

/** Rejects with `invalid-config` where the file of headers cannot be used. */
export async function startTracing(
  options: TracingOptions,
  counts: TraceCounts,
  log: ExportLog,
): Promise<Tracing> {
  const { endpoint, headersFile, sampleRatio, federation, cluster, node, version } = options;
  const headers = headersFile === undefined ? {} : await readHeaders(headersFile);
  const resource = {
    'service.name': 'causeway',
    'service.namespace': federation,
    'service.instance.id': node,
    'service.version': version,
    'causeway.cluster': cluster,
  };
  const spans = new OtlpExport({ endpoint, headers, resource, version }, counts, log);
  log.info({ endpoint, sampleRatio }, 'spans are exported');
  const ignored = counts.ignored.bind(counts);
  const tracer = new Tracer(sampleRatio, ignored);
  const observer = new TraceObserver(node, tracer, {
    ended: (span) => spans.add(span),
    dropped: (why, count) => counts.dropped(why, count),
  });
  return { observer, carrier: new HttpCarrier(node, tracer, ignored), stop: () => spans.stop() };
}

/** One `name: value` a line, as HTTP has them; lines that begin with # are none. */
async function readHeaders(path: string): Promise<Record<string, string>> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new MeshError('invalid-config', `tracing.headersFile: the file ${path} cannot be read`, { cause });
  });
  const headers: Record<string, string> = {};
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]+)$/.exec(line) ?? [];
    if (name === undefined || value === undefined)
      throw new MeshError(
        'invalid-config',
        `tracing.headersFile: line ${index + 1} of ${path} is no header; write name: value`,
      );
    headers[name] = value.trimEnd();
  }
  return headers;
}
