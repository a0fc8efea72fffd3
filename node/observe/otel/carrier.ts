// Carries trace contexts between HTTP and events. In: what a request's headers say becomes attributes of its events, before these are
// encoded, as CloudEvents' distributed tracing extension has it; an event's own say comes first. Out: a delivery's headers name the span of
// that delivery, so that what its receiver does is below it.

import type { AttributeValue, CloudEvent } from '../../core/cloud-event.ts';
import { ATTRIBUTES_MAX } from '../../core/limits.ts';
import type { DecodedDelivery, TraceCarrier, TraceHeaders } from '../../core/ports.ts';
import type { NodeId } from '../../core/event.ts';
import type { ContextIgnoral } from '../../core/metric-catalogue.ts';
import { parseSw8 } from './skywalking.ts';
import { formatTraceparent, isTracestate, parseTraceparent } from './trace-context.ts';
import { contextOf, deliverSpanId, textOf, type Tracer } from './traced-event.ts';

export class HttpCarrier implements TraceCarrier {
  readonly #node: NodeId;
  readonly #tracer: Tracer;
  readonly #ignored: (why: ContextIgnoral) => void;

  constructor(node: NodeId, tracer: Tracer, ignored: (why: ContextIgnoral) => void) {
    this.#node = node;
    this.#tracer = tracer;
    this.#ignored = ignored;
  }

  adopt(events: readonly CloudEvent[], headers: TraceHeaders): readonly CloudEvent[] {
    const { traceparent, tracestate, sw8 } = headers;
    if (traceparent === undefined && sw8 === undefined) return events;
    const w3c = this.#w3c(traceparent, tracestate);
    const skywalking = this.#skywalking(sw8);
    return events.map((event) => adopted(event, w3c, skywalking));
  }

  #w3c(traceparent: string | undefined, tracestate: string | undefined): Texts {
    if (traceparent === undefined) return {};
    if (!parseTraceparent(traceparent)) {
      this.#ignored('malformed-traceparent');
      return {};
    }
    if (tracestate === undefined || tracestate === '') return { traceparent };
    if (isTracestate(tracestate)) return { traceparent, tracestate };
    this.#ignored('malformed-tracestate');
    return { traceparent };
  }

  #skywalking(sw8: string | undefined): Texts {
    if (sw8 === undefined) return {};
    if (parseSw8(sw8)) return { sw8 };
    this.#ignored('malformed-sw8');
    return {};
  }

  headersFor(
    subscription: string,
    { event, content, token }: DecodedDelivery,
  ): Readonly<Record<string, string>> {
    const sw8 = textOf(content, 'sw8');
    const headers: Record<string, string> = {};
    if (sw8 !== undefined && parseSw8(sw8)) headers['sw8'] = sw8;
    const traced = this.#tracer.find(event);
    const carried = traced ?? contextOf(content, () => undefined);
    if (!carried) return headers;
    const { traceId, tracestate } = carried;
    const parentId = traced
      ? deliverSpanId(traced.key, this.#node, subscription, token)
      : (carried.parentId ?? '');
    headers['traceparent'] = formatTraceparent({ traceId, parentId, sampled: traced !== undefined });
    if (tracestate !== '') headers['tracestate'] = tracestate;
    return headers;
  }
}

type Texts = Readonly<Record<string, string>>;

/** The same event where nothing is to be added, or where it has as many attributes as it may. */
function adopted(event: CloudEvent, w3c: Texts, skywalking: Texts): CloudEvent {
  const has = (name: string): boolean => event.attributes.has(name);
  const added = [
    ...(has('traceparent') || has('tracestate') ? [] : Object.entries(w3c)),
    ...(has('sw8') ? [] : Object.entries(skywalking)),
  ].map(([name, value]): [string, AttributeValue] => [name, { type: 'string', value }]);
  if (added.length === 0 || event.attributes.size + added.length > ATTRIBUTES_MAX) return event;
  return { ...event, attributes: new Map([...event.attributes, ...added]) };
}
