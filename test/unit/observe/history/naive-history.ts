// The history of one mesher as one would write it with no thought of memory or time: all of each event, by name, for ever.

import { VOLATILE_BLOCK } from '../../../../node/core/delivery-token.ts';
import type { NodeId, StoredEvent } from '../../../../node/core/event.ts';
import { clusterQueue, laneDestination, peerQueue } from '../../../../node/core/lane-queue.ts';
import type { LaneAck, LaneReady } from '../../../../node/core/messages.ts';
import type { JournalOp, QueueEntry } from '../../../../node/core/ports.ts';
import type { Effect, Input, Now } from '../../../../node/core/steps.ts';
import type { LocalHop } from '../../../../node/observe/history/recall.ts';
import { idOf } from '../../../simulation/event-id.ts';

interface Place {
  readonly id: string;
  readonly queue: number;
  readonly name: string;
  readonly incarnation: number;
  /** -1: in a subscription. */
  readonly sequence: number;
  isDone: boolean;
}

export interface NaiveOptions {
  readonly node: NodeId;
  readonly incarnation: number;
  readonly clusterOf: (node: NodeId) => string | undefined;
}

export class NaiveHistory {
  /** In the order in which they happened. */
  readonly hops = new Map<string, LocalHop[]>();
  readonly queues = new Map<number, string>();
  readonly #options: NaiveOptions;
  readonly #blocks = new Map<number, readonly StoredEvent[]>();
  /** By queue, block and index. */
  readonly #places = new Map<string, Place>();
  #arrived = new Map<StoredEvent, { peer: NodeId; at: number }>();
  #writing: { batch: number; ids: string[] } | undefined;
  readonly #ephemeral = new Map<number, string>();

  /** Of a lost mesher, or sent back from the dead letters: it was published long ago. */
  readonly #returned = new Set<StoredEvent>();

  constructor(options: NaiveOptions) {
    this.#options = options;
  }

  stepped(inputs: readonly Input[], effects: readonly Effect[], { wall: at }: Now): void {
    // what ended in a step did so whatever came in it: nobody sees which was first
    for (const effect of effects) {
      if (effect.kind !== 'fate' || effect.what === 'retried') continue;
      const place = this.#places.get(`${effect.queue} ${effect.block} ${effect.index}`);
      if (place && effect.block !== VOLATILE_BLOCK) place.isDone = true;
    }
    for (const input of inputs) this.#input(input, effects, at);
    for (const effect of effects) this.#effect(effect, at);
    if (!this.#writing || effects.some(({ kind }) => kind === 'append')) this.#arrived = new Map();
  }

  #add(id: string, at: number, what: LocalHop['what'], more: Partial<LocalHop> = {}): void {
    const hop = { at, what, peer: '', subscription: '', reason: '', attempt: 0, ...more };
    const hops = this.hops.get(id);
    if (hops) hops.push(hop);
    else this.hops.set(id, [hop]);
  }

  #input(input: Input, effects: readonly Effect[], at: number): void {
    switch (input.kind) {
      case 'publish': {
        const isRefused = effects.some(
          (one) => one.kind === 'reply' && one.request === input.request && one.reply.kind === 'failed',
        );
        if (input.qos === 'best-effort' && !isRefused)
          for (const event of input.events) this.#add(idOf(event as StoredEvent), at, 'published');
        return;
      }
      case 'messages':
        for (const message of input.messages) {
          if (message.kind === 'data')
            for (const { event } of message.events) this.#arrived.set(event, { peer: input.peer, at });
          else if (message.kind === 'best-effort')
            for (const { event } of message.events)
              this.#add(idOf(event), at, 'landed', { peer: input.peer });
          else if (message.kind === 'ack') this.#acked(input.peer, message, message.upTo, at);
          else if (message.kind === 'lane-ready') this.#acked(input.peer, message, message.mark, at);
        }
        return;
      case 'settle':
        for (const { kind, token } of input.settlements) {
          const place = this.#places.get(`${token.queue} ${token.block} ${token.index}`);
          if (kind !== 'ack' || !place || place.isDone) continue;
          place.isDone = true;
          this.#add(place.id, at, 'acked', { subscription: place.name.slice(2) });
        }
        return;
      case 'appended':
        if (this.#writing?.batch !== input.batch) return;
        for (const id of this.#writing.ids) this.#add(id, at, 'committed');
        this.#writing = undefined;
        return;
      case 'loaded':
        for (const { block, entry, events } of input.entries) this.#wanted(input.queue, block, entry, events);
        return;
      case 'copy-loaded':
        for (const { events } of input.entries) for (const event of events) this.#returned.add(event);
        return;
      case 'attach-ephemeral':
        this.#ephemeral.set(input.session, input.filter);
        return;
      case 'detach':
        this.#ephemeral.delete(input.session);
        return;
      default:
    }
  }

  #effect(effect: Effect, at: number): void {
    switch (effect.kind) {
      case 'append':
        this.#append(effect.batch, effect.ops, at);
        return;
      case 'data': {
        const { message, peer } = effect;
        if (message.kind === 'data' || message.kind === 'best-effort')
          for (const { event } of message.events) this.#add(idOf(event), at, 'forwarded', { peer });
        return;
      }
      case 'deliver':
        for (const { event, token, attempt } of effect.deliveries) {
          const subscription =
            token.queue === 0
              ? (this.#ephemeral.get(effect.session) ?? '')
              : (this.queues.get(token.queue) ?? '').slice(2);
          this.#add(idOf(event), at, 'delivered', { subscription, attempt });
        }
        return;
      case 'reply':
        if (effect.reply.kind !== 'pulled') return;
        for (const { event, token, attempt } of effect.reply.deliveries)
          this.#add(idOf(event), at, 'delivered', {
            subscription: (this.queues.get(token.queue) ?? '').slice(2),
            attempt,
          });
        return;
      case 'fate': {
        const { event, what, reason, to, attempt, queue, block, index } = effect;
        if (what === 'redriven') this.#returned.add(event);
        if (what === 'not-wanted') this.#add(idOf(event), at, what, { reason: event.topic });
        else {
          const isLane = laneDestination(this.queues.get(queue) ?? '') !== undefined;
          const isFrom = ['duplicate', 'loop', 'bad-topic', 'stale-route', 'too-many-groups'].includes(
            reason,
          );
          const isFor = ['no-link', 'slow-link', 'unknown-mesher', 'member-forgotten'].includes(reason);
          const isPeer = isLane || isFrom || isFor || (queue === 0 && reason === 'expired');
          this.#add(idOf(event), at, what, {
            ...(isPeer ? { peer: to } : { subscription: to }),
            reason,
            attempt,
          });
        }
        const place = this.#places.get(`${queue} ${block} ${index}`);
        if (place && what !== 'retried' && block !== VOLATILE_BLOCK) place.isDone = true;
        return;
      }
      case 'unread-fate':
        for (const [key, place] of this.#places) {
          const [queue, block] = key.split(' ').map(Number);
          if (place.isDone || queue !== effect.queue || !(effect.blocks?.includes(block ?? -1) ?? true))
            continue;
          place.isDone = true;
          const isLane = laneDestination(place.name) !== undefined;
          this.#add(place.id, at, 'dropped', {
            ...(isLane ? { peer: effect.to } : { subscription: effect.to }),
            reason: effect.reason,
          });
        }
        return;
      default:
    }
  }

  #append(batch: number, ops: readonly JournalOp[], at: number): void {
    const ids: string[] = [];
    for (const op of ops) {
      if (op.op === 'queue') this.queues.set(op.queue, op.name);
      else if (op.op === 'block') {
        this.#blocks.set(op.block, op.events);
        for (const event of op.events) {
          ids.push(idOf(event));
          const { node, incarnation } = this.#options;
          const arrived = this.#arrived.get(event);
          const isOwn = event.origin === node && event.incarnation === incarnation && !event.deadLetter;
          if (isOwn && !this.#returned.has(event)) this.#add(idOf(event), at, 'published');
          else if (arrived) this.#add(idOf(event), arrived.at, 'landed', { peer: arrived.peer });
        }
      } else if (op.op === 'entry') {
        const events = this.#blocks.get(op.block);
        const wanted = op.entry.indices.flatMap((index) => events?.[index] ?? []);
        if (events) this.#wanted(op.queue, op.block, op.entry, wanted);
      }
    }
    this.#returned.clear();
    this.#writing = { batch, ids };
  }

  /** What settling left of an entry, or what is read back again, is there already. */
  #wanted(
    queue: number,
    block: number,
    { indices, first }: QueueEntry,
    events: readonly StoredEvent[],
  ): void {
    for (const [i, index] of indices.entries()) {
      const event = events[i];
      const key = `${queue} ${block} ${index}`;
      if (!event || this.#places.has(key)) continue;
      this.#places.set(key, {
        id: idOf(event),
        queue,
        name: this.queues.get(queue) ?? '',
        incarnation: first?.incarnation ?? 0,
        sequence: first ? first.sequence + i : -1,
        isDone: false,
      });
    }
  }

  #acked(peer: NodeId, { scope, lane, of }: LaneAck | LaneReady, upTo: LaneAck['upTo'], at: number): void {
    const name =
      scope === 'peer' ? peerQueue(of ?? peer) : clusterQueue(this.#options.clusterOf(peer) ?? '', lane);
    for (const place of this.#places.values()) {
      const { incarnation, sequence } = place;
      if (place.isDone || sequence < 0 || place.name !== name) continue;
      if (incarnation > upTo.incarnation || (incarnation === upTo.incarnation && sequence > upTo.sequence))
        continue;
      place.isDone = true;
      this.#add(place.id, at, 'forward-acked', { peer });
    }
  }
}
