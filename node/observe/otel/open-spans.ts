// Spans that have begun and are not over: how many there may be at a time, and what they are told as when they end. Who began one
// keeps it, and ends it or forgets it once.

import type { SpanDrop } from '../../core/metric-catalogue.ts';
import type { AttributeValue, Operation, Span } from './span.ts';
import type { TracedEvent } from './traced-event.ts';

/** Of all kinds together; some 20 MB at most. Above: a span is not begun, and counted. */
export const OPEN_SPANS_MAX = 16_384;
/** UTF-16 units of a text in an attribute: a source may have as many as an event has bytes. */
const TEXT_MAX = 1024;

export interface SpanPorts {
  /** Takes what is over. */
  ended(span: Span): void;
  dropped(why: SpanDrop, spans: number): void;
}

export interface OpenSpan {
  readonly traced: TracedEvent;
  readonly name: Operation;
  readonly topic: string;
  readonly spanId: string;
  readonly parent: Parent;
  readonly startMs: number;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

export interface Parent {
  readonly id: string | undefined;
  readonly isRemote: boolean;
}

const KINDS: Readonly<Record<Operation, Span['kind']>> = {
  publish: 'server',
  receive: 'consumer',
  'take over': 'internal',
  'dead-letter': 'internal',
  commit: 'internal',
  forward: 'producer',
  deliver: 'producer',
};

/** `messaging.operation.type`, where the semantic conventions have one for it. */
const TYPES: Partial<Readonly<Record<Operation, string>>> = {
  publish: 'send',
  receive: 'receive',
  forward: 'send',
  deliver: 'send',
};

export class OpenSpans {
  readonly #ports: SpanPorts;
  #open = 0;

  constructor(ports: SpanPorts) {
    this.#ports = ports;
  }

  get size(): number {
    return this.#open;
  }

  /** Undefined: too many are open. `startMs`: Unix time. */
  begin(span: OpenSpan): OpenSpan | undefined {
    if (this.#open >= OPEN_SPANS_MAX) {
      this.#ports.dropped('too-many-open', 1);
      return undefined;
    }
    this.#open++;
    return span;
  }

  end(
    { traced, name, topic, spanId, parent, startMs, attributes }: OpenSpan,
    endMs: number,
    more: Readonly<Record<string, AttributeValue>> = {},
    error?: string,
  ): void {
    this.#open--;
    this.#ports.ended({
      name,
      kind: KINDS[name],
      traceId: traced.traceId,
      spanId,
      parentId: parent.id,
      parentIsRemote: parent.isRemote,
      tracestate: traced.tracestate,
      startMs,
      endMs: Math.max(startMs, endMs),
      attributes: { ...common(traced, name, topic), ...attributes, ...more },
      error,
    });
  }

  /** One that was begun is never told of. */
  forget(why: SpanDrop): void {
    this.#open--;
    this.#ports.dropped(why, 1);
  }
}

/**
 * By OpenTelemetry's semantic conventions for messaging and for CloudEvents. These say `messaging.system.name` by now; `messaging.system` is
 * what backends look for so far.
 */
function common(
  { id, source, type, bytes }: TracedEvent,
  name: Operation,
  topic: string,
): Record<string, AttributeValue> {
  const operation = TYPES[name];
  return {
    'messaging.system': 'causeway',
    'messaging.system.name': 'causeway',
    'messaging.operation.name': name,
    ...(operation !== undefined && { 'messaging.operation.type': operation }),
    'messaging.destination.name': topic.slice(0, TEXT_MAX),
    'messaging.message.id': id.slice(0, TEXT_MAX),
    'messaging.message.envelope.size': bytes,
    'cloudevents.event_id': id.slice(0, TEXT_MAX),
    'cloudevents.event_source': source.slice(0, TEXT_MAX),
    'cloudevents.event_spec_version': '1.0',
    'cloudevents.event_type': type.slice(0, TEXT_MAX),
  };
}
