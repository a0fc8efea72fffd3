// Which events are traced, and what their spans are called. Both follow from the event's own bytes, which no hop changes, so that every
// mesher comes to the same trace, and can name a span of another mesher as a parent without having been told of it.
//
// - An event with a trace context (`traceparent`, else `sw8`) is traced where that says `sampled`.
// - One without is traced where a hash of its id falls below `sampleRatio`; its trace then begins here.
//
// Each event of a mesher with tracing comes by here several times: what says no must cost nearly nothing.

import { hash } from 'node:crypto';
import type { CloudEvent } from '../../core/cloud-event.ts';
import { formatToken, type DeliveryToken } from '../../core/delivery-token.ts';
import {
  type DeadLetter,
  hash32Ascii,
  type NewEvent,
  type NodeId,
  type StoredEvent,
} from '../../core/event.ts';
import type { ContextIgnoral } from '../../core/metric-catalogue.ts';
import { decodeCloudEvent } from '../../wire/cloud-event-protobuf.ts';
import { WireError } from '../../wire/wire-error.ts';
import { EventNames } from '../../wire/event-names.ts';
import { lookForContext, type Sight } from './context-scan.ts';
import { contextOfSw8, parseSw8 } from './skywalking.ts';
import { isTracestate, parseTraceparent, type TraceContext } from './trace-context.ts';

export interface TracedEvent {
  readonly traceId: string;
  /** As its publisher said. */
  readonly parentId: string | undefined;
  /** As it came, or ''. */
  readonly tracestate: string;
  readonly source: string;
  readonly id: string;
  readonly type: string;
  /** Bytes of the CloudEvent. */
  readonly bytes: number;
  /** What the ids of its spans are made of; each dead letter of it has spans of its own. */
  readonly key: string;
  /** Of a dead letter: the key that the event had before. */
  readonly formerKey: string | undefined;
  /** For `ownEntrySpanId`. */
  ownEntry: string | undefined;
}

const HASH_RANGE = 2 ** 32;

export class Tracer {
  /** Below this a hash is sampled. */
  readonly #sampledBelow: number;
  readonly #ignored: (why: ContextIgnoral) => void;
  readonly #names = new EventNames();
  /** Of events that are still in memory. */
  readonly #found = new WeakMap<StoredEvent, TracedEvent>();
  /** Of what publishers handed in: it is stored with the very same bytes. */
  readonly #published = new WeakMap<Uint8Array, TracedEvent>();
  /** Of the event looked at last. */
  #sight: Sight = 'none';
  #idHash = 0;
  readonly #lookForContext = (bytes: Uint8Array, start: number, end: number): void => {
    this.#sight = lookForContext(bytes, start, end);
  };
  readonly #lookAtId = (bytes: Uint8Array, start: number, end: number): void => {
    this.#names.find(bytes, start, end);
    this.#idHash = hash32Ascii(bytes, this.#names.idStart, this.#names.idEnd);
  };

  /** `ignored`: told of what publishers gave. */
  constructor(sampleRatio: number, ignored: (why: ContextIgnoral) => void) {
    this.#sampledBelow = sampleRatio * HASH_RANGE;
    this.#ignored = ignored;
  }

  /** Undefined for an event that is not traced. */
  find(event: StoredEvent): TracedEvent | undefined {
    if (event.isTraced === false) return undefined;
    const known = event.isTraced && this.#found.get(event);
    if (known) return known;
    const found = this.#look(event);
    event.isTraced = found !== undefined;
    if (found) this.#found.set(event, found);
    return found;
  }

  #look(event: StoredEvent): TracedEvent | undefined {
    if (!event.noTraceContext) {
      event.lookAt(this.#lookForContext);
      if (this.#sight === 'unsampled') return undefined;
      if (this.#sight === 'perhaps') return this.#read(event);
    }
    if (this.#sampledBelow === 0) return undefined;
    if (event.key !== '') event.lookAt(this.#lookAtId);
    return this.#isChosen(event) ? this.#read(event) : undefined;
  }

  /** The same of one that comes from its publisher, who may have given it a context that breaks the rules. */
  findNew(event: NewEvent): TracedEvent | undefined {
    const found = this.#lookAtNew(event);
    if (found) this.#published.set(event.cloudEvent, found);
    return found;
  }

  #lookAtNew(event: NewEvent): TracedEvent | undefined {
    const { key, cloudEvent, noTraceContext = false } = event;
    this.#sight = noTraceContext ? 'none' : lookForContext(cloudEvent);
    if (this.#sight === 'unsampled') return undefined;
    if (this.#sight === 'perhaps') return this.#decode(event, undefined, this.#ignored);
    if (this.#sampledBelow === 0) return undefined;
    if (key !== '') this.#lookAtId(cloudEvent, 0, cloudEvent.length);
    return this.#isChosen(event) ? this.#decode(event, undefined, this.#ignored) : undefined;
  }

  #read(event: StoredEvent): TracedEvent | undefined {
    const known = event.deadLetter ? undefined : this.#published.get(event.cloudEvent);
    return known ?? this.#decode(event, event, () => undefined);
  }

  #decode(
    newEvent: NewEvent,
    stored: StoredEvent | undefined,
    ignored: (why: ContextIgnoral) => void,
  ): TracedEvent | undefined {
    const { cloudEvent } = newEvent;
    const event = decoded(cloudEvent);
    if (!event) return undefined;
    const { source, id, type } = event;
    const carried = contextOf(event, ignored);
    if (carried && !carried.sampled) return undefined;
    if (!carried) {
      this.#lookAtId(cloudEvent, 0, cloudEvent.length);
      if (!this.#isChosen(newEvent)) return undefined;
    }
    const { traceId, parentId } = carried ?? newTrace(source, id);
    const key = digest(traceId, parentId ?? '', source, id);
    return {
      traceId,
      parentId,
      tracestate: carried?.tracestate ?? '',
      source,
      id,
      type,
      bytes: cloudEvent.length,
      key: stored?.deadLetter ? letterKey(key, stored, stored.deadLetter) : key,
      formerKey: stored?.deadLetter && key,
      ownEntry: undefined,
    };
  }

  /** The routing header has the id's hash already, but where a key took its place. */
  #isChosen({ key, hash }: NewEvent): boolean {
    return spread(key === '' ? hash : this.#idHash) < this.#sampledBelow;
  }
}

/** One that was redriven, and is rejected again, is another. */
function letterKey(
  key: string,
  { origin, incarnation, sequence }: StoredEvent,
  { subscription }: DeadLetter,
): string {
  return digest(key, subscription, origin, String(incarnation), String(sequence));
}

/** Undefined: it is no event, and others say so. */
function decoded(bytes: Uint8Array): CloudEvent | undefined {
  try {
    return decodeCloudEvent(bytes);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

/** Lanes and members of groups are chosen by the same hash: what is sampled is to come from all of them. */
function spread(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x9e3779b1);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** The context that an event carries, sampled or not; undefined: none, or none that follows the rules. */
export function contextOf(
  event: CloudEvent,
  ignored: (why: ContextIgnoral) => void,
): (TraceContext & { readonly tracestate: string }) | undefined {
  const traceparent = textOf(event, 'traceparent');
  const context = traceparent === undefined ? undefined : parseTraceparent(traceparent);
  if (traceparent !== undefined && !context) ignored('malformed-traceparent');
  if (context) {
    const tracestate = textOf(event, 'tracestate') ?? '';
    if (tracestate === '' || isTracestate(tracestate)) return { ...context, tracestate };
    ignored('malformed-tracestate');
    return { ...context, tracestate: '' };
  }
  const text = textOf(event, 'sw8');
  if (text === undefined) return undefined;
  const sw8 = parseSw8(text);
  if (!sw8) {
    ignored('malformed-sw8');
    return undefined;
  }
  return { ...contextOfSw8(sw8), tracestate: '' };
}

export function textOf(event: CloudEvent, name: string): string | undefined {
  const value = event.attributes.get(name)?.value;
  return value === undefined || typeof value === 'string' ? value : '';
}

function newTrace(source: string, id: string): Pick<TraceContext, 'traceId' | 'parentId'> {
  return { traceId: digest('trace', source, id).slice(0, 32), parentId: undefined };
}

/** In hex; no two lists of texts have the same. */
function digest(...texts: readonly string[]): string {
  return hash('sha256', JSON.stringify(texts), 'hex');
}

/** Finds out whether an event is traced. */
export type Finder = Pick<Tracer, 'find' | 'findNew'>;

// ───────────────────────────────────────────────────────────── ids of spans: 16 hex digits

/** How the event got into a mesher: published, received, taken over, or made a dead letter. All else there is below it. */
export function entrySpanId(key: string, node: NodeId): string {
  return spanId(key, 'entry', node);
}

/** The same of this mesher, whose name is the same for each event: all else that happens to it here asks for it again. */
export function ownEntrySpanId(traced: TracedEvent, self: NodeId): string {
  return (traced.ownEntry ??= entrySpanId(traced.key, self));
}

/** Of an entry that came to nothing: the publisher may send the event again, and that is then the entry. */
export function refusedSpanId(key: string, node: NodeId, atMs: number): string {
  return spanId(key, 'refused', node, String(atMs));
}

export function commitSpanId(key: string, node: NodeId): string {
  return spanId(key, 'commit', node);
}

/** Both ends come to the same: what `to` receives is below what `from` forwards. */
export function forwardSpanId(key: string, from: NodeId, to: NodeId): string {
  return spanId(key, 'forward', from, to);
}

/** `consumer`: the subscription, or the session of one that is ephemeral. */
export function deliverSpanId(key: string, node: NodeId, consumer: string, token: DeliveryToken): string {
  return spanId(key, 'deliver', node, consumer, formatToken(token));
}

function spanId(...parts: readonly string[]): string {
  return digest(...parts).slice(0, 16);
}
