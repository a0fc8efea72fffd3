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
import type { Delivery, Settlement } from './delivery-types.ts';
import type { Limits } from './limits.ts';
import type { Random } from './ports.ts';
import { VOLATILE_BLOCK, type Queue, type QueueItem } from './queue.ts';
import type { Emit, Now, RequestId, SessionId } from './steps.ts';
import type { Subscription, SubscriptionState } from './subscription.ts';

interface Flight {
  readonly item: QueueItem;
  /** Undefined: pulled. */
  readonly session: SessionId | undefined;
  /** Monotonic ms; Infinity while a stream holds it. */
  readonly deadline: number;
}

interface StreamSession {
  credit: number;
}

interface WaitingPull {
  readonly request: RequestId;
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
}

const BACKOFF_MAX_MS = 60_000;

export class SubscriptionDelivery {
  subscription: Subscription;
  readonly queue: Queue;
  readonly #options: DeliveryOptions;
  readonly #sessions = new Map<SessionId, StreamSession>();
  #pulls: WaitingPull[] = [];
  readonly #inFlight = new Map<string, Flight>();
  /** Keys of pulled events in the order of their deadlines: the ack time-out is the same for all. */
  readonly #timed = new Set<string>();
  /** The ack time-out was changed while events were out: `#timed` is not in order until they are in. */
  #untimely = false;
  /** Sorted by due time. */
  #retrying: { readonly item: QueueItem; readonly dueAt: number }[] = [];
  readonly #returned = new Deque<QueueItem>();
  readonly #parked = new Map<string, Deque<QueueItem>>();
  #parkedCount = 0;
  /** More than one only where order was asked for while several were out. */
  readonly #holders = new Map<string, Set<QueueItem>>();
  /** Was this seen by the client that resumed? */
  #resume: ((item: QueueItem) => boolean) | undefined;
  #handOuts = 0;

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
      sessions: this.#sessions.size + this.#pulls.length,
      oldestAcceptedAt: oldest?.event.acceptedAt ?? 0,
    };
  }

  sessionIds(): readonly SessionId[] {
    return [...this.#sessions.keys()];
  }

  // ─────────────────────────────────────────────────────────── consumers

  attach(session: SessionId, credit: number, resumeAfter: string | undefined): void {
    const token = resumeAfter === undefined ? undefined : parseToken(resumeAfter);
    const alone = this.#sessions.size === 0 && this.#pulls.length === 0;
    this.#resume = token && token.queue === this.queue.id && alone ? this.#seenBy(token) : undefined;
    for (const item of this.#returned) item.handOut = 0; // what is handed out anew is counted anew
    this.#sessions.set(session, { credit });
  }

  /**
   * What a client has seen that got `token` last: all up to it in the queue. Where order is kept, keys overtake each
   * other, so there it is what was handed out up to then; a mesher that restarted meanwhile does not know.
   */
  #seenBy(token: Token): (item: QueueItem) => boolean {
    if (!this.subscription.delivery.ordered) return (item) => isUpTo(item, token);
    const returned = [...this.#returned];
    const last = returned.find((item) => item.block === token.block && item.index === token.index);
    // handed out again since: to whom it got lost
    const handOuts = last?.attempt === token.attempt ? last.handOut : 0;
    const seen = new Set(returned.filter((item) => item.handOut > 0 && item.handOut <= handOuts));
    return (item) => seen.has(item);
  }

  grant(session: SessionId, count: number): void {
    const stream = this.#sessions.get(session);
    if (stream) stream.credit += count;
  }

  detach(session: SessionId): void {
    this.#sessions.delete(session);
    const back: QueueItem[] = [];
    for (const [key, flight] of this.#inFlight) {
      if (flight.session !== session) continue;
      this.#inFlight.delete(key);
      this.#timed.delete(key);
      back.push(flight.item);
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
    this.#pulls.push({ request, max, until });
  }

  /** False: no such pull waits. */
  cancelPull(request: RequestId): boolean {
    const before = this.#pulls.length;
    this.#pulls = this.#pulls.filter((pull) => pull.request !== request);
    return this.#pulls.length < before;
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
    for (const { item } of [...this.#inFlight.values(), ...this.#retrying]) this.#hold(item);
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
    for (const { request } of this.#pulls) this.#reply(request, []);
    this.#sessions.clear();
    this.#pulls = [];
  }

  // ─────────────────────────────────────────────────────────── handing out

  /** Gives out what can be given. Called after anything that may have changed. */
  pump(now: Now): void {
    const { queueEventsMax, whenFull } = this.subscription.delivery;
    if (queueEventsMax !== undefined && whenFull === 'drop-oldest' && this.queue.depth > queueEventsMax) {
      this.#options.counters.add('events_dropped_total', this.queue.trim(queueEventsMax), 'queue-limit');
    }
    this.#pumpPulls(now);
    for (const [session, stream] of this.#sessions) {
      const deliveries = this.#gather(stream.credit, session, Infinity, now);
      if (deliveries.length === 0) continue;
      stream.credit -= deliveries.length;
      this.#options.emit({ kind: 'deliver', session, deliveries });
    }
    if (this.#sessions.size > 1) this.#rotate();
    if (this.#sessions.size > 0 || this.#pulls.length > 0) this.queue.refill();
  }

  #pumpPulls(now: Now): void {
    const waiting: WaitingPull[] = [];
    for (const pull of this.#pulls) {
      // one that got nothing was told that there is nothing: those behind it need not ask
      const deliveries =
        waiting.length > 0
          ? []
          : this.#gather(pull.max, undefined, now.monotonic + this.subscription.delivery.ackTimeoutMs, now);
      if (deliveries.length === 0 && pull.until > now.monotonic) waiting.push(pull);
      else this.#reply(pull.request, deliveries);
    }
    this.#pulls = waiting;
  }

  #reply(request: RequestId, deliveries: readonly Delivery[]): void {
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
    while (deliveries.length < max && this.#inFlight.size < maxInFlight) {
      const item = this.#next(now);
      if (!item) break;
      item.attempt++;
      item.handOut = ++this.#handOuts;
      const key = itemKey(item);
      this.#inFlight.set(key, { item, session, deadline });
      if (session === undefined) this.#timed.add(key);
      this.#hold(item);
      deliveries.push({ event: item.event, token: formatToken(this.queue.id, item), attempt: item.attempt });
    }
    this.#options.counters.add(
      'events_delivered_total',
      deliveries.length,
      session === undefined ? 'pull' : 'stream',
    );
    return deliveries;
  }

  #next(now: Now): QueueItem | undefined {
    for (;;) {
      const item = this.#takeRetry(now) ?? this.#returned.popFront() ?? this.#takeFromQueue();
      if (!item) return undefined;
      if (item.event.expiresAt !== 0 && item.event.expiresAt <= now.wall) {
        this.#options.counters.add('events_dropped_total', 1, 'expired');
        this.#finish(item);
      } else if (item.failures === 0 && this.#resume?.(item)) {
        this.#options.counters.add('events_settled_total', 1, 'resume');
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

  /** Returns the tokens that name nothing here any more. */
  settle(settlements: readonly Settlement[], now: Now): string[] {
    const stale: string[] = [];
    for (const settlement of settlements) {
      const token = parseToken(settlement.token);
      if (!token || token.queue !== this.queue.id || !this.#settleOne(settlement, token, now))
        stale.push(settlement.token);
    }
    return stale;
  }

  #settleOne(settlement: Settlement, token: Token, now: Now): boolean {
    const key = `${token.block}.${token.index}`;
    const flight = this.#inFlight.get(key);
    if (settlement.kind === 'ack') {
      // an ack counts whichever attempt it is for: the consumer has the event
      const item = flight?.item ?? this.#findWaiting(token);
      if (!item) return false;
      this.#forgetFlight(key);
      this.#options.counters.add('events_settled_total', 1, 'ack');
      this.#finish(item);
      return true;
    }
    if (flight?.item.attempt !== token.attempt) return false;
    this.#forgetFlight(key);
    this.#options.counters.add('events_settled_total', 1, settlement.kind);
    if (settlement.kind === 'reject') {
      const label = settlement.undecodable ? 'undecodable' : 'rejected';
      this.#deadLetter(flight.item, `${label}: ${settlement.reason}`, label);
    } else this.#failed(flight.item, settlement.delayMs, 'retry', now);
    return true;
  }

  /** An event that was handed out before a restart, or timed out, and was acked after all. */
  #findWaiting(token: Token): QueueItem | undefined {
    const wanted = (item: QueueItem): boolean => item.block === token.block && item.index === token.index;
    const at = this.#retrying.findIndex(({ item }) => wanted(item));
    if (at >= 0) return this.#retrying.splice(at, 1)[0]?.item;
    return this.#returned.take(wanted) ?? this.queue.takeItem(token.block, token.index);
  }

  #forgetFlight(key: string): void {
    this.#inFlight.delete(key);
    this.#timed.delete(key);
  }

  /** A consumer could not take it, or said nothing in time. */
  #failed(item: QueueItem, delayMs: number | undefined, reason: string, now: Now): void {
    const { retries, backoffMs: firstMs } = this.subscription.delivery;
    item.failures++;
    if (item.failures > retries) {
      this.#deadLetter(item, `${reason} after ${item.failures} attempts`, 'retries-exhausted');
      return;
    }
    this.#options.counters.add('events_redelivered_total', 1, reason);
    const waitMs = delayMs ?? backoffMs(item.failures - 1, firstMs, BACKOFF_MAX_MS, this.#options.random);
    const dueAt = now.monotonic + waitMs;
    let at = 0;
    for (let end = this.#retrying.length; at < end;) {
      const middle = (at + end) >>> 1;
      if ((this.#retrying[middle]?.dueAt ?? Infinity) > dueAt) end = middle;
      else at = middle + 1;
    }
    this.#retrying.splice(at, 0, { item, dueAt });
  }

  #deadLetter(item: QueueItem, reason: string, label: string): void {
    this.#options.counters.add('events_dead_lettered_total', 1, label);
    this.#options.deadLetter(this.subscription, item, reason);
    this.#finish(item);
  }

  /** The one way out: settled in the queue, and if it held its key, the next of it may go. */
  #finish(item: QueueItem): void {
    this.queue.settle(item);
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

  tick(now: Now): void {
    let timedOut = false;
    for (const key of this.#timed) {
      const flight = this.#inFlight.get(key);
      if (!flight || flight.deadline > now.monotonic) {
        if (this.#untimely) continue;
        break;
      }
      this.#forgetFlight(key);
      this.#failed(flight.item, undefined, 'ack-timeout', now);
      timedOut = true;
    }
    if (this.#timed.size === 0) this.#untimely = false;
    const first = this.#retrying[0];
    if (timedOut || this.#pulls.length > 0 || (first && first.dueAt <= now.monotonic)) this.pump(now);
  }
}

interface Token {
  readonly queue: number;
  readonly block: number;
  readonly index: number;
  readonly attempt: number;
}

function itemKey(item: QueueItem): string {
  return `${item.block}.${item.index}`;
}

/** queue.block.index.attempt in base 36; `_` stands for the block of an event that was never on disk. */
function formatToken(queue: number, item: QueueItem): string {
  const block = item.block === VOLATILE_BLOCK ? '_' : item.block.toString(36);
  return `${queue.toString(36)}.${block}.${item.index.toString(36)}.${item.attempt.toString(36)}`;
}

function parseToken(text: string): Token | undefined {
  const match = /^([0-9a-z]{1,10})\.(_|[0-9a-z]{1,11})\.([0-9a-z]{1,10})\.([0-9a-z]{1,10})$/.exec(text);
  if (!match) return undefined;
  const number = (digits: string | undefined): number => Number.parseInt(digits ?? '', 36);
  const block = match[2] === '_' ? VOLATILE_BLOCK : number(match[2]);
  return { queue: number(match[1]), block, index: number(match[3]), attempt: number(match[4]) };
}

function isUpTo(item: QueueItem, mark: { readonly block: number; readonly index: number }): boolean {
  if (item.block === VOLATILE_BLOCK || mark.block === VOLATILE_BLOCK) return false;
  return item.block < mark.block || (item.block === mark.block && item.index <= mark.index);
}
