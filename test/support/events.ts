// Events for tests, the same ones each time: what is not given follows from `sequence`.

import { encodeRecord } from '../../node/core/event-record.ts';
import { hash32 } from '../../node/core/event.ts';
import type { StoredEvent } from '../../node/core/event.ts';

export interface EventParts extends Partial<Omit<StoredEvent, 'record' | 'cloudEvent' | 'hash'>> {
  /** Payload in place of the CloudEvent's bytes; journals and links do not look into them. */
  readonly cloudEvent?: Uint8Array;
  /** Length of a payload made up for this event. */
  readonly bytes?: number;
}

export const ACCEPTED_AT = Date.UTC(2026, 0, 1);

export function storedEvent(parts: EventParts = {}): StoredEvent {
  const sequence = parts.sequence ?? 1;
  const key = parts.key ?? '';
  const cloudEvent = parts.cloudEvent ?? payload(sequence, parts.bytes ?? 64);
  return encodeRecord(
    {
      topic: parts.topic ?? 'orders/created',
      expiresAt: parts.expiresAt ?? 0,
      key,
      hash: hash32(key === '' ? `id-${sequence}` : key),
      cloudEvent,
    },
    {
      origin: parts.origin ?? '12D3KooWTestOrigin',
      incarnation: parts.incarnation ?? 1,
      sequence,
      acceptedAt: parts.acceptedAt ?? ACCEPTED_AT + sequence,
      path: parts.path ?? ['eu'],
      deadLetter: parts.deadLetter,
    },
  );
}

/** `count` events, numbered from `from`. */
export function storedEvents(
  count: number,
  parts: EventParts & { readonly from?: number } = {},
): StoredEvent[] {
  const { from = 1, ...rest } = parts;
  return Array.from({ length: count }, (_, i) => storedEvent({ ...rest, sequence: from + i }));
}

/** Bytes that look random, do not compress, and follow from `seed`. */
export function payload(seed: number, length: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(length);
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state & 0xff;
  }
  return bytes;
}
