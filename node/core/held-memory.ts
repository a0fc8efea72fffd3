// Events are views of the frame or the batch in which they came, and keep all of it in memory as long as they are kept. Where
// most of such a buffer is something else (its other events are gone, or were padding), a few small events would hold
// megabytes that no bound counts: they take memory of their own then.

import type { StoredEvent } from './event.ts';

/** Not worth a copy: two slabs of Node's pool for small Buffers. */
const FREE_BYTES = 2 * Buffer.poolSize;

/** Lets these events keep at most `timesMax` times their own bytes. Those that came together stand together. */
export function boundMemory(events: readonly StoredEvent[], timesMax: number): void {
  let bytes = 0;
  let held = 0;
  let last: ArrayBufferLike | undefined;
  for (const event of events) {
    bytes += event.bytes;
    const { memory } = event;
    if (memory !== last) held += memory.byteLength;
    last = memory;
  }
  if (held > Math.max(FREE_BYTES, bytes * timesMax)) for (const event of events) event.detach();
}
