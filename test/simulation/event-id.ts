// The id of a simulated event: the first word of what it carries.

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
