// How events get into this mesher: published, received over a link, taken over from a lost mesher, or made dead letters; and how they get
// to its disk. The span of the entry ends when the publisher is answered or the batch is on disk; `commit` is the write alone.
//
// What is staged in a step is in the next `append`, which comes in the same step where none is under way: an event that is not in it was
// not kept (nobody here wants it on disk, or it came twice).

import type { NewEvent, NodeId, StoredEvent } from '../../core/event.ts';
import type { ForwardedEvent } from '../../core/messages.ts';
import type { Effect, Input, Reply, RequestId } from '../../core/steps.ts';
import { OPEN_SPANS_MAX, type OpenSpan, type OpenSpans, type Parent } from './open-spans.ts';
import type { AttributeValue, Operation } from './span.ts';
import {
  commitSpanId,
  entrySpanId,
  type Finder,
  forwardSpanId,
  ownEntrySpanId,
  refusedSpanId,
  type TracedEvent,
} from './traced-event.ts';

/** Events whose entry was seen last: what is sent again is no second entry. */
const RECENT_MAX = 8_192;

export class Entries {
  readonly #node: NodeId;
  readonly #tracer: Finder;
  readonly #spans: OpenSpans;
  readonly #publishes = new Map<RequestId, { readonly index: number; readonly span: OpenSpan }[]>();
  /** Not known yet to be in a batch, by the event's key; with the span that ends with it, if any. */
  readonly #entered = new Map<string, OpenSpan | undefined>();
  readonly #marks = new Marks();
  readonly #recent = new Set<string>();
  /** Some were made since the last batch: they are in the next. */
  #deadLetters = false;
  /** Of the batch that is being written. */
  #writing:
    | {
        readonly batch: number;
        readonly spans: readonly OpenSpan[];
        /** In the batch, traced or not. */
        readonly events: number;
        readonly sync: boolean;
      }
    | undefined;

  constructor(node: NodeId, tracer: Finder, spans: OpenSpans) {
    this.#node = node;
    this.#tracer = tracer;
    this.#spans = spans;
  }

  published({ request, events, qos }: Extract<Input, { kind: 'publish' }>, atMs: number): void {
    let spans: { index: number; span: OpenSpan }[] | undefined;
    for (let index = 0; index < events.length; index++) {
      const event = events[index];
      const traced = event && this.#tracer.findNew(event);
      if (!traced) continue;
      const parent = { id: traced.parentId, isRemote: true };
      const span = this.#enter('publish', traced, event.topic, parent, atMs, { 'causeway.qos': qos });
      if (qos === 'durable') this.#waitForBatch(event, traced, undefined);
      if (span) (spans ??= []).push({ index, span });
    }
    if (spans) this.#publishes.set(request, spans);
  }

  replied(request: RequestId, reply: Reply, atMs: number): void {
    const spans = this.#publishes.get(request);
    if (!spans) return;
    this.#publishes.delete(request);
    for (const { index, span } of spans) {
      const result = reply.kind === 'published' ? reply.results[index] : undefined;
      const more = result && {
        'causeway.destinations.subscriptions': result.destinations.subscriptions,
        'causeway.destinations.meshers': result.destinations.meshers.length,
        'causeway.destinations.clusters': result.destinations.clusters.length,
      };
      if (reply.kind !== 'failed') this.#spans.end(span, atMs, more);
      else {
        const { key } = span.traced;
        this.#recent.delete(key);
        const spanId = refusedSpanId(key, this.#node, span.startMs);
        this.#spans.end({ ...span, spanId }, atMs, {}, reply.error.code);
      }
    }
  }

  received(
    from: NodeId,
    events: readonly ForwardedEvent[],
    qos: 'durable' | 'best-effort',
    peer: Readonly<Record<string, AttributeValue>>,
    atMs: number,
  ): void {
    for (const { event } of events) {
      const traced = this.#tracer.find(event);
      if (!traced) continue;
      const { key } = traced;
      const isAgain = this.#recent.has(key);
      const parent = { id: forwardSpanId(key, from, this.#node), isRemote: true };
      const attributes = { ...peer, 'causeway.qos': qos };
      const span = isAgain
        ? undefined
        : this.#enter('receive', traced, event.topic, parent, atMs, attributes);
      if (qos === 'durable') this.#waitForBatch(event, traced, span);
      else if (span) this.#spans.end(span, atMs);
    }
  }

  /** Of the copy of a lost mesher's journal. */
  takenOver(owner: NodeId, events: readonly StoredEvent[], atMs: number): void {
    for (const event of events) {
      const traced = this.#tracer.find(event);
      if (!traced || this.#recent.has(traced.key)) continue;
      const parent = { id: entrySpanId(traced.key, owner), isRemote: true };
      const from = { 'causeway.peer.node': owner };
      const span = this.#enter('take over', traced, event.topic, parent, atMs, from);
      this.#waitForBatch(event, traced, span);
    }
  }

  #enter(
    name: Operation,
    traced: TracedEvent,
    topic: string,
    parent: Parent,
    startMs: number,
    attributes: OpenSpan['attributes'],
  ): OpenSpan | undefined {
    const { key } = traced;
    this.#recent.add(key);
    if (this.#recent.size > RECENT_MAX) this.#recent.delete(this.#recent.values().next().value ?? '');
    const spanId = ownEntrySpanId(traced, this.#node);
    return this.#spans.begin({ traced, name, topic, spanId, parent, startMs, attributes });
  }

  /** `span`: ends with the batch. While the disk stalls, no more of them than spans may be open. */
  #waitForBatch({ hash }: NewEvent, { key }: TracedEvent, span: OpenSpan | undefined): void {
    if (!this.#entered.has(key) && this.#entered.size < OPEN_SPANS_MAX) {
      this.#entered.set(key, span);
      this.#marks.add(hash);
    } else if (span) this.#spans.forget('too-many-open');
  }

  deadLettered(): void {
    this.#deadLetters = true;
  }

  appending({ batch, ops, sync }: Extract<Effect, { kind: 'append' }>, atMs: number): void {
    const spans: OpenSpan[] = [];
    let events = 0;
    const mayHaveTraced = this.#deadLetters || this.#entered.size > 0;
    this.#deadLetters = false;
    for (const op of ops) {
      if (op.op !== 'block') continue;
      events += op.events.length;
      if (!mayHaveTraced) continue;
      for (const event of op.events) {
        if (this.#marks.mayHave(event.hash) || event.deadLetter) this.#stored(event, spans, atMs);
      }
    }
    this.#noneKept(atMs);
    this.#writing = { batch, spans, events, sync };
  }

  #stored(event: StoredEvent, spans: OpenSpan[], atMs: number): void {
    const traced = this.#tracer.find(event);
    if (!traced) return;
    const { key, formerKey } = traced;
    const isNew = !this.#entered.has(key);
    if (isNew && (!event.deadLetter || event.origin !== this.#node || formerKey === undefined)) return;
    const entry =
      this.#entered.get(key) ?? (isNew ? this.#deadLetter(event, traced, formerKey, atMs) : undefined);
    this.#entered.delete(key);
    if (entry) spans.push(entry);
    const commit = this.#spans.begin({
      traced,
      name: 'commit',
      topic: event.topic,
      spanId: commitSpanId(key, this.#node),
      parent: { id: ownEntrySpanId(traced, this.#node), isRemote: false },
      startMs: atMs,
      attributes: {},
    });
    if (commit) spans.push(commit);
  }

  #deadLetter(
    { topic, deadLetter }: StoredEvent,
    traced: TracedEvent,
    formerKey: string | undefined,
    atMs: number,
  ): OpenSpan | undefined {
    const parent = {
      id: formerKey === undefined ? undefined : entrySpanId(formerKey, this.#node),
      isRemote: false,
    };
    return this.#enter('dead-letter', traced, topic, parent, atMs, {
      'messaging.destination.subscription.name': deadLetter?.subscription ?? '',
      'causeway.dead_letter.reason': (deadLetter?.reason ?? '').slice(0, 256),
      'causeway.attempt': deadLetter?.attempts ?? 0,
    });
  }

  /** Handed to an ephemeral subscriber: where nobody else wants it, a dead letter never gets to the disk, and is seen here first. */
  handedOut(event: StoredEvent, atMs: number): void {
    if (!event.deadLetter || event.origin !== this.#node) return;
    const traced = this.#tracer.find(event);
    if (!traced || this.#recent.has(traced.key)) return;
    const entry = this.#deadLetter(event, traced, traced.formerKey, atMs);
    if (entry) this.#notKept(entry, atMs);
  }

  appended(batch: number, atMs: number): void {
    if (this.#writing?.batch !== batch) return;
    const { spans, events, sync } = this.#writing;
    const about = { 'causeway.batch.events': events, 'causeway.batch.synced': sync };
    for (const span of spans) this.#spans.end(span, atMs, span.name === 'commit' ? about : {});
    this.#writing = undefined;
  }

  /** All effects of the step were seen: what came in, and waits for no write, was not kept. */
  stepped(atMs: number): void {
    if (!this.#writing && this.#entered.size > 0) this.#noneKept(atMs);
  }

  /** Of those that are left. */
  #noneKept(atMs: number): void {
    for (const span of this.#entered.values()) if (span) this.#notKept(span, atMs);
    this.#entered.clear();
    this.#marks.clear();
  }

  #notKept(span: OpenSpan, atMs: number): void {
    this.#spans.end(span, atMs, { 'causeway.kept': false });
  }
}

const MARKS = 1_024;

/**
 * What the routing headers of a few events have. Of a batch only events that may be among them are looked at closely: each event of a
 * mesher is held against it, and for those 32 bits a set would be looked through as for any object.
 */
class Marks {
  readonly #marks = new Uint8Array(MARKS);
  #size = 0;

  add(hash: number): void {
    this.#marks[hash % MARKS] = 1;
    this.#size++;
  }

  /** Where it is not, it never says so but once in `MARKS` times. */
  mayHave(hash: number): boolean {
    return this.#marks[hash % MARKS] === 1;
  }

  clear(): void {
    if (this.#size > 0) this.#marks.fill(0);
    this.#size = 0;
  }
}
