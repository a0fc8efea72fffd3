// The id of a simulated event: the first word of what it carries.

import type { StoredEvent } from '../../node/core/event.ts';

export function idOf(event: StoredEvent): string {
  const text = Buffer.from(
    event.cloudEvent.buffer,
    event.cloudEvent.byteOffset,
    event.cloudEvent.length,
  ).toString('latin1');
  return text.slice(0, text.indexOf(' '));
}
