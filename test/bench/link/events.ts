// The events that are sent over a measured link, the same in both processes: records as a mesher makes them of CloudEvents
// with real payloads, some topics among them, in messages as full as the core fills them. They are sent again and again,
// in the same order, so that the receiving end can tell that none is missing and that their bytes are right.

import { NO_GROUPS, hash32, type StoredEvent } from '../../../node/core/event.ts';
import { encodeRecord } from '../../../node/core/event-record.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import type { BestEffort } from '../../../node/core/messages.ts';
import { encodeCloudEvent } from '../../../node/wire/cloud-event-protobuf.ts';
import { FRAME_HEADER_BYTES } from '../../../node/wire/frames.ts';
import { encodeMessage } from '../../../node/wire/link-messages.ts';
import { idOf, Payloads, SOURCE, timeOf, TYPE } from '../harness/payloads.ts';

/** Of all records together: more than the caches next to a core hold, as in a mesher that forwards what just came. */
const POOL_BYTES = 8 * 1024 * 1024;
const TOPICS = 16;
/** As long as a mesher's id. */
const ORIGIN = '12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X';
const ACCEPTED_AT = Date.UTC(2026, 0, 1);

export interface Traffic {
  readonly events: readonly StoredEvent[];
  readonly messages: readonly Sized[];
  /** In each message. */
  readonly eventsEach: number;
  /** On the stream, of all messages by all events. */
  readonly bytesPerEvent: number;
}

interface Sized {
  readonly message: BestEffort;
  /** With its frame's header. */
  readonly frameBytes: number;
}

export function makeTraffic(payloadBytes: number): Traffic {
  const payloads = new Payloads({ bytes: payloadBytes });
  const eventsEach = Math.floor(LIMITS.frameBytesMax / makeEvent(payloads, 0).record.length);
  const messageCount = Math.ceil(POOL_BYTES / LIMITS.frameBytesMax);
  const events = Array.from({ length: messageCount * eventsEach }, (_, n) => makeEvent(payloads, n));
  const messages = Array.from({ length: messageCount }, (_, i) =>
    sized({
      kind: 'best-effort',
      scope: 'cluster',
      events: events
        .slice(i * eventsEach, (i + 1) * eventsEach)
        .map((event) => ({ event, directive: NO_GROUPS })),
    }),
  );
  const bytes = messages.reduce((sum, { frameBytes }) => sum + frameBytes, 0);
  return { events, messages, eventsEach, bytesPerEvent: bytes / events.length };
}

function sized(message: BestEffort): Sized {
  return { message, frameBytes: FRAME_HEADER_BYTES + encodeMessage(message).length };
}

function makeEvent(payloads: Payloads, n: number): StoredEvent {
  const cloudEvent = encodeCloudEvent({
    id: idOf(n),
    source: SOURCE,
    type: TYPE,
    attributes: new Map([
      ['time', { type: 'timestamp', value: timeOf(n) }],
      ['datacontenttype', { type: 'string', value: 'application/json' }],
    ]),
    data: { type: 'text', value: payloads.text(n) },
  });
  return encodeRecord(
    {
      topic: `orders/eu-${String(n % TOPICS).padStart(2, '0')}/created`,
      expiresAt: 0,
      key: '',
      hash: hash32(idOf(n)),
      cloudEvent,
    },
    {
      origin: ORIGIN,
      incarnation: 7,
      sequence: n,
      acceptedAt: ACCEPTED_AT + n,
      path: ['aws-eu-west-1'],
      deadLetter: undefined,
    },
  );
}
