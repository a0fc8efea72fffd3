// io.cloudevents.v1.CloudEventBatch { repeated CloudEvent events = 1; }: where its events lie, without copying them.

import { BYTES, readTag, skipField } from './protobuf-fields.ts';
import { ByteReader } from './byte-reader.ts';
import { WireError } from './wire-error.ts';

/** Start and end of each event in `bytes`, one after the other. Unknown fields are passed over. Throws WireError only. */
export function eventsOfBatch(bytes: Uint8Array): readonly number[] {
  const reader = new ByteReader(bytes);
  const places: number[] = [];
  while (reader.left > 0) {
    const { field, wireType } = readTag(reader);
    if (field !== 1 || wireType !== BYTES) {
      if (field === 1) throw new WireError('bad-value', `field 1 has the wire type ${wireType}`);
      skipField(reader, wireType);
      continue;
    }
    const { low, high } = reader.varint64();
    const start = bytes.length - reader.left;
    if (high !== 0 || low > reader.left)
      throw new WireError('cut-short', `${low} bytes wanted, ${reader.left} are left`);
    reader.fixedBytes(low);
    places.push(start, start + low);
  }
  return places;
}
