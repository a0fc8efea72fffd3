// The mesher's one way in for bridges: validate, limit, encode, then hand to the core. (Authentication and
// authorisation will stand before these.) Bridges translate; what an event or a subscription may be is decided here.

import { checkCloudEvents, invalidEvent } from './core/cloud-event-check.ts';
import { isJsonContentType, type CloudEvent } from './core/cloud-event.ts';
import { contentTypeOf } from './core/cloud-event-json.ts';
import { MeshError } from './core/errors.ts';
import { hash32, type NewEvent } from './core/event.ts';
import type { Limits } from './core/limits.ts';
import type { MesherCore } from './core/mesher-core.ts';
import type {
  DecodedDelivery,
  Delivery,
  FrontDoor,
  PublishOptions,
  PublishResult,
  Session,
  SessionEvents,
  Settlement,
} from './core/ports.ts';
import type { SessionId } from './core/steps.ts';
import { DEAD_LETTERS, type Subscription, type SubscriptionState } from './core/subscription.ts';
import { checkFilter, checkTopic, topicOfType } from './core/topic.ts';
import type { Driver } from './driver.ts';
import { decodeCloudEvent, encodeCloudEvent } from './wire/cloud-event-protobuf.ts';

type SinkListener = (name: string, subscription: Subscription | undefined) => void;

export class MesherDoor implements FrontDoor {
  readonly node: string;
  readonly cluster: string;
  readonly federation: string;
  readonly #core: () => MesherCore;
  readonly #driver: () => Driver;
  readonly #limits: Limits;
  #isOpen = false;
  /** Not answered yet. */
  #pulls = 0;
  readonly #sinkListeners = new Set<SinkListener>();

  /** `core` and `driver` throw `not-ready` as long as the mesher is starting. */
  constructor(
    options: { node: string; cluster: string; federation: string; limits: Limits },
    core: () => MesherCore,
    driver: () => Driver,
  ) {
    this.node = options.node;
    this.cluster = options.cluster;
    this.federation = options.federation;
    this.#limits = options.limits;
    this.#core = core;
    this.#driver = driver;
  }

  async publish(events: readonly CloudEvent[], options: PublishOptions): Promise<PublishResult[]> {
    const driver = this.#driver();
    const { batchEventsMax, batchBytesMax } = this.#limits;
    if (events.length > batchEventsMax) {
      throw new MeshError(
        'batch-too-large',
        `the batch has ${events.length} events, the limit is ${batchEventsMax}; send it in parts`,
        { details: { limit: batchEventsMax } },
      );
    }
    checkCloudEvents(events);
    if (options.topic !== undefined) checkTopic(options.topic, this.#limits);
    const encoded = events.map((event, index) =>
      this.#encode(event, options.topic, events.length > 1 ? index : undefined),
    );
    const bytes = encoded.reduce((sum, event) => sum + event.cloudEvent.length, 0);
    if (bytes > batchBytesMax) {
      throw new MeshError(
        'batch-too-large',
        `the batch has ${bytes} bytes, the limit is ${batchBytesMax}; send it in parts`,
        { details: { limit: batchBytesMax } },
      );
    }
    const reply = await driver.request((request) => ({
      kind: 'publish',
      request,
      qos: options.qos,
      events: encoded,
    }));
    if (reply.kind !== 'published') throw unexpected(reply.kind);
    return reply.results.map(({ sequence, destinations }, i) => ({
      source: events[i]?.source ?? '',
      id: events[i]?.id ?? '',
      origin: this.node,
      sequence,
      destinations,
    }));
  }

  #encode(event: CloudEvent, topic: string | undefined, index: number | undefined): NewEvent {
    const cloudEvent = encodeCloudEvent(event);
    const { eventBytesMax } = this.#limits;
    const which = index === undefined ? 'the event' : `event ${index}`;
    if (cloudEvent.length > eventBytesMax) {
      throw new MeshError(
        'event-too-large',
        `${which} has ${cloudEvent.length} bytes, the limit is ${eventBytesMax}`,
        {
          details: { limit: eventBytesMax, ...(index === undefined ? {} : { index }) },
        },
      );
    }
    const key = textAttribute(event, 'partitionkey');
    const { keyBytesMax } = this.#limits;
    if (Buffer.byteLength(key) > keyBytesMax)
      throw invalidEvent(
        'partitionkey',
        `it has ${Buffer.byteLength(key)} bytes, the limit is ${keyBytesMax}`,
        index,
      );
    const expiry = Date.parse(textAttribute(event, 'expirytime'));
    return {
      topic: topic ?? this.#topicOf(event.type, which),
      expiresAt: Number.isNaN(expiry) ? 0 : Math.max(1, expiry),
      key,
      hash: hash32(key === '' ? event.id : key),
      cloudEvent,
    };
  }

  #topicOf(type: string, which: string): string {
    try {
      return checkTopic(topicOfType(type), this.#limits);
    } catch (cause) {
      const why = cause instanceof MeshError ? cause.message : String(cause);
      throw new MeshError(
        'invalid-topic',
        `${which} names no topic, and its type ${JSON.stringify(type.slice(0, 80))} makes none (${why}); name one with ?topic=`,
        { cause },
      );
    }
  }

  async putSubscription(subscription: Subscription): Promise<{ created: boolean; state: SubscriptionState }> {
    checkFilter(subscription.topic, this.#limits);
    const reply = await this.#driver().request((request) => ({
      kind: 'put-subscription',
      request,
      subscription,
    }));
    if (reply.kind !== 'put') throw unexpected(reply.kind);
    return { created: reply.created, state: reply.state };
  }

  async deleteSubscription(name: string): Promise<void> {
    if (name === DEAD_LETTERS)
      throw new MeshError(
        'method-not-allowed',
        `${DEAD_LETTERS} is always there and cannot be deleted; pull its events and settle them to empty it`,
        { details: { name } },
      );
    await this.#driver().request((request) => ({ kind: 'delete-subscription', request, name }));
  }

  subscription(name: string): SubscriptionState | undefined {
    return this.#core().subscriptions.get(name)?.state();
  }

  subscriptions(): SubscriptionState[] {
    return this.#core()
      .subscriptions.all()
      .map((delivery) => delivery.state());
  }

  attach(name: string, options: { credit: number; resumeAfter?: string }, events: SessionEvents): Session {
    const { credit, resumeAfter } = options;
    if (!this.#core().subscriptions.get(name))
      throw new MeshError(
        'subscription-not-found',
        `there is no subscription ${JSON.stringify(name)} on this mesher`,
      );
    this.#checkSessions();
    return this.#session(name, events, (session) => ({
      kind: 'attach',
      session,
      name,
      credit,
      resumeAfter,
    }));
  }

  attachEphemeral(
    topic: string,
    options: { credit: number; group?: string },
    events: SessionEvents,
  ): Session {
    checkFilter(topic, this.#limits);
    this.#checkSessions();
    const { credit, group = '' } = options;
    return this.#session(undefined, events, (session) => ({
      kind: 'attach-ephemeral',
      session,
      filter: topic,
      group,
      credit,
    }));
  }

  #checkSessions(): void {
    const { sessionsMax } = this.#limits;
    if (this.#driver().sessions + this.#pulls >= sessionsMax)
      throw new MeshError(
        'overloaded',
        `this mesher serves ${sessionsMax} streams and pulls; end one, or use another mesher`,
      );
  }

  /** `name`: of the durable subscription; undefined: nothing is to be settled. */
  #session(
    name: string | undefined,
    events: SessionEvents,
    make: Parameters<Driver['openSession']>[1],
  ): Session {
    const driver = this.#driver();
    const session: SessionId = driver.openSession(
      {
        deliver: (deliveries) => {
          const decoded = this.#decode(name, deliveries);
          const refused = deliveries.length - decoded.length;
          if (refused > 0) driver.input({ kind: 'grant', session, count: refused });
          if (decoded.length > 0) events.deliver(decoded);
        },
        closed: (reason) => events.closed(reason),
      },
      make,
    );
    return {
      grant: (count) => driver.input({ kind: 'grant', session, count }),
      close: () => driver.closeSession(session),
    };
  }

  async pull(
    name: string,
    { max, waitMs, signal }: { max: number; waitMs: number; signal?: AbortSignal },
  ): Promise<DecodedDelivery[]> {
    const driver = this.#driver();
    this.#checkSessions();
    this.#pulls++;
    try {
      const until = driver.now().monotonic + waitMs;
      while (!signal?.aborted) {
        const leftMs = Math.max(0, until - driver.now().monotonic);
        const reply = await driver.request(
          (request) => ({ kind: 'pull', request, name, max, waitMs: leftMs }),
          signal,
        );
        if (reply.kind !== 'pulled') throw unexpected(reply.kind);
        const decoded = this.#decode(name, reply.deliveries);
        // where nothing of what came can be decoded, there may be more behind it
        if (decoded.length > 0 || reply.deliveries.length === 0) return decoded;
      }
      return [];
    } finally {
      this.#pulls--;
    }
  }

  /** Those of them that can be decoded; the others are rejected. */
  #decode(name: string | undefined, deliveries: readonly Delivery[]): DecodedDelivery[] {
    const decoded: DecodedDelivery[] = [];
    const rejects: Settlement[] = [];
    for (const delivery of deliveries) {
      try {
        decoded.push({ ...delivery, content: readContent(delivery.event.cloudEvent) });
      } catch (error) {
        // whatever it is, these bytes are to blame, and another's deliveries are not to suffer from them
        const reason = error instanceof Error ? error.message : String(error);
        rejects.push({ kind: 'reject', token: delivery.token, reason, undecodable: true });
      }
    }
    if (rejects.length > 0) this.#reject(name, rejects);
    return decoded;
  }

  #reject(name: string | undefined, rejects: readonly Settlement[]): void {
    if (name === undefined) {
      this.#core().counters.add('events_dropped_total', rejects.length, 'undecodable');
      return;
    }
    // Fails where the subscription was deleted, or the mesher stops: they go with their queue, or are found out again.
    this.settle(name, rejects).catch(() => undefined);
  }

  async settle(
    name: string,
    settlements: readonly Settlement[],
  ): Promise<{ settled: number; stale: string[] }> {
    const reply = await this.#driver().request((request) => ({ kind: 'settle', request, name, settlements }));
    if (reply.kind !== 'settled') throw unexpected(reply.kind);
    return { settled: reply.settled, stale: [...reply.stale] };
  }

  watchSinks(listener: SinkListener, signal: AbortSignal): void {
    this.#sinkListeners.add(listener);
    signal.addEventListener('abort', () => this.#sinkListeners.delete(listener), { once: true });
    if (this.#isOpen) this.#tellSinks([listener]);
  }

  /** The core runs: whoever watched sinks before hears of those that were found on disk. */
  open(): void {
    this.#isOpen = true;
    this.#tellSinks(this.#sinkListeners);
  }

  #tellSinks(listeners: Iterable<SinkListener>): void {
    const sinks = this.subscriptions().filter(({ subscription }) => subscription.sink !== undefined);
    for (const listener of listeners)
      for (const { subscription } of sinks) listener(subscription.name, subscription);
  }

  sinkChanged(name: string, subscription: Subscription | undefined): void {
    for (const listener of this.#sinkListeners) listener(name, subscription);
  }
}

/**
 * Throws for what is no CloudEvent: a landed event holds whatever a member of the federation put into it. JSON is looked at,
 * since it goes out as it is, in one text with other events.
 */
function readContent(bytes: Uint8Array): CloudEvent {
  const event = decodeCloudEvent(bytes);
  if (event.data?.type === 'text' && isJsonContentType(contentTypeOf(event))) JSON.parse(event.data.value);
  return event;
}

/** An attribute that is text, or ''. */
function textAttribute(event: CloudEvent, name: string): string {
  const attribute = event.attributes.get(name);
  return attribute && typeof attribute.value === 'string' ? attribute.value : '';
}

function unexpected(kind: string): MeshError {
  return new MeshError('internal', `the core replied ${kind}`);
}
