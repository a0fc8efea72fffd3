// Events handed to consumers: a span for each lasts until the consumer has settled it, or will not any more. What needs no settling, and
// what a consumer never settles, ends as what it is.

import type { DeliveryToken } from '../../core/delivery-token.ts';
import { NO_TOKEN } from '../../core/delivery-token.ts';
import type { Delivery, Settlement } from '../../core/delivery-types.ts';
import type { NodeId } from '../../core/event.ts';
import type { SessionId } from '../../core/steps.ts';
import type { OpenSpan, OpenSpans } from './open-spans.ts';
import type { AttributeValue } from './span.ts';
import { deliverSpanId, type Finder, ownEntrySpanId } from './traced-event.ts';

/** A consumer may take its time; but a span that waits for ever is never seen. */
const SETTLE_WAIT_MS = 10 * 60_000;

/** Who takes deliveries. */
export interface Consumer {
  /** The durable subscription, or a name of its own for an ephemeral one. */
  readonly name: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

interface Handed {
  readonly token: DeliveryToken;
  readonly session: SessionId | undefined;
  readonly span: OpenSpan;
}

type Outcome = Settlement['kind'] | 'sent' | 'returned' | 'timed-out' | 'unsettled';

export class Deliveries {
  readonly #node: NodeId;
  readonly #tracer: Finder;
  readonly #spans: OpenSpans;
  readonly #handed = new HandedOut();

  constructor(node: NodeId, tracer: Finder, spans: OpenSpans) {
    this.#node = node;
    this.#tracer = tracer;
    this.#spans = spans;
  }

  /** `session` undefined: they were pulled. */
  delivered(
    deliveries: readonly Delivery[],
    consumer: Consumer,
    session: SessionId | undefined,
    startMs: number,
  ): void {
    for (const { event, token, attempt } of deliveries) {
      const traced = this.#tracer.find(event);
      if (!traced) continue;
      this.#end(token, 'timed-out', startMs); // nobody had settled it, and now it is handed out again
      const span = this.#spans.begin({
        traced,
        name: 'deliver',
        topic: event.topic,
        spanId: deliverSpanId(traced.key, this.#node, consumer.name, token),
        parent: { id: ownEntrySpanId(traced, this.#node), isRemote: false },
        startMs,
        attributes: { ...consumer.attributes, 'causeway.attempt': attempt },
      });
      if (!span) continue;
      if (token === NO_TOKEN) this.#spans.end(span, startMs, outcome('sent'));
      else this.#handed.add({ token, session, span });
    }
  }

  settled(settlements: readonly Settlement[], atMs: number): void {
    if (this.#handed.size === 0) return;
    for (const { kind, token } of settlements) {
      // an ack counts whichever attempt it is for; all else only for the one it names
      if (kind === 'ack' || this.#handed.get(token)?.token.attempt === token.attempt)
        this.#end(token, kind, atMs);
    }
  }

  /** What the session had and did not settle goes back to its queue. */
  closed(session: SessionId, atMs: number): void {
    for (const handed of this.#handed.all()) {
      if (handed.session !== session) continue;
      this.#handed.delete(handed.token);
      this.#spans.end(handed.span, atMs, outcome('returned'));
    }
  }

  expire(atMs: number): void {
    for (const { token, span } of this.#handed.all()) {
      if (atMs - span.startMs < SETTLE_WAIT_MS) continue;
      this.#handed.delete(token);
      this.#spans.end(span, atMs, outcome('unsettled'));
    }
  }

  #end(token: DeliveryToken, how: Outcome, atMs: number): void {
    if (this.#handed.size === 0) return;
    const handed = this.#handed.get(token);
    if (!handed) return;
    this.#handed.delete(token);
    const isFault = how === 'reject' || how === 'retry' || how === 'timed-out';
    this.#spans.end(handed.span, atMs, outcome(how), isFault ? how : undefined);
  }
}

/** By where the event stands in its queue, whatever the attempt: by numbers, as every settlement of a mesher is looked for here. */
class HandedOut {
  /** By queue, block and index. */
  readonly #queues = new Map<number, Map<number, Map<number, Handed>>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get({ queue, block, index }: DeliveryToken): Handed | undefined {
    return this.#queues.get(queue)?.get(block)?.get(index);
  }

  /** Nothing may stand there yet. */
  add(handed: Handed): void {
    const { queue, block, index } = handed.token;
    let blocks = this.#queues.get(queue);
    if (!blocks) this.#queues.set(queue, (blocks = new Map<number, Map<number, Handed>>()));
    let indices = blocks.get(block);
    if (!indices) blocks.set(block, (indices = new Map<number, Handed>()));
    indices.set(index, handed);
    this.#size++;
  }

  /** It must be there. */
  delete({ queue, block, index }: DeliveryToken): void {
    this.#size--;
    const blocks = this.#queues.get(queue);
    const indices = blocks?.get(block);
    indices?.delete(index);
    if (indices?.size === 0) blocks?.delete(block);
    if (blocks?.size === 0) this.#queues.delete(queue);
  }

  /** May be deleted meanwhile. */
  *all(): Iterable<Handed> {
    for (const blocks of this.#queues.values())
      for (const indices of blocks.values()) yield* indices.values();
  }
}

function outcome(how: Outcome): { 'causeway.outcome': Outcome } {
  return { 'causeway.outcome': how };
}
