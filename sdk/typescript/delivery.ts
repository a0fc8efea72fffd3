// A delivery as its consumer has it: a place in the DELIVER frame that brought it, decoded as far as it is asked for.

import type { DeliverFrame } from '../../bridge/ws/frames/deliver-frame.ts';
import { DELIVERY_RANGES } from '../../node/core/subscription.ts';
import { CausewayError } from './errors.ts';
import { meshEventOf } from './event.ts';
import { ACK } from './settlements.ts';
import type { Outcome } from './settlements.ts';
import type { DeadLetter, Delivery, MeshEvent } from './types.ts';

/** A mesher refuses what is longer. */
const REASON_UNITS_MAX = 1024;
const DELAY_MS_MAX = DELIVERY_RANGES.backoffMs.max;

/** Of one delivery: not handed out, handed out, settled by the consumer, settled for good. */
export const WAITS = 0;
export const HELD = 1;
export const SETTLED = 2;
export const DONE = 3;

/** The deliveries of one frame. */
export class Chunk {
  readonly frame: DeliverFrame;
  readonly events: readonly Uint8Array[];
  readonly states: Uint8Array;
  /** Those that were handed out. */
  readonly deliveries: (StreamDelivery | undefined)[] = [];
  /** Not done with. */
  left: number;
  /** Its stream is gone. */
  isLost = false;

  constructor(frame: DeliverFrame, events: readonly Uint8Array[]) {
    this.frame = frame;
    this.events = events;
    this.states = new Uint8Array(events.length);
    this.left = events.length;
  }
}

export class StreamDelivery implements Delivery {
  #chunk: Chunk;
  #index: number;
  readonly #settle: (delivery: StreamDelivery, outcome: Outcome) => void;
  #event: MeshEvent | undefined;

  constructor(chunk: Chunk, index: number, settle: (delivery: StreamDelivery, outcome: Outcome) => void) {
    this.#chunk = chunk;
    this.#index = index;
    this.#settle = settle;
  }

  get chunk(): Chunk {
    return this.#chunk;
  }

  get index(): number {
    return this.#index;
  }

  /** The same event came again: from now on it is that delivery. */
  moveTo(chunk: Chunk, index: number): void {
    this.#chunk = chunk;
    this.#index = index;
  }

  get bytes(): Uint8Array {
    return this.#chunk.events[this.#index] ?? new Uint8Array();
  }

  get event(): MeshEvent {
    this.#event ??= meshEventOf(this.bytes);
    return this.#event;
  }

  get topic(): string {
    const { frame } = this.#chunk;
    return frame.topics[frame.topicOf[this.#index] ?? 0] ?? '';
  }

  get attempt(): number {
    return this.#chunk.frame.attempts[this.#index] ?? 1;
  }

  get origin(): Delivery['origin'] {
    const { frame } = this.#chunk;
    const origin = frame.origins[frame.originOf[this.#index] ?? 0];
    return {
      node: origin?.node ?? '',
      incarnation: origin?.incarnation ?? 0,
      sequence: frame.sequences[this.#index] ?? 0,
      clusters: origin?.path ?? [],
    };
  }

  get acceptedAt(): number {
    return this.#chunk.frame.acceptedAts[this.#index] ?? 0;
  }

  get deadLetter(): DeadLetter | undefined {
    return this.#chunk.frame.deadLetters.get(this.#index);
  }

  ack(): void {
    this.#settle(this, ACK);
  }

  retry({ delayMs }: { readonly delayMs?: number } = {}): void {
    if (delayMs !== undefined && !(Number.isInteger(delayMs) && delayMs >= 0 && delayMs <= DELAY_MS_MAX))
      throw new CausewayError(
        'invalid-request',
        `delayMs is ${delayMs}; it must be a whole number of ms from 0 to ${DELAY_MS_MAX}`,
      );
    this.#settle(this, { kind: 'retry', delayMs });
  }

  reject(reason = 'rejected by the subscriber'): void {
    this.#settle(this, { kind: 'reject', reason: reason.slice(0, REASON_UNITS_MAX) });
  }
}
