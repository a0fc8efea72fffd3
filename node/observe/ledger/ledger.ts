// The ledger of a mesher: looks on at each of its steps and keeps account of every lane, those that it sends (sent-lane.ts) and those that
// land here (landed-lane.ts). It is told nothing by the lanes themselves: it reads what goes to the journal, what goes over links and
// what comes. What it costs is paid for each frame, block and ack, not for each event. It begins anew with each start; what
// the journal held then counts as carried over.

import type { LaneName, NodeId } from '../../core/event.ts';
import { clusterQueue, laneDestination, peerQueue } from '../../core/lane-queue.ts';
import type { LaneAck, LaneReady, LinkMessage } from '../../core/messages.ts';
import type { JournalOp, Recovered } from '../../core/ports.ts';
import type { Effect, Input } from '../../core/steps.ts';
import { START } from '../../core/event.ts';
import type { Difference } from './difference.ts';
import { LandedLane } from './landed-lane.ts';
import type { PositionRange } from './position-set.ts';
import { SentLane } from './sent-lane.ts';

export interface LedgerPorts {
  readonly clusterOf: (node: NodeId) => string | undefined;
  /** Who serves a lost mesher's subscriptions; undefined: the mesher itself. */
  readonly heirOf: (node: NodeId) => NodeId | undefined;
  /** Whether this mesher is the heir of that one: what is queued for it is taken here. */
  readonly isGuest: (node: NodeId) => boolean;
  /** Events in the queue of this name, on disk or staged; undefined: there is none. */
  readonly held: (queue: string) => number | undefined;
  /** Told of each difference once. */
  readonly differs: (difference: Difference) => void;
}

/** Open places of each lane when a mesher stops, by the name of its queue. */
export type OpenPlaces = Readonly<Record<string, readonly PositionRange[]>>;

/** Kept to be shown, the newest; all are counted and logged. */
const DIFFERENCES_MAX = 64;
/** Lanes of one sender: it has a few to a cluster, and one to each mesher that it knows as lost. More are not accounted for. */
const LANDED_PER_SENDER_MAX = 1024;

export class Ledger {
  readonly incarnation: number;
  readonly #ports: LedgerPorts;
  /** By the names of their queues. */
  readonly #sent = new Map<string, SentLane>();
  readonly #sentByQueue = new Map<number, SentLane>();
  readonly #landed = new Map<NodeId, Map<string, LandedLane>>();
  readonly #lives = new Map<NodeId, number>();
  readonly #differences: Difference[] = [];
  readonly #known = new Set<string>();

  constructor(incarnation: number, ports: LedgerPorts) {
    this.incarnation = incarnation;
    this.#ports = ports;
  }

  // ─────────────────────────────────────────────────────────── what is there at the start

  /** What the journal holds. Nothing that waits is loaded for it. */
  read({ marks, queues }: Pick<Recovered, 'marks' | 'queues'>): void {
    for (const { sender, position, ...name } of marks) this.#landedLane(sender, name, position);
    for (const { queue, name, blocks } of queues) {
      const lane = this.#open(queue, name);
      if (!lane) continue;
      for (const { first, count } of blocks) if (first) lane.recovered(first, count);
    }
  }

  /** When all is read. `left`: of the last stop; undefined: the mesher was not stopped in order. */
  begin(left: OpenPlaces | undefined): void {
    for (const [queue, places] of Object.entries(left ?? {})) {
      const to = laneDestination(queue);
      if (!to || this.#sent.has(queue)) continue;
      new SentLane(queue, to, this.incarnation, this.#differs).begin(places); // all of it is gone, with the queue
    }
    for (const lane of this.#sent.values()) lane.begin(left && (left[lane.name] ?? []));
  }

  /** What waits now, to be told to the next life. What was queued for a guest is taken here, and not accounted for. */
  openPlaces(): OpenPlaces {
    const open: Record<string, readonly PositionRange[]> = {};
    for (const lane of this.#sent.values())
      if (!lane.open.isEmpty && !this.#isGuests(lane)) open[lane.name] = lane.open.ranges;
    return open;
  }

  // ─────────────────────────────────────────────────────────── steps

  stepped(inputs: readonly Input[], effects: readonly Effect[]): void {
    for (const input of inputs) {
      if (input.kind === 'messages') for (const message of input.messages) this.#heard(input.peer, message);
      else if (input.kind === 'link-up') this.#linkUp(input.peer, input.incarnation);
    }
    for (const effect of effects) this.#done(effect);
  }

  #linkUp(peer: NodeId, incarnation: number): void {
    if (this.#lives.get(peer) === incarnation) return;
    this.#lives.set(peer, incarnation);
    for (const lane of this.#landed.get(peer)?.values() ?? []) lane.senderStarted();
  }

  #heard(peer: NodeId, message: LinkMessage): void {
    if (message.kind === 'data')
      this.#landedLane(peer, message, START)?.came(message.first, message.events.length);
    else if (message.kind === 'lane-open') this.#landedLane(peer, message, START)?.opened(message.base);
    else if (message.kind === 'ack') this.#acked(peer, message, message.upTo);
    else if (message.kind === 'lane-ready') this.#acked(peer, message, message.mark);
  }

  #acked(peer: NodeId, { scope, lane, of }: LaneAck | LaneReady, upTo: LaneAck['upTo']): void {
    if (of !== undefined && this.#ports.heirOf(of) !== peer) return;
    const queue =
      scope === 'peer' ? peerQueue(of ?? peer) : clusterQueue(this.#ports.clusterOf(peer) ?? '', lane);
    this.#sent.get(queue)?.acked(peer, this.#lives.get(peer) ?? 0, upTo);
  }

  #done(effect: Effect): void {
    if (effect.kind === 'append') for (const op of effect.ops) this.#written(op);
    else if (effect.kind === 'data') {
      const { message, peer } = effect;
      if (message.kind !== 'data') return;
      const { scope, lane, of } = message;
      const queue =
        scope === 'peer' ? peerQueue(of ?? peer) : clusterQueue(this.#ports.clusterOf(peer) ?? '', lane);
      this.#sent.get(queue)?.sent(peer, message.first, message.events.length);
    } else if (effect.kind === 'fate' && effect.reason === 'expired' && effect.position)
      this.#sentByQueue.get(effect.queue)?.expire(effect.position);
  }

  #written(op: JournalOp): void {
    switch (op.op) {
      case 'entry':
        if (op.entry.first) this.#sentByQueue.get(op.queue)?.given(op.entry.first, op.entry.indices.length);
        return;
      case 'mark':
        this.#landedLane(op.sender, op, START)?.marked(op.position);
        return;
      case 'queue':
        this.#open(op.queue, op.name);
        return;
      case 'drop-queue':
        this.#close(op.queue);
        return;
      case 'drop-member':
        this.#forget(op.node);
        return;
      default: // is none of a lane's
    }
  }

  #open(queue: number, name: string): SentLane | undefined {
    const to = laneDestination(name);
    if (!to) return undefined;
    const lane = new SentLane(name, to, this.incarnation, this.#differs);
    this.#sent.set(name, lane);
    this.#sentByQueue.set(queue, lane);
    return lane;
  }

  #close(queue: number): void {
    const lane = this.#sentByQueue.get(queue);
    this.#sentByQueue.delete(queue);
    if (lane && this.#sent.get(lane.name) === lane) this.#sent.delete(lane.name);
  }

  #forget(node: NodeId): void {
    this.#landed.delete(node);
    this.#lives.delete(node);
    for (const lane of this.#sent.values()) lane.forget(node);
  }

  #landedLane(sender: NodeId, { scope, lane, of }: LaneName, mark: typeof START): LandedLane | undefined {
    let lanes = this.#landed.get(sender);
    if (!lanes) this.#landed.set(sender, (lanes = new Map<string, LandedLane>()));
    const key = `${scope}${lane}${of ?? ''}`;
    let landed = lanes.get(key);
    if (landed || lanes.size >= LANDED_PER_SENDER_MAX) return landed;
    landed = new LandedLane(
      sender,
      of === undefined ? { scope, lane } : { scope, lane, of },
      mark,
      this.#differs,
    );
    lanes.set(key, landed);
    return landed;
  }

  // ─────────────────────────────────────────────────────────── what can be asked for

  sentLanes(): readonly SentLane[] {
    return [...this.#sent.values()];
  }

  landedFrom(sender: NodeId): readonly LandedLane[] {
    return [...(this.#landed.get(sender)?.values() ?? [])];
  }

  /** Whom it has dealt with, whether they are linked or not. */
  peers(): readonly NodeId[] {
    const peers = new Set(this.#landed.keys());
    for (const lane of this.#sent.values()) for (const peer of lane.peers()) peers.add(peer);
    return [...peers];
  }

  landed(sender: NodeId, { scope, lane, of }: LaneName): LandedLane | undefined {
    return this.#landed.get(sender)?.get(`${scope}${lane}${of ?? ''}`);
  }

  /** Whether what is queued is what should be. Between steps. */
  audit(): void {
    for (const lane of this.#sent.values()) {
      const held = this.#isGuests(lane) ? undefined : this.#ports.held(lane.name);
      if (held !== undefined) lane.audit(held);
    }
  }

  #isGuests({ to }: SentLane): boolean {
    return to.scope === 'peer' && this.#ports.isGuest(to.node);
  }

  get differences(): readonly Difference[] {
    return this.#differences;
  }

  /** Of a comparison. The same is not said twice. */
  readonly note = (difference: Difference): void => this.#differs(difference);

  readonly #differs = (difference: Difference): void => {
    const { kind, peer = '', text } = difference;
    const key = `${kind} ${peer} ${text}`;
    if (this.#known.has(key)) return;
    this.#known.add(key);
    this.#differences.push(difference);
    if (this.#differences.length > DIFFERENCES_MAX) {
      const [dropped] = this.#differences.splice(0, 1);
      if (dropped) this.#known.delete(`${dropped.kind} ${dropped.peer ?? ''} ${dropped.text}`);
    }
    this.#ports.differs(difference);
  };
}
