// Events on their way to other meshers: a span for each lasts from when it was first sent until that mesher has it on disk, as its acks
// say. What is sent again to the same mesher is no second span.

import { comparePositions, type LaneName, type NodeId, type Position } from '../../core/event.ts';
import type { BestEffort, LaneData } from '../../core/messages.ts';
import type { OpenSpan, OpenSpans } from './open-spans.ts';
import type { AttributeValue } from './span.ts';
import { type Finder, forwardSpanId, ownEntrySpanId } from './traced-event.ts';

/** After so long nobody waits for an ack any more: sent again, it is a span anew. */
const ACK_WAIT_MS = 10 * 60_000;

interface Sent {
  readonly position: Position;
  readonly span: OpenSpan;
}

export class Forwards {
  readonly #node: NodeId;
  readonly #tracer: Finder;
  readonly #spans: OpenSpans;
  /** By peer and lane, then by span id, in the order of sending. */
  readonly #lanes = new Map<string, Map<string, Sent>>();

  constructor(node: NodeId, tracer: Finder, spans: OpenSpans) {
    this.#node = node;
    this.#tracer = tracer;
    this.#spans = spans;
  }

  sent(
    to: NodeId,
    message: LaneData | BestEffort,
    peer: Readonly<Record<string, AttributeValue>>,
    atMs: number,
  ): void {
    const { events } = message;
    for (let index = 0; index < events.length; index++) {
      const event = events[index]?.event;
      const traced = event && this.#tracer.find(event);
      if (!traced) continue;
      const spanId = forwardSpanId(traced.key, this.#node, to);
      const lane = message.kind === 'data' ? this.#lane(to, message) : undefined;
      if (lane?.has(spanId)) continue;
      const span = this.#spans.begin({
        traced,
        name: 'forward',
        topic: event.topic,
        spanId,
        parent: { id: ownEntrySpanId(traced, this.#node), isRemote: false },
        startMs: atMs,
        attributes: { ...peer, 'causeway.qos': message.kind === 'data' ? 'durable' : 'best-effort' },
      });
      if (!span) continue;
      if (message.kind === 'data') lane?.set(spanId, { position: placeAfter(message.first, index), span });
      else this.#spans.end(span, atMs);
    }
  }

  #lane(to: NodeId, message: LaneData): Map<string, Sent> {
    const key = laneKey(to, message);
    let lane = this.#lanes.get(key);
    if (!lane) this.#lanes.set(key, (lane = new Map<string, Sent>()));
    return lane;
  }

  /** The peer has all of the lane up to there. */
  acked(peer: NodeId, lane: LaneName, upTo: Position, atMs: number): void {
    if (this.#lanes.size === 0) return;
    const key = laneKey(peer, lane);
    const sent = this.#lanes.get(key);
    if (!sent) return;
    for (const [id, { position, span }] of sent) {
      if (comparePositions(position, upTo) > 0) break;
      sent.delete(id);
      this.#spans.end(span, atMs, { 'causeway.lane': lane.lane });
    }
    if (sent.size === 0) this.#lanes.delete(key);
  }

  expire(atMs: number): void {
    for (const [key, sent] of this.#lanes) {
      for (const [id, { span }] of sent) {
        if (atMs - span.startMs < ACK_WAIT_MS) break;
        sent.delete(id);
        this.#spans.forget('never-acked');
      }
      if (sent.size === 0) this.#lanes.delete(key);
    }
  }
}

function placeAfter({ incarnation, sequence }: Position, places: number): Position {
  return { incarnation, sequence: sequence + places };
}

function laneKey(peer: NodeId, { scope, lane, of = '' }: LaneName): string {
  return `${peer} ${scope} ${lane} ${of}`;
}
