// Events handed to consumers: a span for each lasts until the consumer has settled it, or will not any more. What needs no settling, and
// what a consumer never settles, ends as what it is.

import type { DeliveryToken } from '../../core/delivery-token.ts';
import { NO_TOKEN } from '../../core/delivery-token.ts';
import type { Delivery, Settlement } from '../../core/delivery-types.ts';
import type { NodeId } from '../../core/event.ts';
import type { SessionId } from '../../core/steps.ts';
import type { OpenSpan, OpenSpans } from './open-spans.ts';
import type { AttributeValue } from './span.ts';
import { deliverSpanId, entrySpanId, type Finder } from './traced-event.ts';

/** A consumer may take its time; but a span that waits for ever is never seen. */
const SETTLE_WAIT_MS = 10 * 60_000;

/** Who takes deliveries. */
export interface Consumer {
  /** The durable subscription, or a name of its own for an ephemeral one. */
  readonly name: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

interface Handed {
  readonly attempt: number;
  readonly session: SessionId | undefined;
  readonly span: OpenSpan;
}

type Outcome = Settlement['kind'] | 'sent' | 'returned' | 'timed-out' | 'unsettled';

export class Deliveries {
  readonly #node: NodeId;
  readonly #tracer: Finder;
  readonly #spans: OpenSpans;
  /** By where the event stands, the oldest first. */
  readonly #handed = new Map<string, Handed>();

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
      const traced = this.#tracer.find(event.cloudEvent, event.deadLetter);
      if (!traced) continue;
      this.#end(token, 'timed-out', startMs); // nobody had settled it, and now it is handed out again
      const span = this.#spans.begin({
        traced,
        name: 'deliver',
        topic: event.topic,
        spanId: deliverSpanId(traced.key, this.#node, consumer.name, token),
        parent: { id: entrySpanId(traced.key, this.#node), isRemote: false },
        startMs,
        attributes: { ...consumer.attributes, 'causeway.attempt': attempt },
      });
      if (!span) continue;
      if (token === NO_TOKEN) this.#spans.end(span, startMs, outcome('sent'));
      else this.#handed.set(placeOf(token), { attempt: token.attempt, session, span });
    }
  }

  settled(settlements: readonly Settlement[], atMs: number): void {
    if (this.#handed.size === 0) return;
    for (const { kind, token } of settlements) {
      // an ack counts whichever attempt it is for; all else only for the one it names
      if (kind === 'ack' || this.#handed.get(placeOf(token))?.attempt === token.attempt)
        this.#end(token, kind, atMs);
    }
  }

  /** What the session had and did not settle goes back to its queue. */
  closed(session: SessionId, atMs: number): void {
    for (const [place, handed] of this.#handed) {
      if (handed.session !== session) continue;
      this.#handed.delete(place);
      this.#spans.end(handed.span, atMs, outcome('returned'));
    }
  }

  expire(atMs: number): void {
    for (const [place, { span }] of this.#handed) {
      if (atMs - span.startMs < SETTLE_WAIT_MS) return;
      this.#handed.delete(place);
      this.#spans.end(span, atMs, outcome('unsettled'));
    }
  }

  #end(token: DeliveryToken, how: Outcome, atMs: number): void {
    if (this.#handed.size === 0) return;
    const place = placeOf(token);
    const handed = this.#handed.get(place);
    if (!handed) return;
    this.#handed.delete(place);
    const isFault = how === 'reject' || how === 'retry' || how === 'timed-out';
    this.#spans.end(handed.span, atMs, outcome(how), isFault ? how : undefined);
  }
}

function outcome(how: Outcome): { 'causeway.outcome': Outcome } {
  return { 'causeway.outcome': how };
}

/** Of an event in its queue, whatever the attempt. */
function placeOf({ queue, block, index }: DeliveryToken): string {
  return `${queue}.${block}.${index}`;
}
