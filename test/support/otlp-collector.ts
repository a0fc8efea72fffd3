// A receiver of spans for tests: takes OTLP by HTTP, decodes it with the messages of OpenTelemetry's own opentelemetry/proto/collector/trace/v1/
// trace_service.proto (1.x), as far as traces need them, and keeps the spans.

import { createServer, type IncomingHttpHeaders } from 'node:http';
import { once } from 'node:events';
import protobuf from 'protobufjs';
import type { Ending } from './federation.ts';

const { root } = protobuf.parse(
  `syntax = "proto3";
   package opentelemetry.proto;
   message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
   message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; string schema_url = 3; }
   message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2; }
   message ScopeSpans { InstrumentationScope scope = 1; repeated Span spans = 2; string schema_url = 3; }
   message InstrumentationScope { string name = 1; string version = 2; }
   message Span {
     bytes trace_id = 1;
     bytes span_id = 2;
     string trace_state = 3;
     bytes parent_span_id = 4;
     string name = 5;
     enum SpanKind { UNSPECIFIED = 0; INTERNAL = 1; SERVER = 2; CLIENT = 3; PRODUCER = 4; CONSUMER = 5; }
     SpanKind kind = 6;
     fixed64 start_time_unix_nano = 7;
     fixed64 end_time_unix_nano = 8;
     repeated KeyValue attributes = 9;
     uint32 dropped_attributes_count = 10;
     Status status = 15;
     fixed32 flags = 16;
   }
   message Status { string message = 2; enum StatusCode { UNSET = 0; OK = 1; ERROR = 2; } StatusCode code = 3; }
   message KeyValue { string key = 1; AnyValue value = 2; }
   message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; } }`,
  { keepCase: true },
);
const REQUEST = root.lookupType('opentelemetry.proto.ExportTraceServiceRequest');

/** A span as it came, its ids in hex, times in ns since the epoch. */
export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** '' for none. */
  readonly parentId: string;
  readonly tracestate: string;
  readonly name: string;
  readonly kind: string;
  readonly start: bigint;
  readonly end: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly status: string;
  readonly flags: number;
}

interface Pair {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}
interface RawSpan {
  readonly trace_id: string;
  readonly span_id: string;
  readonly parent_span_id: string;
  readonly trace_state: string;
  readonly name: string;
  readonly kind: string;
  readonly start_time_unix_nano: string;
  readonly end_time_unix_nano: string;
  readonly attributes?: readonly Pair[];
  readonly status?: { readonly code: string };
  readonly flags: number;
}
interface RawRequest {
  readonly resource_spans?: readonly {
    readonly resource?: { readonly attributes?: readonly Pair[] };
    readonly scope_spans?: readonly { readonly spans?: readonly RawSpan[] }[];
  }[];
}

export class OtlpCollector {
  /** Base URL. */
  readonly url: string;
  readonly spans: CollectedSpan[] = [];
  /** Of the requests, in their order. */
  readonly headers: IncomingHttpHeaders[] = [];
  /** What it answers with. */
  status = 200;

  private constructor(url: string) {
    this.url = url;
  }

  static async start(t: Ending): Promise<OtlpCollector> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        collector.headers.push(request.headers);
        const isTraces = request.method === 'POST' && request.url === '/v1/traces';
        if (isTraces && collector.status === 200) collector.#take(Buffer.concat(chunks));
        response.writeHead(isTraces ? collector.status : 404, { 'content-type': 'application/x-protobuf' });
        response.end();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const collector = new OtlpCollector(`http://127.0.0.1:${port}`);
    return collector;
  }

  /** Of one trace, in the order of their beginnings. */
  trace(traceId: string): CollectedSpan[] {
    return this.spans
      .filter((span) => span.traceId === traceId)
      .sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  }

  #take(body: Buffer): void {
    const options = { longs: String, enums: String, bytes: String, defaults: true };
    const { resource_spans: all = [] } = REQUEST.toObject(REQUEST.decode(body), options) as RawRequest;
    for (const { resource, scope_spans: scopes = [] } of all) {
      const of = valuesOf(resource?.attributes);
      for (const { spans = [] } of scopes) this.spans.push(...spans.map((span) => collected(span, of)));
    }
  }
}

function collected(span: RawSpan, resource: CollectedSpan['resource']): CollectedSpan {
  return {
    traceId: hex(span.trace_id),
    spanId: hex(span.span_id),
    parentId: hex(span.parent_span_id),
    tracestate: span.trace_state,
    name: span.name,
    kind: span.kind,
    start: BigInt(span.start_time_unix_nano),
    end: BigInt(span.end_time_unix_nano),
    attributes: valuesOf(span.attributes),
    resource,
    status: span.status?.code ?? 'UNSET',
    flags: span.flags,
  };
}

function hex(base64: string): string {
  return Buffer.from(base64, 'base64').toString('hex');
}

function valuesOf(pairs: readonly Pair[] = []): Record<string, unknown> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, Object.values(value)[0]]));
}
