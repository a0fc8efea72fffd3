// A front door with nothing behind it but memory: one mesher, no disk, no peers, time by hand. It keeps what the port
// promises as simply as can be, so that bridges are tested against the promises rather than against the core.

import { isDeepStrictEqual } from 'node:util';
import type { CloudEvent } from '../../node/core/cloud-event.ts';
import { checkCloudEvents } from '../../node/core/cloud-event-check.ts';
import type { PublishResult, Settlement } from '../../node/core/delivery-types.ts';
import { NO_TOKEN, type DeliveryToken } from '../../node/core/delivery-token.ts';
import { encodeRecord } from '../../node/core/event-record.ts';
import { MeshError } from '../../node/core/errors.ts';
import type { DeadLetter, StoredEvent } from '../../node/core/event.ts';
import type {
  DecodedDelivery,
  FrontDoor,
  PublishOptions,
  EncodedBatch,
  Session,
  SessionEvents,
  Settled,
} from '../../node/core/ports.ts';
import type { Subscription, SubscriptionState } from '../../node/core/subscription.ts';
import { eventsOfBatch } from '../../node/wire/cloud-event-batch.ts';
import { decodeCloudEvent, encodeCloudEvent } from '../../node/wire/cloud-event-protobuf.ts';
import { WireError } from '../../node/wire/wire-error.ts';
import { LIMITS } from '../../node/core/limits.ts';
import { checkFilter, checkTopic, matches, topicOfType } from '../../node/core/topic.ts';

interface Entry {
  readonly event: StoredEvent;
  attempt: number;
  /** NO_TOKEN while it waits. */
  token: DeliveryToken;
  holder: FakeSession | undefined;
  notBefore: number;
}

interface Queue {
  subscription: Subscription;
  readonly entries: Entry[];
  readonly sessions: Set<FakeSession>;
}

interface FakeSession extends Session {
  credit: number;
  readonly events: SessionEvents;
}

interface Ephemeral {
  readonly topic: string;
  credit: number;
  readonly waiting: StoredEvent[];
  readonly events: SessionEvents;
}

export class FakeFrontDoor implements FrontDoor {
  readonly node = '12D3KooWFake';
  readonly cluster = 'test';
  readonly federation = 'acme';
  /** Thrown by the next `publish`, once. */
  failNext: MeshError | undefined;
  /** Milliseconds; moved by `tick`. */
  now = 0;
  readonly published: { event: CloudEvent; options: PublishOptions }[] = [];
  readonly settlements: (Settlement & { readonly name: string })[] = [];
  readonly deadLetters: { event: StoredEvent; reason: string }[] = [];
  readonly ephemerals = new Set<Ephemeral>();
  dropped = 0;
  /** Pulls that were told to wait no longer. */
  pullsAborted = 0;
  #sequence = 0;
  #tokens = 0;
  readonly #queues = new Map<string, Queue>();
  readonly #decoded = new WeakMap<StoredEvent, CloudEvent>();
  readonly #sinkListeners = new Set<(name: string, subscription: Subscription | undefined) => void>();
  readonly #pulls = new Set<() => void>();
  /** Entries that wait, by the token under which a session that is gone had them. */
  readonly #left = new Map<DeliveryToken, { entry: Entry; session: FakeSession }>();

  async publish(events: readonly CloudEvent[], options: PublishOptions): Promise<PublishResult[]> {
    const failure = this.failNext;
    this.failNext = undefined;
    if (failure) throw failure;
    if (options.topic !== undefined) checkTopic(options.topic, LIMITS);
    checkCloudEvents(events);
    return events.map((event) => this.#accept(event, options));
  }

  async publishEncoded(
    { bytes, topics }: EncodedBatch,
    { report, ...asked }: Omit<PublishOptions, 'topic'> & { readonly report: boolean },
  ): Promise<PublishResult[]> {
    const places = readable(() => eventsOfBatch(bytes));
    const named = topics.flatMap(({ count, topic }) => Array.from({ length: count }, () => topic));
    const results: PublishResult[] = [];
    for (const [i, topic] of named.entries()) {
      const event = readable(() => decodeCloudEvent(bytes.subarray(places[2 * i], places[2 * i + 1])));
      results.push(...(await this.publish([event], { ...asked, topic: topic === '' ? undefined : topic })));
    }
    return report ? results : [];
  }

  #accept(event: CloudEvent, options: PublishOptions): PublishResult {
    this.published.push({ event, options });
    const stored = this.store(event, options.topic ?? topicOfType(event.type));
    let subscriptions = 0;
    for (const queue of this.#queues.values()) {
      if (!matches(queue.subscription.topic, stored.topic)) continue;
      subscriptions += 1;
      queue.entries.push({ event: stored, attempt: 0, token: NO_TOKEN, holder: undefined, notBefore: 0 });
      this.#pump(queue);
    }
    for (const ephemeral of this.ephemerals) {
      if (!matches(ephemeral.topic, stored.topic)) continue;
      subscriptions += 1;
      ephemeral.waiting.push(stored);
      if (ephemeral.waiting.length > 16) {
        ephemeral.waiting.shift();
        this.dropped += 1;
      }
      this.#pumpEphemeral(ephemeral);
    }
    for (const wake of this.#pulls) wake();
    const { source, id } = event;
    return {
      source,
      id,
      origin: this.node,
      sequence: stored.sequence,
      destinations: { subscriptions, meshers: [], clusters: [] },
    };
  }

  /** A stored event with nothing encoded in it: what is delivered has the same CloudEvent as it was published with. */
  store(event: CloudEvent, topic: string, deadLetter?: DeadLetter): StoredEvent {
    this.#sequence += 1;
    const stored = encodeRecord(
      { topic, expiresAt: 0, key: '', hash: 0, cloudEvent: encodeCloudEvent(event) },
      {
        origin: this.node,
        incarnation: 1,
        sequence: this.#sequence,
        acceptedAt: 1_700_000_000_000,
        path: [this.cluster],
        deadLetter,
      },
    );
    this.#decoded.set(stored, event);
    return stored;
  }

  putSubscription(subscription: Subscription): Promise<{ created: boolean; state: SubscriptionState }> {
    const old = this.#queues.get(subscription.name);
    const queue = old ?? { subscription, entries: [], sessions: new Set<FakeSession>() };
    queue.subscription = subscription;
    this.#queues.set(subscription.name, queue);
    if (old) this.#closeSessions(old, 'replaced');
    for (const listener of this.#sinkListeners)
      listener(subscription.name, subscription.sink === undefined ? undefined : subscription);
    return Promise.resolve({ created: old === undefined, state: this.#stateOf(queue) });
  }

  async deleteSubscription(name: string): Promise<void> {
    const queue = this.#queue(name);
    this.#queues.delete(name);
    this.#closeSessions(queue, 'deleted');
    for (const listener of this.#sinkListeners) listener(name, undefined);
  }

  subscription(name: string): SubscriptionState | undefined {
    const queue = this.#queues.get(name);
    return queue && this.#stateOf(queue);
  }

  /** Of subscriptions that were made elsewhere, by `madeOn`: their name here, or why they are not here. */
  readonly elsewhere = new Map<string, string | MeshError>();

  nameHere(name: string, madeOn: string): string {
    const known = this.elsewhere.get(madeOn) ?? name;
    if (typeof known === 'string') return known;
    throw known;
  }

  neighbours(): { node: string; http: string }[] {
    return [];
  }

  subscriptions(): SubscriptionState[] {
    return [...this.#queues.values()].map((queue) => this.#stateOf(queue));
  }

  attach(
    name: string,
    options: { credit: number; resumeAfter?: DeliveryToken },
    events: SessionEvents,
  ): Session {
    const queue = this.#queue(name);
    if (options.resumeAfter) this.#resume(queue, options.resumeAfter);
    const session: FakeSession = {
      credit: options.credit,
      events,
      grant: (count) => {
        session.credit += count;
        this.#pump(queue);
      },
      close: () => {
        queue.sessions.delete(session);
        this.#giveBack(queue, session);
        this.#pump(queue);
      },
    };
    queue.sessions.add(session);
    this.#pump(queue);
    return session;
  }

  attachEphemeral(
    topic: string,
    options: { credit: number; group?: string },
    events: SessionEvents,
  ): Session {
    const ephemeral: Ephemeral = {
      topic: checkFilter(topic, LIMITS),
      credit: options.credit,
      waiting: [],
      events,
    };
    this.ephemerals.add(ephemeral);
    return {
      grant: (count) => {
        ephemeral.credit += count;
        this.#pumpEphemeral(ephemeral);
      },
      close: () => void this.ephemerals.delete(ephemeral),
    };
  }

  async pull(
    name: string,
    options: { max: number; waitMs: number; signal?: AbortSignal },
  ): Promise<DecodedDelivery[]> {
    const queue = this.#queue(name);
    const first = this.#take(queue, options.max, undefined);
    if (first.length > 0 || options.waitMs === 0 || options.signal?.aborted) return first;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#pulls.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, options.waitMs);
      this.#pulls.add(wake);
      options.signal?.addEventListener('abort', wake);
    });
    if (!options.signal?.aborted) return this.#take(queue, options.max, undefined);
    this.pullsAborted += 1;
    return [];
  }

  get pullsWaiting(): number {
    return this.#pulls.size;
  }

  settle(name: string, settlements: readonly Settlement[]): Promise<Settled> {
    const queue = this.#queues.get(name);
    if (!queue) return Promise.reject(notFound(name));
    const stale: Settlement[] = [];
    for (const settlement of settlements) {
      const at = queue.entries.findIndex(
        ({ token }) => token.index !== 0 && isDeepStrictEqual(token, settlement.token),
      );
      const entry = queue.entries[at];
      if (!entry) {
        stale.push(settlement);
        continue;
      }
      this.settlements.push({ ...settlement, name });
      if (settlement.kind === 'reject')
        this.deadLetters.push({ event: entry.event, reason: settlement.reason });
      if (settlement.kind === 'retry') {
        Object.assign(entry, {
          token: NO_TOKEN,
          holder: undefined,
          notBefore: this.now + (settlement.delayMs ?? queue.subscription.delivery.backoffMs),
        });
      } else queue.entries.splice(at, 1);
    }
    this.#pump(queue);
    return Promise.resolve({ settled: settlements.length - stale.length, stale });
  }

  #decode(event: StoredEvent): CloudEvent {
    const decoded = this.#decoded.get(event);
    if (!decoded) throw new Error('this event was not published here');
    return decoded;
  }

  watchSinks(
    listener: (name: string, subscription: Subscription | undefined) => void,
    signal: AbortSignal,
  ): void {
    this.#sinkListeners.add(listener);
    signal.addEventListener('abort', () => this.#sinkListeners.delete(listener));
    for (const { subscription } of this.#queues.values()) {
      if (subscription.sink !== undefined) listener(subscription.name, subscription);
    }
  }

  /** Lets time pass, for retries. */
  tick(ms: number): void {
    this.now += ms;
    for (const queue of this.#queues.values()) this.#pump(queue);
  }

  #queue(name: string): Queue {
    const queue = this.#queues.get(name);
    if (!queue) throw notFound(name);
    return queue;
  }

  #stateOf({ subscription, entries, sessions }: Queue): SubscriptionState {
    const inFlight = entries.filter(({ token }) => token.index !== 0).length;
    return {
      subscription,
      depth: entries.length,
      inFlight,
      sessions: sessions.size,
      oldestAcceptedAt: entries[0]?.event.acceptedAt ?? 0,
    };
  }

  #take(queue: Queue, max: number, holder: FakeSession | undefined): DecodedDelivery[] {
    let room = queue.subscription.delivery.maxInFlight - this.#stateOf(queue).inFlight;
    const taken: DecodedDelivery[] = [];
    for (const entry of queue.entries) {
      if (taken.length >= max || room <= 0) break;
      if (entry.token.index !== 0 || entry.notBefore > this.now) continue;
      for (const [token, left] of this.#left) if (left.entry === entry) this.#left.delete(token);
      this.#tokens += 1;
      room -= 1;
      Object.assign(entry, {
        token: { ...NO_TOKEN, queue: 1, index: this.#tokens },
        attempt: entry.attempt + 1,
        holder,
      });
      const { event, token, attempt } = entry;
      taken.push({ event, token, attempt, content: this.#decode(event) });
    }
    return taken;
  }

  #pump(queue: Queue): void {
    // In turns: the one that got something goes to the end of the line.
    for (const session of Array.from(queue.sessions)) {
      const deliveries = this.#take(queue, session.credit, session);
      session.credit -= deliveries.length;
      if (deliveries.length === 0) continue;
      if (queue.sessions.delete(session)) queue.sessions.add(session);
      hand(session.events, deliveries);
    }
  }

  #pumpEphemeral(ephemeral: Ephemeral): void {
    const deliveries = ephemeral.waiting
      .splice(0, ephemeral.credit)
      .map((event) => ({ event, token: NO_TOKEN, attempt: 1, content: this.#decode(event) }));
    ephemeral.credit -= deliveries.length;
    if (deliveries.length > 0) hand(ephemeral.events, deliveries);
  }

  /** What the token's session had up to it, and nobody was handed since. */
  #resume(queue: Queue, token: DeliveryToken): void {
    const last = [...this.#left].find(([left]) => isDeepStrictEqual(left, token))?.[1];
    if (!last) return;
    for (const [other, { entry, session }] of this.#left) {
      if (session !== last.session || other.index > token.index) continue;
      this.#left.delete(other);
      queue.entries.splice(queue.entries.indexOf(entry), 1);
    }
  }

  /** What a session leaves keeps its token until it is delivered again: that is what `resumeAfter` names. */
  #giveBack(queue: Queue, session: FakeSession): void {
    for (const entry of queue.entries) {
      if (entry.holder !== session) continue;
      entry.holder = undefined;
      this.#left.set(entry.token, { entry, session });
      entry.token = NO_TOKEN;
    }
  }

  #closeSessions(queue: Queue, reason: 'deleted' | 'replaced'): void {
    for (const session of queue.sessions) {
      queue.sessions.delete(session);
      this.#giveBack(queue, session);
      session.events.closed(reason);
    }
  }
}

function hand(events: SessionEvents, deliveries: readonly DecodedDelivery[]): void {
  if ('deliver' in events) events.deliver(deliveries);
  else events.deliverEncoded(deliveries);
}

/** What is no Protobuf is refused as what is no event. */
function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw new MeshError('invalid-event', error.message, { cause: error });
  }
}

function notFound(name: string): MeshError {
  return new MeshError('subscription-not-found', `there is no subscription '${name}' on this mesher`, {
    details: { name },
  });
}
