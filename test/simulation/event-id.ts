// What names a simulated event: its id, the first word of what it carries; and its record, of which there may be several: each publishing
// of it makes one, and so does each of its dead letters, and each that is redriven.

import type { StoredEvent } from '../../node/core/event.ts';

const SPACE = 0x20;

export function idOf({ cloudEvent }: StoredEvent): string {
  let id = '';
  for (const byte of cloudEvent) {
    if (byte === SPACE) break;
    id += String.fromCharCode(byte);
  }
  return id;
}

/** Wherever it lies, and whoever has taken it over. */
export function recordOf({
  origin,
  incarnation,
  sequence,
}: Pick<StoredEvent, 'origin' | 'incarnation' | 'sequence'>): string {
  return `${origin}/${incarnation}/${sequence}`;
}
