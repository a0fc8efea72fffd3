// Reads a history and nothing else, and says what the mesh broke of its promises: what was acked and never came (at the
// end of a key, or as a hole: later but not earlier), what came twice and why, what came out of order and why, what came
// otherwise than it was published, what is still held at the end. One subscription on each mesher is owed every event, and
// of a group with a member on each mesher one member. That two members get an event may be where meshers know different
// ones; it is counted here, and judged by the simulator, which sees what they know.
//
// Each finding bears the facts that a person needs to look further: who published it when, who acked it, what else came.

import { keyOf } from './load/events.ts';
import { type Line, type Place, readHistory } from './load/history.ts';
import { clusterOf, Upheavals } from './upheavals.ts';

export interface Finding {
  readonly promise: string;
  readonly facts: string;
}

export interface Verdict {
  readonly breaches: readonly Finding[];
  /** All breaches, those beyond the ones that are shown included. */
  readonly breachCount: number;
  /** What would be a breach and has a reason, by reason. */
  readonly explained: Readonly<Record<string, number>>;
  readonly attempted: number;
  readonly acked: number;
  readonly delivered: number;
  readonly redelivered: number;
  /** From the end of the last fault to the last event that came for the first time. */
  readonly recoveredMs: number;
}

const SHOWN_MAX = 20;

interface Attempt {
  readonly at: number;
  outcome: 'acked' | 'refused' | 'unknown' | 'open';
  endedAt: number;
}

interface Batch {
  readonly first: number;
  readonly count: number;
  readonly attempts: Attempt[];
}

interface Copy {
  readonly at: number;
  readonly place: Place;
  readonly attempt: number;
  readonly origin: string;
  readonly sequence: number;
}

/** What a subscription got of one publisher: copies by number. */
type Got = Map<number, Copy[]>;

interface Settled {
  readonly at: number;
}

export async function check(file: string): Promise<Verdict> {
  const checker = new Checker();
  for await (const line of readHistory(file)) checker.take(line);
  return checker.verdict();
}

export class Checker {
  readonly #breaches: Finding[] = [];
  #breachCount = 0;
  readonly #explained: Record<string, number> = {};
  /** Subscription → its mesher, publisher → its mesher. */
  #subscribers: Readonly<Record<string, string>> = {};
  #group: Readonly<Record<string, string>> = {};
  #publishers: Readonly<Record<string, string>> = {};
  readonly #batches = new Map<string, Batch[]>();
  readonly #got = new Map<string, Map<string, Got>>();
  readonly #settled = new Map<string, Map<Place, Settled>>();
  readonly #settling = new Map<string, readonly Place[]>();
  readonly #upheavals = new Upheavals();
  readonly #doubleLandings = new Map<string, string[]>();
  #quietAt = 0;
  #lastFirstAt = 0;
  #delivered = 0;
  #redelivered = 0;

  #broken(promise: string, facts: string): void {
    this.#breachCount++;
    if (this.#breaches.length < SHOWN_MAX) this.#breaches.push({ promise, facts });
  }

  #excuse(reason: string): void {
    this.#explained[reason] = (this.#explained[reason] ?? 0) + 1;
  }

  take(line: Line): void {
    switch (line.op) {
      case 'start':
        this.#subscribers = line.subscribers;
        this.#group = line.group;
        this.#publishers = line.publishers;
        break;
      case 'publish':
        this.#takePublish(line);
        break;
      case 'acked':
      case 'refused':
      case 'unknown':
        this.#takeAnswer(line);
        break;
      case 'delivered':
        this.#takeDelivered(line);
        break;
      case 'settle':
        this.#settling.set(line.subscriber, line.places);
        break;
      case 'settled':
        this.#takeSettled(line);
        break;
      case 'counted':
        this.#upheavals.takeCounted(line, this.#clusters());
        break;
      case 'started':
        this.#upheavals.takeStarted(line, this.#clusters());
        break;
      case 'lost':
        this.#upheavals.takeLost(line);
        break;
      case 'taken-over':
        this.#upheavals.takeTakenOver(line);
        break;
      case 'quiet':
        this.#quietAt = line.t;
        break;
      case 'end':
        for (const [queue, depth] of Object.entries(line.queued))
          this.#broken('nothing is left over', `${queue} still holds ${depth} events at the end`);
        break;
      case 'broken':
        this.#broken(line.promise, `at ${line.t} ms: ${line.facts}`);
        break;
      case 'unsettled':
      case 'ended':
      case 'fault':
      case 'healed':
        break;
    }
  }

  #takePublish(line: Extract<Line, { op: 'publish' }>): void {
    const batches = this.#batches.get(line.publisher) ?? [];
    this.#batches.set(line.publisher, batches);
    let last = batches.at(-1);
    if (last?.first !== line.first)
      batches.push((last = { first: line.first, count: line.count, attempts: [] }));
    last.attempts.push({ at: line.t, outcome: 'open', endedAt: Infinity });
  }

  #takeAnswer(line: Extract<Line, { op: 'acked' | 'refused' | 'unknown' }>): void {
    const attempt = this.#batches.get(line.publisher)?.at(-1)?.attempts[line.attempt - 1];
    if (!attempt)
      throw new Error(
        `history: an answer at ${line.t} ms to an attempt of ${line.publisher} that was never made`,
      );
    attempt.outcome = line.op;
    attempt.endedAt = line.t;
  }

  #takeDelivered(line: Extract<Line, { op: 'delivered' }>): void {
    const { subscriber, t } = line;
    const settled = this.#settled.get(subscriber);
    const byPublisher = this.#got.get(subscriber) ?? new Map<string, Got>();
    this.#got.set(subscriber, byPublisher);
    for (const [publisher, n, place, attempt, origin, sequence, same] of line.events) {
      this.#delivered++;
      const name = `${publisher}-${n}`;
      if (this.#batchOf(publisher, n) === undefined)
        this.#broken(
          'nothing unexpected',
          `${subscriber} got ${name} at ${t} ms, which was not yet published`,
        );
      if (same === 0)
        this.#broken(
          'events come as they were published',
          `${subscriber} got ${name} at ${t} ms with other data`,
        );
      const before = settled?.get(place);
      if (before)
        this.#broken(
          'what is settled never comes back',
          `${subscriber} got ${name} at ${place} again at ${t} ms (attempt ${attempt}); its settlement was confirmed at ${before.at} ms`,
        );
      const got: Got = byPublisher.get(publisher) ?? new Map<number, Copy[]>();
      byPublisher.set(publisher, got);
      const copies = got.get(n) ?? [];
      if (copies.length === 0) this.#lastFirstAt = t;
      copies.push({ at: t, place, attempt, origin, sequence });
      got.set(n, copies);
    }
  }

  #takeSettled(line: Extract<Line, { op: 'settled' }>): void {
    const settled = this.#settled.get(line.subscriber) ?? new Map<Place, Settled>();
    this.#settled.set(line.subscriber, settled);
    const stale = new Set(line.stale);
    for (const place of this.#settling.get(line.subscriber) ?? [])
      if (!stale.has(place)) settled.set(place, { at: line.t });
  }

  #clusters(): ReadonlySet<string> {
    return new Set(Object.values(this.#subscribers).map(clusterOf));
  }

  #batchOf(publisher: string, n: number): Batch | undefined {
    const batches = this.#batches.get(publisher) ?? [];
    const size = batches[0]?.count ?? 1;
    return batches[Math.floor(n / size)];
  }

  verdict(): Verdict {
    for (const publisher of Object.keys(this.#publishers)) {
      for (const [subscriber, mesher] of Object.entries(this.#subscribers)) {
        const got = this.#gotBy(subscriber, publisher);
        this.#checkLost(subscriber, publisher, got);
        this.#checkTwice(subscriber, mesher, publisher, got);
        this.#checkOrder(subscriber, mesher, publisher, got);
      }
      this.#checkGroup(publisher);
    }
    this.#checkDoubts();
    const batches = [...this.#batches.values()].flat();
    const sum = (some: readonly Batch[]): number => some.reduce((total, { count }) => total + count, 0);
    return {
      breaches: this.#breaches,
      breachCount: this.#breachCount,
      explained: this.#explained,
      attempted: sum(batches),
      acked: sum(batches.filter(isAcked)),
      delivered: this.#delivered,
      redelivered: this.#redelivered,
      recoveredMs: Math.max(0, Math.round(this.#lastFirstAt - this.#quietAt)),
    };
  }

  #gotBy(subscriber: string, publisher: string): Got {
    return this.#got.get(subscriber)?.get(publisher) ?? new Map<number, Copy[]>();
  }

  #checkGroup(publisher: string): void {
    const together: Got = new Map<number, Copy[]>();
    for (const [member, mesher] of Object.entries(this.#group)) {
      const got = this.#gotBy(member, publisher);
      this.#checkTwice(member, mesher, publisher, got);
      for (const [n, copies] of got) {
        if (together.has(n)) this.#excuse('a group: two of its members got it');
        else together.set(n, copies);
      }
    }
    if (Object.keys(this.#group).length > 0) this.#checkLost('any of the group', publisher, together);
  }

  #checkLost(subscriber: string, publisher: string, got: Got): void {
    const lastOfKey = new Map<number, number>();
    for (const n of got.keys()) lastOfKey.set(keyOf(n), Math.max(n, lastOfKey.get(keyOf(n)) ?? -1));
    for (const batch of (this.#batches.get(publisher) ?? []).filter(isAcked)) {
      for (let n = batch.first; n < batch.first + batch.count; n++) {
        if (got.has(n)) continue;
        const later = lastOfKey.get(keyOf(n)) ?? -1;
        const isHole = later > n;
        this.#broken(
          isHole ? 'no acked event is lost (a hole: later but not earlier)' : 'no acked event is lost',
          `${publisher}-${n} never came to ${subscriber}; ${attemptsOf(batch)}${isHole ? `; ${publisher}-${later} of the same key came` : ''}; ${this.#elsewhere(subscriber, publisher, n)}`,
        );
      }
    }
  }

  #elsewhere(subscriber: string, publisher: string, n: number): string {
    const others = [...this.#got].filter(
      ([name, of]) => name !== subscriber && of.get(publisher)?.has(n) === true,
    );
    return others.length === 0
      ? 'it came to nobody'
      : `it came to ${others.map(([name]) => name).join(', ')}`;
  }

  #checkTwice(subscriber: string, mesher: string, publisher: string, got: Got): void {
    for (const [n, copies] of got) {
      const places = new Map<Place, Copy>();
      for (const copy of copies) {
        if (places.has(copy.place)) {
          // handed out again: that it was not settled before is checked when it comes
          this.#redelivered++;
          this.#excuse('twice: its settlement was in doubt, or it was never settled');
        } else places.set(copy.place, copy);
      }
      if (places.size > 1)
        this.#judgeTwice(
          subscriber,
          mesher,
          `${publisher}-${n}`,
          [...places.values()],
          this.#batchOf(publisher, n),
        );
    }
  }

  /** Each attempt that was not refused may have been taken; what came more often than that landed in doubt. */
  #judgeTwice(
    subscriber: string,
    mesher: string,
    name: string,
    copies: readonly Copy[],
    batch: Batch | undefined,
  ): void {
    const taken = Math.max(1, batch?.attempts.filter(({ outcome }) => outcome !== 'refused').length ?? 1);
    for (let i = 1; i < Math.min(taken, copies.length); i++)
      this.#excuse('twice: its publish was in doubt and was repeated');
    if (copies.length <= taken) return;
    const cluster = clusterOf(mesher);
    const came = copies.map(({ at, place, sequence }) => `at ${place} (${at} ms, its origin's ${sequence})`);
    const facts = `${subscriber} got ${name} ${came.join(', ')}; ${batch ? attemptsOf(batch) : 'never published'}`;
    const doubles = this.#doubleLandings.get(cluster) ?? [];
    for (let i = taken; i < copies.length; i++) {
      if (this.#upheavals.isLostBetween(cluster, copies[i - 1]?.at ?? 0, copies[i]?.at ?? 0))
        this.#excuse('twice: its mesher was lost before its copies heard that it was handed out');
      else doubles.push(facts);
    }
    this.#doubleLandings.set(cluster, doubles);
  }

  /** What landed twice was counted as doubtful where it landed; each of a cluster's subscriptions may show it. */
  #checkDoubts(): void {
    const subscribersOf = (cluster: string): number =>
      [...Object.values(this.#subscribers), ...Object.values(this.#group)].filter(
        (mesher) => clusterOf(mesher) === cluster,
      ).length;
    for (const [cluster, facts] of this.#doubleLandings) {
      const counted = this.#upheavals.doubtfulIn(cluster) * subscribersOf(cluster);
      for (const [at, fact] of facts.entries()) {
        if (at < counted) this.#excuse('twice: custody was in doubt, and was counted');
        else
          this.#broken(
            'nothing twice without doubt',
            `${fact}; the meshers of ${cluster} counted ${this.#upheavals.doubtfulIn(cluster)} doubtful events in all`,
          );
      }
    }
  }

  #checkOrder(subscriber: string, mesher: string, publisher: string, got: Got): void {
    const firsts = [...got].map(([n, copies]) => ({ n, copy: copies[0] }));
    const lastOfKey = new Map<number, { n: number; copy: Copy | undefined }>();
    for (const here of firsts) {
      const key = keyOf(here.n);
      const before = lastOfKey.get(key);
      if (!before || before.n < here.n) {
        lastOfKey.set(key, here);
        continue;
      }
      const why = this.#whyOutOfOrder(mesher, publisher, here, before);
      if (why !== undefined) this.#excuse(`out of order: ${why}`);
      else
        this.#broken(
          'order per key',
          `${subscriber} got ${publisher}-${here.n} at ${here.copy?.at} ms, after ${publisher}-${before.n} of the same key at ${before.copy?.at} ms`,
        );
    }
  }

  #whyOutOfOrder(
    mesher: string,
    publisher: string,
    earlier: { readonly n: number; readonly copy: Copy | undefined },
    later: { readonly n: number; readonly copy: Copy | undefined },
  ): string | undefined {
    const batches = [this.#batchOf(publisher, earlier.n), this.#batchOf(publisher, later.n)];
    if (batches.some((batch) => (batch?.attempts.length ?? 0) > 1)) return 'its publish was repeated';
    if ((earlier.copy?.attempt ?? 1) > 1) return 'its consumer did not get or settle it at first';
    return this.#upheavals.whyOvertaken(
      { publisher, n: earlier.n },
      this.#publishers[publisher] ?? '',
      clusterOf(mesher),
      [batches[0]?.attempts[0]?.at ?? 0, earlier.copy?.at ?? 0],
    );
  }
}

function isAcked({ attempts }: Batch): boolean {
  return attempts.some(({ outcome }) => outcome === 'acked');
}

function attemptsOf({ attempts }: Batch): string {
  const taken = attempts.filter(({ outcome }) => outcome !== 'refused');
  const words = taken.map(({ at, outcome, endedAt }) => `${outcome} (${at} to ${endedAt} ms)`);
  const refused = attempts.length - taken.length;
  return `published: ${words.join(', ')}${refused > 0 ? `, and refused ${refused} times` : ''}`;
}
