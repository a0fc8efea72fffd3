// The subscriptions of this mesher: durable ones (a name, a queue on disk, a delivery) and ephemeral ones (a session and
// a short memory). Each is a target of the router; its interest is counted by the announcer.

import type { Announcer } from './announcer.ts';
import type { Commits } from './commits.ts';
import type { Counters } from './counters.ts';
import { Deque } from './deque.ts';
import { NO_TOKEN, type DeliveryToken } from './delivery-token.ts';
import { observeAges, SubscriptionDelivery, type DeliveryOptions } from './delivery.ts';
import type { Delivery } from './delivery-types.ts';
import { MeshError } from './errors.ts';
import type { NodeId, StoredEvent } from './event.ts';
import { ending, tellDestroyed } from './fates.ts';
import { announcedFilter } from './heirs.ts';
import type { Limits } from './limits.ts';
import { Queue } from './queue.ts';
import type { LocalTarget, Router } from './router.ts';
import type { Emit, Now, RequestId, SessionId } from './steps.ts';
import { adoptedName, DEAD_LETTERS, isNamed, DELIVERY_DEFAULTS, type Subscription } from './subscription.ts';
import { isInternal } from './topic.ts';

/** Where the router sends local events. */
export type Target = DurableTarget | EphemeralTarget;

export interface DurableTarget extends LocalTarget {
  readonly durable: true;
  readonly delivery: SubscriptionDelivery;
  /** Others are told of its interest. */
  announced: boolean;
  /** What is published comes to it: not to one that is being adopted. */
  active: boolean;
}

export interface EphemeralTarget extends LocalTarget {
  readonly durable: false;
  readonly session: SessionId;
  readonly waiting: Deque<StoredEvent>;
  waitingBytes: number;
  credit: number;
  /** Events handed to it so far. */
  delivered: number;
}

export interface SubscriptionsOptions {
  readonly limits: Limits;
  readonly counters: Counters;
  readonly commits: Commits;
  readonly announcer: Announcer;
  readonly router: Router<Target>;
  readonly delivery: Omit<DeliveryOptions, 'timed' | 'pulls'>;
  readonly emit: Emit;
  nextQueueId(): number;
  /** `then` runs when all that is staged is kept as `replicas` says. */
  whenKept(then: () => void): void;
}

/** Events kept in `$dead-letters` at most: enough to look into a bad day, little enough for any disk. */
const DEAD_LETTERS_MAX = 100_000;

export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #durable = new Map<string, DurableTarget>();
  /** By the number of its queue. */
  readonly #byQueue = new Map<number, DurableTarget>();
  readonly #ephemeral = new Map<SessionId, EphemeralTarget>();
  /** Stream sessions on durable subscriptions. */
  readonly #streams = new Map<SessionId, DurableTarget>();

  /** Durable ones for which something is due at a time: the others, thousands of them, cost a tick nothing. */
  readonly #timed = new Set<SubscriptionDelivery>();
  readonly #pulls = new Map<RequestId, SubscriptionDelivery>();
  readonly #delivery: DeliveryOptions;

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
    this.#delivery = { ...options.delivery, timed: this.#timed, pulls: this.#pulls };
  }

  static queueName(subscription: string): string {
    return `s:${subscription}`;
  }

  get(name: string): SubscriptionDelivery | undefined {
    return this.#durable.get(name)?.delivery;
  }

  all(): SubscriptionDelivery[] {
    return [...this.#durable.values()].map((target) => target.delivery);
  }

  /** Where dead letters wait: this mesher's own, and those of meshers in whose place it serves. */
  deadLetters(): SubscriptionDelivery[] {
    return this.all().filter(({ subscription: { name, adoptedFrom } }) =>
      isNamed(name, DEAD_LETTERS, adoptedFrom),
    );
  }

  /** The subscription that rejected a letter when it had this name, on this mesher or on the one that it was adopted from. */
  rejecter(name: string, adoptedFrom: NodeId | undefined): SubscriptionDelivery | undefined {
    if (adoptedFrom === undefined) return name === DEAD_LETTERS ? undefined : this.get(name);
    return this.all().find(
      ({ subscription: one }) => one.adoptedFrom === adoptedFrom && isNamed(one.name, name, adoptedFrom),
    );
  }

  /** Users' consumers of both kinds: streams and waiting pulls, and ephemeral subscriptions. */
  sessions(): { durable: number; ephemeral: number } {
    let ephemeral = 0;
    for (const { filter } of this.#ephemeral.values()) if (!isInternal(filter)) ephemeral++;
    return { durable: this.#streams.size + this.#pulls.size, ephemeral };
  }

  ephemerals(): IterableIterator<EphemeralTarget> {
    return this.#ephemeral.values();
  }

  // ─────────────────────────────────────────────────────────── durable

  /** `active`: false where it is still being adopted. */
  recover(subscription: Subscription, queue: Queue, active: boolean): void {
    this.#target(subscription, new SubscriptionDelivery(subscription, queue, this.#delivery), true, active);
  }

  /** The place of dead letters is always there; it is no target of the router. */
  ensureDeadLetters(): SubscriptionDelivery {
    const known = this.get(DEAD_LETTERS);
    if (known) return known;
    const subscription: Subscription = {
      name: DEAD_LETTERS,
      topic: '$dead-letters/#',
      group: undefined,
      sink: undefined,
      adoptedFrom: undefined,
      delivery: { ...DELIVERY_DEFAULTS, retries: Number.MAX_SAFE_INTEGER, queueEventsMax: DEAD_LETTERS_MAX },
    };
    return this.#create(subscription).delivery;
  }

  /** Makes or replaces it in the batch being staged. Throws `too-many-subscriptions`. */
  put(subscription: Subscription, now: Now): { created: boolean; delivery: SubscriptionDelivery } {
    const known = this.#durable.get(subscription.name);
    if (!known) {
      const { subscriptionsMax } = this.#options.limits;
      if (this.#durable.size >= subscriptionsMax) {
        throw new MeshError(
          'too-many-subscriptions',
          `this mesher holds ${subscriptionsMax} subscriptions; delete one, or use another mesher`,
        );
      }
      return { created: true, delivery: this.#create(subscription).delivery };
    }
    const replaced = { ...subscription, adoptedFrom: known.adoptedFrom };
    known.delivery.replace(replaced);
    this.#options.commits.op({ op: 'subscription', subscription: replaced });
    if (known.filter !== subscription.topic || known.group !== (subscription.group ?? '')) {
      this.#drop(known, now);
      this.#target(replaced, known.delivery, false, known.active);
    }
    return { created: false, delivery: known.delivery };
  }

  /**
   * Makes a subscription that lived on another mesher, in the batch being staged. It can be consumed from; what is published
   * comes to it when `activate` is called. One that is there already, from an earlier start, is left as it is.
   */
  adopt(subscription: Subscription): SubscriptionDelivery {
    const known = this.#durable.get(this.adoptedAs(subscription) ?? '');
    if (known) return known.delivery;
    const { name, adoptedFrom = '' } = subscription;
    const free = this.#durable.has(name) ? adoptedName(name, adoptedFrom) : name;
    return this.#create({ ...subscription, name: free }, true).delivery;
  }

  /** What an adopted subscription is called here; undefined: there is none, or none any more. */
  adoptedAs({ name, adoptedFrom = '' }: Subscription): string | undefined {
    return [name, adoptedName(name, adoptedFrom)].find(
      (each) => this.#durable.get(each)?.adoptedFrom === adoptedFrom,
    );
  }

  /** From now on the lost mesher's subscriptions get what is published. */
  activate(adoptedFrom: NodeId): void {
    for (const target of this.#durable.values()) {
      if (target.adoptedFrom !== adoptedFrom || target.active) continue;
      target.active = true;
      this.#options.router.addLocal(target);
      this.#announce(target);
    }
  }

  #create(subscription: Subscription, isAdopted = false): DurableTarget {
    const { commits, limits } = this.#options;
    const queue = new Queue(
      this.#options.nextQueueId(),
      Subscriptions.queueName(subscription.name),
      limits,
      commits,
    );
    commits.op({ op: 'queue', queue: queue.id, name: queue.name });
    commits.op({ op: 'subscription', subscription });
    const delivery = new SubscriptionDelivery(subscription, queue, this.#delivery);
    return this.#target(subscription, delivery, false, !isAdopted);
  }

  /** A subscription that is on disk has its interest announced at once, one that is made when it is kept. */
  #target(
    subscription: Subscription,
    delivery: SubscriptionDelivery,
    isOnDisk = false,
    active = true,
  ): DurableTarget {
    const target: DurableTarget = {
      name: subscription.name,
      filter: subscription.topic,
      group: subscription.group ?? '',
      durable: true,
      delivery,
      announced: false,
      active,
      adoptedFrom: subscription.adoptedFrom,
    };
    this.#durable.set(subscription.name, target);
    this.#byQueue.set(delivery.queue.id, target);
    if (subscription.name !== DEAD_LETTERS && active) {
      this.#options.router.addLocal(target);
      if (isOnDisk) this.#announce(target);
      else this.#options.whenKept(() => this.#announce(target));
    }
    for (const session of delivery.sessionIds()) this.#streams.set(session, target);
    return target;
  }

  /**
   * Others may give a group's events to this mesher alone from now on: a crash that took the subscription, and left them
   * its interest, would lose those.
   */
  #announce(target: DurableTarget): void {
    if (this.#durable.get(target.name) !== target) return; // replaced or deleted meanwhile
    target.announced = true;
    this.#options.announcer.add(announcedFilter(target.filter, target.adoptedFrom), target.group, true);
  }

  #drop(target: DurableTarget, now: Now): void {
    if (target.active) this.#options.router.removeLocal(target);
    if (!target.announced) return;
    const filter = announcedFilter(target.filter, target.adoptedFrom);
    this.#options.announcer.remove(filter, target.group, true, now);
  }

  /** False: there is none. What it had queued goes with it. */
  delete(name: string, now: Now): boolean {
    const target = this.#durable.get(name);
    if (!target || name === DEAD_LETTERS) return false;
    const { commits, counters, emit } = this.#options;
    for (const session of target.delivery.sessionIds()) this.#streams.delete(session);
    target.delivery.close('deleted');
    this.#drop(target, now);
    this.#durable.delete(name);
    this.#byQueue.delete(target.delivery.queue.id);
    tellDestroyed(emit, target.delivery.queue, 'subscription-deleted', name);
    counters.add('events_dropped_total', target.delivery.queue.destroy(), 'subscription-deleted');
    commits.op({ op: 'drop-subscription', name });
    return true;
  }

  // ─────────────────────────────────────────────────────────── sessions

  /** False: no such subscription. */
  attach(
    session: SessionId,
    name: string,
    credit: number,
    resumeAfter: DeliveryToken | undefined,
    now: Now,
  ): boolean {
    const target = this.#durable.get(name);
    if (!target) return false;
    this.#streams.set(session, target);
    target.delivery.attach(session, credit, resumeAfter);
    target.delivery.pump(now);
    return true;
  }

  attachEphemeral(session: SessionId, filter: string, group: string, credit: number): void {
    const target: EphemeralTarget = {
      name: `session-${session}`,
      filter,
      group,
      durable: false,
      session,
      waiting: new Deque(),
      waitingBytes: 0,
      credit,
      delivered: 0,
    };
    this.#ephemeral.set(session, target);
    this.#options.router.addLocal(target);
    this.#options.announcer.add(filter, group, false);
  }

  grant(session: SessionId, count: number, now: Now): void {
    const stream = this.#streams.get(session);
    if (stream) {
      stream.delivery.grant(session, count);
      stream.delivery.pump(now);
      return;
    }
    const target = this.#ephemeral.get(session);
    if (!target) return;
    target.credit += count;
    this.#pumpEphemeral(target, now);
  }

  detach(session: SessionId, now: Now): void {
    const stream = this.#streams.get(session);
    if (stream) {
      this.#streams.delete(session);
      stream.delivery.detach(session);
      stream.delivery.pump(now);
      return;
    }
    const target = this.#ephemeral.get(session);
    if (!target) return;
    this.#ephemeral.delete(session);
    for (const event of target.waiting)
      this.#options.emit(ending('dropped', 'subscription-deleted', event, target.name));
    this.#options.router.removeLocal(target);
    this.#options.announcer.remove(target.filter, target.group, false, now);
  }

  /** Ephemeral deliveries of this step, given out together. */
  readonly #touched = new Set<EphemeralTarget>();

  offer(target: EphemeralTarget, event: StoredEvent): void {
    if (target.waiting.size >= target.credit) event.detach(); // it will wait, and its batch with it
    target.waiting.pushBack(event);
    target.waitingBytes += event.bytes;
    // Those that there is credit for leave with this step, and a single one is kept however large it is.
    while (target.waiting.size > Math.max(1, target.credit) && this.#isTooMuch(target)) {
      const dropped = target.waiting.popFront();
      if (!dropped) break;
      target.waitingBytes -= dropped.bytes;
      this.#options.counters.add('events_dropped_total', 1, 'slow-subscriber');
      this.#options.emit(ending('dropped', 'slow-subscriber', dropped, target.name));
    }
    this.#touched.add(target);
  }

  #isTooMuch({ waiting, waitingBytes }: EphemeralTarget): boolean {
    const { ephemeralQueueEvents, ephemeralQueueBytes } = this.#options.limits;
    return waiting.size > ephemeralQueueEvents || waitingBytes > ephemeralQueueBytes;
  }

  flushEphemeral(now: Now): void {
    for (const target of this.#touched) this.#pumpEphemeral(target, now);
    this.#touched.clear();
    this.#handedLast = [];
  }

  /**
   * To the target before, in this step: the next one mostly gets the same. They lie in memory until the step is carried out; one
   * for each of 1,000 targets was a seventh of what a delivery cost, in garbage collection.
   */
  #handedLast: readonly Delivery[] = [];

  #pumpEphemeral(target: EphemeralTarget, now: Now): void {
    const deliveries: Delivery[] = [];
    while (target.credit > deliveries.length) {
      const event = target.waiting.popFront();
      if (!event) break;
      target.waitingBytes -= event.bytes;
      const same = this.#handedLast[deliveries.length];
      deliveries.push(same?.event === event ? same : { event, token: NO_TOKEN, attempt: 1 });
    }
    if (deliveries.length === 0) return;
    this.#handedLast = deliveries;
    target.credit -= deliveries.length;
    target.delivered += deliveries.length;
    if (!isInternal(target.filter)) {
      this.#options.counters.add('events_delivered_total', deliveries.length, 'ephemeral');
      observeAges(this.#options.counters.latencies.delivery.ephemeral, deliveries, now);
    }
    this.#options.emit({ kind: 'deliver', session: target.session, deliveries });
  }

  queue(id: number): Queue | undefined {
    return this.#byQueue.get(id)?.delivery.queue;
  }

  pumpQueue(queue: Queue, now: Now): void {
    this.#byQueue.get(queue.id)?.delivery.pump(now);
  }

  /** False: no such pull waits. */
  cancelPull(request: RequestId): boolean {
    return this.#pulls.get(request)?.cancelPull(request) ?? false;
  }

  tick(now: Now): void {
    for (const delivery of this.#timed) if (!delivery.tick(now)) this.#timed.delete(delivery);
  }
}
