// All lanes of this mesher: makes them as destinations appear, chooses where each lands, and sends best-effort events past
// them. A lane to a cluster lands on one of its meshers, chosen by rendezvous so that lanes spread and stay.

import type { Commits } from './commits.ts';
import type { Counters } from './counters.ts';
import {
  hash32,
  type Directive,
  directiveBytes,
  type LaneName,
  type NodeId,
  type StoredEvent,
} from './event.ts';
import { ending, tellDestroyed } from './fates.ts';
import { Lane, type LandingChoice } from './lane.ts';
import { clusterQueue, laneDestination, type LaneDestination, peerQueue } from './lane-queue.ts';
import { LANE_WINDOW_BYTES_MAX, type Limits, LOOSE_STEP_BYTES_MAX } from './limits.ts';
import type { Links } from './links.ts';
import type { Member, Membership } from './membership.ts';
import type { ForwardedEvent, LaneAck, LaneGap, LaneReady } from './messages.ts';
import { Queue, type QueueItem } from './queue.ts';
import { rendezvous } from './router.ts';
import type { Emit, Now } from './steps.ts';
import type { Timing } from './timing.ts';
import type { LaneView } from './views.ts';

export interface ForwarderOptions {
  readonly self: NodeId;
  readonly cluster: string;
  readonly incarnation: number;
  readonly limits: Limits;
  readonly timing: Timing;
  readonly counters: Counters;
  readonly members: Membership;
  readonly links: Links;
  readonly commits: Commits;
  readonly emit: Emit;
  /** Who serves a lost mesher's subscriptions; undefined: the mesher itself. */
  readonly heirOf: (node: NodeId) => NodeId | undefined;
  /** Whether this mesher is the heir of that one: what is queued for it is for us. */
  readonly isGuest: (node: NodeId) => boolean;
  /** Takes what was queued for a guest; false: not now. */
  takeGuest(node: NodeId, item: QueueItem): boolean;
  /** A number for a new queue, unique in this journal. */
  nextQueueId(): number;
}

/**
 * Meshers named by one sender that are no members here yet; more than a registry's delay explains is an attack, and leaves no other
 * sender with less.
 */
const STRANGERS_MAX = 64;

const PEER_LANE: LaneName = { scope: 'peer', lane: 0 };

interface Loose {
  readonly peer: NodeId;
  readonly scope: LaneName['scope'];
  events: ForwardedEvent[];
  /** Of `events`. */
  bytes: number;
  /** Of those that left in this step already. */
  sentBytes: number;
}

export class Forwarder {
  readonly #options: ForwarderOptions;
  /** By queue name. */
  readonly #lanes = new Map<string, Lane>();
  /** Those to clusters, by the number of the lane: looked up for every event. */
  readonly #clusterLanes = new Map<string, (Lane | undefined)[]>();
  /** Where lanes to clusters would land, as long as no member and no link changes. */
  readonly #landings = new Map<string, (NodeId | undefined)[]>();
  #landingsOf: { readonly changes: number; readonly linked: readonly NodeId[] } = { changes: -1, linked: [] };
  /** By the number of its queue. */
  readonly #byQueue = new Map<number, Lane>();
  /** Positions of new lanes begin here: the receivers of forgotten ones may come back, and remember theirs. */
  #firstSequence = 1;
  /** Since when (monotonic ms) a lane leads to a mesher or cluster of which no member is known here. */
  readonly #strangers = new Map<NodeId, number>();
  /** Who named a stranger first. */
  readonly #namedBy = new Map<NodeId, NodeId>();
  /** Best-effort events of this step, by peer and scope. */
  readonly #loose = new Map<string, Loose>();

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /** Of the queue of this name, whosever it is. */
  static queueLimits(name: string, limits: Limits): Limits {
    if (!name.startsWith('c:')) return limits;
    return { ...limits, queueWindowBytes: Math.min(limits.queueWindowBytes, LANE_WINDOW_BYTES_MAX) };
  }

  /** A queue found in the journal. */
  recover(queue: Queue): void {
    const to = laneDestination(queue.name);
    if (to?.scope === 'peer') this.#addLane(to.node, this.#options.cluster, PEER_LANE, queue);
    else if (to) this.#addLane(to.cluster, to.cluster, { scope: 'cluster', lane: to.lane }, queue);
  }

  /** Queues the event offered last for this destination. */
  toCluster(cluster: string, hash: number, directive: Directive): void {
    const number = hash % this.#options.limits.lanesPerCluster;
    const lane =
      this.#clusterLanes.get(cluster)?.[number] ??
      this.#lane(clusterQueue(cluster, number), cluster, cluster, { scope: 'cluster', lane: number });
    this.#options.commits.want(lane.queue, lane.nextPosition(), directive);
  }

  /** False: a mesher that is no member as far as is known here, and `sender` has named too many of those to keep queues for. */
  takesPeer(node: NodeId, sender: NodeId): boolean {
    const { members, heirOf } = this.#options;
    if (members.get(node) || this.#lanes.has(peerQueue(node)) || heirOf(node) !== undefined) return true;
    let strangers = 0;
    for (const [stranger, namer] of this.#namedBy) {
      if (members.get(stranger)) this.#namedBy.delete(stranger);
      else if (namer === sender) strangers++;
    }
    if (strangers >= STRANGERS_MAX) return false;
    this.#namedBy.set(node, sender);
    return true;
  }

  toPeer(node: NodeId, directive: Directive): void {
    const lane = this.#lane(peerQueue(node), node, this.#options.cluster, PEER_LANE);
    this.#options.commits.want(lane.queue, lane.nextPosition(), directive);
  }

  #lane(queueName: string, destination: string, cluster: string, name: LaneName): Lane {
    const known = this.#lanes.get(queueName);
    if (known) return known;
    const { commits, limits } = this.#options;
    const queue = new Queue(
      this.#options.nextQueueId(),
      queueName,
      Forwarder.queueLimits(queueName, limits),
      commits,
    );
    commits.op({ op: 'queue', queue: queue.id, name: queueName });
    return this.#addLane(destination, cluster, name, queue);
  }

  #addLane(destination: string, cluster: string, name: LaneName, queue: Queue): Lane {
    const { limits, timing, counters, emit, links } = this.#options;
    const sent = (peer: NodeId, events: number, bytes: number): void => {
      const link = links.get(peer);
      if (!link) return;
      link.sentEvents += events;
      link.sentBytes += bytes;
    };
    const lane = new Lane(destination, cluster, name, queue, {
      limits,
      timing,
      counters,
      emit,
      sent,
      incarnation: this.#options.incarnation,
      firstSequence: this.#firstSequence,
    });
    this.#lanes.set(queue.name, lane);
    this.#byQueue.set(queue.id, lane);
    if (name.scope === 'cluster') {
      const lanes = this.#clusterLanes.get(cluster) ?? [];
      lanes[name.lane] = lane;
      this.#clusterLanes.set(cluster, lanes);
    }
    return lane;
  }

  // ─────────────────────────────────────────────────────────── best effort

  looseToCluster(cluster: string, hash: number, directive: Directive, event: StoredEvent): void {
    this.#sendLoose(
      this.#best(cluster, hash % this.#options.limits.lanesPerCluster),
      cluster,
      'cluster',
      directive,
      event,
    );
  }

  looseToPeer(node: NodeId, directive: Directive, event: StoredEvent): void {
    this.#sendLoose(this.#options.links.isUp(node) ? node : undefined, node, 'peer', directive, event);
  }

  #sendLoose(
    peer: NodeId | undefined,
    destination: string,
    scope: LaneName['scope'],
    directive: Directive,
    event: StoredEvent,
  ): void {
    const cluster = scope === 'cluster' ? destination : this.#options.cluster;
    const { counters, links } = this.#options;
    if (peer === undefined || links.get(peer)?.full) {
      this.#dropLoose(peer === undefined ? 'no-link' : 'slow-link', event, destination);
      return;
    }
    const key = `${scope}${peer}`;
    let waiting = this.#loose.get(key);
    if (!waiting) this.#loose.set(key, (waiting = { peer, scope, events: [], bytes: 0, sentBytes: 0 }));
    if (waiting.sentBytes + waiting.bytes + event.bytes > LOOSE_STEP_BYTES_MAX) {
      this.#dropLoose('slow-link', event, destination);
      return;
    }
    counters.add('events_forwarded_total', 1, cluster, 'best-effort');
    this.#addLoose(waiting, { event, directive });
  }

  #dropLoose(reason: 'no-link' | 'slow-link', event: StoredEvent, destination: string): void {
    this.#options.counters.add('events_dropped_total', 1, reason);
    this.#options.emit(ending('dropped', reason, event, destination));
  }

  #addLoose(waiting: Loose, forwarded: ForwardedEvent): void {
    const { frameBytesMax, frameEventsMax } = this.#options.limits;
    const { event, directive } = forwarded;
    const bytesBehind = (last: Directive | undefined): number =>
      event.bytes + (last === directive ? 0 : directiveBytes(directive));
    let bytes = bytesBehind(waiting.events.at(-1)?.directive);
    if (waiting.bytes + bytes > frameBytesMax || waiting.events.length >= frameEventsMax) {
      this.#flushOne(waiting);
      bytes = bytesBehind(undefined);
    }
    waiting.events.push(forwarded);
    waiting.bytes += bytes;
  }

  #flushOne(waiting: Loose): void {
    const { peer, scope, events, bytes } = waiting;
    if (events.length === 0) return;
    waiting.events = [];
    waiting.bytes = 0;
    waiting.sentBytes += bytes;
    this.#options.emit({ kind: 'data', peer, message: { kind: 'best-effort', scope, events } });
    const link = this.#options.links.get(peer);
    if (!link) return;
    link.sentEvents += events.length;
    link.sentBytes += bytes;
  }

  /** At the end of a step. */
  flushLoose(): void {
    for (const waiting of this.#loose.values()) this.#flushOne(waiting);
    this.#loose.clear();
  }

  // ─────────────────────────────────────────────────────────── where lanes land

  /** The mesher of `cluster` a lane should land on: alive before suspect, with a link that is up. */
  #best(cluster: string, lane: number): NodeId | undefined {
    const { members, links } = this.#options;
    const { changes } = members;
    const linked = links.linked();
    if (this.#landingsOf.changes !== changes || this.#landingsOf.linked !== linked) {
      this.#landingsOf = { changes, linked };
      this.#landings.clear();
    }
    let landings = this.#landings.get(cluster);
    if (!landings) {
      landings = [];
      this.#landings.set(cluster, landings);
    }
    if (!(lane in landings)) landings[lane] = this.#chooseLanding(cluster, lane);
    return landings[lane];
  }

  #chooseLanding(cluster: string, lane: number): NodeId | undefined {
    const { members, links, self } = this.#options;
    const alive: Member[] = [];
    const suspect: Member[] = [];
    for (const member of members.all()) {
      if (member.record.cluster !== cluster || !links.isUp(member.record.node)) continue;
      (member.status === 'alive' ? alive : suspect).push(member);
    }
    // the lane and the sender are in the hash: the lanes of one sender, and those of several, spread differently
    return rendezvous(
      alive.length > 0 ? alive : suspect,
      hash32(`${self}/${lane}`),
      (member) => member.record.node,
    )?.record.node;
  }

  #choice(lane: Lane): LandingChoice {
    const { members, links, heirOf } = this.#options;
    const own = lane.name.scope === 'cluster' ? undefined : (heirOf(lane.destination) ?? lane.destination);
    return {
      best:
        own === undefined ? this.#best(lane.destination, lane.name.lane) : links.isUp(own) ? own : undefined,
      isLinked: (node) => links.isUp(node),
      isAlive: (node) => members.get(node)?.status === 'alive',
      isFull: (node) => links.get(node)?.full ?? true,
    };
  }

  /** Where an event with this hash would land now. */
  landingFor(cluster: string, hash: number): NodeId | undefined {
    const lane = hash % this.#options.limits.lanesPerCluster;
    return this.#lanes.get(clusterQueue(cluster, lane))?.landing ?? this.#best(cluster, lane);
  }

  queue(id: number): Queue | undefined {
    return this.#byQueue.get(id)?.queue;
  }

  queueNamed(name: string): Queue | undefined {
    return this.#lanes.get(name)?.queue;
  }

  pumpQueue(queue: Queue, now: Now): void {
    const lane = this.#byQueue.get(queue.id);
    if (lane) this.#pump(lane, now);
  }

  /**
   * Blocks hold events of all lanes of a destination: where each read them at its own time, a backlog of large events was read
   * from disk four times.
   */
  #pump(lane: Lane, now: Now): void {
    if (this.#isGuests(lane)) {
      this.#takeGuest(lane);
      return;
    }
    const lastBlock = lane.pump(this.#choice(lane), now);
    if (lastBlock === undefined || lane.name.scope === 'peer') return; // a peer has one lane only
    for (const other of this.#clusterLanes.get(lane.cluster) ?? []) other?.readAlong(lastBlock);
  }

  #isGuests({ name, destination }: Lane): boolean {
    return name.scope === 'peer' && this.#options.isGuest(destination);
  }

  /** What was queued for a mesher before it became a guest of ours. */
  #takeGuest({ destination, queue }: Lane): void {
    for (let item = queue.front(); item?.position; item = queue.front()) {
      if (!this.#options.takeGuest(destination, item)) break;
      queue.take();
      queue.settleUpTo(item.position);
    }
    queue.refill();
  }

  /** The event offered last had been queued for this destination on a lost mesher, and may have arrived from there. */
  adopt(to: LaneDestination, hash: number, directive: Directive): void {
    if (to.scope === 'peer') {
      this.toPeer(to.node, directive);
      this.#lanes.get(peerQueue(to.node))?.doubtAll();
      return;
    }
    this.toCluster(to.cluster, hash, directive);
    this.#clusterLanes.get(to.cluster)?.[hash % this.#options.limits.lanesPerCluster]?.doubtAll();
  }

  linkDown(peer: NodeId, now: Now): void {
    for (const lane of this.#lanes.values()) lane.linkDown(peer, now);
  }

  /** A link or a member changed: every lane with something to send looks again. */
  pumpAll(now: Now): void {
    for (const lane of this.#lanes.values()) if (lane.queue.depth > 0) this.#pump(lane, now);
  }

  tick(now: Now): void {
    for (const lane of this.#lanes.values()) {
      if (this.#isGuests(lane)) this.#takeGuest(lane);
      else if (lane.queue.depth > 0) lane.tick(this.#choice(lane), now);
      this.#watchStranger(lane, now);
    }
  }

  /**
   * A sender named it, or a lost mesher had it, who may have known it before us, or known no better, or meant harm. It is waited for as
   * long as a dead member is: nothing else would ever end the queue for one that we were never told of, or have forgotten.
   */
  #watchStranger({ destination, name: { scope } }: Lane, now: Now): void {
    if (
      scope === 'peer' ? this.#isKnownPeer(destination) : this.#options.members.clusterSize(destination) > 0
    ) {
      this.#strangers.delete(destination);
      return;
    }
    const since = this.#strangers.get(destination) ?? now.monotonic;
    this.#strangers.set(destination, since);
    if (now.monotonic - since <= this.#options.timing.forgetAfterMs) return;
    this.#options.counters.add('events_dropped_total', this.forget(destination), 'member-forgotten');
  }

  #isKnownPeer(node: NodeId): boolean {
    const { members, heirOf, isGuest } = this.#options;
    return members.get(node) !== undefined || heirOf(node) !== undefined || isGuest(node);
  }

  // ─────────────────────────────────────────────────────────── what receivers say

  fromPeer(peer: NodeId, message: LaneReady | LaneAck | LaneGap, now: Now): void {
    const cluster = this.#options.members.clusterOf(peer);
    if (message.of !== undefined && this.#options.heirOf(message.of) !== peer) return;
    const lane = this.#lanes.get(
      message.scope === 'peer' ? peerQueue(message.of ?? peer) : clusterQueue(cluster ?? '', message.lane),
    );
    if (!lane) return;
    if (message.kind === 'lane-ready') lane.ready(peer, message, now);
    else if (message.kind === 'ack') lane.ack(peer, message, now);
    else lane.gap(peer, message, now);
    this.#pump(lane, now);
  }

  /** A destination is forgotten for good; returns how many events were waiting for it. */
  forget(destination: string): number {
    let lost = 0;
    for (const [name, lane] of this.#lanes) {
      if (lane.destination !== destination) continue;
      tellDestroyed(this.#options.emit, lane.queue, 'member-forgotten', destination);
      lost += lane.queue.destroy();
      this.#firstSequence = Math.max(this.#firstSequence, lane.nextSequence);
      this.#lanes.delete(name);
      this.#clusterLanes.delete(lane.cluster);
      this.#byQueue.delete(lane.queue.id);
    }
    this.#strangers.delete(destination);
    this.#namedBy.delete(destination);
    return lost;
  }

  lane(queue: Queue): Lane | undefined {
    return this.#byQueue.get(queue.id);
  }

  lanes(): IterableIterator<Lane> {
    return this.#lanes.values();
  }

  views(): LaneView[] {
    return [...this.#lanes.values()].map((lane) => lane.view());
  }

  queues(): Queue[] {
    return [...this.#byQueue.values()].map((lane) => lane.queue);
  }
}
