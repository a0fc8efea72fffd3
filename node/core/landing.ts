// The receiving end of all lanes: takes what follows on what it has, asks again where something is missing, acks what
// is on disk.
//
// Invariant. `committed` is on disk in the same batch as the events up to it; an ack never names more. `accepted` runs
// ahead of it by what is staged. What is at or before `accepted` is a duplicate; what does not follow on it is a gap.
// A mark alone proves nothing: it moves only by events that follow one another, or to a sender's `base`, which the
// sender vouches for (someone has acked all before it).

import type { Commits } from './commits.ts';
import type { Counters } from './counters.ts';
import { comparePositions, type LaneName, type NodeId, type Position, START } from './event.ts';
import { ending } from './fates.ts';
import type { Limits } from './limits.ts';
import type { ForwardedEvent, LaneData, LaneOpen } from './messages.ts';
import type { Emit } from './steps.ts';

interface Inbound {
  readonly sender: NodeId;
  readonly name: LaneName;
  committed: Position;
  accepted: Position;
  ackWaiting: boolean;
  markStaged: boolean;
}

export interface LandingOptions {
  readonly limits: Limits;
  readonly counters: Counters;
  readonly commits: Commits;
  readonly emit: Emit;
  readonly clusterOf: (node: NodeId) => string;
  /** Nothing can be taken for now: the disk is full, or too few copies of what is taken could be made. */
  readonly closed: () => boolean;
  /** Bytes of events taken whose custody nobody was acked yet. */
  readonly pendingBytes: () => number;
  /** `then` runs when all that is staged is where an ack may rest on it. `sync`: it must be on disk. */
  whenKept(then: () => void, sync: boolean): void;
  /** Takes events in: routes and stages them. */
  take(sender: NodeId, name: LaneName, events: readonly ForwardedEvent[]): void;
  /** Whether this mesher is the heir of that one. */
  isGuest(node: NodeId): boolean;
}

/**
 * Publishers may stage `stagedBytesMax`, lanes by their credit about as much again, or a frame or two each where they are so many that this
 * is more. Beyond this many times it nothing is taken, of senders that mind no credit, nor of too many at once.
 */
const OVERDRAFT = 3;

export class Landing {
  readonly #options: LandingOptions;
  readonly #lanes = new Map<NodeId, Map<string, Inbound>>();
  readonly #touched = new Set<Inbound>();
  /** Those whose sender was granted nothing, and waits to hear of more. */
  readonly #starved = new Set<Inbound>();
  #count = 0;

  constructor(options: LandingOptions) {
    this.#options = options;
  }

  recover(marks: readonly ({ readonly sender: NodeId; readonly position: Position } & LaneName)[]): void {
    for (const { sender, position, ...name } of marks) {
      const inbound = this.#lane(sender, name);
      inbound.committed = inbound.accepted = position;
    }
  }

  /** What a lost mesher had of a lane to it: from there its heir goes on. */
  adopt(sender: NodeId, name: LaneName, position: Position): void {
    const inbound = this.#lane(sender, name);
    if (comparePositions(position, inbound.accepted) <= 0) return;
    inbound.accepted = inbound.committed = position;
    this.#options.commits.op({ op: 'mark', sender, ...inbound.name, position });
  }

  /** Whether what stands there on the lane has been taken already. */
  has(sender: NodeId, name: LaneName, position: Position | undefined): boolean {
    return position !== undefined && comparePositions(position, this.#lane(sender, name).accepted) <= 0;
  }

  /** False: a lane that was for another mesher, of whom this is not the heir, as far as is known here. */
  #takes({ of }: LaneName): boolean {
    if (of === undefined || this.#options.isGuest(of)) return true;
    this.#options.counters.add('messages_refused_total', 1, 'not-the-heir');
    return false;
  }

  #lane(sender: NodeId, name: LaneName): Inbound {
    let lanes = this.#lanes.get(sender);
    if (!lanes) {
      lanes = new Map();
      this.#lanes.set(sender, lanes);
    }
    const key = `${name.scope}${name.lane}${name.of ?? ''}`;
    let inbound = lanes.get(key);
    if (!inbound) {
      const { scope, lane, of } = name;
      inbound = {
        sender,
        name: of === undefined ? { scope, lane } : { scope, lane, of },
        committed: START,
        accepted: START,
        ackWaiting: false,
        markStaged: false,
      };
      lanes.set(key, inbound);
      this.#count++;
    }
    return inbound;
  }

  open(sender: NodeId, message: LaneOpen): void {
    if (!this.#takes(message)) return; // asked again before long
    const inbound = this.#lane(sender, message);
    if (comparePositions(message.base, inbound.accepted) > 0) {
      inbound.accepted = message.base;
      // nothing staged lies between: the sender knows all up to base as acked
      inbound.committed = message.base;
      this.#stageMark(inbound);
    }
    this.#options.emit({
      kind: 'control',
      peer: sender,
      message: {
        kind: 'lane-ready',
        ...inbound.name,
        mark: inbound.committed,
        credit: this.#credit(inbound),
      },
    });
  }

  data(sender: NodeId, message: LaneData): void {
    if (!this.#takes(message)) return;
    const { counters, clusterOf, pendingBytes, limits } = this.#options;
    const inbound = this.#lane(sender, message);
    const cluster = clusterOf(sender);
    if (!Number.isSafeInteger(message.first.sequence + message.events.length)) {
      counters.add('messages_refused_total', 1, 'bad-position');
      return;
    }
    if (pendingBytes() > limits.stagedBytesMax * OVERDRAFT) {
      // a sender that minds no credit, or more lanes than there is room for. It is not taken, and not acked: what follows shows the gap.
      counters.add('messages_refused_total', 1, 'over-credit');
      return;
    }
    if (comparePositions(message.previous, inbound.accepted) > 0) {
      counters.add('lane_gaps_total', 1, cluster);
      this.#options.emit({
        kind: 'control',
        peer: sender,
        message: { kind: 'gap', ...inbound.name, last: inbound.accepted },
      });
      return;
    }
    const { events, first } = message;
    const known = Math.min(events.length, knownOf(first, inbound.accepted));
    const fresh = events.length - known;
    for (const { event } of known === 0 ? [] : events.slice(0, known))
      this.#options.emit(ending('dropped', 'duplicate', event, sender));
    if (fresh > 0) {
      const { incarnation, sequence } = first;
      inbound.accepted = { incarnation, sequence: sequence + events.length - 1 };
      this.#options.take(sender, inbound.name, known === 0 ? events : events.slice(known));
    }
    counters.add('events_landed_total', fresh, cluster, 'durable');
    counters.add('events_duplicate_total', message.events.length - fresh, cluster);
    if (message.doubt) counters.add('events_doubtful_total', fresh, cluster);
    if (fresh > 0) this.#stageMark(inbound);
    inbound.ackWaiting = true;
    this.#touched.add(inbound);
  }

  #stageMark(inbound: Inbound): void {
    this.#touched.add(inbound);
    inbound.markStaged = true;
  }

  /** At the end of a step: the marks join the batch of the events they speak for; acks follow when it is on disk. */
  flush(): void {
    for (const inbound of this.#touched) {
      const ack = inbound.ackWaiting;
      inbound.ackWaiting = false;
      const position = inbound.accepted;
      if (!inbound.markStaged) {
        if (ack && comparePositions(position, inbound.committed) <= 0) this.#ack(inbound);
        continue; // what is staged already acks itself
      }
      inbound.markStaged = false;
      this.#options.commits.op({ op: 'mark', sender: inbound.sender, ...inbound.name, position });
      // events that are stored make the batch a synced one; a mark alone need not be: the sender's base repairs it
      this.#options.whenKept(() => {
        if (comparePositions(position, inbound.committed) > 0) inbound.committed = position;
        if (ack) this.#ack(inbound);
      }, false);
    }
    this.#touched.clear();
  }

  #ack(inbound: Inbound): void {
    this.#options.emit({
      kind: 'control',
      peer: inbound.sender,
      message: { kind: 'ack', ...inbound.name, upTo: inbound.committed, credit: this.#credit(inbound) },
    });
  }

  /** Shares what may be staged among the lanes; nothing while it is closed. */
  #credit(inbound: Inbound): number {
    const { limits, closed, pendingBytes } = this.#options;
    const share = (limits.stagedBytesMax - pendingBytes()) / Math.max(1, this.#count);
    const credit = closed()
      ? 0
      : Math.floor(Math.max(limits.frameBytesMax, Math.min(limits.laneInFlightBytes, share)));
    if (credit === 0) this.#starved.add(inbound);
    else this.#starved.delete(inbound);
    return credit;
  }

  /** Lanes that were held are told when it is open again. */
  release(): void {
    if (this.#starved.size === 0 || this.#options.closed()) return;
    for (const inbound of this.#starved) this.#ack(inbound);
  }

  forget(sender: NodeId): void {
    const lanes = this.#lanes.get(sender);
    this.#count -= lanes?.size ?? 0;
    for (const inbound of lanes?.values() ?? []) this.#starved.delete(inbound);
    this.#lanes.delete(sender);
  }
}

/** How many positions from `first` on are at or before `accepted`; Infinity where `accepted` is of a later incarnation. */
function knownOf(first: Position, accepted: Position): number {
  if (first.incarnation !== accepted.incarnation)
    return first.incarnation < accepted.incarnation ? Infinity : 0;
  return Math.max(0, accepted.sequence - first.sequence + 1);
}
