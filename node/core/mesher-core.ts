// The mesher as a state machine: `step(inputs, now)` takes what happened and returns what to do. It joins the parts
// (membership, routes, router, subscriptions, lanes, landing, commits) and owns the way of an event through them:
//
//   publish → decide → store in the batch → [append … appended] → reply, deliver, forward
//   lane data → decide → store in the batch with the receive mark → [append … appended] → ack, deliver, hand on
//
// It does no I/O, reads no clock and draws no chance of its own, and never waits. See steps.ts for the order of effects.

import { Announcer } from './announcer.ts';
import { awayMessages, type MemberAway } from './away.ts';
import { Commits } from './commits.ts';
import { Copies } from './copies.ts';
import type { AdoptedLane, AdoptedWant } from './copy-move.ts';
import { Counters } from './counters.ts';
import type { SubscriptionDelivery } from './delivery.ts';
import { invariant, MeshError } from './errors.ts';
import { encodeRecord } from './event-record.ts';
import {
  NO_GROUPS,
  type DeadLetter,
  type Directive,
  type LaneName,
  type NewEvent,
  type NodeId,
  type StoredEvent,
} from './event.ts';
import { droppedLetter, ending, redrivenLetter, tellDestroyed } from './fates.ts';
import { Forwarder } from './forwarder.ts';
import { Landing } from './landing.ts';
import { laneDestination } from './lane-queue.ts';
import { isWireTopic, type Limits } from './limits.ts';
import { Links } from './links.ts';
import { Membership } from './membership.ts';
import type { Drop, PublishRefusal } from './metric-catalogue.ts';
import type { BestEffort, ForwardedEvent, LaneData, LinkMessage } from './messages.ts';
import type { Keys, MemberRecord, Random, RecoveredMesher } from './ports.ts';
import { Queue, type QueueItem } from './queue.ts';
import { Replication } from './replication.ts';
import { heirFilter } from './heirs.ts';
import { RouteTable } from './route-table.ts';
import { Router, type Decision } from './router.ts';
import type { Effect, Emit, HeldLetter, Input, Now, Reply, RequestId } from './steps.ts';
import type { Subscription } from './subscription.ts';
import { Subscriptions, type EphemeralTarget, type Target } from './subscriptions.ts';
import { Takeovers } from './takeovers.ts';
import type { Timing } from './timing.ts';
import { isInternal } from './topic.ts';

export interface CoreOptions {
  /** What this mesher says of itself, signed. Its incarnation is the core's. */
  readonly self: MemberRecord;
  readonly limits: Limits;
  readonly timing: Timing;
  readonly keys: Keys;
  readonly random: Random;
  /** Meshers of its cluster, this one included, that have an event on disk before custody of it is acked. */
  readonly replicas: number;
  /** It was a member before: known peers are enough to be ready, the registry need not answer first. */
  readonly rejoining: boolean;
}

/**
 * Between the block numbers of one start and the next, where copies are kept: a crash, or a disk that was put back, may have taken
 * blocks that the copies have, whose numbers must not be given to others.
 */
const BLOCK_GAP = 2 ** 20;
const NOT_HELD = 'it is no dead letter any more, or somebody has it in hand';
const EVERY_GROUP = { groups: 'except', names: [] } as const;

export class MesherCore {
  readonly counters = new Counters();
  readonly members: Membership;
  readonly links: Links;
  readonly table: RouteTable;
  readonly router: Router<Target>;
  readonly commits: Commits;
  readonly forwarder: Forwarder;
  readonly subscriptions: Subscriptions;
  readonly options: CoreOptions;
  readonly replication: Replication;
  readonly copies: Copies;
  readonly takeovers: Takeovers;
  readonly startedAt: Now;
  readonly #landing: Landing;
  readonly #announcer: Announcer;
  readonly #deadLetters;
  #effects: Effect[] = [];
  readonly #emit: Emit = (effect) => void this.#effects.push(effect);
  #now: Now;
  #sequence = 0;
  /** Of what is published here. */
  readonly #path: readonly string[];
  /** Of the event that landed last: all of a frame mostly have the same. */
  #lastDirective: { readonly given: Directive; readonly interned: Directive } = {
    given: NO_GROUPS,
    interned: NO_GROUPS,
  };
  /** Encoding the next one takes what is the same from it. */
  #lastRecord: StoredEvent | undefined;
  #nextQueueId = 1;
  #disk: 'ok' | 'full' = 'ok';
  #lanesStale = false;
  #ticked = false;
  /**
   * In this step a request was refused for lack of room, and all after it are: a smaller one for which there still is room would overtake
   * it, and whoever sends one after the other hears of a refusal only when the step is done.
   */
  #isOverloaded = false;
  /** Ephemeral deliveries that wait for the batch being staged. */
  #afterCommit: { readonly target: EphemeralTarget; readonly event: StoredEvent }[] = [];

  constructor(options: CoreOptions, recovered: RecoveredMesher, now: Now) {
    const { self, limits, timing, keys, random } = options;
    const { counters } = this;
    const emit = this.#emit;
    this.options = options;
    this.#path = [self.cluster];
    this.startedAt = now;
    this.#now = now;
    const nextQueueId = (): number => this.#nextQueueId++;
    const nextBlock = recovered.nextBlock + (options.replicas > 1 ? BLOCK_GAP : 0);
    this.commits = new Commits(nextBlock, limits, emit, (batch, ops) => this.replication.append(batch, ops));
    this.links = new Links(timing, emit);
    this.members = new Membership(
      { keys, federation: self.federation, limits, timing, random, counters },
      self,
      {
        remember: (member) => this.commits.op({ op: 'member', member }),
        forget: (member) => this.#forget(member),
        isReplaced: (node) => this.table.heirs.has(node) || this.takeovers.isGuest(node),
        wentAway: (members) => this.#tellAway(members.map((record) => ({ record, awayMs: 0 }))),
        admitted: (node) => this.table.admitted(node),
        statusChanged: () => {
          this.#lanesStale = true;
        },
      },
      emit,
    );
    this.table = new RouteTable(
      { keys, incarnation: self.incarnation, limits, timing, random, counters },
      {
        isMember: (node) => this.members.get(node) !== undefined,
        heardFrom: (node) => this.members.heardFrom(node),
        mayInherit: (claimant, node) => this.#mayInherit(claimant, node),
        inherited: (node) => this.members.replaced(node),
        outlived: (node) => this.commits.op({ op: 'drop-member', node }),
        linked: () => this.links.linked(),
      },
      {
        write: (node, bucket, interests) => this.commits.op({ op: 'routes', node, bucket, interests }),
        drop: (node) => this.commits.op({ op: 'drop-routes', node }),
      },
      emit,
    );
    this.router = new Router({
      self: self.node,
      cluster: self.cluster,
      table: this.table,
      members: this.members,
      roundTrip: (node) => this.links.get(node)?.roundTripMs,
      isGuest: (node) => this.takeovers.isGuest(node),
      cacheMax: limits.routeCacheMax,
    });
    this.replication = new Replication({
      self: self.node,
      cluster: self.cluster,
      incarnation: self.incarnation,
      replicas: options.replicas,
      limits,
      timing,
      counters,
      members: this.members,
      links: this.links,
      emit,
      nextBlock: () => this.commits.nextBlock,
    });
    this.copies = new Copies({
      cluster: self.cluster,
      counters,
      emit,
      clusterOf: (node) => this.members.clusterOf(node),
    });
    this.#announcer = new Announcer(limits, timing, (ops, gossip) => this.table.announce(ops, gossip));
    this.forwarder = new Forwarder({
      self: self.node,
      cluster: self.cluster,
      incarnation: self.incarnation,
      limits,
      timing,
      counters,
      members: this.members,
      links: this.links,
      commits: this.commits,
      emit,
      heirOf: (node) => this.table.heirs.of(node),
      isGuest: (node) => this.takeovers.isGuest(node),
      takeGuest: (node, item) => this.#takeGuest(node, item),
      nextQueueId,
    });
    this.#landing = new Landing({
      limits,
      counters,
      commits: this.commits,
      emit,
      clusterOf: (node) => this.members.clusterOf(node) ?? 'unknown',
      closed: () => this.#disk === 'full' || this.#lacksReplicas,
      pendingBytes: () => this.#pendingBytes,
      whenKept: (then, sync) => this.#whenKept(options.replicas, then, sync),
      take: (sender, name, events) => this.#landAll(sender, name, events, 'durable'),
      isGuest: (node) => this.takeovers.isGuest(node),
    });
    this.subscriptions = new Subscriptions({
      limits,
      counters,
      commits: this.commits,
      announcer: this.#announcer,
      router: this.router,
      delivery: {
        limits,
        counters,
        random,
        emit,
        deadLetter: (subscription, item, reason) => this.#deadLetter(subscription, item, reason),
      },
      emit,
      nextQueueId,
      whenKept: (then) => this.#whenKept(options.replicas, then),
    });
    this.takeovers = new Takeovers({
      self: self.node,
      isRejoining: options.rejoining && mayHaveClaimed(options.replicas, recovered),
      timing,
      counters,
      copies: this.copies,
      emit,
      // that others say it is away is no proof that it is
      statusOf: (node) =>
        (this.members.isAdmitted(node) ? this.members.get(node)?.status : undefined) ?? 'unknown',
      neighbours: () => this.#neighbours(),
      registryUp: () => this.members.registry.state === 'up',
      isBusy: () => this.#pendingBytes > limits.stagedBytesMax / 2,
      note: (takeover) => this.commits.op({ op: 'takeover', takeover }),
      // until all claims are done the copy counts for as many disks as this one
      whenDurable: (then) => this.#whenKept(1, then),
      whenKept: (then) => this.#whenKept(options.replicas, then),
      adoptSubscription: (subscription) => this.#adoptSubscription(subscription),
      adoptedAs: (subscription) => this.subscriptions.adoptedAs(subscription),
      adoptMark: (sender, name, position) => this.#landing.adopt(sender, name, position),
      adoptEvent: (owner, event, wants) => this.#adoptEvent(owner, event, wants),
      becomeHeir: (owner) => this.#becomeHeir(owner),
    });
    this.#recover(recovered, now);
    this.#deadLetters = this.subscriptions.ensureDeadLetters();
    this.#announcer.flush(now, true);
  }

  #recover(recovered: RecoveredMesher, now: Now): void {
    const byName = new Map(recovered.subscriptions.map((one) => [Subscriptions.queueName(one.name), one]));
    const orphans: Queue[] = [];
    this.takeovers.recover(recovered.takeovers);
    for (const { queue: id, name, blocks } of recovered.queues) {
      this.#nextQueueId = Math.max(this.#nextQueueId, id + 1);
      const queue = new Queue(id, name, Forwarder.queueLimits(name, this.options.limits), this.commits);
      for (const { block, count, first } of blocks) {
        queue.recover(block, count, first);
        this.commits.recover(block);
      }
      const subscription = byName.get(name);
      const { adoptedFrom } = subscription ?? {};
      const active = adoptedFrom === undefined || this.takeovers.isGuest(adoptedFrom);
      if (subscription) this.subscriptions.recover(subscription, queue, active);
      else if (laneDestination(name)) this.forwarder.recover(queue);
      else orphans.push(queue); // its subscription went in a batch that a crash cut off from the queue's own
    }
    // once it is known who else wants their blocks
    for (const queue of orphans) {
      tellDestroyed(this.#emit, queue, 'subscription-deleted', queue.name.slice(2));
      queue.destroy();
    }
    for (const block of recovered.unclaimedBlocks) this.commits.op({ op: 'drop-block', block });
    this.#landing.recover(recovered.marks);
    this.members.recover(recovered.members, now);
    this.table.recover(recovered.routes);
    this.copies.recover(recovered.copies);
    for (const guest of this.takeovers.guests()) this.#becomeHeir(guest);
  }

  /** `then` runs when all that is staged is on `replicas` disks. `sync`: it must not wait for the next batch that is. */
  #whenKept(replicas: number, then: () => void, sync = true): void {
    const batch = this.commits.stagedBatch;
    this.commits.whenDurable(() => this.replication.whenCopied(batch, replicas, then), sync);
  }

  /** Bytes of events that wait for this disk, or for those of copies. */
  get #pendingBytes(): number {
    return this.commits.pendingBytes + this.replication.heldBytes;
  }

  /** Too few meshers can take a copy now: custody of nothing new is taken. */
  get #lacksReplicas(): boolean {
    return this.replication.available < this.options.replicas;
  }

  get incarnation(): number {
    return this.options.self.incarnation;
  }

  get cluster(): string {
    return this.options.self.cluster;
  }

  get node(): NodeId {
    return this.options.self.node;
  }

  get diskFull(): boolean {
    return this.#disk === 'full';
  }

  /** Takes what happened, in order; returns what to do, in order. Throws only for bugs. */
  step(inputs: readonly Input[], now: Now): readonly Effect[] {
    this.#now = now;
    this.#isOverloaded = false;
    for (const input of inputs) this.#take(input);
    this.#finish();
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #take(input: Input): void {
    const now = this.#now;
    switch (input.kind) {
      case 'tick':
        this.#tick();
        return;
      case 'publish':
        this.#publish(input);
        return;
      case 'put-subscription':
        this.#put(input.request, input.subscription);
        return;
      case 'delete-subscription':
        this.#delete(input.request, input.name);
        return;
      case 'attach':
        if (!this.subscriptions.attach(input.session, input.name, input.credit, input.resumeAfter, now)) {
          this.#effects.push({ kind: 'session-closed', session: input.session, reason: 'deleted' });
        }
        return;
      case 'attach-ephemeral':
        this.subscriptions.attachEphemeral(input.session, input.filter, input.group, input.credit);
        return;
      case 'grant':
        this.subscriptions.grant(input.session, input.count, now);
        return;
      case 'detach':
        this.subscriptions.detach(input.session, now);
        return;
      case 'pull':
        this.#pull(input.request, input.name, input.max, input.waitMs);
        return;
      case 'cancel-pull':
        if (this.subscriptions.cancelPull(input.request))
          this.#reply(input.request, { kind: 'pulled', deliveries: [] });
        return;
      case 'settle':
        this.#settle(input);
        return;
      case 'dead-letters':
        this.#settleDeadLetters(input);
        return;
      case 'link-up':
        this.#linkUp(input.peer, input.version);
        return;
      case 'link-down':
        this.links.down(input.peer, input.reason, now);
        this.forwarder.linkDown(input.peer, now);
        this.members.linkDown(input.peer, now);
        this.table.linkDown(input.peer);
        this.replication.linkDown(input.peer, now);
        this.#lanesStale = true;
        return;
      case 'messages':
        this.links.heard(input.peer, now);
        for (const message of input.messages) this.#message(input.peer, message);
        return;
      case 'full':
      case 'drained':
        this.#setFull(input.peer, input.kind === 'full');
        return;
      case 'gossip':
        this.table.takeDelta(input.bytes, 'gossip', now);
        return;
      case 'refused':
        this.counters.add('messages_refused_total', 1, input.reason);
        return;
      case 'members':
        this.members.takeList(input.list, now);
        return;
      case 'members-hint':
        this.members.hint();
        return;
      case 'registry':
        this.members.registryState(input.state, now);
        return;
      case 'appended':
        for (const queue of this.commits.appended(input.batch)) this.#pumpQueue(queue);
        return;
      case 'loaded': {
        const queue = this.subscriptions.queue(input.queue) ?? this.forwarder.queue(input.queue);
        queue?.loaded(input.entries);
        if (queue) this.#pumpQueue(queue);
        return;
      }
      case 'disk':
        this.#disk = input.state;
        this.#landing.release();
        return;
      case 'copy-ranged':
        this.replication.ranged(input.peer, input);
        return;
      case 'copy-written':
        this.copies.written(input.owner, input.head);
        return;
      case 'copy-damaged':
        this.copies.damaged(input.owner, this.links.isUp(input.owner));
        return;
      case 'copy-refused':
        this.counters.add('messages_refused_total', 1, 'bad-copy');
        this.copies.dismissed(input.owner);
        return;
      case 'claimed':
        this.takeovers.claimed(input.owner, input.ask, input.claims);
        return;
      case 'claims-ended':
        this.takeovers.ended(input.owner);
        return;
      case 'copy-read':
        this.takeovers.read(input.owner, input.recovered);
        return;
      case 'copy-loaded':
        this.takeovers.loaded(input.owner, input.block, input.entries);
        return;
    }
  }

  /** What is done once for all inputs of a step. */
  #finish(): void {
    this.#announcer.flush(this.#now);
    if (this.#lanesStale) {
      this.#lanesStale = false;
      this.forwarder.pumpAll(this.#now);
    }
    this.#landing.flush();
    this.subscriptions.flushEphemeral(this.#now);
    this.forwarder.flushLoose();
    if (this.#afterCommit.length > 0) {
      const waiting = this.#afterCommit;
      this.#afterCommit = [];
      this.commits.whenDurable(() => {
        for (const { target, event } of waiting) this.subscriptions.offer(target, event);
        this.subscriptions.flushEphemeral(this.#now);
      });
    }
    this.commits.flush(this.#ticked);
    this.#ticked = false;
  }

  #tick(): void {
    const now = this.#now;
    this.#ticked = true;
    this.members.tick(now);
    this.replication.tick(now);
    this.takeovers.tick(now);
    this.#landing.release();
    this.links.tick(now, (peer) => this.members.get(peer)?.record.addresses ?? []);
    this.table.tick(now);
    this.forwarder.tick(now);
    this.subscriptions.tick(now);
  }

  #reply(request: RequestId, reply: Reply): void {
    this.#effects.push({ kind: 'reply', request, reply });
  }

  #fail(request: RequestId, error: MeshError): void {
    this.#reply(request, { kind: 'failed', error });
  }

  // ─────────────────────────────────────────────────────────── events in

  #publish({ request, qos, report, events, replicas }: Extract<Input, { kind: 'publish' }>): void {
    const kept = Math.min(replicas ?? this.options.replicas, this.options.replicas);
    const startedAt = this.#now.monotonic;
    const refusal = this.#refusal(events, qos === 'durable' ? kept : 1);
    if (refusal) {
      this.counters.add('publish_refused_total', 1, refusal.code);
      this.#fail(request, new MeshError(refusal.code, refusal.message));
      return;
    }
    const internal = isInternal(events[0]?.topic ?? '');
    const stored = this.commits.pendingBytes;
    const results: Extract<Reply, { kind: 'published' }>['results'][number][] = [];
    for (const event of events) {
      const record = this.#record(event, this.#now.wall, undefined);
      const decision = this.#decide(record, 'anywhere', EVERY_GROUP);
      if (decision.crowdedGroups > 0) this.#drop('too-many-groups', record, '', decision.crowdedGroups);
      if (!this.#dispatch(record, decision, qos) && !internal) this.#unwanted('publisher', record);
      if (!report) continue;
      results.push({
        sequence: record.sequence,
        destinations: {
          subscriptions: decision.local.length,
          meshers: [...decision.peers.keys()],
          clusters: [...decision.clusters.keys()],
        },
      });
    }
    if (!internal) this.counters.add('events_published_total', events.length, qos);
    const reply = (): void => {
      if (qos === 'durable' && !internal)
        this.counters.latencies.publishAck.observe((this.#now.monotonic - startedAt) / 1000);
      this.#reply(request, { kind: 'published', results });
    };
    if (this.commits.pendingBytes > stored) this.#whenKept(kept, reply);
    else reply();
  }

  #refusal(events: readonly NewEvent[], replicas: number): Refusal | undefined {
    if (this.#disk === 'full') {
      return {
        code: 'disk-full',
        message:
          'the disk of this mesher is nearly full; free space, or publish to another mesher: what is queued is still delivered',
      };
    }
    const { available } = this.replication;
    if (available < replicas) {
      return {
        code: 'not-enough-replicas',
        message: `${replicas} meshers of cluster ${this.cluster} are to keep each event, and ${available} can now; none of this request was taken, send it again when more are back, or ask for less with replicas`,
      };
    }
    let bytes = this.#pendingBytes;
    for (const event of events) bytes += event.cloudEvent.length;
    const { stagedBytesMax } = this.options.limits;
    if (bytes <= stagedBytesMax && !this.#isOverloaded) return undefined;
    this.#isOverloaded = true;
    return {
      code: 'overloaded',
      message: `more than ${stagedBytesMax} bytes wait for the disk; none of this request was taken, send it again shortly`,
    };
  }

  #record(event: NewEvent, acceptedAt: number, deadLetter: DeadLetter | undefined): StoredEvent {
    this.#lastRecord = encodeRecord(
      event,
      {
        origin: this.node,
        incarnation: this.incarnation,
        sequence: ++this.#sequence,
        acceptedAt,
        path: this.#path,
        deadLetter,
      },
      this.#lastRecord,
    );
    return this.#lastRecord;
  }

  #decide(
    event: StoredEvent,
    reach: 'anywhere' | 'cluster' | 'here',
    directive: ForwardedEvent['directive'],
    of?: NodeId,
  ): Decision<Target> {
    return this.router.decide(event.topic, event.hash, event.key !== '', reach, directive, of);
  }

  /** Carries a decision out; false: nobody wanted it. `sender`: who named the meshers that it is for. */
  #dispatch(
    event: StoredEvent,
    decision: Decision<Target>,
    qos: 'durable' | 'best-effort',
    sender: NodeId = this.node,
  ): boolean {
    const durable = qos === 'durable';
    const { commits, forwarder } = this;
    const { local, peers, clusters } = decision;
    commits.offer(event);
    let ephemeral: EphemeralTarget[] | undefined;
    for (const target of local) {
      if (!target.durable) (ephemeral ??= []).push(target);
      else if (this.#isFull(target.delivery.queue, target.delivery.subscription))
        this.#drop('queue-limit', event, target.name);
      else if (durable) commits.want(target.delivery.queue);
      else this.#offerVolatile(target.delivery.queue, event, target.name);
    }
    for (const [node, directive] of peers) {
      if (!forwarder.takesPeer(node, sender)) this.#drop('unknown-mesher', event, node);
      else if (durable) forwarder.toPeer(node, directive);
      else forwarder.looseToPeer(node, directive, event);
    }
    for (const [cluster, directive] of clusters) {
      if (durable) forwarder.toCluster(cluster, event.hash, directive);
      else forwarder.looseToCluster(cluster, event.hash, directive, event);
    }
    for (const target of ephemeral ?? []) {
      if (commits.taken) this.#afterCommit.push({ target, event });
      else this.subscriptions.offer(target, event);
    }
    return local.length + peers.size + clusters.size > 0;
  }

  #isFull(queue: Queue, { delivery }: Subscription): boolean {
    return (
      delivery.whenFull === 'drop-newest' &&
      delivery.queueEventsMax !== undefined &&
      queue.depth + queue.staged >= delivery.queueEventsMax
    );
  }

  #offerVolatile(queue: Queue, event: StoredEvent, subscription: string): void {
    if (queue.pushVolatile(event)) this.#pumpQueue(queue);
    else this.#drop('slow-subscriber', event, subscription);
  }

  /** `to`: the subscription or mesher that it was for, or the mesher that it came from. */
  #drop(reason: Drop, event: StoredEvent, to: string, times = 1): void {
    this.counters.add('events_dropped_total', times, reason);
    this.#effects.push(ending('dropped', reason, event, to));
  }

  #unwanted(by: 'publisher' | 'link', event: StoredEvent): void {
    this.counters.add('events_unwanted_total', 1, by);
    this.#effects.push(ending('not-wanted', by, event, ''));
  }

  /** Events that came over a link. */
  #landAll(
    sender: NodeId,
    name: Pick<LaneName, 'scope' | 'of'>,
    events: readonly ForwardedEvent[],
    qos: 'durable' | 'best-effort',
  ): void {
    const link = this.links.get(sender);
    for (const forwarded of events) {
      if (link) link.receivedBytes += forwarded.event.bytes;
      this.#land(sender, name, forwarded, qos);
    }
    if (link) link.receivedEvents += events.length;
  }

  #land(
    sender: NodeId,
    { scope, of }: Pick<LaneName, 'scope' | 'of'>,
    { event, directive }: ForwardedEvent,
    qos: 'durable' | 'best-effort',
  ): void {
    if (scope === 'cluster' && event.path.includes(this.cluster)) {
      this.#drop('loop', event, sender);
      return;
    }
    if (event.expiresAt !== 0 && event.expiresAt <= this.#now.wall) {
      this.#drop('expired', event, sender);
      return;
    }
    if (!isWireTopic(event.topic)) {
      this.#drop('bad-topic', event, sender);
      return;
    }
    if (directive !== this.#lastDirective.given)
      this.#lastDirective = { given: directive, interned: this.router.intern(directive) };
    const decision = this.#decide(
      event,
      scope === 'cluster' ? 'cluster' : 'here',
      this.#lastDirective.interned,
      of,
    );
    const { orphanGroups, crowdedGroups } = decision;
    if (orphanGroups.length > 0) this.#drop('stale-route', event, sender, orphanGroups.length);
    if (crowdedGroups > 0) this.#drop('too-many-groups', event, sender, crowdedGroups);
    if (!this.#dispatch(event, decision, qos, sender)) this.#unwanted('link', event);
  }

  /**
   * To the subscription's dead-letter topic; to `$dead-letters` where it names none, where nobody listens there, and
   * for what was a dead letter already (two subscriptions might otherwise reject each other's for ever).
   */
  #deadLetter(subscription: Subscription, item: QueueItem, reason: string): void {
    const { event } = item;
    const topic = event.deadLetter ? undefined : subscription.delivery.deadLetterTopic;
    const { key, hash, cloudEvent } = event;
    const dead: NewEvent = { topic: topic ?? event.topic, expiresAt: 0, key, hash, cloudEvent };
    const record = this.#record(dead, event.acceptedAt, {
      subscription: subscription.name,
      reason: reason.slice(0, 1024),
      attempts: item.attempt,
      topic: event.topic,
    });
    if (
      topic !== undefined &&
      this.#dispatch(record, this.#decide(record, 'anywhere', EVERY_GROUP), 'durable')
    )
      return;
    this.commits.offer(record);
    this.commits.want(this.#deadLetters.queue);
  }

  /**
   * Each letter is at any time a dead letter or in the queue of its subscription: it leaves the one and enters the other in one batch. Where its
   * subscription is gone it stays what it is: its topic would bring it to all others that have had it.
   */
  #settleDeadLetters({ request, name, how, letters }: Extract<Input, { kind: 'dead-letters' }>): void {
    const { replicas } = this.options;
    const dead = this.subscriptions.get(name);
    if (!dead) return this.#fail(request, noSubscription(name));
    const left = new Map<string, number>();
    const leave = (why: string): void => void left.set(why, (left.get(why) ?? 0) + 1);
    if (how === 'drop') {
      const dropped = dead.takeOut(letters);
      const done = dropped.length;
      for (const letter of dropped) this.#effects.push(droppedLetter(dead.queue, letter, name));
      this.counters.add('events_dropped_total', done, 'dead-letter-dropped');
      for (let i = done; i < letters.length; i++) leave(NOT_HELD);
      dead.pump(this.#now);
      if (done === 0) return this.#lettersSettled(request, 0, left);
      return this.commits.whenDurable(() => this.#lettersSettled(request, done, left));
    }
    const refusal = this.#refusal(
      letters.map(({ event }) => event),
      replicas,
    );
    if (refusal) return this.#fail(request, new MeshError(refusal.code, refusal.message));
    const targets = new Map<HeldLetter, SubscriptionDelivery>();
    for (const letter of letters) {
      const target = this.#rejecterOf(letter.event, dead.subscription);
      if (typeof target === 'string') leave(target);
      else targets.set(letter, target);
    }
    const wanted = [...targets.keys()];
    const taken = dead.takeOut(wanted);
    for (let i = taken.length; i < wanted.length; i++) leave(NOT_HELD);
    for (const letter of taken) {
      const { topic, key, hash, cloudEvent, acceptedAt, deadLetter } = letter.event;
      const event: NewEvent = { topic: deadLetter?.topic ?? topic, expiresAt: 0, key, hash, cloudEvent };
      const record = this.#record(event, acceptedAt, undefined);
      this.commits.offer(record);
      this.#effects.push(redrivenLetter(dead.queue, letter, record));
      const target = targets.get(letter);
      invariant(target, 'what was taken out was to go somewhere');
      this.commits.want(target.queue);
    }
    this.counters.add('events_redriven_total', taken.length);
    dead.pump(this.#now);
    if (taken.length === 0) this.#lettersSettled(request, 0, left);
    else this.#whenKept(replicas, () => this.#lettersSettled(request, taken.length, left));
  }

  #lettersSettled(request: RequestId, done: number, left: ReadonlyMap<string, number>): void {
    const listed = [...left].map(([why, count]) => ({ why, count }));
    this.#reply(request, { kind: 'dead-letters-settled', done, left: listed });
  }

  /** Where a dead letter goes back to, or why it cannot. `from`: where it waits. */
  #rejecterOf({ deadLetter, origin }: StoredEvent, from: Subscription): SubscriptionDelivery | string {
    if (!deadLetter) return 'it does not say which subscription rejected it; drop it, or pull and publish it';
    const { subscription: name } = deadLetter;
    // of a lost mesher's letters, that mesher's subscription: one of ours may have the same name
    const { subscriptions } = this;
    const called = subscriptions.get(name);
    const target =
      origin === this.node
        ? subscriptions.rejecter(name, from.adoptedFrom)
        : (subscriptions.rejecter(name, origin) ?? (called?.subscription.adoptedFrom ? called : undefined));
    if (!target)
      return `subscription ${name} is not on this mesher any more; make it again, or drop what it rejected`;
    if (this.#isFull(target.queue, target.subscription))
      return `the queue of subscription ${name} is full (queueEventsMax)`;
    return target;
  }

  // ─────────────────────────────────────────────────────────── subscriptions

  #put(request: RequestId, subscription: Subscription): void {
    try {
      const { created, delivery } = this.subscriptions.put(subscription, this.#now);
      this.#effects.push({
        kind: 'sink',
        name: subscription.name,
        subscription: subscription.sink === undefined ? undefined : subscription,
      });
      this.#whenKept(this.options.replicas, () =>
        this.#reply(request, { kind: 'put', created, state: delivery.state() }),
      );
      delivery.pump(this.#now);
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      this.#fail(request, error);
    }
  }

  #delete(request: RequestId, name: string): void {
    const { replicas } = this.options;
    if (!this.subscriptions.delete(name, this.#now)) {
      // it may be gone here alone, deleted just before a crash: whoever took over from us would still have it
      if (replicas > 1) this.#whenKept(replicas, () => this.#fail(request, noSubscription(name)));
      else this.#fail(request, noSubscription(name));
      return;
    }
    this.#effects.push({ kind: 'sink', name, subscription: undefined });
    this.#whenKept(replicas, () => this.#reply(request, { kind: 'deleted' }));
  }

  #pull(request: RequestId, name: string, max: number, waitMs: number): void {
    const delivery = this.subscriptions.get(name);
    if (!delivery) {
      this.#fail(request, noSubscription(name));
      return;
    }
    delivery.pull(request, max, this.#now.monotonic + waitMs);
    delivery.pump(this.#now);
  }

  #settle(input: Extract<Input, { kind: 'settle' }>): void {
    const delivery = this.subscriptions.get(input.name);
    if (!delivery) {
      this.#fail(input.request, noSubscription(input.name));
      return;
    }
    const stale = delivery.settle(input.settlements, this.#now);
    delivery.pump(this.#now);
    const settled = input.settlements.length - stale.length;
    this.commits.whenDurable(
      () => this.#reply(input.request, { kind: 'settled', settled, stale }),
      settled > 0,
    );
  }

  #pumpQueue(queue: Queue): void {
    if (queue.destroyed) return;
    this.subscriptions.pumpQueue(queue, this.#now);
    this.forwarder.pumpQueue(queue, this.#now);
  }

  // ─────────────────────────────────────────────────────────── links

  #linkUp(peer: NodeId, version: number): void {
    const cluster = this.members.clusterOf(peer);
    // the network lets only members in; one was forgotten meanwhile
    if (cluster === undefined || !this.members.isAdmitted(peer)) return;
    this.links.up(peer, cluster, version, this.#now);
    this.members.linkUp(peer, this.#now);
    this.#tellAway(this.members.away(this.#now), [peer]); // before the versions of their routes, which nobody takes of strangers
    this.table.linkUp(peer, this.#now);
    this.replication.linkUp(peer, this.#now);
    this.#lanesStale = true;
  }

  #tellAway(members: readonly MemberAway[], peers = this.links.linked()): void {
    for (const peer of peers) {
      if (!this.links.speaks(peer, 'members-away')) continue;
      const others = members.filter(({ record }) => record.node !== peer);
      for (const message of awayMessages(others)) this.#effects.push({ kind: 'control', peer, message });
    }
  }

  #setFull(peer: NodeId, full: boolean): void {
    const link = this.links.get(peer);
    if (!link) return;
    link.full = full;
    if (!full) this.#lanesStale = true;
  }

  #message(peer: NodeId, message: LinkMessage): void {
    const now = this.#now;
    switch (message.kind) {
      case 'hello':
        return; // the network has read it; link-up says what it said
      case 'ping':
        this.#effects.push({ kind: 'control', peer, message: { kind: 'pong', sentAt: message.sentAt } });
        return;
      case 'pong':
        this.links.pong(peer, message.sentAt, now);
        return;
      case 'lane-open':
        this.#landing.open(peer, message);
        return;
      case 'data':
        this.#data(peer, message);
        return;
      case 'best-effort':
        this.#bestEffort(peer, message);
        return;
      case 'lane-ready':
      case 'ack':
      case 'gap':
        this.forwarder.fromPeer(peer, message, now);
        return;
      case 'route-heads':
        this.table.takeHeads(peer, message, now);
        return;
      case 'route-pull':
        this.table.answerPull(peer, message);
        return;
      case 'route-delta':
        this.table.takeDelta(message.delta, 'exchange', now);
        return;
      case 'route-head':
        this.table.takeHead(peer, message.head, now);
        return;
      case 'route-bucket-pull':
        this.table.answerBucketPull(peer, message);
        return;
      case 'route-buckets':
        this.table.takeBuckets(peer, message, now);
        return;
      case 'members-away':
        this.members.takeAway(peer, message, now);
        return;
      case 'copy-open':
        this.copies.open(peer);
        return;
      case 'copy-start':
        this.copies.start(peer, message);
        return;
      case 'copy-batch':
        this.copies.batch(peer, message);
        return;
      case 'copy-range':
        this.copies.range(peer, message);
        return;
      case 'copy-drop':
        this.copies.dismissed(peer);
        return;
      case 'copy-held':
        this.takeovers.held(peer, message);
        return;
      case 'copy-ready':
        this.replication.ready(peer, message, now);
        return;
      case 'copy-ack':
        this.replication.ack(peer, message);
        return;
    }
  }

  #data(peer: NodeId, message: LaneData): void {
    this.#landing.data(peer, message);
    const link = this.links.get(peer);
    if (link && message.doubt) link.doubtfulEvents += message.events.length;
  }

  #bestEffort(peer: NodeId, message: BestEffort): void {
    this.counters.add(
      'events_landed_total',
      message.events.length,
      this.members.clusterOf(peer) ?? 'unknown',
      'best-effort',
    );
    this.#landAll(peer, message, message.events, 'best-effort');
  }

  // ─────────────────────────────────────────────────────────── in the place of lost meshers

  /** Those who are away by hearsay as well: whoever invents one holds up a takeover no longer than silence does (newest-copy.ts). */
  #neighbours(): { node: NodeId; isLinked: boolean }[] {
    const found: { node: NodeId; isLinked: boolean }[] = [];
    for (const { record } of this.members.all()) {
      const { node, cluster } = record;
      if (cluster !== this.cluster) continue;
      const isLinked = this.links.isUp(node);
      // an older version holds no copies
      if (!isLinked || this.links.speaks(node, 'copy-held')) found.push({ node, isLinked });
    }
    return found;
  }

  #mayInherit(claimant: NodeId, node: NodeId): boolean {
    const [theirs, its] = [this.members.clusterOf(claimant), this.members.clusterOf(node)];
    // whoever is away may have been invented, with any cluster
    return this.members.isAdmitted(claimant) && (its === undefined || its === theirs);
  }

  #adoptSubscription(subscription: Subscription): string {
    const { subscription: adopted } = this.subscriptions.adopt(subscription);
    const sink = adopted.sink === undefined ? undefined : adopted;
    this.#effects.push({ kind: 'sink', name: adopted.name, subscription: sink });
    return adopted.name;
  }

  #adoptEvent(owner: NodeId, event: StoredEvent, wants: readonly AdoptedWant[]): void {
    this.commits.offer(event);
    // first: whoever lands an event offers it anew, and what was stored of it by then would be stored twice
    for (const want of wants)
      if (want.kind === 'lane' && this.#isForUs(want)) this.#landAdopted(owner, event, want);
    let isForHeir = false;
    for (const want of wants) {
      // several of the lost mesher's subscriptions share one queue to the heir, which holds an event of a block once
      if (want.kind === 'heir' && isForHeir) this.commits.offer(event);
      isForHeir ||= want.kind === 'heir';
      if (want.kind === 'subscription') {
        const delivery = this.subscriptions.get(want.name);
        if (delivery) this.commits.want(delivery.queue);
        else this.#drop('subscription-deleted', event, want.name);
      } else if (want.kind === 'deleted') {
        this.#drop('subscription-deleted', event, want.name);
      } else if (want.kind === 'heir') {
        this.forwarder.toPeer(want.of, { ...NO_GROUPS, subscription: want.name });
      } else if (!this.#isForUs(want)) this.forwarder.adopt(want.to, event.hash, want.directive);
    }
  }

  #isForUs({ to }: AdoptedLane): boolean {
    return to.scope === 'peer' && to.node === this.node;
  }

  /** On its way to us: it comes as it would have come over the link, or ends here for the same reasons. */
  #landAdopted(owner: NodeId, event: StoredEvent, { directive, position }: AdoptedLane): void {
    if (!this.#landing.has(owner, { scope: 'peer', lane: 0 }, position))
      this.#land(owner, { scope: 'peer' }, { event, directive }, 'durable');
  }

  #becomeHeir(owner: NodeId): void {
    this.table.heirs.add(owner, this.node);
    this.table.forget(owner);
    this.members.replaced(owner);
    this.commits.op({ op: 'drop-member', node: owner });
    this.subscriptions.activate(owner);
    this.#announcer.add(heirFilter(owner), '', true);
    this.#lanesStale = true;
  }

  /** What we had queued for it before it was our guest. */
  #takeGuest(node: NodeId, { event, directive, position }: QueueItem): boolean {
    if (this.#pendingBytes > this.options.limits.stagedBytesMax / 2) return false;
    const name: LaneName = { scope: 'peer', lane: 0, of: node };
    // what it had of us came with the copy
    if (!this.#landing.has(this.node, name, position))
      this.#land(this.node, name, { event, directive }, 'durable');
    return true;
  }

  /** A mesher is gone for good: what was kept for it is given up, and said so. */
  #forget({ node, cluster }: MemberRecord): void {
    const drop = (destination: string): void =>
      this.counters.add('events_dropped_total', this.forwarder.forget(destination), 'member-forgotten');
    drop(node);
    if (this.members.clusterSize(cluster) === 0 && cluster !== this.cluster) drop(cluster);
    this.table.forget(node);
    this.links.forget(node);
    this.#landing.forget(node);
    this.commits.op({ op: 'drop-member', node });
  }
}

/** Why nothing of a publish request is taken. */
interface Refusal {
  readonly code: PublishRefusal;
  readonly message: string;
}

/** Whoever holds copies is in a cluster that asks for them. */
function mayHaveClaimed(replicas: number, { copies, takeovers }: RecoveredMesher): boolean {
  return replicas > 1 || copies.length > 0 || takeovers.length > 0;
}

function noSubscription(name: string): MeshError {
  return new MeshError(
    'subscription-not-found',
    `there is no subscription ${JSON.stringify(name)} on this mesher; make it with PUT /v1/subscriptions/${name}`,
  );
}
