// What becomes of events inside the core that nobody outside would see otherwise: they end here for a reason, or are tried again. Said
// as effects that nobody has to carry out, beside the counters: whoever is to answer for one event looks on (`StepObserver`).
//
// It changes nothing of what the core does, and costs nothing where nothing happens to an event.

import { VOLATILE_BLOCK } from './delivery-token.ts';
import type { Position, StoredEvent } from './event.ts';
import { laneDestination } from './lane-queue.ts';
import type { Queue, QueueItem, Trimmed } from './queue.ts';
import type { Effect, Emit, HeldLetter } from './steps.ts';

/**
 * `dropped`: it ends here for this destination. `not-wanted`: for all, since there is none. `retried`: a consumer failed with it, and gets
 * it again. `dead-lettered`: it leaves its queue and goes on as a dead letter. `redriven`: it was one, and goes back to the subscription
 * that it had. `acked`: a client that came back had it.
 */
export type FateKind = 'dropped' | 'not-wanted' | 'retried' | 'dead-lettered' | 'redriven' | 'acked';

/** Of an event in hand. */
export interface Fate {
  readonly kind: 'fate';
  readonly what: FateKind;
  /** As metrics name it; of a dead letter, with what the consumer said. */
  readonly reason: string;
  /** Subscription, cluster or mesher that it was for, or came from; '' for none. */
  readonly to: string;
  readonly event: StoredEvent;
  /** Number of the queue that it was in; 0: in none. */
  readonly queue: number;
  /** Its place in the queue; VOLATILE_BLOCK: it has none on disk. */
  readonly block: number;
  readonly index: number;
  /** Its place on the lane; undefined: the queue is no lane's. */
  readonly position: Position | undefined;
  /** Times that it was handed out by then. */
  readonly attempt: number;
}

/** A dead letter and where it lies. */
type HeldPlace = Pick<HeldLetter, 'event' | 'block' | 'index'>;

/** Of events that are dropped unread, on disk. */
export interface UnreadFate {
  readonly kind: 'unread-fate';
  readonly reason: string;
  readonly to: string;
  readonly queue: number;
  /** Those whose events end; undefined: all that the queue still had. */
  readonly blocks: readonly number[] | undefined;
}

/** Of a dead letter that goes back as `event`: it is committed again, as any that is published. */
export function redrivenLetter(queue: Queue, letter: HeldPlace, event: StoredEvent): Fate {
  const to = letter.event.deadLetter?.subscription ?? '';
  return { ...droppedLetter(queue, letter, to), what: 'redriven', reason: '', event };
}

/** Of an event that is in no queue. */
export function ending(what: 'dropped' | 'not-wanted', reason: string, event: StoredEvent, to: string): Fate {
  const nowhere = { queue: 0, block: VOLATILE_BLOCK, index: 0, position: undefined, attempt: 0 };
  return { kind: 'fate', what, reason, to, event, ...nowhere };
}

/** Of an event of a queue. */
export function fateIn(queue: Queue, what: FateKind, reason: string, item: QueueItem, to: string): Fate {
  const { event, block, index, position, attempt } = item;
  return { kind: 'fate', what, reason, to, event, queue: queue.id, block, index, position, attempt };
}

/** Of a dead letter that somebody threw away. */
export function droppedLetter(queue: Queue, { event, block, index }: HeldPlace, to: string): Fate {
  const place = { queue: queue.id, block, index, position: undefined, attempt: 0 };
  return { kind: 'fate', what: 'dropped', reason: 'dead-letter-dropped', to, event, ...place };
}

/** Of an event that was to come into a queue which is gone. */
export function endingWith({ name }: Queue, event: StoredEvent): Fate {
  const lane = laneDestination(name);
  if (!lane) return ending('dropped', 'subscription-deleted', event, name.slice(2));
  return ending('dropped', 'member-forgotten', event, lane.scope === 'peer' ? lane.node : lane.cluster);
}

/** Of all that a queue gave up to keep its limit. */
export function tellTrimmed(emit: Emit, queue: Queue, { items, blocks }: Trimmed, to: string): void {
  for (const item of items) emit(fateIn(queue, 'dropped', 'queue-limit', item, to));
  if (blocks.length > 0) emit({ kind: 'unread-fate', reason: 'queue-limit', to, queue: queue.id, blocks });
}

/** Of a queue that goes with all it holds, and with what is being written for it. */
export function tellDestroyed(emit: Emit, queue: Queue, reason: string, to: string): void {
  if (queue.depth + queue.staged > 0)
    emit({ kind: 'unread-fate', reason, to, queue: queue.id, blocks: undefined });
}

export function isFate(effect: Effect): effect is Fate | UnreadFate {
  return effect.kind === 'fate' || effect.kind === 'unread-fate';
}
