// The mesher's one way in for bridges: validate, limit, encode, then hand to the core. (Authentication and
// authorisation will stand before these.) Bridges translate; what an event or a subscription may be is decided here.

import { Admission, namesInBatch } from './admission.ts';
import { isJsonContentType, type CloudEvent } from './core/cloud-event.ts';
import { contentTypeOf } from './core/cloud-event-json.ts';
import { type ErrorCode, MeshError } from './core/errors.ts';
import type { DeliveryToken } from './core/delivery-token.ts';
import type { NewEvent, StoredEvent } from './core/event.ts';
import type { Limits } from './core/limits.ts';
import type { MesherCore } from './core/mesher-core.ts';
import type {
  DecodedDelivery,
  Delivery,
  EncodedBatch,
  FrontDoor,
  PublishOptions,
  PublishResult,
  Session,
  SessionEvents,
  Settled,
  Settlement,
} from './core/ports.ts';
import type { Reply, SessionId } from './core/steps.ts';
import { DEAD_LETTERS, type Subscription, type SubscriptionState } from './core/subscription.ts';
import { checkFilter } from './core/topic.ts';
import type { Neighbour } from './core/views.ts';
import { nameHere, neighboursOf } from './core/whereabouts.ts';
import type { Driver } from './driver.ts';
import type { Named } from './wire/event-names.ts';
import { decodeCloudEvent } from './wire/cloud-event-protobuf.ts';
import { CloudEventScanner } from './wire/cloud-event-scan.ts';

/** Told of events that go no further, for whoever asks why. */
export interface DoorWitness {
  /** Nothing of a request was taken. The names may be those of no event: nobody has checked them. */
  refused(events: readonly Named[], code: ErrorCode): void;
  /** An ephemeral subscriber could not be given it. */
  undecodable(event: StoredEvent): void;
}

const NOBODY: DoorWitness = { refused: () => undefined, undecodable: () => undefined };

type SinkListener = (name: string, subscription: Subscription | undefined) => void;

export class MesherDoor implements FrontDoor {
  readonly node: string;
  readonly cluster: string;
  readonly federation: string;
  readonly #core: () => MesherCore;
  readonly #driver: () => Driver;
  readonly #limits: Limits;
  readonly #admission: Admission;
  readonly #witness: DoorWitness;
  #isOpen = false;
  /** Not answered yet. */
  #pulls = 0;
  readonly #scanner = new CloudEventScanner();
  /** Checked in this turn: the same events often go to many. */
  #lastGood: readonly Delivery[] = [];
  readonly #sinkListeners = new Set<SinkListener>();

  /** `core` and `driver` throw `not-ready` as long as the mesher is starting. */
  constructor(
    options: { node: string; cluster: string; federation: string; limits: Limits },
    core: () => MesherCore,
    driver: () => Driver,
    witness: DoorWitness = NOBODY,
  ) {
    this.node = options.node;
    this.cluster = options.cluster;
    this.federation = options.federation;
    this.#limits = options.limits;
    this.#admission = new Admission(options.limits);
    this.#witness = witness;
    this.#core = core;
    this.#driver = driver;
  }

  async publish(events: readonly CloudEvent[], options: PublishOptions): Promise<PublishResult[]> {
    try {
      const driver = this.#driver();
      const results = await this.#hand(driver, this.#admission.admit(events, options.topic), options, true);
      return results.map(({ sequence, destinations }, i) => ({
        source: events[i]?.source ?? '',
        id: events[i]?.id ?? '',
        origin: this.node,
        sequence,
        destinations,
      }));
    } catch (error) {
      if (error instanceof MeshError) this.#witness.refused(events, error.code);
      throw error;
    }
  }

  async publishEncoded(
    batch: EncodedBatch,
    { report, ...asked }: Omit<PublishOptions, 'topic'> & { readonly report: boolean },
  ): Promise<PublishResult[]> {
    try {
      const driver = this.#driver();
      const events = this.#admission.admitEncoded(batch);
      const results = await this.#hand(driver, events, asked, report);
      return results.map(({ sequence, destinations }, i) => {
        const { source, id } = decodeCloudEvent(events[i]?.cloudEvent ?? batch.bytes);
        return { source, id, origin: this.node, sequence, destinations };
      });
    } catch (error) {
      if (error instanceof MeshError) this.#witness.refused(namesInBatch(batch.bytes), error.code);
      throw error;
    }
  }

  /** Results are empty unless `report`. */
  async #hand(
    driver: Driver,
    events: readonly NewEvent[],
    { qos, replicas }: Pick<PublishOptions, 'qos' | 'replicas'>,
    report: boolean,
  ): Promise<Extract<Reply, { kind: 'published' }>['results']> {
    const reply = await driver.request((request) => ({
      kind: 'publish',
      request,
      qos,
      report,
      events,
      ...(replicas !== undefined && { replicas }),
    }));
    if (reply.kind !== 'published') throw unexpected(reply.kind);
    return reply.results;
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

  nameHere(name: string, madeOn: string): string {
    return nameHere(this.#core(), name, madeOn, this.#driver().now());
  }

  neighbours(): Neighbour[] {
    try {
      return neighboursOf(this.#core());
    } catch (error) {
      if (error instanceof MeshError) return []; // it serves nobody yet, and whoever connects is told so by what it asks for
      throw error;
    }
  }

  subscriptions(): SubscriptionState[] {
    return this.#core()
      .subscriptions.all()
      .map((delivery) => delivery.state());
  }

  attach(
    name: string,
    options: { credit: number; resumeAfter?: DeliveryToken },
    events: SessionEvents,
  ): Session {
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
          const given =
            'deliver' in events
              ? handTo(this.#decode(name, deliveries), (good) => events.deliver(good))
              : handTo(this.#check(name, deliveries), (good) => events.deliverEncoded(good));
          const refused = deliveries.length - given;
          if (refused > 0) driver.input({ kind: 'grant', session, count: refused });
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
    for (const delivery of deliveries) {
      try {
        decoded.push({ ...delivery, content: readContent(delivery.event.cloudEvent) });
      } catch (error) {
        this.#reject(name, delivery, error);
      }
    }
    return decoded;
  }

  /** Those of them whose bytes are a CloudEvent; the others are rejected. */
  #check(name: string | undefined, deliveries: readonly Delivery[]): readonly Delivery[] {
    if (deliveries.every(({ event }, i) => event === this.#lastGood[i]?.event)) return deliveries;
    const bad = new Set<Delivery>();
    for (const delivery of deliveries) {
      const { cloudEvent } = delivery.event;
      const buffer = Buffer.from(cloudEvent.buffer, cloudEvent.byteOffset, cloudEvent.byteLength);
      if (this.#scanner.scan(buffer, 0, buffer.length)) continue;
      try {
        decodeCloudEvent(cloudEvent);
      } catch (error) {
        bad.add(delivery);
        this.#reject(name, delivery, error);
      }
    }
    if (bad.size > 0) return deliveries.filter((delivery) => !bad.has(delivery));
    if (this.#lastGood.length === 0) queueMicrotask(() => (this.#lastGood = []));
    this.#lastGood = deliveries;
    return deliveries;
  }

  /** Whatever the error is, the event's bytes are to blame, and others' deliveries are not to suffer from them. */
  #reject(name: string | undefined, { event, token }: Delivery, error: unknown): void {
    if (name === undefined) {
      this.#core().counters.add('events_dropped_total', 1, 'undecodable');
      this.#witness.undecodable(event);
      return;
    }
    const reason = error instanceof Error ? error.message : String(error);
    // Fails where the subscription was deleted, or the mesher stops: it goes with its queue, or is found out again.
    this.settle(name, [{ kind: 'reject', token, reason, undecodable: true }]).catch(() => undefined);
  }

  async settle(name: string, settlements: readonly Settlement[]): Promise<Settled> {
    const reply = await this.#driver().request((request) => ({ kind: 'settle', request, name, settlements }));
    if (reply.kind !== 'settled') throw unexpected(reply.kind);
    return { settled: reply.settled, stale: reply.stale };
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

/** How many there were. */
function handTo<T>(deliveries: readonly T[], take: (deliveries: readonly T[]) => void): number {
  if (deliveries.length > 0) take(deliveries);
  return deliveries.length;
}

function unexpected(kind: string): MeshError {
  return new MeshError('internal', `the core replied ${kind}`);
}
