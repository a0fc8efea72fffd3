// Deliveries between the stream that brings them and the consumer that takes them, one by one or as they came.

import { Deque } from '../../node/core/deque.ts';
import { HELD, StreamDelivery, WAITS } from './delivery.ts';
import type { Chunk } from './delivery.ts';
import type { CausewayError } from './errors.ts';
import type { Outcome } from './settlements.ts';

export interface InboxEvents {
  /** So many of the deliveries were handed out. */
  readonly taken: (chunk: Chunk, count: number) => void;
  readonly settle: (delivery: StreamDelivery, outcome: Outcome) => void;
  /** The consumer has left its loop. */
  readonly left: () => Promise<void>;
}

interface Waiter<Value> {
  readonly take: () => Value | undefined;
  readonly resolve: (result: IteratorResult<Value, undefined>) => void;
  readonly reject: (error: CausewayError) => void;
}

export class Inbox {
  readonly #events: InboxEvents;
  readonly #chunks = new Deque<Chunk>();
  /** Where the next one is in the first chunk. */
  #at = 0;
  readonly #waiters = new Deque<Waiter<unknown>>();
  #end: { readonly error: CausewayError | undefined } | undefined;

  constructor(events: InboxEvents) {
    this.#events = events;
  }

  /** Those of the chunk that wait. */
  push(chunk: Chunk): void {
    if (this.#end !== undefined) return;
    this.#chunks.pushBack(chunk);
    for (let waiter = this.#waiters.front(); waiter !== undefined; waiter = this.#waiters.front()) {
      const value = waiter.take();
      if (value === undefined) return;
      this.#waiters.popFront();
      waiter.resolve({ value, done: false });
    }
  }

  /** What waits was lost with its stream. */
  drop(): void {
    this.#chunks.clear();
    this.#at = 0;
  }

  /** Loops end, with the error if there is one. */
  end(error: CausewayError | undefined): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    this.drop();
    for (let waiter = this.#waiters.popFront(); waiter !== undefined; waiter = this.#waiters.popFront()) {
      if (error === undefined) waiter.resolve({ value: undefined, done: true });
      else waiter.reject(error);
    }
  }

  deliveries(): AsyncIterator<StreamDelivery, undefined> {
    return this.#iterator(() => this.#takeOne());
  }

  batches(): AsyncIterator<readonly StreamDelivery[], undefined> {
    return this.#iterator(() => this.#takeChunk());
  }

  /** By hand: a generator costs three turns of the microtask queue for each value. */
  #iterator<Value>(take: () => Value | undefined): AsyncIterator<Value, undefined> {
    return {
      next: () => {
        const value = take();
        if (value !== undefined) return Promise.resolve({ value, done: false });
        if (this.#end !== undefined) return this.#ended();
        return new Promise((resolve, reject) => {
          this.#waiters.pushBack({
            take,
            resolve: resolve as (result: IteratorResult<unknown, undefined>) => void,
            reject,
          });
        });
      },
      return: async () => {
        await this.#events.left();
        return { value: undefined, done: true };
      },
    };
  }

  #ended(): Promise<IteratorResult<never, undefined>> {
    const error = this.#end?.error;
    return error === undefined ? Promise.resolve({ value: undefined, done: true }) : Promise.reject(error);
  }

  #takeOne(): StreamDelivery | undefined {
    for (let chunk = this.#chunks.front(); chunk !== undefined; chunk = this.#chunks.front()) {
      while (this.#at < chunk.events.length) {
        const index = this.#at++;
        if (chunk.states[index] !== WAITS) continue;
        if (this.#at === chunk.events.length) this.#next();
        const delivery = this.#hold(chunk, index);
        this.#events.taken(chunk, 1);
        return delivery;
      }
      this.#next();
    }
    return undefined;
  }

  #takeChunk(): StreamDelivery[] | undefined {
    for (let chunk = this.#chunks.front(); chunk !== undefined; chunk = this.#chunks.front()) {
      const taken: StreamDelivery[] = [];
      for (let index = this.#at; index < chunk.events.length; index++)
        if (chunk.states[index] === WAITS) taken.push(this.#hold(chunk, index));
      this.#next();
      if (taken.length === 0) continue;
      this.#events.taken(chunk, taken.length);
      return taken;
    }
    return undefined;
  }

  #next(): void {
    this.#chunks.popFront();
    this.#at = 0;
  }

  #hold(chunk: Chunk, index: number): StreamDelivery {
    chunk.states[index] = HELD;
    const delivery = new StreamDelivery(chunk, index, this.#events.settle);
    chunk.deliveries[index] = delivery;
    return delivery;
  }
}
