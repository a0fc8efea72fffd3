// The clients: publishers that wait for acks and sometimes send the same event again, durable subscribers with consumers of
// several tempers, and ephemeral listeners. They see meshers only through requests and sessions.

import { hash32, type NewEvent } from '../../node/core/event.ts';
import type { DeliveryToken } from '../../node/core/delivery-token.ts';
import type { Delivery, Settlement } from '../../node/core/ports.ts';
import type { Reply, SessionId } from '../../node/core/steps.ts';
import { DELIVERY_DEFAULTS, type DeliverySettings, type Subscription } from '../../node/core/subscription.ts';
import type { Chance } from './chance.ts';
import { homeOf, type History, type Published, type Received, type Subscribed } from './history.ts';
import type { SimMesher } from './mesher.ts';
import type { Schedule } from './schedule.ts';

export const TOPICS = [
  'orders/eu/new',
  'orders/eu/paid',
  'orders/us/new',
  'orders/us/paid',
  'audit/login',
  'audit/logout',
  'metrics/cpu',
] as const;
const FILTERS = [
  'orders/#',
  'orders/eu/+',
  'orders/+/new',
  'audit/#',
  'audit/login',
  'metrics/+',
  '#',
  'orders/us/paid',
] as const;
const REPLY_TIMEOUT_MS = 3_000;

export type Temper = 'good' | 'slow' | 'flaky' | 'crashing' | 'stalling' | 'forgetful';

export interface WorkloadPorts {
  readonly schedule: Schedule;
  readonly history: History;
  readonly meshers: readonly SimMesher[];
  /** Share of what they are handed that all durable subscribers reject, besides what their temper makes them do. */
  readonly rejects: number;
}

// ───────────────────────────────────────────────────────────── publishers

/** Publishes one request at a time. Its keyed events are numbered per key. */
export class Publisher {
  readonly #ports: WorkloadPorts;
  readonly #chance: Chance;
  readonly #name: string;
  readonly #everyMs: number;
  #home: SimMesher;
  #count = 0;
  #stopped = false;
  #waiting = false;

  constructor(name: string, chance: Chance, ports: WorkloadPorts) {
    this.#name = name;
    this.#chance = chance;
    this.#ports = ports;
    this.#home = chance.pick(ports.meshers);
    this.#everyMs = chance.between(100, 900);
    ports.schedule.after(chance.between(0, 2_000), () => this.#turn());
  }

  stop(): void {
    this.#stopped = true;
  }

  get done(): boolean {
    return this.#stopped && !this.#waiting;
  }

  #turn(): void {
    if (this.#stopped) return;
    if (this.#home.leaving || this.#home.gone || this.#chance.is(0.02))
      this.#home = this.#chance.pick(this.#ports.meshers);
    const qos = this.#chance.is(0.1) ? 'best-effort' : 'durable';
    const count = this.#chance.is(0.05) ? 40 : 1 + this.#chance.below(4);
    const events = Array.from({ length: count }, () => this.#make(qos));
    this.#waiting = true;
    this.#send(qos, events, this.#home, 0);
  }

  #next(): void {
    this.#waiting = false;
    this.#ports.schedule.after(this.#everyMs * this.#chance.between(0.2, 1.8), () => this.#turn());
  }

  #make(qos: Published['qos']): { event: NewEvent; published: Published } {
    const id = `${this.#name}-${++this.#count}`;
    const key = this.#chance.is(0.5) ? `${this.#name}-k${this.#chance.below(3)}` : '';
    const topic = this.#chance.pick(TOPICS);
    const expires = qos === 'durable' && this.#chance.is(0.05);
    const size = this.#chance.is(0.03) ? 1_500 : 20 + this.#chance.below(100);
    const event: NewEvent = {
      topic,
      expiresAt: expires ? this.#home.now().wall + Math.round(this.#chance.between(50, 5_000)) : 0,
      key,
      hash: hash32(key === '' ? id : key),
      cloudEvent: Buffer.from(`${id} `.padEnd(size, 'x')),
    };
    return { event, published: this.#ports.history.published(id, { topic, key, qos, expires }) };
  }

  #send(
    qos: Published['qos'],
    events: readonly { event: NewEvent; published: Published }[],
    to: SimMesher,
    tries: number,
  ): void {
    const { schedule, history } = this.#ports;
    if (!to.running || to.leaving) {
      if (tries < 3 && !this.#stopped)
        schedule.after(500, () => this.#send(qos, events, this.#chance.pick(this.#ports.meshers), tries + 1));
      else this.#next();
      return;
    }
    let over = false;
    const end = (reply: Reply | undefined): void => {
      if (over) return;
      over = true;
      // without an ack nobody knows: the same events again, with the same ids, or never mind
      const unclear = reply === undefined || reply.kind === 'failed';
      const again = unclear ? tries < 3 && this.#chance.is(0.7) : this.#chance.is(0.005);
      if (!again || this.#stopped) return this.#next();
      const other = this.#chance.is(0.5) ? to : this.#chance.pick(this.#ports.meshers);
      schedule.after(this.#chance.between(10, 1_000), () => this.#send(qos, events, other, tries + 1));
    };
    const { life } = to;
    const request = to.request(
      (id) => ({ kind: 'publish', request: id, qos, report: true, events: events.map(({ event }) => event) }),
      (reply) => {
        if (reply?.kind === 'published') history.acked(to.node, life, request);
        end(reply);
      },
    );
    history.attempted(
      to.node,
      life,
      request,
      events.map(({ published }) => published),
    );
    schedule.after(REPLY_TIMEOUT_MS, () => end(undefined));
  }
}

// ───────────────────────────────────────────────────────────── durable subscribers

export interface SubscriberPlan {
  readonly name: string;
  readonly home: SimMesher;
  readonly topic: string;
  readonly group: string | undefined;
  readonly delivery: DeliverySettings;
  readonly way: 'stream' | 'pull';
  readonly temper: Temper;
}

export function planSubscriber(
  name: string,
  chance: Chance,
  meshers: readonly SimMesher[],
  group: { name: string; topic: string } | undefined,
): SubscriberPlan {
  const limited = group === undefined && chance.is(0.06);
  return {
    name,
    home: chance.pick(meshers),
    topic: group?.topic ?? chance.pick(FILTERS),
    group: group?.name,
    way: chance.is(0.6) ? 'stream' : 'pull',
    temper: chance.is(0.4)
      ? 'good'
      : chance.pick(['slow', 'flaky', 'crashing', 'stalling', 'forgetful'] as const),
    delivery: {
      ...DELIVERY_DEFAULTS,
      ackTimeoutMs: Math.round(chance.between(800, 4_000)),
      backoffMs: 200,
      retries: 4 + chance.below(8),
      maxInFlight: chance.pick([1, 5, 20, 1_000]),
      ordered: chance.is(0.4),
      deadLetterTopic: chance.is(0.2) ? 'dead/letters' : undefined,
      queueEventsMax: limited ? 20 : undefined,
      whenFull: chance.is(0.5) ? 'drop-oldest' : 'drop-newest',
    },
  };
}

/** Makes its subscription, again until that is acked, and consumes from it until the run ends. */
export class Subscriber {
  readonly subscribed: Subscribed;
  #home: SimMesher;
  #homeNode: string;
  readonly #plan: SubscriberPlan;
  readonly #ports: WorkloadPorts;
  readonly #chance: Chance;
  #temper: Temper;
  #rejects: number;
  #session: SessionId | undefined;
  #pulling = false;
  /** Virtual time until which it handles nothing. */
  #stalledUntil = 0;
  /** Of the last delivery that came: what a client resumes after. */
  #lastToken: DeliveryToken | undefined;
  #deleted = false;
  /** Its deletion was confirmed, or there is nobody left to ask. */
  isDeleted = false;

  constructor(plan: SubscriberPlan, chance: Chance, ports: WorkloadPorts) {
    this.#plan = plan;
    this.#home = plan.home;
    this.#homeNode = plan.home.node;
    this.#temper = plan.temper;
    this.#rejects = ports.rejects;
    this.#chance = chance;
    this.#ports = ports;
    const { name, home, topic, group, delivery } = plan;
    this.subscribed = {
      name,
      mesher: home.node,
      cluster: home.cluster,
      subscription: { name, topic, group, sink: undefined, adoptedFrom: undefined, delivery },
      acked: false,
      ended: false,
      limited: delivery.queueEventsMax !== undefined,
      received: [],
      settled: new Set(),
      servedBy: '',
      movedAt: 0,
      disturbed: plan.temper !== 'good' || plan.way === 'pull',
    };
    ports.history.subscriptions.set(name, this.subscribed);
    this.#put(this.subscribed.subscription);
  }

  /** Where it is; where its mesher is lost, that one's heir, once there is one. */
  get #mesher(): SimMesher {
    if (!this.#home.gone && this.#home.node === this.#homeNode) return this.#home;
    const heir = this.#ports.meshers.find(
      ({ cluster, core }) =>
        cluster === this.#plan.home.cluster && core?.subscriptions.get(this.#plan.name) !== undefined,
    );
    if (heir) {
      this.#home = heir;
      this.#homeNode = heir.node;
      this.subscribed.servedBy = `${heir.node} `;
      this.subscribed.movedAt = this.#ports.schedule.now;
    }
    return this.#home;
  }

  #put(subscription: Subscription): void {
    this.#until(
      (done) =>
        this.#mesher.request((request) => ({ kind: 'put-subscription', request, subscription }), done),
      (reply) => {
        if (reply.kind !== 'put') return;
        this.subscribed.subscription = subscription;
        this.subscribed.acked = true;
        this.#consume();
      },
    );
  }

  /** Asks again as long as the mesher dies or refuses; `ask` may be made when it is running only. */
  #until(
    ask: (done: (reply: Reply | undefined) => void) => void,
    then: (reply: Reply) => void,
    evenDeleted = false,
  ): void {
    const again = (): void =>
      this.#ports.schedule.after(this.#chance.between(100, 700), () => this.#until(ask, then, evenDeleted));
    if (!this.#mesher.running) return again();
    if (this.#deleted && !evenDeleted) return;
    ask((reply) => {
      if (reply === undefined || (reply.kind === 'failed' && reply.error.facts.retryable)) again();
      else then(reply);
    });
  }

  /** From now on it behaves: the run comes to its end. */
  calm(): void {
    this.#temper = 'good';
    this.#rejects = 0;
    this.#stalledUntil = 0;
    if (this.#session === undefined) return;
    this.#mesher.input({ kind: 'grant', session: this.#session, count: 50 });
  }

  /** For so long it handles nothing of what it is given, and asks for no more. */
  stall(ms: number): void {
    this.#stalledUntil = Math.max(this.#stalledUntil, this.#ports.schedule.now + ms);
    this.subscribed.disturbed = true;
  }

  /** New settings for the same filter. */
  replace(): void {
    if (!this.subscribed.acked || this.#deleted) return;
    const { subscription } = this.subscribed;
    this.subscribed.disturbed = true;
    this.#put({
      ...subscription,
      delivery: {
        ...subscription.delivery,
        maxInFlight: 1 + this.#chance.below(30),
        ordered: subscription.delivery.ordered,
      },
    });
  }

  delete(): void {
    if (!this.subscribed.acked || this.#deleted) return;
    this.#deleted = true;
    this.subscribed.ended = true;
    this.deleteAgain();
  }

  /** Its mesher may have forgotten that it was deleted. */
  deleteAgain(): void {
    this.isDeleted = false;
    const { name } = this.#plan;
    this.#until(
      (done) => this.#mesher.request((request) => ({ kind: 'delete-subscription', request, name }), done),
      () => {
        this.isDeleted = true;
      },
      true,
    );
  }

  /** Its mesher is gone, or has forgotten it. */
  giveUp(): void {
    this.#deleted = this.isDeleted = true;
    this.subscribed.ended = true;
  }

  // ─────────────────────────────────────────────────────────── consuming

  #consume(): void {
    if (this.#deleted) return;
    if (this.#plan.way === 'pull') this.#pull();
    else this.#attach();
  }

  #later(low: number, high: number, then: () => void): void {
    this.#ports.schedule.after(this.#chance.between(low, high), then);
  }

  #attach(): void {
    if (this.#session !== undefined || this.#deleted) return;
    const { name } = this.#plan;
    const home = this.#mesher;
    if (!home.running) {
      this.#later(100, 600, () => this.#attach());
      return;
    }
    const { life } = home;
    const resumeAfter = this.#temper === 'crashing' && this.#chance.is(0.5) ? this.#lastToken : undefined;
    const session: SessionId = home.openSession(
      {
        deliver: (deliveries) => this.#take(deliveries, session, life),
        closed: () => {
          if (this.#session === session) this.#session = undefined;
          this.#later(100, 600, () => this.#attach());
        },
      },
      (id) => ({ kind: 'attach', session: id, name, credit: 1 + this.#chance.below(20), resumeAfter }),
    );
    this.#session = session;
  }

  #pull(): void {
    if (this.#pulling || this.#deleted) return;
    const { name } = this.#plan;
    const home = this.#mesher;
    if (!home.running) {
      this.#later(100, 600, () => this.#pull());
      return;
    }
    this.#pulling = true;
    const { life } = home;
    home.request(
      (request) => ({ kind: 'pull', request, name, max: 1 + this.#chance.below(10), waitMs: 500 }),
      (reply) => {
        this.#pulling = false;
        if (reply?.kind === 'pulled') this.#take(reply.deliveries, undefined, life);
        const pause = this.#chance.between(
          5,
          reply?.kind === 'pulled' && this.#temper !== 'stalling' ? 50 : 1_500,
        );
        const { schedule } = this.#ports;
        schedule.at(Math.max(schedule.now, this.#stalledUntil) + pause, () => this.#pull());
      },
    );
  }

  #take(deliveries: readonly Delivery[], session: SessionId | undefined, life: number): void {
    this.#ports.history.received(this.subscribed, homeOf(this.subscribed), deliveries);
    this.#lastToken = deliveries.at(-1)?.token ?? this.#lastToken;
    if (this.#temper === 'crashing' && this.#chance.is(0.1)) {
      this.subscribed.disturbed = true;
      if (session === undefined) return; // pulled and never heard of again
      this.#mesher.closeSession(session);
      this.#session = undefined;
      this.#later(50, 3_000, () => this.#attach());
      return;
    }
    const handling = this.#temper === 'slow' ? this.#chance.between(50, 1_500) : this.#chance.skewed(0.1, 30);
    const { schedule } = this.#ports;
    schedule.at(Math.max(schedule.now, this.#stalledUntil) + handling, () =>
      this.#settle(deliveries, session, life),
    );
  }

  #settle(deliveries: readonly Delivery[], session: SessionId | undefined, life: number): void {
    const { name } = this.#plan;
    const home = this.#mesher;
    if (!home.running || home.life !== life || this.#deleted) return;
    const kept =
      this.#temper === 'forgetful' && session === undefined
        ? deliveries.filter(() => !this.#chance.is(0.1))
        : deliveries;
    const settlements = kept.map(({ token }): Settlement => this.#verdict(token));
    if (settlements.length === 0) return;
    const { history } = this.#ports;
    for (const [i, delivery] of kept.entries()) {
      const kind = settlements[i]?.kind;
      if (kind === 'reject') history.rejected(this.subscribed, delivery);
      else if (kind === 'ack') history.rejections.taken(name, delivery.event);
    }
    home.request(
      (request) => ({ kind: 'settle', request, name, settlements }),
      (reply) => {
        if (reply?.kind !== 'settled') return;
        const stale = new Set(reply.stale);
        const done = settlements.filter((each) => each.kind !== 'retry' && !stale.has(each));
        this.#ports.history.settled(
          this.subscribed,
          done.map(({ token }) => token),
        );
      },
    );
    if (session === undefined || this.#session !== session) return;
    const grant = (): void => {
      if (home.life === life && this.#session === session)
        home.input({ kind: 'grant', session, count: settlements.length });
    };
    if (this.#temper === 'stalling' && this.#chance.is(0.2)) this.#later(500, 8_000, grant);
    else grant();
  }

  #verdict(token: DeliveryToken): Settlement {
    if (this.#rejects > 0 && this.#chance.is(this.#rejects))
      return { kind: 'reject', token, reason: 'drawn' };
    if (this.#temper !== 'flaky') return { kind: 'ack', token };
    const draw = this.#chance.next();
    if (draw < 0.1) return { kind: 'retry', token, delayMs: this.#chance.is(0.5) ? 50 : undefined };
    if (draw < 0.12) return { kind: 'reject', token, reason: 'simulated' };
    return { kind: 'ack', token };
  }
}

// ───────────────────────────────────────────────────────────── ephemeral listeners

/** A session that has no name and no queue. What it got is kept, per life of the session, for quiet runs. */
export class Listener {
  readonly received: Received[] = [];
  readonly topic: string;
  readonly group: string;
  readonly home: SimMesher;
  /** Virtual time from which this session listened without a break. */
  since = Infinity;
  readonly #chance: Chance;
  readonly #ports: WorkloadPorts;

  constructor(home: SimMesher, topic: string, group: string, chance: Chance, ports: WorkloadPorts) {
    this.home = home;
    this.topic = topic;
    this.group = group;
    this.#chance = chance;
    this.#ports = ports;
    this.#attach();
  }

  #attach(): void {
    const { schedule } = this.#ports;
    if (this.home.gone) return;
    if (!this.home.running) {
      schedule.after(this.#chance.between(100, 800), () => this.#attach());
      return;
    }
    this.since = schedule.now;
    const subscribed = {
      name: 'listener',
      settled: new Set<string>(),
      servedBy: '',
      received: this.received,
    };
    const session: SessionId = this.home.openSession(
      {
        deliver: (deliveries) => {
          this.#ports.history.received(subscribed, this.home.node, deliveries);
          this.home.input({ kind: 'grant', session, count: deliveries.length });
        },
        closed: () => {
          this.since = Infinity;
          schedule.after(this.#chance.between(100, 800), () => this.#attach());
        },
      },
      (id) => ({ kind: 'attach-ephemeral', session: id, filter: this.topic, group: this.group, credit: 100 }),
    );
  }

  static topicOf(chance: Chance): string {
    return chance.pick(FILTERS);
  }
}
