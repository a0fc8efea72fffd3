// One subscription with its queue and commits, over a disk that waits for the test.

import type { Settlement } from '../../../node/core/delivery-types.ts';
import { formatToken, parseToken, type DeliveryToken } from '../../../node/core/delivery-token.ts';
import { Commits } from '../../../node/core/commits.ts';
import { Counters } from '../../../node/core/counters.ts';
import { SubscriptionDelivery } from '../../../node/core/delivery.ts';
import type { Delivery } from '../../../node/core/delivery-types.ts';
import type { StoredEvent } from '../../../node/core/event.ts';
import { LIMITS, type Limits } from '../../../node/core/limits.ts';
import { Queue } from '../../../node/core/queue.ts';
import type { Effect } from '../../../node/core/steps.ts';
import {
  DELIVERY_DEFAULTS,
  type DeliverySettings,
  type Subscription,
} from '../../../node/core/subscription.ts';
import { storedEvent, type EventParts } from '../../support/events.ts';
import { DiskInHand } from './disk-in-hand.ts';
import { seeded } from './signing-keys.ts';

const QUEUE = 7;

type Append = Extract<Effect, { kind: 'append' }>;

export class DeliveryBench {
  readonly disk = new DiskInHand();
  readonly limits: Limits;
  readonly now = { wall: 1_000_000, monotonic: 50_000 };
  /** Handed out and not looked at yet: by session, or by pull request. */
  delivered: { to: string; delivery: Delivery }[] = [];
  readonly replies: { request: number; deliveries: readonly Delivery[] }[] = [];
  deadLetters: { event: StoredEvent; reason: string }[] = [];
  counters = new Counters();
  commits: Commits;
  queue: Queue;
  delivery: SubscriptionDelivery;
  subscription: Subscription;
  #writing: Append | undefined;
  #loads: { queue: number; blocks: readonly number[] }[] = [];
  /** What wants to be ticked. */
  readonly timed = new Set<SubscriptionDelivery>();
  readonly pulls = new Map<number, SubscriptionDelivery>();
  #sequence = 0;
  readonly #random = seeded(5);

  constructor(settings: Partial<DeliverySettings> = {}, limits: Partial<Limits> = {}) {
    this.limits = { ...LIMITS, ...limits };
    this.subscription = this.#subscription(settings);
    [this.commits, this.queue, this.delivery] = this.#open();
  }

  #subscription(settings: Partial<DeliverySettings>): Subscription {
    return {
      name: 's',
      topic: '#',
      group: undefined,
      sink: undefined,
      adoptedFrom: undefined,
      delivery: { ...DELIVERY_DEFAULTS, ...settings },
    };
  }

  #open(): [Commits, Queue, SubscriptionDelivery] {
    const commits = new Commits(this.disk.nextBlock, this.limits, (effect) => {
      this.#emit(effect);
    });
    const queue = new Queue(QUEUE, 's:s', this.limits, commits);
    for (const { block, count, first } of this.disk.recovered(QUEUE)) {
      queue.recover(block, count, first);
      commits.recover(block);
    }
    const delivery = new SubscriptionDelivery(this.subscription, queue, {
      limits: this.limits,
      counters: this.counters,
      random: this.#random,
      emit: (effect) => {
        this.#emit(effect);
      },
      deadLetter: (_, { event }, reason) => void this.deadLetters.push({ event, reason }),
      timed: this.timed,
      pulls: this.pulls,
    });
    return [commits, queue, delivery];
  }

  #emit(effect: Effect): void {
    if (effect.kind === 'append') this.#writing = effect;
    else if (effect.kind === 'load') this.#loads.push(effect);
    else if (effect.kind === 'deliver') {
      for (const delivery of effect.deliveries)
        this.delivered.push({ to: `session ${effect.session}`, delivery });
    } else if (effect.kind === 'reply' && effect.reply.kind === 'pulled') {
      this.replies.push({ request: effect.request, deliveries: effect.reply.deliveries });
      for (const delivery of effect.reply.deliveries) this.delivered.push({ to: 'pull', delivery });
    }
  }

  /** Loses what is in memory; what was being written is not on disk. */
  crash(): void {
    this.#writing = undefined;
    this.#loads = [];
    this.delivered = [];
    this.timed.clear();
    this.pulls.clear();
    [this.commits, this.queue, this.delivery] = this.#open();
  }

  replace(settings: Partial<DeliverySettings>): void {
    this.subscription = this.#subscription({ ...this.subscription.delivery, ...settings });
    this.delivery.replace(this.subscription);
    this.delivery.pump(this.now);
  }

  store(parts: EventParts = {}): StoredEvent {
    const event = storedEvent({ bytes: 16, ...parts, sequence: ++this.#sequence });
    this.commits.offer(event);
    this.commits.want(this.queue);
    return event;
  }

  flush(): boolean {
    const before = this.#writing;
    this.commits.flush(true);
    return this.#writing !== before;
  }

  /** The batch is on disk. */
  appended(): void {
    const append = this.#writing;
    if (!append) return;
    this.#writing = undefined;
    this.disk.apply(append.ops);
    for (const queue of this.commits.appended(append.batch))
      if (queue === this.queue) this.delivery.pump(this.now);
  }

  get writing(): boolean {
    return this.#writing !== undefined;
  }

  loaded(): boolean {
    const load = this.#loads.shift();
    if (!load) return false;
    this.queue.loaded(this.disk.load(load.queue, load.blocks));
    this.delivery.pump(this.now);
    return true;
  }

  /** Writes and reads all there is to write and read. */
  settleDisk(): void {
    for (;;) {
      this.flush();
      if (this.writing) this.appended();
      else if (!this.loaded()) return;
    }
  }

  /** Stores events and waits for the disk. */
  publish(count: number, parts: EventParts = {}): StoredEvent[] {
    const events = Array.from({ length: count }, () => this.store(parts));
    this.settleDisk();
    return events;
  }

  attach(session: number, credit = 1_000, resumeAfter?: string): void {
    this.delivery.attach(session, credit, resumeAfter === undefined ? undefined : parseToken(resumeAfter));
    this.delivery.pump(this.now);
  }

  detach(session: number): void {
    this.delivery.detach(session);
    this.delivery.pump(this.now);
  }

  pull(request: number, max = 1_000, waitMs = 0): void {
    this.delivery.pull(request, max, this.now.monotonic + waitMs);
    this.delivery.pump(this.now);
  }

  ack(...tokens: string[]): string[] {
    return this.#pumped(this.settleAll(tokens, (token) => ({ kind: 'ack', token })));
  }

  retry(token: string, delayMs?: number): string[] {
    return this.#pumped(this.settle(token, (parsed) => ({ kind: 'retry', token: parsed, delayMs })));
  }

  reject(token: string): string[] {
    return this.#pumped(this.settle(token, (parsed) => ({ kind: 'reject', token: parsed, reason: 'no' })));
  }

  #pumped(stale: string[]): string[] {
    this.delivery.pump(this.now);
    return stale;
  }

  settle(token: string, settle: (token: DeliveryToken) => Settlement): string[] {
    return this.settleAll([token], settle);
  }

  /** Tokens as clients have them, as text; those that name nothing come back. */
  settleAll(tokens: readonly string[], settle: (token: DeliveryToken) => Settlement): string[] {
    const given = tokens.map((text) => {
      const token = parseToken(text);
      return { text, settlement: token && settle(token) };
    });
    const settlements = given.flatMap(({ settlement }) => settlement ?? []);
    const stale = new Set(this.delivery.settle(settlements, this.now));
    return given.flatMap(({ text, settlement }) => (!settlement || stale.has(settlement) ? text : []));
  }

  pass(ms: number): void {
    this.now.monotonic += ms;
    this.now.wall += ms;
    for (const delivery of this.timed) if (!delivery.tick(this.now)) this.timed.delete(delivery);
  }

  /** Sequences and tokens delivered since the last call. */
  take(): { sequence: number; token: string; attempt: number; to: string }[] {
    return this.delivered.splice(0).map(({ to, delivery }) => ({
      sequence: delivery.event.sequence,
      token: formatToken(delivery.token),
      attempt: delivery.attempt,
      to,
    }));
  }

  sequences(): number[] {
    return this.take().map(({ sequence }) => sequence);
  }

  /** Sequences the queue still wants, as the disk has it. */
  onDisk(): number[] {
    return this.disk.wanted(QUEUE).map(({ sequence }) => sequence);
  }
}
