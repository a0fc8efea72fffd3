// Hands the events of one durable subscription to its consumers: streams (which keep what they got, unsettled, as long as
// they are open) and pulls (which must settle within the ack time-out).
//
// Invariant: an event is in exactly one place: the queue's window, `returned`, `parked` behind its key, `retrying`, or in
// flight; it leaves only by `#finish`, which settles it in the queue. A consumer that fails with an event too often
// sends it to the dead letters, in the same batch. Where order is asked for, an event that was handed out, or is the
// next of its key to be, *holds* the key until it is finished; others of the key are parked.

import { backoffMs } from './backoff.ts';
import type { Counters } from './counters.ts';
import { Deque } from './deque.ts';
import { VOLATILE_BLOCK, type DeliveryToken } from './delivery-token.ts';
import type { Delivery, Settlement } from './delivery-types.ts';
import { fateIn, type FateKind, tellTrimmed } from './fates.ts';
import type { Histogram } from './histogram.ts';
import type { Limits } from './limits.ts';
import type { DeadLettering, Redelivery } from './metric-catalogue.ts';
import type { Random } from './ports.ts';
import type { Queue, QueueItem } from './queue.ts';
import type { Emit, Now, RequestId, SessionId } from './steps.ts';
import { DEAD_LETTERS, isNamed, type Subscription, type SubscriptionState } from './subscription.ts';

interface StreamSession {
  credit: number;
  /** Names the session in its tokens, also after a restart: drawn, so that no other session of any life has it. */
  readonly mark: number;
}

interface WaitingPull {
  readonly max: number;
  readonly until: number;
}

export interface DeliveryOptions {
  readonly limits: Limits;
  readonly counters: Counters;
  readonly random: Random;
  readonly emit: Emit;
  /** Sends the event to the subscription's dead-letter topic, in the batch being staged. */
  deadLetter(subscription: Subscription, item: QueueItem, reason: string): void;
  /** Shared by all subscriptions of a mesher: those for which something is due at a time, and want to be ticked. */
  readonly timed: Set<SubscriptionDelivery>;
  /** Shared, too: where each pull waits. */
  readonly pulls: Map<RequestId, SubscriptionDelivery>;
}

/** Of one subscription: counts since the mesher started; times are monotonic, ms. */
export interface DeliveryFigures {
  readonly handedOut: number;
  readonly redelivered: number;
  readonly deadLettered: number;
  readonly streams: number;
  readonly pulls: number;
  /** Until when the pull that came last was to wait; -Infinity: none came. */
  readonly pulledUntil: number;
  /** Since when consumers have failed with events and acked none; undefined: they do well. */
  readonly failingSince: number | undefined;
}

/** An event of a queue, as the journal has it. */
export interface HeldEvent {
  readonly block: number;
  readonly index: number;
  /** All that the queue wants of the block. */
  readonly wanted: readonly number[];
}

const BACKOFF_MAX_MS = 60_000;
/** So many may be in flight however large they are: the bound of bytes is for those beyond. */
export const IN_FLIGHT_FEW = 1_000;
const BLOCK_INDICES = 65_536;
/** Six digits of base 36. */
const MARKS = 36 ** 6;
/** Acks of one request, of events not in flight, that are looked for one by one; more of them in one pass over all that waits. */
const LATE_ACKS_FEW = 8;

export class SubscriptionDelivery {
  subscription: Subscription;
  readonly queue: Queue;
  readonly #options: DeliveryOptions;
  readonly #sessions = new Map<SessionId, StreamSession>();
  readonly #pulls = new Map<RequestId, WaitingPull>();
  /** By `itemKey`. */
  readonly #inFlight = new Map<number, QueueItem>();
  #inFlightBytes = 0;
  /** Keys of pulled events in the order of their deadlines: the ack time-out is the same for all. */
  readonly #timed = new Set<number>();
  /** The ack time-out was changed while events were out: `#timed` is not in order until they are in. */
  #untimely = false;
  /** Sorted by due time. */
  #retrying: { readonly item: QueueItem; readonly dueAt: number }[] = [];
  #returned = new Deque<QueueItem>();
  readonly #parked = new Map<string, Deque<QueueItem>>();
  #parkedCount = 0;
  /** More than one only where order was asked for while several were out. */
  readonly #holders = new Map<string, Set<QueueItem>>();
  #handOuts = 0;
  #redelivered = 0;
  #deadLettered = 0;
  /** Until when the pull that came last was to wait, monotonic ms. */
  #pulledUntil = -Infinity;
  /** Since when consumers have failed with events and acked none, monotonic ms. */
  #failingSince: number | undefined;

  constructor(subscription: Subscription, queue: Queue, options: DeliveryOptions) {
    this.subscription = subscription;
    this.queue = queue;
    this.#options = options;
  }

  state(): SubscriptionState {
    const oldest = this.#returned.front() ?? this.queue.front();
    return {
      subscription: this.subscription,
      depth: this.queue.depth,
      inFlight: this.#inFlight.size,
      sessions: this.#sessions.size + this.#pulls.size,
      oldestAcceptedAt: oldest?.event.acceptedAt ?? 0,
    };
  }

  /**
   * Wall clock, ms, at which the oldest event held was accepted, those handed out and to be tried again included; undefined: none is in
   * memory. Of events that are tried again only the next is looked at.
   */
  oldestHeldAt(): number | undefined {
    const [inFlight] = this.#inFlight.values();
    const first = [this.#returned.front(), this.queue.front(), this.#retrying[0]?.item, inFlight];
    const times = first.flatMap((item) => item?.event.acceptedAt ?? []);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** What became of its events since the mesher started. */
  figures(): DeliveryFigures {
    return {
      handedOut: this.#handOuts,
      redelivered: this.#redelivered,
      deadLettered: this.#deadLettered,
      streams: this.#sessions.size,
      pulls: this.#pulls.size,
      pulledUntil: this.#pulledUntil,
      failingSince: this.#failingSince,
    };
  }

  sessionIds(): readonly SessionId[] {
    return [...this.#sessions.keys()];
  }

  // ─────────────────────────────────────────────────────────── consumers

  /** `resumeAfter`: the last token that the client has of an earlier session. */
  attach(session: SessionId, credit: number, resumeAfter: DeliveryToken | undefined): void {
    if (resumeAfter !== undefined) this.#resume(resumeAfter);
    this.#sessions.set(session, { credit, mark: Math.floor(this.#options.random() * MARKS) });
  }

  /**
   * Settles what the token's session had been handed by then, the token's event included: that its client has. What others
   * were handed, or it was handed again since, says nothing of this client; and of what was handed out before a restart
   * nothing is known, so all that comes again.
   */
  #resume(token: DeliveryToken): void {
    if (token.queue !== this.queue.id || token.session === undefined) return;
    const returned = [...this.#returned];
    const handed = returned.filter(({ mark }) => mark === token.session);
    const last = handed.find(
      ({ block, index, attempt }) =>
        block === token.block && index === token.index && attempt === token.attempt,
    );
    if (!last) return;
    const seen = new Set(handed.filter(({ handOut }) => handOut <= last.handOut));
    this.#returned = new Deque();
    this.#returned.pushAllFront(returned.filter((item) => !seen.has(item)));
    this.#options.counters.add('events_settled_total', seen.size, 'resume');
    for (const item of seen) {
      this.#tell('acked', 'resume', item);
      this.#finish(item);
    }
  }

  #tell(what: FateKind, reason: string, item: QueueItem): void {
    this.#options.emit(fateIn(this.queue, what, reason, item, this.subscription.name));
  }

  grant(session: SessionId, count: number): void {
    const stream = this.#sessions.get(session);
    if (stream) stream.credit += count;
  }

  detach(session: SessionId): void {
    this.#sessions.delete(session);
    const back: QueueItem[] = [];
    for (const [key, item] of this.#inFlight) {
      if (item.session !== session) continue;
      this.#forgetFlight(key, item);
      back.push(item);
    }
    this.#return(back);
  }

  #return(items: readonly QueueItem[]): void {
    const all = [...items];
    for (let item = this.#returned.popFront(); item; item = this.#returned.popFront()) all.push(item);
    all.sort((a, b) => a.block - b.block || a.index - b.index);
    this.#returned.pushAllFront(all);
  }

  pull(request: RequestId, max: number, until: number): void {
    this.#pulls.set(request, { max, until });
    this.#pulledUntil = until;
    this.#options.pulls.set(request, this);
    this.#options.timed.add(this);
  }

  /** False: no such pull waits. */
  cancelPull(request: RequestId): boolean {
    this.#options.pulls.delete(request);
    return this.#pulls.delete(request);
  }

  /** New settings for the same queue. */
  replace(subscription: Subscription): void {
    this.#untimely ||= subscription.delivery.ackTimeoutMs !== this.subscription.delivery.ackTimeoutMs;
    this.subscription = subscription;
    const parked = [...this.#parked.values()].flatMap((behind) => [...behind]);
    this.#parked.clear();
    this.#parkedCount = 0;
    this.#return(parked);
    this.#holders.clear();
    for (const item of this.#inFlight.values()) this.#hold(item);
    for (const { item } of this.#retrying) this.#hold(item);
  }

  #hold(item: QueueItem): void {
    const { key } = item.event;
    if (!this.subscription.delivery.ordered || key === '') return;
    const holders = this.#holders.get(key);
    if (holders) holders.add(item);
    else this.#holders.set(key, new Set([item]));
  }

  /** The subscription is deleted, or its queue is: everybody waiting is sent home. */
  close(reason: 'deleted' | 'replaced'): void {
    for (const session of this.#sessions.keys())
      this.#options.emit({ kind: 'session-closed', session, reason });
    for (const request of this.#pulls.keys()) this.#reply(request, []);
    this.#sessions.clear();
    this.#options.timed.delete(this);
  }

  // ─────────────────────────────────────────────────────────── handing out

  /** Gives out what can be given. Called after anything that may have changed. */
  pump(now: Now): void {
    const { queueEventsMax, whenFull } = this.subscription.delivery;
    if (queueEventsMax !== undefined && whenFull === 'drop-oldest' && this.queue.depth > queueEventsMax) {
      const trimmed = this.queue.trim(queueEventsMax);
      this.#options.counters.add('events_dropped_total', trimmed.count, 'queue-limit');
      tellTrimmed(this.#options.emit, this.queue, trimmed, this.subscription.name);
    }
    this.#pumpPulls(now);
    for (const [session, stream] of this.#sessions) {
      const deliveries = this.#gather(stream.credit, session, Infinity, now);
      if (deliveries.length === 0) continue;
      stream.credit -= deliveries.length;
      this.#options.emit({ kind: 'deliver', session, deliveries });
    }
    if (this.#sessions.size > 1) this.#rotate();
    if (this.#sessions.size > 0 || this.#pulls.size > 0) this.queue.refill();
  }

  #pumpPulls(now: Now): void {
    const deadline = now.monotonic + this.subscription.delivery.ackTimeoutMs;
    let waits = false;
    for (const [request, { max, until }] of this.#pulls) {
      // one that got nothing was told that there is nothing: those behind it need not ask
      const deliveries: readonly Delivery[] = waits ? [] : this.#gather(max, undefined, deadline, now);
      if (deliveries.length === 0 && until > now.monotonic) waits = true;
      else this.#reply(request, deliveries);
    }
  }

  /** The pull's one answer. */
  #reply(request: RequestId, deliveries: readonly Delivery[]): void {
    this.cancelPull(request);
    this.#options.emit({ kind: 'reply', request, reply: { kind: 'pulled', deliveries } });
  }

  /** The next turn begins with another session. */
  #rotate(): void {
    for (const [session, stream] of this.#sessions) {
      this.#sessions.delete(session);
      this.#sessions.set(session, stream);
      return;
    }
  }

  #gather(max: number, session: SessionId | undefined, deadline: number, now: Now): Delivery[] {
    const deliveries: Delivery[] = [];
    const { maxInFlight } = this.subscription.delivery;
    const { inFlightBytesMax } = this.#options.limits;
    const mark = session === undefined ? undefined : this.#sessions.get(session)?.mark;
    while (
      deliveries.length < max &&
      this.#inFlight.size < maxInFlight &&
      (this.#inFlightBytes < inFlightBytesMax || this.#inFlight.size < IN_FLIGHT_FEW)
    ) {
      const item = this.#next(now);
      if (!item) break;
      item.attempt++;
      item.handOut = ++this.#handOuts;
      item.mark = mark;
      item.session = session;
      item.deadline = deadline;
      const key = itemKey(item);
      this.#inFlight.set(key, item);
      this.#inFlightBytes += item.event.bytes;
      if (mark === undefined) {
        this.#timed.add(key);
        this.#options.timed.add(this);
      }
      this.#hold(item);
      const { block, index, attempt } = item;
      const token: DeliveryToken = { queue: this.queue.id, block, index, attempt, session: mark };
      deliveries.push({ event: item.event, token, attempt });
    }
    const to = session === undefined ? 'pull' : 'stream';
    const { counters } = this.#options;
    counters.add('events_delivered_total', deliveries.length, to);
    observeAges(counters.latencies.delivery[to], deliveries, now);
    return deliveries;
  }

  #next(now: Now): QueueItem | undefined {
    for (;;) {
      const item = this.#takeRetry(now) ?? this.#returned.popFront() ?? this.#takeFromQueue();
      if (!item) return undefined;
      if (item.event.expiresAt !== 0 && item.event.expiresAt <= now.wall) {
        this.#options.counters.add('events_dropped_total', 1, 'expired');
        this.#tell('dropped', 'expired', item);
        this.#finish(item);
      } else if (this.#mustPark(item)) {
        this.#park(item);
      } else {
        return item;
      }
    }
  }

  #takeRetry(now: Now): QueueItem | undefined {
    const first = this.#retrying[0];
    if (!first || first.dueAt > now.monotonic) return undefined;
    this.#retrying.shift();
    return first.item;
  }

  #takeFromQueue(): QueueItem | undefined {
    if (this.#parkedCount >= this.#options.limits.queueWindowEvents) return undefined;
    const item = this.queue.take();
    if (!item) this.queue.refill();
    return item;
  }

  #mustPark(item: QueueItem): boolean {
    const holders = this.#holders.get(item.event.key);
    return holders !== undefined && !holders.has(item);
  }

  #park(item: QueueItem): void {
    let behind = this.#parked.get(item.event.key);
    if (!behind) {
      behind = new Deque();
      this.#parked.set(item.event.key, behind);
    }
    behind.pushBack(item);
    this.#parkedCount++;
  }

  // ─────────────────────────────────────────────────────────── settling

  /** Returns those whose tokens name nothing here any more. */
  settle(settlements: readonly Settlement[], now: Now): readonly Settlement[] {
    const stale = new Set<Settlement>();
    let acked = 0;
    const late: Settlement[] = [];
    for (const settlement of settlements) {
      const outcome = settlement.token.queue === this.queue.id ? this.#settleOne(settlement, now) : 'stale';
      if (outcome === 'acked') acked++;
      else if (outcome === 'stale') stale.add(settlement);
      else if (outcome === 'late') late.push(settlement);
    }
    const waiting = this.#takeWaiting(late.map(({ token }) => token));
    for (const settlement of late) {
      const key = itemKey(settlement.token);
      const item = waiting.get(key);
      if (item && waiting.delete(key)) {
        this.#finish(item);
        acked++;
      } else stale.add(settlement);
    }
    this.#options.counters.add('events_settled_total', acked, 'ack');
    if (acked > 0) this.#failingSince = undefined;
    return stale.size === 0 ? [] : settlements.filter((settlement) => stale.has(settlement));
  }

  /** `late`: an ack of an event that is not in flight, or not any more. */
  #settleOne(settlement: Settlement, now: Now): 'acked' | 'done' | 'stale' | 'late' {
    const { token } = settlement;
    const key = itemKey(token);
    const item = this.#inFlight.get(key);
    if (settlement.kind === 'ack') {
      // an ack counts whichever attempt it is for: the consumer has the event
      if (!item) return 'late';
      this.#forgetFlight(key, item);
      this.#finish(item);
      return 'acked';
    }
    if (item?.attempt !== token.attempt || item.mark !== token.session) return 'stale';
    this.#forgetFlight(key, item);
    this.#options.counters.add('events_settled_total', 1, settlement.kind);
    if (settlement.kind === 'reject') {
      const label = settlement.undecodable ? 'undecodable' : 'rejected';
      this.#deadLetter(item, `${label}: ${settlement.reason}`, label);
    } else this.#failed(item, settlement.delayMs, 'retry', now);
    return 'done';
  }

  /** Takes out those that wait: they were handed out before a restart, or timed out, and were acked after all. */
  #takeWaiting(tokens: readonly DeliveryToken[]): Map<number, QueueItem> {
    if (tokens.length > LATE_ACKS_FEW) return this.#takeManyWaiting(tokens);
    const found = new Map<number, QueueItem>();
    for (const token of tokens) {
      const item = this.#takeOneWaiting(token);
      if (item) found.set(itemKey(item), item);
    }
    return found;
  }

  #takeOneWaiting({ block, index }: DeliveryToken): QueueItem | undefined {
    const wanted = (item: QueueItem): boolean => item.block === block && item.index === index;
    const at = this.#retrying.findIndex(({ item }) => wanted(item));
    if (at >= 0) return this.#retrying.splice(at, 1)[0]?.item;
    return this.#returned.take(wanted) ?? this.queue.takeItem(block, index);
  }

  /** In one pass over all that waits, however many are wanted: thousands of unknown tokens must not hold up everybody. */
  #takeManyWaiting(tokens: readonly DeliveryToken[]): Map<number, QueueItem> {
    const wanted = new Map<number, Set<number>>();
    for (const { block, index } of tokens) {
      const indices = wanted.get(block);
      if (indices) indices.add(index);
      else wanted.set(block, new Set([index]));
    }
    const found = new Map<number, QueueItem>();
    const stays = (item: QueueItem): boolean => {
      if (!wanted.get(item.block)?.has(item.index)) return true;
      found.set(itemKey(item), item);
      return false;
    };
    this.#retrying = this.#retrying.filter(({ item }) => stays(item));
    const returned = [...this.#returned].filter(stays);
    this.#returned = new Deque();
    this.#returned.pushAllFront(returned);
    const window: QueueItem[] = [];
    for (let item = this.queue.take(); item; item = this.queue.take()) window.push(item);
    this.queue.putBack(window.filter(stays));
    return found;
  }

  /**
   * Settles events that nobody has in hand, wherever they wait, and returns those that it did. `wanted`: what the journal says that the
   * queue wants of the event's block.
   */
  takeOut<T extends HeldEvent>(events: readonly T[]): T[] {
    const { id: queue } = this.queue;
    const tokens = events.map(({ block, index }) => ({
      queue,
      block,
      index,
      attempt: 0,
      session: undefined,
    }));
    const out = new Set<number>();
    for (const [key, item] of this.#takeWaiting(tokens)) {
      out.add(key);
      this.#finish(item);
    }
    const unloaded = new Map<number, { wanted: readonly number[]; indices: number[] }>();
    for (const one of events) {
      const asked = unloaded.get(one.block) ?? { wanted: one.wanted, indices: [] };
      unloaded.set(one.block, asked);
      asked.indices.push(one.index);
    }
    for (const one of this.queue.settleUnloaded(unloaded)) out.add(itemKey(one));
    return events.filter((one) => out.delete(itemKey(one)));
  }

  #forgetFlight(key: number, item: QueueItem): void {
    this.#inFlight.delete(key);
    this.#inFlightBytes -= item.event.bytes;
    if (this.#timed.size > 0) this.#timed.delete(key);
  }

  /** A consumer could not take it, or said nothing in time. */
  #failed(item: QueueItem, delayMs: number | undefined, reason: Redelivery, now: Now): void {
    const { retries, backoffMs: firstMs } = this.subscription.delivery;
    item.failures++;
    this.#failingSince ??= now.monotonic;
    if (item.failures > retries) {
      this.#deadLetter(item, `${reason} after ${item.failures} attempts`, 'retries-exhausted');
      return;
    }
    this.#options.counters.add('events_redelivered_total', 1, reason);
    this.#redelivered++;
    this.#tell('retried', reason, item);
    const waitMs = delayMs ?? backoffMs(item.failures - 1, firstMs, BACKOFF_MAX_MS, this.#options.random);
    const dueAt = now.monotonic + waitMs;
    let at = 0;
    for (let end = this.#retrying.length; at < end;) {
      const middle = (at + end) >>> 1;
      if ((this.#retrying[middle]?.dueAt ?? Infinity) > dueAt) end = middle;
      else at = middle + 1;
    }
    this.#retrying.splice(at, 0, { item, dueAt });
    this.#options.timed.add(this);
  }

  #deadLetter(item: QueueItem, reason: string, label: DeadLettering): void {
    const { counters } = this.#options;
    const { name, adoptedFrom } = this.subscription;
    if (isNamed(name, DEAD_LETTERS, adoptedFrom)) {
      counters.add('events_dropped_total', 1, 'dead-letter-rejected');
      this.#tell('dropped', 'dead-letter-rejected', item);
    } else {
      counters.add('events_dead_lettered_total', 1, label);
      this.#deadLettered++;
      this.#tell('dead-lettered', reason, item);
      this.#options.deadLetter(this.subscription, item, reason);
    }
    this.#finish(item);
  }

  /** The one way out: settled in the queue, and if it held its key, the next of it may go. */
  #finish(item: QueueItem): void {
    this.queue.settle(item);
    if (this.#holders.size === 0) return;
    const { key } = item.event;
    const holders = this.#holders.get(key);
    if (!holders?.delete(item) || holders.size > 0) return;
    this.#holders.delete(key);
    const behind = this.#parked.get(key);
    const next = behind?.popFront();
    if (!next) return;
    this.#parkedCount--;
    if (behind?.size === 0) this.#parked.delete(key);
    this.#hold(next);
    this.#returned.pushFront(next);
  }

  /** False: nothing more is due at any time, until something else happens. */
  tick(now: Now): boolean {
    let timedOut = false;
    for (const key of this.#timed) {
      const item = this.#inFlight.get(key);
      if (!item || item.deadline > now.monotonic) {
        if (this.#untimely) continue;
        break;
      }
      this.#forgetFlight(key, item);
      this.#failed(item, undefined, 'ack-timeout', now);
      timedOut = true;
    }
    if (this.#timed.size === 0) this.#untimely = false;
    const first = this.#retrying[0];
    if (timedOut || this.#pulls.size > 0 || (first && first.dueAt <= now.monotonic)) this.pump(now);
    return this.#pulls.size > 0 || this.#timed.size > 0 || this.#retrying.length > 0;
  }
}

/** How old events are when they are handed out for the first time: as old as those before and behind them, or nearly. */
export function observeAges(ages: Histogram, deliveries: readonly Delivery[], now: Now): void {
  const isNew = ({ attempt }: Delivery): boolean => attempt === 1;
  const fresh = deliveries.every(isNew) ? deliveries : deliveries.filter(isNew);
  const [first, last] = [fresh[0], fresh.at(-1)];
  if (!first || !last) return;
  const age = ({ event }: Delivery): number => (now.wall - event.acceptedAt) / 1000;
  ages.observeRun(age(first), age(last), fresh.length);
}

/** One number for block and index: indices are below 65,536 (limits.ts); those of events never on disk count on, below zero. */
function itemKey({ block, index }: { readonly block: number; readonly index: number }): number {
  return block === VOLATILE_BLOCK ? -1 - index : block * BLOCK_INDICES + index;
}
