// The sending end of one lane: a queue whose events go, in order, to one landing mesher at a time.
//
// Invariants. An event leaves the queue only when a mesher of the destination has acked it, which it does once the event
// is on its disk. Each frame names the position before it, so the receiver sees what it missed. When a lane
// moves without the old landing's last word, what was sent there and not acked is sent again, marked `doubt`: those, and
// only those, may arrive twice. A voluntary move waits for the last ack, and doubts nothing.

import type { Counters } from './counters.ts';
import {
  comparePositions,
  type Directive,
  directiveBytes,
  type LaneName,
  type NodeId,
  type Position,
  START,
} from './event.ts';
import { fateIn } from './fates.ts';
import type { Limits } from './limits.ts';
import type { ForwardedEvent, LaneAck, LaneGap, LaneReady } from './messages.ts';
import type { Queue, QueueItem } from './queue.ts';
import type { Emit, Now } from './steps.ts';
import type { Timing } from './timing.ts';
import type { LaneView } from './views.ts';

/** Which mesher a lane should land on, and whether one that it lands on now may still be reached. */
export interface LandingChoice {
  /** The best there is now; undefined: none has a link. */
  readonly best: NodeId | undefined;
  isLinked(node: NodeId): boolean;
  /** Not suspect, dead or forgotten: worth waiting a grace for. */
  isAlive(node: NodeId): boolean;
  isFull(node: NodeId): boolean;
}

export interface LaneOptions {
  readonly limits: Limits;
  readonly timing: Timing;
  readonly counters: Counters;
  readonly emit: Emit;
  readonly incarnation: number;
  /** Positions of this incarnation begin here: above those of a lane of the same name that was forgotten. */
  readonly firstSequence: number;
  /** Called for each event sent: link statistics. */
  sent(peer: NodeId, events: number, bytes: number): void;
}

export class Lane {
  /** Cluster name, or node id for the lane to one mesher of this cluster. */
  readonly destination: string;
  readonly cluster: string;
  readonly name: LaneName;
  readonly queue: Queue;
  readonly #options: LaneOptions;
  #state: LaneView['state'] = 'waiting';
  #landing: NodeId | undefined;
  /** Where everything up to `#sent` was sent, if not all of it is acked. */
  #sentTo: NodeId | undefined;
  #acked: Position = START;
  /** The highest position ever sent. */
  #sent: Position = START;
  /** Position of the last event sent since the lane was opened, or where it was opened. */
  #cursor: Position = START;
  /** Perhaps sent to another mesher, and not acked: what is sent up to here is in doubt. */
  #doubtUpTo: Position = START;
  #inFlight: QueueItem[] = [];
  #inFlightBytes = 0;
  #credit = 0;
  #progressAt = 0;
  #landingLostAt: number | undefined;
  #nextSequence: number;

  constructor(destination: string, cluster: string, name: LaneName, queue: Queue, options: LaneOptions) {
    this.destination = destination;
    this.cluster = cluster;
    this.name = name;
    this.queue = queue;
    this.#options = options;
    this.#nextSequence = options.firstSequence;
    const first = queue.firstPosition();
    if (first) this.#acked = this.#sent = before(first);
    // what an earlier life left may have been sent, nobody remembers to whom; a mesher's own lane has one receiver only
    if (name.scope === 'cluster') this.#doubtUpTo = queue.lastPosition() ?? START;
  }

  /** The next place on this lane. Each incarnation counts anew, so a restored backup cannot reuse one. */
  nextPosition(): Position {
    return { incarnation: this.#options.incarnation, sequence: this.#nextSequence++ };
  }

  /** What was queued until now may have gone on its way from where it was before. */
  doubtAll(): void {
    this.#doubtUpTo = { incarnation: this.#options.incarnation, sequence: this.#nextSequence - 1 };
  }

  get nextSequence(): number {
    return this.#nextSequence;
  }

  /** What the lane is called where it lands: an heir has lanes of its own from us, too. */
  #nameAt(landing: NodeId): LaneName {
    const isHeir = this.name.scope === 'peer' && landing !== this.destination;
    return isHeir ? { ...this.name, of: this.destination } : this.name;
  }

  view(): LaneView {
    const { destination, name, queue } = this;
    return {
      destination,
      ...name,
      landing: this.#landing,
      state: this.#state,
      queued: queue.depth,
      inFlight: this.#inFlight.length,
    };
  }

  /** Wall clock, ms, at which its oldest event was accepted, in flight or not; undefined: none is in memory. */
  oldestAt(): number | undefined {
    return (this.#inFlight[0] ?? this.queue.front())?.event.acceptedAt;
  }

  get landing(): NodeId | undefined {
    return this.#landing;
  }

  /**
   * Chooses, opens, sends: whatever can be done now. Called after anything that may have changed. Returns the last block that it
   * asked the disk for.
   */
  pump(choice: LandingChoice, now: Now): number | undefined {
    this.#reconsider(choice, now);
    if (this.#state === 'open') this.#send(choice, now);
    return this.#state === 'waiting' ? undefined : this.queue.refill(); // what nobody takes can wait on disk
  }

  /** Another lane reads up to this block now. */
  readAlong(lastBlock: number): void {
    if (this.#state !== 'waiting') this.queue.refillAlong(lastBlock);
  }

  /** At once, not at the next pump: the link may be back by then, and what was on it is gone all the same. */
  linkDown(peer: NodeId, now: Now): void {
    if (peer !== this.#landing) return;
    this.#landingLostAt ??= now.monotonic;
    if (this.#state !== 'waiting') this.#rewind('waiting');
  }

  #reconsider(choice: LandingChoice, now: Now): void {
    const current = this.#landing;
    if (current !== undefined && !choice.isLinked(current)) {
      this.#landingLostAt ??= now.monotonic;
      const wait =
        choice.isAlive(current) && now.monotonic - this.#landingLostAt < this.#options.timing.linkGraceMs;
      if (choice.best === undefined || wait) return;
    } else {
      this.#landingLostAt = undefined;
    }
    if (this.queue.depth === 0 && this.#inFlight.length === 0) return; // nothing to send: no landing needed yet
    if (choice.best === undefined) return;
    if (current === undefined || !choice.isLinked(current)) {
      this.#move(choice.best, 'lost', now);
    } else if (this.#state === 'waiting') {
      this.#open(current, now); // also where another is preferred: first hear what this one has
    } else if (choice.best === current) {
      if (this.#state === 'moving') this.#state = 'open';
    } else if (this.#state === 'opening' && comparePositions(this.#sent, this.#acked) > 0) {
      return; // it may have what was sent before: its answer says, and spares a doubt
    } else if (this.#inFlight.length === 0) {
      this.#move(choice.best, 'preferred', now);
    } else if (this.#state === 'open') {
      this.#state = 'moving'; // no more to the old one; moves when the last ack is in
      this.#progressAt = now.monotonic;
    }
  }

  #move(to: NodeId, reason: 'lost' | 'preferred', now: Now): void {
    if (this.#landing !== undefined) this.#options.counters.add('lane_moves_total', 1, this.cluster, reason);
    this.#landing = to;
    this.#landingLostAt = undefined;
    this.#open(to, now);
  }

  #open(landing: NodeId, now: Now): void {
    this.#rewind('opening');
    const first = this.queue.firstPosition();
    // all before the oldest unsettled event is acked, whoever acked it
    if (first && comparePositions(before(first), this.#acked) > 0) this.#acked = before(first);
    if (
      this.#sentTo !== undefined &&
      this.#sentTo !== landing &&
      comparePositions(this.#sent, this.#acked) > 0
    ) {
      // never back: what was sent to a mesher before this one, or before a restart, may be more
      if (comparePositions(this.#sent, this.#doubtUpTo) > 0) this.#doubtUpTo = this.#sent;
    }
    this.#progressAt = now.monotonic;
    this.#options.emit({
      kind: 'control',
      peer: landing,
      message: { kind: 'lane-open', ...this.#nameAt(landing), base: this.#acked },
    });
  }

  /** What is in flight goes back to the front of the queue. */
  #rewind(state: LaneView['state']): void {
    this.queue.putBack(this.#inFlight);
    this.#inFlight = [];
    this.#inFlightBytes = 0;
    this.#state = state;
  }

  #send(choice: LandingChoice, now: Now): void {
    const landing = this.#landing;
    if (landing === undefined) return;
    const name = this.#nameAt(landing);
    while (!choice.isFull(landing) && this.#inFlightBytes < this.#credit) {
      const frame = this.#nextFrame(now);
      if (!frame) return;
      if (this.#inFlight.length === 0) this.#progressAt = now.monotonic;
      const first = frame[0]?.position;
      if (!first) return;
      const events: ForwardedEvent[] = [];
      let bytes = 0;
      for (const item of frame) {
        events.push({ event: item.event, directive: item.directive });
        bytes += item.event.bytes;
        this.#inFlight.push(item);
      }
      const previous = this.#cursor;
      this.#cursor = frame.at(-1)?.position ?? first;
      this.#inFlightBytes += bytes;
      const doubt = comparePositions(first, this.#doubtUpTo) <= 0;
      this.#options.emit({
        kind: 'data',
        peer: landing,
        message: { kind: 'data', ...name, previous, first, doubt, events },
      });
      if (comparePositions(this.#cursor, this.#sent) > 0) this.#sent = this.#cursor;
      this.#sentTo = landing;
      this.#options.counters.add('events_forwarded_total', events.length, this.cluster, 'durable');
      this.#options.sent(landing, events.length, bytes);
    }
  }

  /** What is in flight stays in memory here: a receiver that never acks has no say in how much that is. */
  #boundedCredit(credit: number): number {
    return Math.min(credit, this.#options.limits.laneInFlightBytes);
  }

  /** Consecutive events of one incarnation, all in doubt or none, within a frame's bounds. Expired ones are skipped. */
  #nextFrame(now: Now): QueueItem[] | undefined {
    const { limits, counters, emit } = this.#options;
    const frame: QueueItem[] = [];
    let bytes = 0;
    let last: Position | undefined;
    let doubt = false;
    let directive: Directive | undefined;
    for (let item = this.queue.front(); item?.position; item = this.queue.front()) {
      const { event, position } = item;
      const expired = event.expiresAt !== 0 && event.expiresAt <= now.wall;
      const inDoubt = comparePositions(position, this.#doubtUpTo) <= 0;
      const size = event.bytes + (item.directive === directive ? 0 : directiveBytes(item.directive));
      if (
        last &&
        (expired ||
          position.incarnation !== last.incarnation ||
          position.sequence !== last.sequence + 1 ||
          inDoubt !== doubt)
      )
        break;
      if (frame.length > 0 && (frame.length >= limits.frameEventsMax || bytes + size > limits.frameBytesMax))
        break;
      if (expired && this.#inFlight.length > 0) return undefined; // its turn comes when all before it is acked
      this.queue.take();
      if (expired) {
        counters.add('events_dropped_total', 1, 'expired');
        emit(fateIn(this.queue, 'dropped', 'expired', item, this.destination));
        this.#acked = position;
        this.queue.settleUpTo(position);
        continue;
      }
      frame.push(item);
      bytes += size;
      directive = item.directive;
      last = position;
      doubt = inDoubt;
    }
    return frame.length > 0 ? frame : undefined;
  }

  /** Where the lane was opened twice, both are answered: what the last answer grants is what holds. */
  ready(peer: NodeId, message: LaneReady, now: Now): void {
    if (peer !== this.#landing || this.#state === 'waiting') return;
    this.#credit = this.#boundedCredit(message.credit);
    this.#settle(message.mark, now);
    if (this.#state !== 'opening') return;
    this.#state = 'open';
    this.#cursor = this.#acked;
  }

  /** Valid from any mesher of the destination at any time: it says what is on that mesher's disk. */
  ack(peer: NodeId, message: LaneAck, now: Now): void {
    if (peer === this.#landing) this.#credit = this.#boundedCredit(message.credit);
    this.#settle(message.upTo, now);
  }

  #settle(upTo: Position, now: Now): void {
    if (comparePositions(upTo, this.#acked) <= 0) return;
    const given = { incarnation: this.#options.incarnation, sequence: this.#nextSequence - 1 };
    if (comparePositions(upTo, given) > 0) {
      this.#options.counters.add('messages_refused_total', 1, 'ack-of-nothing'); // never sent: nobody can have it
      return;
    }
    this.#acked = upTo;
    this.#progressAt = now.monotonic;
    let done = 0;
    for (const item of this.#inFlight) {
      if (!item.position || comparePositions(item.position, upTo) > 0) break;
      this.#inFlightBytes -= item.event.bytes;
      done++;
    }
    if (done > 0) this.#inFlight = this.#inFlight.slice(done);
    this.#options.counters.add('events_forward_acked_total', done, this.cluster);
    this.queue.settleUpTo(upTo);
  }

  /** The receiver misses something of this lane: open it again, from what it has. */
  gap(peer: NodeId, _message: LaneGap, now: Now): void {
    if (peer === this.#landing && this.#state !== 'waiting' && this.#state !== 'opening')
      this.#open(peer, now);
  }

  tick(choice: LandingChoice, now: Now): void {
    const waiting = this.#state === 'opening' || this.#inFlight.length > 0;
    if (
      waiting &&
      this.#state !== 'waiting' &&
      now.monotonic - this.#progressAt > this.#options.timing.laneStallMs &&
      this.#landing !== undefined
    ) {
      this.#open(this.#landing, now);
    }
    if (this.queue.depth > 0 || this.#inFlight.length > 0) this.pump(choice, now);
  }
}

function before(position: Position): Position {
  return { incarnation: position.incarnation, sequence: position.sequence - 1 };
}
