// Events side by side: the CloudEvents Protobuf format's batch (cloudevents.proto of CloudEvents 1.0.2).
//
//   message CloudEventBatch { repeated CloudEvent events = 1; }
//   batch := (0x0a length:uint cloudEvent:bytes{length})*
//
// Reading takes foreign bytes: lengths in any form of varint, unknown fields skipped. What is in an event is not looked at.

import type { ByteWriter } from '../../../node/wire/byte-writer.ts';
import { uintBytes } from '../../../node/wire/byte-writer.ts';
import { eventsOfBatch } from '../../../node/wire/cloud-event-batch.ts';
import { BYTES, tag } from '../../../node/wire/protobuf-fields.ts';
import { WireError } from '../../../node/wire/wire-error.ts';

const EVENT = tag(1, BYTES);

/** What one event takes in a batch. */
export function eventBytes(event: Uint8Array): number {
  return 1 + uintBytes(event.length) + event.length;
}

export function writeEvent(writer: ByteWriter, event: Uint8Array): void {
  writer.byte(EVENT);
  writer.bytes(event);
}

/** The events as views of `batch`, which must not change afterwards. Throws WireError, also for more than `eventsMax`. */
export function splitBatch(batch: Uint8Array, eventsMax: number): Uint8Array[] {
  const places = eventsOfBatch(batch);
  if (places.length > eventsMax * 2) throw new WireError('too-many', `more than ${eventsMax} events`);
  const events: Uint8Array[] = [];
  for (let i = 0; i < places.length; i += 2) events.push(batch.subarray(places[i], places[i + 1]));
  return events;
}
