// Moves claimed blocks of a lost mesher's journal from the copy into the own one, oldest first: events for the mesher's subscriptions
// into adopted ones, those for elsewhere into the own lanes.
//
// Invariant. A block moves in one batch with the note that it did, so no crash moves it twice or leaves it out.

import type { Counters } from './counters.ts';
import {
  type Directive,
  type LaneName,
  NO_GROUPS,
  type NodeId,
  type Position,
  type StoredEvent,
} from './event.ts';
import { type LaneDestination, laneDestination } from './lane-queue.ts';
import type { BlockRange, QueuedEntry, Recovered, Takeover } from './ports.ts';
import type { Emit } from './steps.ts';
import { DEAD_LETTERS, type Subscription } from './subscription.ts';
import { Subscriptions } from './subscriptions.ts';
import { wantedBlocks, type WantedBlock } from './wanted-blocks.ts';

export interface CopyMovePorts {
  readonly counters: Counters;
  readonly emit: Emit;
  /** No more is to be staged for now. */
  isBusy(): boolean;
  /** Returns what it is called here. */
  readonly adoptSubscription: (subscription: Subscription) => string;
  /** What it was called here when it was adopted; undefined: it was deleted since. */
  readonly adoptedAs: (subscription: Subscription) => string | undefined;
  adoptMark(sender: NodeId, name: LaneName, position: Position): void;
  /** One event of a block, with what each queue of the lost mesher wanted of it. */
  adoptEvent(owner: NodeId, event: StoredEvent, wants: readonly AdoptedWant[]): void;
  /** `then` runs when all that is staged is on this disk. */
  whenDurable(then: () => void): void;
}

/** What one queue of the lost mesher wanted of an event. */
export type AdoptedWant =
  | { readonly kind: 'subscription'; readonly name: string }
  /** The subscription was adopted, and deleted since. */
  | { readonly kind: 'deleted'; readonly name: string }
  /** The subscription lives on elsewhere, under the name of the mesher where it was made. */
  | { readonly kind: 'heir'; readonly of: NodeId; readonly name: string }
  | AdoptedLane;

export interface AdoptedLane {
  readonly kind: 'lane';
  readonly to: LaneDestination;
  readonly position: Position | undefined;
  readonly directive: Directive;
}

type WantOf = (position: Position | undefined, directive: Directive) => AdoptedWant;

export interface CopyMoveTask {
  readonly owner: NodeId;
  /** Its subscriptions come here. */
  readonly isHeir: boolean;
  /** They come now; else they came before, and what became of them since is newer than the copy. */
  readonly adopts: boolean;
  /** Those that the lost mesher had adopted from this other one are not here: the copy with which the others came did not have them. */
  readonly isElsewhere: (from: NodeId) => boolean;
  readonly claims: readonly BlockRange[];
  /** Blocks below this number have moved before. */
  readonly upTo: number;
  /** To be noted in the batch that is being staged; `theirs`: takeovers of the lost mesher itself. */
  readonly progress: (upTo: number, theirs: readonly Takeover[]) => void;
  /** All is on this disk. */
  readonly moved: () => void;
}

/** A lost mesher has so many queues before it matters what a step with all of them takes: some 4 µs for each. */
const QUEUES_AT_ONCE = 1_000;

export class CopyMove {
  readonly #ports: CopyMovePorts;
  readonly #task: CopyMoveTask;
  /** By the numbers of the lost mesher's queues. */
  #wants: ReadonlyMap<number, WantOf> = new Map();
  #blocks: Iterator<WantedBlock> | undefined;
  #theirs: readonly Takeover[] = [];
  #marks: Recovered['marks'] = [];
  /** A block is being read, or not yet on disk. */
  #waits = false;

  constructor(ports: CopyMovePorts, task: CopyMoveTask) {
    this.#ports = ports;
    this.#task = task;
    ports.emit({ kind: 'read-copy', owner: task.owner });
  }

  /** What the copy holds. */
  read(recovered: Recovered): void {
    if (this.#blocks) return;
    const { progress, upTo } = this.#task;
    this.#theirs = recovered.takeovers;
    progress(upTo, this.#theirs);
    const byQueue = new Map(recovered.subscriptions.map((one) => [Subscriptions.queueName(one.name), one]));
    this.#wants = new Map(
      recovered.queues.map(({ queue, name }) => [queue, this.#wantOf(name, byQueue.get(name))]),
    );
    this.#marks = recovered.marks;
    this.#blocks = wantedBlocks(recovered.queues, leftOf(this.#task));
    // thousands of queues take their time here, and again when the first block is looked for: that is then left to the next tick
    if (recovered.queues.length <= QUEUES_AT_ONCE) this.goOn();
  }

  #wantOf(queue: string, subscription: Subscription | undefined): WantOf {
    const to = laneDestination(queue);
    if (to) return (position, directive) => ({ kind: 'lane', to, position, directive });
    const { owner } = this.#task;
    const want =
      !subscription || subscription.name === DEAD_LETTERS
        ? ({ kind: 'subscription', name: DEAD_LETTERS } as const)
        : this.#wantOfSubscription({ ...subscription, adoptedFrom: subscription.adoptedFrom ?? owner });
    return () => want;
  }

  #wantOfSubscription(subscription: Subscription & { readonly adoptedFrom: NodeId }): AdoptedWant {
    const { isHeir, adopts, isElsewhere } = this.#task;
    if (!isHeir || isElsewhere(subscription.adoptedFrom))
      return { kind: 'heir', of: subscription.adoptedFrom, name: subscription.name };
    const { adoptSubscription, adoptedAs } = this.#ports;
    const name = adopts ? adoptSubscription(subscription) : adoptedAs(subscription);
    return name === undefined ? { kind: 'deleted', name: subscription.name } : { kind: 'subscription', name };
  }

  /**
   * How far the lost mesher had received from others, to be noted when all of the copy has moved: a mark says that what came before it is
   * here, and while it moves, the rest may yet come from another's older copy, which lacks some of that.
   */
  adoptMarks(): void {
    for (const { sender, position, scope, lane, of } of this.#marks)
      if (scope === 'peer')
        this.#ports.adoptMark(sender, { scope, lane, of: of ?? this.#task.owner }, position);
  }

  goOn(): void {
    if (this.#waits || !this.#blocks || this.#ports.isBusy()) return;
    const { owner, moved } = this.#task;
    this.#waits = true;
    const next = this.#blocks.next();
    if (next.done === true) this.#ports.whenDurable(moved);
    else this.#ports.emit({ kind: 'load-copy', owner, ...next.value });
  }

  /** What the queues wanted of one block. */
  loaded(block: number, entries: readonly QueuedEntry[]): void {
    const { owner, progress } = this.#task;
    const byIndex = new Map<number, { event: StoredEvent; wants: AdoptedWant[] }>();
    for (const { queue, entry, events } of entries) {
      const wantOf = this.#wants.get(queue);
      if (!wantOf) continue;
      let run = -1;
      for (const [i, index] of entry.indices.entries()) {
        while ((entry.directives[run + 1]?.from ?? Infinity) <= i) run++;
        const event = events[i];
        const { first } = entry;
        const position = first && { incarnation: first.incarnation, sequence: first.sequence + i };
        const want = wantOf(position, entry.directives[run]?.directive ?? NO_GROUPS);
        if (!event) continue;
        const wanted = byIndex.get(index) ?? { event, wants: [] };
        byIndex.set(index, wanted);
        wanted.wants.push(want);
      }
    }
    for (const index of [...byIndex.keys()].sort((a, b) => a - b)) {
      const wanted = byIndex.get(index);
      if (wanted) this.#ports.adoptEvent(owner, wanted.event, wanted.wants);
    }
    this.#ports.counters.add('events_taken_over_total', byIndex.size);
    progress(block + 1, this.#theirs);
    this.#ports.whenDurable(() => {
      this.#waits = false;
      this.goOn();
    });
  }
}

/** What is claimed and has not moved, ascending. */
function leftOf({ claims, upTo: done }: Pick<Takeover, 'claims' | 'upTo'>): BlockRange[] {
  const left = claims.map(({ from, upTo }) => ({ from: Math.max(from, done), upTo }));
  return left.filter(({ from, upTo }) => from < upTo).sort((one, other) => one.from - other.from);
}
