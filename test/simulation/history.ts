// What happened, as clients and a watcher of the wire saw it: published events and where their custody went, subscriptions, and
// what consumers got. Promises that can be judged at once are judged here; the rest at the end, in checkers.ts.

import type { CounterName } from '../../node/core/metric-catalogue.ts';
import type { NodeId, StoredEvent } from '../../node/core/event.ts';
import type { MesherCore } from '../../node/core/mesher-core.ts';
import { isEvents, type DataMessage, type LinkMessage } from '../../node/core/messages.ts';
import { NO_TOKEN, type DeliveryToken } from '../../node/core/delivery-token.ts';
import type { Delivery } from '../../node/core/ports.ts';
import type { Effect, Input, RequestId } from '../../node/core/steps.ts';
import type { Subscription } from '../../node/core/subscription.ts';
import { matches } from '../../node/core/topic.ts';
import type { MemoryDisk } from '../../node/journal/memory-journal.ts';
import type { Difference } from '../../node/observe/ledger/difference.ts';
import { addAllTo, dutiesLost, dutiesOn, type Duties } from './duties.ts';
import { idOf, recordOf } from './event-id.ts';
import { FullLinks } from './full-links.ts';
import { HeldRoutes } from './held-routes.ts';
import { Letters } from './letters.ts';
import type { MesherObserver, SimMesher } from './mesher.ts';
import type { Host, NetworkObserver } from './network.ts';
import { OlderCopies } from './older-copies.ts';
import { placeOf } from './place.ts';
import { Reasons } from './reasons.ts';
import { Rejections, type Undead } from './rejections.ts';
import type { Schedule } from './schedule.ts';

/** One try at publishing an event. */
export interface Attempt {
  readonly mesher: NodeId;
  readonly at: number;
  /** Durable subscriptions that the accepting mesher knew of, or whose mesher, not dead, it knew nothing whole of. */
  readonly owed: Set<string>;
  acked: boolean;
}

export interface Published {
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  readonly qos: 'durable' | 'best-effort';
  readonly expires: boolean;
  readonly attempts: Attempt[];
  /** Clusters where a frame in doubt brought it. */
  readonly doubtIn: Set<string>;
  /** Meshers on which it landed for their cluster, by cluster. */
  readonly landedOn: Map<string, Set<NodeId>>;
  /** Subscriptions that a mesher it landed on had not heard of, though the origin had. */
  readonly unknownAtLanding: Set<string>;
  /** It was moved from the copy of a lost mesher: what that had handed on, or had settled, last may not be known in the copy. */
  takenOver: boolean;
  /** It was queued for one that is lost, and came to its heir. */
  landedAtHeir: boolean;
  /** A decision was taken while some mesher's record was not whole: groups may be served twice. */
  unknownMeshers: boolean;
}

export interface Received {
  readonly id: string;
  readonly at: number;
  readonly origin: NodeId;
  readonly incarnation: number;
  readonly sequence: number;
  readonly key: string;
  /** Names the event in its queue, whatever the attempt; '' for ephemeral sessions. */
  readonly place: string;
  /** It was a dead letter of the subscription, and was sent back: a record of its own, that comes when it comes. */
  readonly isRedriven: boolean;
}

/** A durable subscription as its owner sees it. */
export interface Subscribed {
  readonly name: string;
  readonly mesher: NodeId;
  readonly cluster: string;
  subscription: Subscription;
  /** The PUT was acked; until then nothing is promised. */
  acked: boolean;
  /** Deleted, or its filter was changed: nothing more is promised. */
  ended: boolean;
  /** It has a queue limit: events may be dropped, and are counted. */
  readonly limited: boolean;
  readonly received: Received[];
  /** Where it lives on since its mesher was lost; '' at first. Names places apart. */
  servedBy: string;
  /** Virtual ms at which its consumer found it there; 0: never. */
  movedAt: number;
  /** Places whose settlement was confirmed. */
  readonly settled: Set<string>;
  /** Consumers were impatient, failing, or gone: only ordered queues still promise order. */
  disturbed: boolean;
}

export interface Breach {
  readonly promise: string;
  readonly facts: string;
}

/**
 * How far a durable interest of another mesher has come to a mesher's disk: heard of at `at`, to be written by the step
 * that has passed, written after `at` syncs, synced.
 */
interface Kept {
  readonly stage: 'heard' | 'writing' | 'written' | 'synced';
  readonly at: number;
}

const NOBODY: ReadonlySet<string> = new Set();
const BREACHES_MAX = 20;
/** Hostile members and their clusters are called so. */
const HOSTILE = /^h\d/;

/** What there should be some of in every thousand seeds, or the seeds are too easy. */
const COUNTED: readonly CounterName[] = [
  'lane_gaps_total',
  'lane_moves_total',
  'events_doubtful_total',
  'events_duplicate_total',
  'events_dropped_total',
  'events_dead_lettered_total',
  'events_redelivered_total',
  'copies_started_total',
  'copies_gaps_total',
  'routes_gapped_total',
  'routes_refused_total',
  'members_refused_total',
  'messages_refused_total',
  'publish_refused_total',
];

/** Looks on at the steps of all meshers; it changes nothing, and draws nothing by chance. */
export type Stepped = (mesher: SimMesher, inputs: readonly Input[], effects: readonly Effect[]) => void;

export class History implements MesherObserver, NetworkObserver {
  readonly events = new Map<string, Published>();
  readonly subscriptions = new Map<string, Subscribed>();
  readonly breaches: Breach[] = [];
  readonly reasons: Reasons;
  readonly fullLinks: FullLinks;
  readonly letters: Letters;
  readonly olderCopies: OlderCopies;
  readonly rejections = new Rejections();
  /** Counters of meshers that died, by name and label. */
  readonly counted = new Map<string, number>();
  /** How many queues, meshers or events came into a situation that is worth to be seen. */
  readonly met = new Map<string, number>();
  readonly #metBy = new Set<string>();
  /** What disks held that were lost, and no other may have. */
  readonly lostWithDisks: Duties = new Map();
  readonly #schedule: Schedule;
  readonly #meshers: ReadonlyMap<NodeId, SimMesher>;
  readonly #trace: ((line: string) => void) | undefined;
  readonly #stepped: Stepped | undefined;
  readonly #attempts = new Map<string, readonly { readonly event: Published; readonly attempt: Attempt }[]>();
  readonly #places = new Map<string, string>();
  /** Best-effort crossings of each event into each cluster. */
  readonly #crossings = new Map<string, number>();
  /** What each mesher must not forget in a restart, by subscription. */
  readonly #kept = new Map<NodeId, Map<string, Kept>>();
  /** By owner, whose copy was damaged, and when. */
  readonly #damaged = new Map<NodeId, { readonly holder: NodeId; readonly at: number }[]>();
  /** When the disk of this mesher, or of one of this cluster, was last put back to an older state. */
  readonly #putBackAt = new Map<string, number>();
  readonly #livesSeen = new Map<NodeId, number>();
  /** Of the routes, when the step that is under way began. */
  #revisionBefore = 0;

  constructor(
    schedule: Schedule,
    meshers: ReadonlyMap<NodeId, SimMesher>,
    trace: ((line: string) => void) | undefined,
    stepped?: Stepped,
  ) {
    this.#schedule = schedule;
    this.#meshers = meshers;
    this.reasons = new Reasons(meshers);
    this.fullLinks = new FullLinks(meshers);
    this.olderCopies = new OlderCopies(meshers, () => schedule.now);
    this.letters = new Letters({
      now: () => schedule.now,
      broken: (promise, facts) => this.broken(promise, facts),
      isGone: (node) => meshers.get(node)?.gone ?? true,
      reasonsOf: (record) => this.reasons.ofRecord(record),
      cameElsewhere: (id, name, mesher) => this.#cameElsewhere(id, name, mesher),
      // what only a hostile member sent, it may have sent so
      isBestEffort: (id) => (this.events.get(id)?.qos ?? 'best-effort') === 'best-effort',
    });
    this.#trace = trace;
    this.#stepped = stepped;
  }

  trace(who: string, what: () => string): void {
    this.#trace?.(`${this.#schedule.now.toFixed(2).padStart(10)} ${who.padEnd(4)} ${what()}`);
  }

  /** Counted once for each `who`. */
  meet(what: string, who: string): void {
    const key = `${what} ${who}`;
    if (this.#metBy.has(key)) return;
    this.#metBy.add(key);
    this.met.set(what, (this.met.get(what) ?? 0) + 1);
  }

  broken(promise: string, facts: string): void {
    this.trace('!', () => `${promise}: ${facts}`);
    if (this.breaches.length < BREACHES_MAX)
      this.breaches.push({ promise, facts: `at ${this.#schedule.now.toFixed(1)} ms: ${facts}` });
  }

  // ─────────────────────────────────────────────────────────── publishing

  published(id: string, event: Pick<Published, 'topic' | 'key' | 'qos' | 'expires'>): Published {
    const made: Published = {
      id,
      ...event,
      attempts: [],
      doubtIn: new Set(),
      landedOn: new Map(),
      unknownAtLanding: new Set(),
      takenOver: false,
      landedAtHeir: false,
      unknownMeshers: false,
    };
    this.events.set(id, made);
    return made;
  }

  /** A publish request is about to be made; what is owed is filled in when the mesher takes it. */
  attempted(mesher: NodeId, life: number, request: RequestId, events: readonly Published[]): void {
    const made = events.map((event) => {
      const attempt: Attempt = { mesher, at: this.#schedule.now, owed: new Set(), acked: false };
      event.attempts.push(attempt);
      return { event, attempt };
    });
    this.#attempts.set(`${mesher}/${life}/${request}`, made);
  }

  acked(mesher: NodeId, life: number, request: RequestId): void {
    const made = this.#attempts.get(`${mesher}/${life}/${request}`) ?? [];
    for (const { attempt } of made) attempt.acked = true;
    const owner = this.#meshers.get(mesher);
    // one that was sent here twice may wait in another place, which nobody was told of yet
    const once = made.filter(
      ({ event }) => event.attempts.filter((attempt) => attempt.mesher === mesher).length === 1,
    );
    const ids = new Set(once.filter(({ event }) => event.qos === 'durable').map(({ event }) => event.id));
    // a disk that was put back may have lost what its mesher had acked
    if (owner && owner.options.replicas > 1 && !this.#putBackAt.has(owner.cluster))
      this.#checkCopied(owner, ids);
  }

  /** What is acked, and still waits on its mesher's disk, waits in as many copies as were promised. */
  #checkCopied(owner: SimMesher, all: ReadonlySet<string>): void {
    // a copy that became an older one is made good when its mesher is back
    const since = this.#putBackAt.get(owner.cluster) ?? -Infinity;
    const ids = new Set(
      [...all].filter((id) => this.events.get(id)?.attempts.every((attempt) => attempt.at > since)),
    );
    if (ids.size === 0) return;
    const waiting = waitingOn(owner.disk, owner.node, ids);
    if (waiting.size === 0) return;
    const held = new Map<string, number>();
    // one that acked and was lost since, which its owner may not have noticed
    let lost = 0;
    for (const mesher of this.#meshers.values()) {
      if (mesher.gone && mesher.cluster === owner.cluster) lost++;
      const copy = mesher.copies.diskOf(owner.node);
      const holds = copy ? waitingOn(copy, owner.node, ids) : NOBODY;
      const damagedAt = this.#damagedAt(owner.node, mesher.node);
      for (const id of waiting) {
        const wasThere = this.events.get(id)?.attempts.some(({ at }) => at <= damagedAt) === true;
        if (holds.has(id) || wasThere) held.set(id, (held.get(id) ?? 0) + 1);
      }
    }
    for (const id of waiting) {
      const copies = held.get(id) ?? 0;
      if (copies + lost < owner.options.replicas - 1)
        this.broken(
          'what is acked is on as many disks as was promised',
          `${id} on ${owner.node}: ${copies} copies, ${owner.options.replicas - 1} promised`,
        );
    }
  }

  /** Virtual ms of the last time; -Infinity: never. */
  #damagedAt(owner: NodeId, holder: NodeId): number {
    return this.#damaged.get(owner)?.findLast((one) => one.holder === holder)?.at ?? -Infinity;
  }

  copyDamaged({ node }: SimMesher, owner: NodeId): void {
    const known = this.#damaged.get(owner) ?? [];
    this.#damaged.set(owner, [...known, { holder: node, at: this.#schedule.now }]);
  }

  // ─────────────────────────────────────────────────────────── inside meshers

  beforeStep(mesher: SimMesher, core: MesherCore, inputs: readonly Input[]): void {
    if (this.#livesSeen.get(mesher.node) !== mesher.life) this.#checkKept(mesher, core);
    this.#revisionBefore = core.table.revision;
    this.#look(mesher, core, inputs, 'before', NOBODY);
  }

  afterStep(mesher: SimMesher, core: MesherCore, inputs: readonly Input[], effects: readonly Effect[]): void {
    // More than one: an interest may have gone and come back in between, as when a freeze ends.
    const changes = core.table.revision - this.#revisionBefore;
    this.reasons.stepped(mesher, effects);
    this.fullLinks.stepped(core, inputs, effects);
    this.letters.stepped(mesher, inputs, effects);
    this.olderCopies.stepped(mesher, effects);
    const died = disconnectedBy(effects);
    this.#look(mesher, core, inputs, 'after', died, changes);
    const ticked = inputs.some(({ kind }) => kind === 'tick');
    const appends = effects.some(({ kind }) => kind === 'append');
    if (ticked || appends) this.#follow(mesher, core, ticked, appends);
    this.#stepped?.(mesher, inputs, effects);
    if (!this.#trace) return;
    for (const input of inputs)
      if (input.kind !== 'tick') this.trace(mesher.node, () => `← ${describe(input)}`);
    for (const effect of effects) this.trace(mesher.node, () => `→ ${describe(effect)}`);
  }

  /**
   * What a mesher knew before and after the step holds for what it decided within, unless its routes took more `changes`
   * than one in it. `died`: whom it took for dead in the step,
   * also where they are back at its end, as may be after a long freeze.
   */
  #look(
    mesher: SimMesher,
    core: MesherCore,
    inputs: readonly Input[],
    when: 'before' | 'after',
    died: ReadonlySet<NodeId>,
    changes = 0,
  ): void {
    for (const input of inputs) {
      if (input.kind === 'publish') {
        for (const { event, attempt } of this.#attempts.get(
          `${mesher.node}/${mesher.life}/${input.request}`,
        ) ?? []) {
          this.#owe(core, event, attempt, when, died, changes);
        }
      } else if (input.kind === 'copy-loaded') {
        for (const { events } of input.entries)
          for (const event of events) {
            const published = this.events.get(idOf(event));
            if (published) published.takenOver = true;
          }
      } else if (input.kind === 'messages') {
        for (const message of input.messages) {
          if (!isEvents(message)) continue;
          if (message.kind === 'data' && message.of !== undefined)
            for (const { event } of message.events) {
              const published = this.events.get(idOf(event));
              if (published) published.landedAtHeir = true;
            }
          if (message.scope !== 'cluster') continue;
          for (const { event } of message.events) this.#lookAtLanding(mesher, core, event, died);
        }
      }
    }
  }

  #owe(
    core: MesherCore,
    event: Published,
    attempt: Attempt,
    when: 'before' | 'after',
    died: ReadonlySet<NodeId>,
    changes: number,
  ): void {
    if (!wholeTable(core)) event.unknownMeshers = true;
    for (const subscribed of this.subscriptions.values()) {
      const { name, subscription } = subscribed;
      if (!matches(subscription.topic, event.topic)) continue;
      const promised = subscribed.acked && !subscribed.ended && knows(core, subscribed, died);
      if (when === 'before') {
        if (promised) attempt.owed.add(name);
      } else if (!promised || (changes > 1 && subscribed.mesher !== core.node)) attempt.owed.delete(name);
    }
  }

  #lookAtLanding(mesher: SimMesher, core: MesherCore, stored: StoredEvent, died: ReadonlySet<NodeId>): void {
    const event = this.events.get(idOf(stored));
    if (!event || stored.deadLetter) return;
    if (!wholeTable(core)) event.unknownMeshers = true;
    for (const subscribed of this.subscriptions.values()) {
      if (subscribed.cluster !== mesher.cluster || !matches(subscribed.subscription.topic, event.topic))
        continue;
      if (!knows(core, subscribed, died)) event.unknownAtLanding.add(subscribed.name);
    }
  }

  // ─────────────────────────────────────────────────────────── what restarts must not forget

  /** Written by the first tick after `rememberEveryMs`, or by the append after the one that is under way then. */
  #follow(mesher: SimMesher, core: MesherCore, ticked: boolean, appends: boolean): void {
    const kept = this.#kept.get(mesher.node) ?? new Map<string, Kept>();
    this.#kept.set(mesher.node, kept);
    const { syncs } = mesher.disk;
    const held = HeldRoutes.of(core);
    for (const { name, mesher: owner, subscription } of this.subscriptions.values()) {
      if (held.routeOf(owner, subscription)?.durable !== true) {
        kept.delete(name);
        continue;
      }
      const { stage, at } = kept.get(name) ?? {};
      if (stage === undefined || at === undefined) kept.set(name, { stage: 'heard', at: this.#schedule.now });
      else if (stage === 'heard') {
        const isDue = this.#schedule.now - at >= mesher.options.timing.rememberEveryMs;
        if (ticked && isDue && (appends || core.commits.idle)) kept.set(name, { stage: 'writing', at });
      } else if (stage === 'writing') kept.set(name, { stage: 'written', at: syncs });
      else if (stage === 'written' && syncs > at) kept.set(name, { stage: 'synced', at });
    }
  }

  #checkKept(mesher: SimMesher, core: MesherCore): void {
    this.#livesSeen.set(mesher.node, mesher.life);
    const held = HeldRoutes.of(core);
    for (const name of this.#kept.get(mesher.node)?.keys() ?? []) {
      const subscribed = this.subscriptions.get(name);
      if (!subscribed || held.routeOf(subscribed.mesher, subscribed.subscription)) continue;
      this.broken(
        'durable interests outlive restarts',
        `${mesher.node} had written that ${subscribed.mesher} wants ${subscribed.subscription.topic}, and has forgotten it`,
      );
    }
  }

  /** What a disk that was put back to a backup has forgotten is found, and what a hostile member acks without having been sent it. */
  differs({ node, cluster }: SimMesher, { kind, lane, peer, text }: Difference): void {
    const why =
      HOSTILE.test(peer ?? '') || (lane.startsWith('c:') && HOSTILE.test(lane.slice(2)))
        ? 'a hostile member acked what it was not sent'
        : this.#putBackAt.size > 0
          ? 'a ledger differed where a disk was put back'
          : undefined;
    if (why !== undefined) this.meet(why, `${node} ${text}`);
    else this.broken('the ledgers of a link agree', `${node} in ${cluster}: ${kind}: ${text}`);
  }

  died(mesher: SimMesher, core: MesherCore, power: boolean): void {
    const kept = this.#kept.get(mesher.node);
    for (const [name, { stage, at }] of kept ?? []) {
      const isSynced = stage === 'synced' || (stage === 'written' && mesher.disk.syncs > at);
      if (isSynced || (stage === 'written' && !power)) kept?.set(name, { stage: 'synced', at });
      else kept?.delete(name);
    }
    for (const { name, samples } of core.counters.families()) {
      for (const { labels, value } of samples) {
        const key = `${name}/${Object.values(labels)[0] ?? ''}`;
        this.counted.set(key, (this.counted.get(key) ?? 0) + value);
      }
    }
  }

  diskLost({ node, disk }: SimMesher): void {
    addAllTo(this.lostWithDisks, dutiesOn(disk));
    this.letters.diskLost(node, disk, undefined);
  }

  /** It is about to get an older one, which has, besides, what was done since, and does not know what came since. */
  diskPutBack(mesher: SimMesher, older: MemoryDisk): void {
    addAllTo(this.lostWithDisks, dutiesLost(dutiesOn(mesher.disk), dutiesOn(older)));
    this.letters.diskLost(mesher.node, mesher.disk, older);
    this.#putBackAt.set(mesher.cluster, this.#schedule.now);
    this.#putBackAt.set(mesher.node, this.#schedule.now);
    this.#kept.delete(mesher.node);
    for (const subscribed of this.subscriptions.values()) {
      const { name, settled } = subscribed;
      if (homeOf(subscribed) !== mesher.node) continue;
      settled.clear(); // it has forgotten that
      for (const place of this.#places.keys()) if (place.startsWith(`${name} `)) this.#places.delete(place); // its blocks are numbered from there again
    }
  }

  /** `home` had it for one that is lost, in its own queue for that, and became the heir. */
  isOfGuest({ attempts, landedOn }: Published, home: NodeId): boolean {
    const hadIt =
      attempts.some(({ mesher }) => mesher === home) || [...landedOn.values()].some((on) => on.has(home));
    return hadIt && (this.#meshers.get(home)?.core?.takeovers.guests().length ?? 0) > 0;
  }

  /** A mesher that had custody of the event, or `home`, has forgotten since that it came or that it was done. */
  isForgotten({ attempts, landedOn }: Published, home?: NodeId): boolean {
    const [first] = attempts;
    const nodes = [
      ...attempts.map(({ mesher }) => mesher),
      ...[...landedOn.values()].flatMap((on) => [...on]),
    ];
    if (home !== undefined) nodes.push(home);
    return first !== undefined && nodes.some((node) => (this.#putBackAt.get(node) ?? -Infinity) > first.at);
  }

  isPutBackAfter(node: NodeId, at: number): boolean {
    return (this.#putBackAt.get(node) ?? -Infinity) > at;
  }

  /** Situations that meshers count themselves, over all lives of all that are there or were. */
  meetCounted(): void {
    for (const name of COUNTED) {
      const sum = this.sum(name);
      if (sum > 0) this.met.set(name, sum);
    }
  }

  /** Over all lives of all meshers, and all labels. */
  sum(name: CounterName): number {
    let sum = 0;
    for (const [key, count] of this.counted) if (key.startsWith(`${name}/`)) sum += count;
    for (const { core } of this.#meshers.values()) sum += core?.counters.total(name) ?? 0;
    return sum;
  }

  /** Over all lives of all meshers; `label`: the first one's value. */
  total(name: string, label: string): number {
    let sum = this.counted.get(`${name}/${label}`) ?? 0;
    for (const { core } of this.#meshers.values()) {
      for (const family of core?.counters.families() ?? []) {
        if (family.name !== name) continue;
        for (const { labels, value } of family.samples) if (Object.values(labels)[0] === label) sum += value;
      }
    }
    return sum;
  }

  // ─────────────────────────────────────────────────────────── on the wire

  dataSent(from: Host, to: Host, message: DataMessage): void {
    if (!isEvents(message) || message.scope !== 'cluster') return;
    for (const { event } of message.events) {
      if (event.path.includes(to.cluster)) {
        this.broken(
          'an event never enters a cluster in its path',
          `${idOf(event)} went from ${from.node} to ${to.node}, path ${event.path.join()}`,
        );
      }
      if (message.kind !== 'best-effort') continue;
      const crossing = `${event.origin}/${event.incarnation}/${event.sequence}/${to.cluster}`;
      const times = (this.#crossings.get(crossing) ?? 0) + 1;
      this.#crossings.set(crossing, times);
      if (times > 1)
        this.broken(
          'once per remote cluster',
          `best-effort ${idOf(event)} went to ${to.cluster} ${times} times`,
        );
    }
  }

  dataArrived(_from: Host, to: Host, message: DataMessage): void {
    if (!isEvents(message) || message.kind !== 'data') return;
    if (message.of !== undefined && message.doubt) {
      for (const { event } of message.events) {
        const published = this.events.get(idOf(event));
        if (published) published.takenOver = true;
      }
    }
    if (message.scope !== 'cluster') return;
    for (const { event } of message.events) {
      const published = this.events.get(idOf(event));
      if (!published || event.deadLetter) continue;
      if (message.doubt) published.doubtIn.add(to.cluster);
      const landed = published.landedOn.get(to.cluster) ?? new Set();
      published.landedOn.set(to.cluster, landed.add(to.node));
    }
  }

  // ─────────────────────────────────────────────────────────── at consumers

  /** `home`: whose subscription it is. */
  received(
    subscribed: Pick<Subscribed, 'name' | 'settled' | 'received' | 'servedBy'>,
    home: NodeId,
    deliveries: readonly Delivery[],
  ): void {
    for (const { event, token } of deliveries) {
      this.letters.handed(subscribed.name, home, event);
      if (event.deadLetter) {
        this.rejections.deadLetter(event.deadLetter.subscription, event);
        continue;
      }
      const id = idOf(event);
      const place = token === NO_TOKEN ? '' : `${subscribed.servedBy}${placeOf(token)}`;
      const { origin, incarnation, sequence, key } = event;
      const named = `${subscribed.name} ${place}`;
      const before = this.#places.get(named);
      if (place !== '' && !place.includes('_')) {
        if (before !== undefined && before !== id)
          this.broken('a token names one event', `${named} was ${before}, is ${id}`);
        this.#places.set(named, id);
        if (subscribed.settled.has(place))
          this.broken('what is settled never comes back', `${subscribed.name} got ${id} at ${place} again`);
      }
      const isRedriven = this.letters.isRedriven(recordOf(event));
      const { now: at } = this.#schedule;
      subscribed.received.push({ id, at, origin, incarnation, sequence, key, place, isRedriven });
    }
  }

  /** Handed out at another mesher than this, or not for a reason that was said for the subscription. */
  #cameElsewhere(id: string, name: string, mesher: NodeId): boolean {
    const subscribed = this.subscriptions.get(name);
    const elsewhere = subscribed?.received.some(
      (one) => one.id === id && servedAt(one, subscribed) !== mesher,
    );
    const reasons = ['expired', 'queue-limit', 'subscription-deleted'];
    return elsewhere === true || reasons.some((reason) => this.reasons.has(id, reason, [name]));
  }

  rejected(subscribed: Subscribed, delivery: Delivery): void {
    this.rejections.add(subscribed, delivery, this.#schedule.now);
  }

  /** Rejected where `$dead-letters` takes it, and not there: with what its mesher said why, if it did. */
  undead(): Undead[] {
    return this.rejections
      .undead((mesher, place) => this.reasons.whyLeft(mesher, place))
      .filter(
        ({ by: { name, mesher }, id, at }) =>
          this.events.get(id)?.qos === 'durable' &&
          this.subscriptions.get(name)?.subscription.delivery.deadLetterTopic === undefined &&
          (this.#putBackAt.get(mesher) ?? -Infinity) < at,
      );
  }

  settled(subscribed: Subscribed, tokens: readonly DeliveryToken[]): void {
    for (const token of tokens) subscribed.settled.add(`${subscribed.servedBy}${placeOf(token)}`);
  }
}

/** The mesher that serves it: where it was made, or that one's heir. */
export function homeOf({ mesher, servedBy }: Pick<Subscribed, 'mesher' | 'servedBy'>): NodeId {
  return servedBy === '' ? mesher : servedBy.trimEnd();
}

/** The mesher that handed it out: its place begins with the heir's name, if it was one. */
function servedAt({ place }: Received, { mesher }: Subscribed): NodeId {
  const end = place.indexOf(' ');
  return end < 0 ? mesher : place.slice(0, end);
}

/** Those of the events, as `origin` took them from their publisher, that some queue on the disk still wants. */
function waitingOn(disk: MemoryDisk, origin: NodeId, ids: ReadonlySet<string>): Set<string> {
  const waiting = new Set<string>();
  for (const entries of disk.entries.values()) {
    for (const [block, { indices }] of entries) {
      const events = disk.blocks.get(block);
      for (const index of indices) {
        const event = events?.[index];
        if (event?.origin !== origin) continue;
        const id = idOf(event);
        if (ids.has(id)) waiting.add(id);
      }
    }
  }
  return waiting;
}

function disconnectedBy(effects: readonly Effect[]): ReadonlySet<NodeId> {
  let peers: Set<NodeId> | undefined;
  for (const effect of effects) if (effect.kind === 'disconnect') (peers ??= new Set()).add(effect.peer);
  return peers ?? NOBODY;
}

function wholeTable(core: MesherCore): boolean {
  for (const { record, status } of core.members.all())
    if (status !== 'dead' && !core.table.complete(record.node)) return false;
  return true;
}

/** Would an event for it be sent there? Known or remembered interest, or a mesher, not dead, of which nothing whole was seen. */
function knows(
  core: MesherCore,
  { name, mesher, subscription }: Subscribed,
  died: ReadonlySet<NodeId>,
): boolean {
  const held = HeldRoutes.of(core);
  const heir = held.heirOf(mesher);
  if (mesher === core.node || heir === core.node)
    return core.subscriptions.get(name)?.subscription.topic === subscription.topic;
  const member = core.members.get(heir ?? mesher);
  if (!member) return held.routeOf(mesher, subscription) !== undefined;
  const isDead = member.status === 'dead' || died.has(mesher);
  if (heir === undefined && !isDead && !core.table.complete(mesher)) return true;
  const route = held.routeOf(mesher, subscription);
  // what is remembered of it may be the interest of an ephemeral subscriber to the same, who died with it
  return route !== undefined && (route.durable || !isDead);
}

function describe(step: Input | Effect): string {
  if (step.kind === 'messages')
    return step.messages.map((message) => `${step.peer}: ${describeMessage(message)}`).join('; ');
  if (step.kind === 'control' || step.kind === 'data')
    return `${step.peer}: ${describeMessage(step.message)}`;
  return short(step);
}

function describeMessage(message: LinkMessage): string {
  if (!isEvents(message)) return short(message);
  const ids = message.events.map(({ event }) => idOf(event)).join(' ');
  return `${short({ ...message, events: message.events.length })} ${ids}`;
}

function short(value: object): string {
  const text = JSON.stringify(value, (key, one: unknown) => {
    if (one instanceof Uint8Array || key === 'record' || key === 'cloudEvent') return undefined;
    if (one instanceof Set || one instanceof Map) return [...(one.keys() as Iterable<unknown>)];
    if (typeof one === 'object' && one !== null && 'record' in one && 'cloudEvent' in one)
      return idOf(one as StoredEvent);
    return one;
  });
  return text.length > 600 ? `${text.slice(0, 600)}…` : text;
}
