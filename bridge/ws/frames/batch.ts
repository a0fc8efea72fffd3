// Events side by side: the CloudEvents Protobuf format's batch (cloudevents.proto of CloudEvents 1.0.2).
//
//   message CloudEventBatch { repeated CloudEvent events = 1; }
//   batch := (0x0a length:uint cloudEvent:bytes{length})*
//
// Reading takes foreign bytes: lengths in any form of varint, unknown fields skipped. What is in an event is not looked at.

import { ByteReader } from '../../../node/wire/byte-reader.ts';
import type { ByteWriter } from '../../../node/wire/byte-writer.ts';
import { uintBytes } from '../../../node/wire/byte-writer.ts';
import { BYTES, readTag, skipField, tag } from '../../../node/wire/protobuf-fields.ts';
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

/** The events as views of `batch`, which must not change afterwards. `eventsMax`: bounds what is allocated for them. */
export function splitBatch(batch: Uint8Array, eventsMax: number): Uint8Array[] {
  const reader = new ByteReader(batch);
  const events: Uint8Array[] = [];
  while (reader.left > 0) {
    const { field, wireType } = readTag(reader);
    if (field !== 1) {
      skipField(reader, wireType);
      continue;
    }
    if (wireType !== BYTES) throw new WireError('bad-value', `the events have the wire type ${wireType}`);
    if (events.length === eventsMax) throw new WireError('too-many', `more than ${eventsMax} events`);
    const { low, high } = reader.varint64();
    if (high !== 0) throw new WireError('cut-short', 'an event of more than 4 GiB');
    events.push(reader.fixedBytes(low));
  }
  return events;
}
