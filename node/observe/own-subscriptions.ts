// This mesher's subscriptions as an overview shows them: durable ones, and consumers that have none. Those that people ask about come
// first: what is stuck, then what has most to do.

import type { SubscriptionDelivery } from '../core/delivery.ts';
import type { MesherCore } from '../core/mesher-core.ts';
import type { Now } from '../core/steps.ts';
import type { EphemeralTarget } from '../core/subscriptions.ts';
import { DEAD_LETTERS, isNamed } from '../core/subscription.ts';
import { EPHEMERAL_MAX, TOLD_MAX } from './bounds.ts';
import type { SubscriptionReport } from './report.ts';
import { Rate } from './samples.ts';
import { isInternal } from '../core/topic.ts';

/** A subscription that was pulled from is one that is pulled from, for so long, ms. */
const PULLED_LATELY_MS = 60_000;
/** Events may wait for so long, ms, before anybody is told: consumers restart. */
const WAITED_LONG_MS = 60_000;
const FAILING_LONG_MS = 30_000;
/** A queue that is so many events longer than a minute ago, and by a tenth of its length, grows. */
const GROWN_BY = 1_000;

export interface StuckFacts {
  readonly via: SubscriptionReport['via'];
  readonly depth: number;
  readonly inFlight: number;
  readonly maxInFlight: number;
  /** For how long the oldest has been held, ms. */
  readonly waitedMs: number;
  readonly deliveredPerSecond: number;
  /** For how long consumers have failed and acked nothing, ms; undefined: they do well. */
  readonly failingMs: number | undefined;
  /** Of a minute ago; undefined: not known. */
  readonly depthBefore: number | undefined;
}

/** Why it does not keep up, one sentence without a full stop; '' where it does. */
export function whyStuck(facts: StuckFacts): string {
  const { via, depth, inFlight, maxInFlight, waitedMs, failingMs, depthBefore } = facts;
  if (depth === 0) return '';
  const events = depth === 1 ? '1 event waits' : `${depth} events wait`;
  if (via === 'webhook' && failingMs !== undefined && failingMs > FAILING_LONG_MS)
    return `its webhook has taken none for ${inWords(failingMs)}, and ${events}`;
  if (failingMs !== undefined && failingMs > FAILING_LONG_MS)
    return `its consumers have failed with all they got for ${inWords(failingMs)}, and ${events}`;
  if (waitedMs > WAITED_LONG_MS) {
    if (via === 'nobody') return `${events}, the oldest for ${inWords(waitedMs)}, and nobody takes them`;
    if (facts.deliveredPerSecond === 0 && inFlight > 0)
      return `its consumers have ${inFlight}${inFlight >= maxInFlight ? ', all they may,' : ''} in hand and settle none, and ${events}, the oldest for ${inWords(waitedMs)}`;
    if (facts.deliveredPerSecond === 0)
      return `${events}, the oldest for ${inWords(waitedMs)}, and its consumers take none`;
  }
  if (depthBefore !== undefined && depth - depthBefore > Math.max(GROWN_BY, depth / 10))
    return `it grows: ${events}, ${Math.round(depth - depthBefore)} more than a minute ago`;
  return '';
}

/** `90 s`, `12 min`, `3 h`, `2 d`. */
export function inWords(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

export class OwnSubscriptions {
  readonly #core: MesherCore;
  readonly #rates = new WeakMap<SubscriptionDelivery | EphemeralTarget, Rate>();

  constructor(core: MesherCore) {
    this.#core = core;
  }

  /** `depthBefore`: of a subscription, a minute ago. */
  look(
    now: Now,
    sinceMs: number,
    depthBefore: (name: string) => number | undefined,
  ): { subscriptions: SubscriptionReport[]; count: number; queued: number; deadLetters: number } {
    const found: SubscriptionReport[] = [];
    let [queued, deadLetters] = [0, 0];
    const all = this.#core.subscriptions.all();
    for (const delivery of all) {
      const report = this.#durable(delivery, now, sinceMs, depthBefore);
      if (isDeadLetters(delivery)) deadLetters += report.depth;
      else queued += report.depth;
      found.push(report);
    }
    let looked = 0;
    for (const target of this.#core.subscriptions.ephemerals()) {
      if (looked++ >= EPHEMERAL_MAX) break;
      if (isInternal(target.filter)) continue;
      found.push(this.#ephemeral(target, sinceMs));
    }
    const count = all.length + this.#core.subscriptions.sessions().ephemeral;
    found.sort(
      (a, b) =>
        Number(b.stuck !== '') - Number(a.stuck !== '') ||
        b.deliveredPerSecond - a.deliveredPerSecond ||
        b.depth - a.depth ||
        (a.name < b.name ? -1 : 1),
    );
    return { subscriptions: found.slice(0, TOLD_MAX), count, queued, deadLetters };
  }

  #rate(of: SubscriptionDelivery | EphemeralTarget, count: number, sinceMs: number): number {
    let rate = this.#rates.get(of);
    if (!rate) this.#rates.set(of, (rate = new Rate(count)));
    return rate.look(count, sinceMs);
  }

  #durable(
    delivery: SubscriptionDelivery,
    now: Now,
    sinceMs: number,
    depthBefore: (name: string) => number | undefined,
  ): SubscriptionReport {
    const { subscription, depth, inFlight } = delivery.state();
    const { handedOut, redelivered, deadLettered, streams, pulls, pulledUntil, failingSince } =
      delivery.figures();
    const { name, sink, topic, group } = subscription;
    const oldestAt = depth === 0 ? 0 : (delivery.oldestHeldAt() ?? this.#core.startedAt.wall);
    const via =
      sink !== undefined
        ? 'webhook'
        : streams > 0
          ? 'stream'
          : pulls > 0 || now.monotonic - pulledUntil < PULLED_LATELY_MS
            ? 'pull'
            : 'nobody';
    const deliveredPerSecond = this.#rate(delivery, handedOut, sinceMs);
    const facts: StuckFacts = {
      via,
      depth,
      inFlight,
      maxInFlight: subscription.delivery.maxInFlight,
      waitedMs: oldestAt === 0 ? 0 : now.wall - oldestAt,
      deliveredPerSecond,
      failingMs: failingSince === undefined ? undefined : now.monotonic - failingSince,
      depthBefore: depthBefore(name),
    };
    return {
      name,
      topic,
      group: group ?? '',
      via,
      consumers: streams + pulls,
      depth,
      inFlight,
      oldestAt,
      deliveredPerSecond,
      redelivered,
      deadLettered,
      // dead letters wait for people
      stuck: isDeadLetters(delivery) ? '' : whyStuck(facts),
    };
  }

  #ephemeral(target: EphemeralTarget, sinceMs: number): SubscriptionReport {
    const { name, filter, group, waiting, delivered } = target;
    return {
      name,
      topic: filter,
      group,
      via: 'stream',
      consumers: 1,
      depth: waiting.size,
      inFlight: 0,
      oldestAt: waiting.front()?.acceptedAt ?? 0,
      deliveredPerSecond: this.#rate(target, delivered, sinceMs),
      redelivered: 0,
      deadLettered: 0,
      stuck: '',
    };
  }
}

function isDeadLetters({ subscription: { name, adoptedFrom } }: SubscriptionDelivery): boolean {
  return isNamed(name, DEAD_LETTERS, adoptedFrom);
}
