// One lane between a sender and two meshers of another cluster, over links whose every message the test delivers, loses
// or holds back. Control and data of a link are two streams: each keeps its order, neither waits for the other.

import { Commits } from '../../../node/core/commits.ts';
import { Counters } from '../../../node/core/counters.ts';
import type { StoredEvent } from '../../../node/core/event.ts';
import { Landing } from '../../../node/core/landing.ts';
import { Lane, type LandingChoice } from '../../../node/core/lane.ts';
import { LIMITS, type Limits } from '../../../node/core/limits.ts';
import type { LaneData, LinkMessage } from '../../../node/core/messages.ts';
import { Queue } from '../../../node/core/queue.ts';
import type { Effect } from '../../../node/core/steps.ts';
import { TIMING } from '../../../node/core/timing.ts';
import { storedEvent } from '../../support/events.ts';
import { DiskInHand } from './disk-in-hand.ts';

const QUEUE = 3;
const EVENT_BYTES = 100;

type Append = Extract<Effect, { kind: 'append' }>;
type Channel = 'control' | 'data' | 'back';

export class Receiver {
  readonly disk = new DiskInHand();
  readonly counters = new Counters();
  /** Sequences that came as fresh events, with the doubt of their frame. */
  readonly taken: { sequence: number; doubt: boolean }[] = [];
  diskFull = false;
  readonly node: string;
  readonly #limits: Limits;
  readonly #send: (message: LinkMessage) => void;
  #landing: Landing;
  #commits: Commits;
  #queue: Queue;
  #writing: Append | undefined;
  #doubt = false;

  constructor(node: string, limits: Limits, send: (message: LinkMessage) => void) {
    this.node = node;
    this.#limits = limits;
    this.#send = send;
    [this.#landing, this.#commits, this.#queue] = this.#open();
  }

  #open(): [Landing, Commits, Queue] {
    const emit = (effect: Effect): void => {
      if (effect.kind === 'append') this.#writing = effect;
      if (effect.kind === 'control') this.#send(effect.message);
    };
    const commits = new Commits(this.disk.nextBlock, this.#limits, emit);
    const queue = new Queue(QUEUE, 's:s', this.#limits, commits);
    for (const { block, count, first } of this.disk.recovered(QUEUE)) {
      queue.recover(block, count, first);
      commits.recover(block);
    }
    const landing = new Landing({
      limits: this.#limits,
      counters: this.counters,
      commits,
      emit,
      clusterOf: () => 'there',
      closed: () => this.diskFull,
      isGuest: () => false,
      pendingBytes: () => commits.pendingBytes,
      whenKept: (then, sync) => commits.whenDurable(then, sync),
      take: (_sender, _scope, events) => {
        for (const { event } of events) {
          this.taken.push({ sequence: event.sequence, doubt: this.#doubt });
          commits.offer(event);
          commits.want(queue);
        }
      },
    });
    landing.recover([...this.disk.marks.values()]);
    return [landing, commits, queue];
  }

  take(message: LinkMessage): void {
    if (message.kind === 'lane-open') this.#landing.open('sender', message);
    if (message.kind === 'data') {
      this.#doubt = message.doubt;
      this.#landing.data('sender', message);
    }
    this.#landing.flush();
    this.#commits.flush(false);
  }

  appended(): boolean {
    const append = this.#writing;
    if (!append) {
      this.#commits.flush(true);
      return this.#writing !== undefined;
    }
    this.#writing = undefined;
    this.disk.apply(append.ops);
    this.#commits.appended(append.batch);
    this.#commits.flush(false);
    return true;
  }

  release(): void {
    this.diskFull = false;
    this.#landing.release();
  }

  crash(): void {
    this.#writing = undefined;
    [this.#landing, this.#commits, this.#queue] = this.#open();
  }

  onDisk(): number[] {
    return this.disk.wanted(QUEUE).map(({ sequence }) => sequence);
  }

  get queued(): number {
    return this.#queue.depth;
  }
}

export class LaneBench {
  readonly limits: Limits;
  readonly disk = new DiskInHand();
  readonly counters = new Counters();
  readonly now = { wall: 1_000_000, monotonic: 50_000 };
  readonly receivers: ReadonlyMap<string, Receiver>;
  readonly linked = new Set<string>();
  preferred = 'x';
  /** Data frames as they were sent. */
  readonly frames: { to: string; message: LaneData }[] = [];
  /** Sequences that need not arrive. */
  readonly expiring = new Set<number>();
  lane: Lane;
  #commits: Commits;
  #queue: Queue;
  #writing: Append | undefined;
  #loads: { queue: number; blocks: readonly number[] }[] = [];
  readonly #channels = new Map<string, LinkMessage[]>();
  #incarnation = 1;
  #sequence = 0;

  /** `own`: of the sender alone. */
  constructor(limits: Partial<Limits> = {}, own: Partial<Limits> = {}) {
    const theirs = { ...LIMITS, ...limits };
    this.limits = { ...theirs, ...own };
    const receiver = (node: string): [string, Receiver] => [
      node,
      new Receiver(node, theirs, (message) => {
        if (this.linked.has(node)) this.channel(node, 'back').push(message);
      }),
    ];
    this.receivers = new Map([receiver('x'), receiver('y')]);
    [this.#commits, this.#queue, this.lane] = this.#open();
  }

  #open(): [Commits, Queue, Lane] {
    const emit = (effect: Effect): void => {
      if (effect.kind === 'append') this.#writing = effect;
      if (effect.kind === 'load') this.#loads.push(effect);
      if (effect.kind === 'control' && this.linked.has(effect.peer))
        this.channel(effect.peer, 'control').push(effect.message);
      if (effect.kind === 'data' && effect.message.kind === 'data') {
        this.frames.push({ to: effect.peer, message: effect.message });
        if (this.linked.has(effect.peer)) this.channel(effect.peer, 'data').push(effect.message);
      }
    };
    const commits = new Commits(this.disk.nextBlock, this.limits, emit);
    const queue = new Queue(QUEUE, 'c:there:0', this.limits, commits);
    for (const { block, count, first } of this.disk.recovered(QUEUE)) {
      queue.recover(block, count, first);
      commits.recover(block);
    }
    const { limits, counters } = this;
    const lane = new Lane('there', 'there', { scope: 'cluster', lane: 0 }, queue, {
      limits,
      timing: TIMING,
      counters,
      emit,
      sent: () => undefined,
      incarnation: this.#incarnation,
      firstSequence: 1,
    });
    return [commits, queue, lane];
  }

  channel(node: string, name: Channel): LinkMessage[] {
    const key = `${node} ${name}`;
    const known = this.#channels.get(key) ?? [];
    this.#channels.set(key, known);
    return known;
  }

  receiver(node: string): Receiver {
    const receiver = this.receivers.get(node);
    if (!receiver) throw new Error(`no receiver ${node}`);
    return receiver;
  }

  get choice(): LandingChoice {
    const other = this.preferred === 'x' ? 'y' : 'x';
    const best = [this.preferred, other].find((node) => this.linked.has(node));
    return { best, isLinked: (node) => this.linked.has(node), isAlive: () => true, isFull: () => false };
  }

  pump(): void {
    this.lane.pump(this.choice, this.now);
  }

  publish(livesMs = 0): number {
    const event: StoredEvent = storedEvent({
      sequence: ++this.#sequence,
      bytes: EVENT_BYTES,
      expiresAt: livesMs === 0 ? 0 : this.now.wall + livesMs,
    });
    if (livesMs > 0) this.expiring.add(event.sequence);
    this.#commits.offer(event);
    this.#commits.want(this.#queue, this.lane.nextPosition());
    return event.sequence;
  }

  /** The sender's disk gets on: closes a batch, or has written it. */
  write(): boolean {
    const append = this.#writing;
    if (!append) {
      this.#commits.flush(true);
      return this.#writing !== undefined;
    }
    this.#writing = undefined;
    this.disk.apply(append.ops);
    this.#commits.appended(append.batch);
    this.pump();
    return true;
  }

  load(): boolean {
    const load = this.#loads.shift();
    if (!load) return false;
    this.#queue.loaded(this.disk.load(load.queue, load.blocks));
    this.pump();
    return true;
  }

  deliver(node: string, name: Channel): boolean {
    const message = this.channel(node, name).shift();
    if (!message) return false;
    if (name !== 'back') this.receiver(node).take(message);
    else {
      if (message.kind === 'lane-ready') this.lane.ready(node, message, this.now);
      else if (message.kind === 'ack') this.lane.ack(node, message, this.now);
      else if (message.kind === 'gap') this.lane.gap(node, message, this.now);
      this.pump();
    }
    return true;
  }

  lose(node: string, name: Channel): void {
    this.channel(node, name).shift();
  }

  linkUp(node: string): void {
    this.linked.add(node);
    this.pump();
  }

  linkDown(node: string): void {
    this.linked.delete(node);
    for (const name of ['control', 'data', 'back'] as const) this.channel(node, name).length = 0;
    this.lane.linkDown(node, this.now);
    this.pump();
  }

  prefer(node: string): void {
    this.preferred = node;
    this.pump();
  }

  pass(ms: number): void {
    this.now.monotonic += ms;
    this.now.wall += ms;
    this.lane.tick(this.choice, this.now);
  }

  crashSender(): void {
    for (const node of this.receivers.keys()) this.linkDown(node);
    this.#writing = undefined;
    this.#loads = [];
    this.#incarnation++;
    [this.#commits, this.#queue, this.lane] = this.#open();
  }

  crashReceiver(node: string): void {
    this.linkDown(node);
    this.receiver(node).crash();
  }

  /** Carries everything through until nothing moves; false: it never ends. */
  settle(): boolean {
    for (let round = 0; round < 10_000; round++) {
      let moved = this.write() || this.load();
      for (const receiver of this.receivers.values()) {
        moved = receiver.appended() || moved;
        for (const name of ['control', 'data', 'back'] as const)
          while (this.deliver(receiver.node, name)) moved = true;
      }
      if (!moved) return true;
    }
    return false;
  }

  get queued(): number {
    return this.#queue.depth;
  }

  /** Sequences that the sender still has to hand over, as its disk has it. */
  onDisk(): number[] {
    return this.disk.wanted(QUEUE).map(({ sequence }) => sequence);
  }
}
