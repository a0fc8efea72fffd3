// Makes spans of what a mesher hears and does, step by step (core/steps.ts): an event's entry, its commit, where it is forwarded and to whom it
// is delivered. It changes nothing, keeps no event, and what it keeps is bounded (open-spans.ts).

import { NO_TOKEN } from '../../core/delivery-token.ts';
import { isEvents, type LinkMessage } from '../../core/messages.ts';
import type { NodeId } from '../../core/event.ts';
import type { Effect, Input, Now, RequestId, SessionId } from '../../core/steps.ts';
import { type Consumer, Deliveries } from './deliveries.ts';
import { Entries } from './entries.ts';
import { Forwards } from './forwards.ts';
import { OpenSpans, type SpanPorts } from './open-spans.ts';
import { type AttributeValue, SpanClock } from './span.ts';
import type { Finder } from './traced-event.ts';

/** How often spans are looked through for those that nobody ends. */
const EXPIRE_EVERY_MS = 10_000;

type Attributes = Readonly<Record<string, AttributeValue>>;

export class TraceObserver {
  readonly #clock = new SpanClock();
  readonly #entries: Entries;
  readonly #forwards: Forwards;
  readonly #deliveries: Deliveries;
  /** Consumers that are connected, and requests that wait: as many as the front door admits. */
  readonly #sessions = new Map<SessionId, Consumer>();
  readonly #pulls = new Map<RequestId, Consumer>();
  /** Peers whose links stand. */
  readonly #peers = new Map<NodeId, Attributes>();
  #expireAtMs = 0;

  constructor(node: NodeId, tracer: Finder, ports: SpanPorts) {
    const spans = new OpenSpans(ports);
    this.#entries = new Entries(node, tracer, spans);
    this.#forwards = new Forwards(node, tracer, spans);
    this.#deliveries = new Deliveries(node, tracer, spans);
  }

  stepped(inputs: readonly Input[], effects: readonly Effect[], now: Now): void {
    const atMs = this.#clock.at(now);
    for (const input of inputs) this.#input(input, atMs);
    for (const effect of effects) this.#effect(effect, atMs);
    this.#entries.stepped(atMs);
  }

  #input(input: Input, atMs: number): void {
    switch (input.kind) {
      case 'publish':
        this.#entries.published(input, atMs);
        return;
      case 'messages':
        for (const message of input.messages) this.#message(input.peer, message, atMs);
        return;
      case 'appended':
        this.#entries.appended(input.batch, atMs);
        return;
      case 'settle':
        this.#deliveries.settled(input.settlements, atMs);
        return;
      case 'attach':
        this.#sessions.set(input.session, durable(input.name));
        return;
      case 'attach-ephemeral':
        this.#sessions.set(input.session, ephemeral(input));
        return;
      case 'detach':
        this.#closed(input.session, atMs);
        return;
      case 'pull':
        this.#pulls.set(input.request, durable(input.name));
        return;
      case 'link-up':
        this.#peers.set(input.peer, peerOf(input.peer, input.cluster));
        return;
      case 'link-down':
        this.#peers.delete(input.peer);
        return;
      case 'copy-loaded':
        for (const { events } of input.entries) this.#entries.takenOver(input.owner, events, atMs);
        return;
      case 'tick':
        this.#expire(atMs);
        return;
      default:
    }
  }

  #message(peer: NodeId, message: LinkMessage, atMs: number): void {
    if (isEvents(message)) {
      const qos = message.kind === 'data' ? 'durable' : 'best-effort';
      this.#entries.received(peer, message.events, qos, this.#peer(peer), atMs);
    } else if (message.kind === 'ack') this.#forwards.acked(peer, message, message.upTo, atMs);
    else if (message.kind === 'lane-ready') this.#forwards.acked(peer, message, message.mark, atMs);
  }

  #effect(effect: Effect, atMs: number): void {
    switch (effect.kind) {
      case 'append':
        this.#entries.appending(effect, atMs);
        return;
      case 'data':
        if (isEvents(effect.message))
          this.#forwards.sent(effect.peer, effect.message, this.#peer(effect.peer), atMs);
        return;
      case 'deliver': {
        const consumer = this.#sessions.get(effect.session);
        if (!consumer) return;
        // all are of one subscription: an ephemeral one settles nothing
        if (effect.deliveries[0]?.token === NO_TOKEN)
          for (const { event } of effect.deliveries) this.#entries.handedOut(event, atMs);
        this.#deliveries.delivered(effect.deliveries, consumer, effect.session, atMs);
        return;
      }
      case 'fate':
        if (effect.what === 'dead-lettered') this.#entries.deadLettered();
        return;
      case 'reply': {
        const { request, reply } = effect;
        this.#entries.replied(request, reply, atMs);
        const consumer = this.#pulls.get(request);
        if (!consumer) return;
        this.#pulls.delete(request);
        if (reply.kind === 'pulled') this.#deliveries.delivered(reply.deliveries, consumer, undefined, atMs);
        return;
      }
      case 'session-closed':
        this.#closed(effect.session, atMs);
        return;
      default:
    }
  }

  #closed(session: SessionId, atMs: number): void {
    this.#sessions.delete(session);
    this.#deliveries.closed(session, atMs);
  }

  #peer(peer: NodeId): Attributes {
    return this.#peers.get(peer) ?? peerOf(peer, 'unknown');
  }

  #expire(atMs: number): void {
    if (atMs < this.#expireAtMs && this.#expireAtMs - atMs <= EXPIRE_EVERY_MS) return;
    this.#expireAtMs = atMs + EXPIRE_EVERY_MS;
    this.#forwards.expire(atMs);
    this.#deliveries.expire(atMs);
  }
}

function peerOf(peer: NodeId, cluster: string): Attributes {
  return { 'causeway.peer.node': peer, 'causeway.peer.cluster': cluster };
}

function durable(name: string): Consumer {
  return { name, attributes: { 'messaging.destination.subscription.name': name } };
}

function ephemeral({ session, group }: Extract<Input, { kind: 'attach-ephemeral' }>): Consumer {
  return {
    name: `session-${session}`,
    attributes: group === '' ? {} : { 'messaging.consumer.group.name': group },
  };
}
