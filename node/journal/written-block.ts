// The events of a block as they were appended: what the cache keeps of it, so that nobody decodes again what is here.

import type { StoredEvent } from '../core/event.ts';
import type { BlockContent } from './block-cache.ts';
import { CorruptionError } from './bytes.ts';

/** Of an event's objects, beside its record: measured with events of 256 bytes. */
const EVENT_BYTES = 300;

export class WrittenBlock implements BlockContent {
  readonly bytes: number;
  readonly #events: readonly StoredEvent[];

  constructor(events: readonly StoredEvent[]) {
    this.#events = events;
    this.bytes = events.reduce((sum, { bytes }) => sum + bytes + EVENT_BYTES, 0);
  }

  events(indices: readonly number[]): StoredEvent[] {
    return indices.map((index) => this.#events[index] ?? this.#missing(index));
  }

  #missing(index: number): never {
    throw new CorruptionError(`event ${index} of a block of ${this.#events.length}`);
  }
}
