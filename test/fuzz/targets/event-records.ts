// An event's record, as it lies in blocks and frames: what was taken is encoded to the very bytes that came, and what a
// decoder remembers of records before changes nothing.

import assert from 'node:assert/strict';
import { decodeRecord, encodeRecord, KnownHeaders, RecordError } from '../../../node/core/event-record.ts';
import { storedEvent } from '../../unit/wire/arbitraries.ts';
import { Choices, piece, plain, sampled, type Target, unlessRefused } from '../target.ts';

const recordOf = sampled(storedEvent, ({ record }) => record);

export const target: Target = {
  name: 'event-records',
  shape: 'bytes',
  bytesMax: 4_096,
  dictionary: ['12D3KooW', 'eu', Buffer.of(0, 1, 0x61), Buffer.of(1, 0), Buffer.of(1, 1)],
  sample: (chance) => {
    const records = Array.from({ length: 1 + chance.below(3) }, () => piece(recordOf(chance)));
    return Buffer.concat(chance.is(0.5) ? [...records, ...records] : records);
  },
  quick: 12_000,
  run: (input) => {
    const known = new KnownHeaders();
    const choices = new Choices(input);
    let taken = choices.left > 0;
    while (choices.left > 0) {
      const record = choices.piece();
      const alone = unlessRefused([RecordError], () => decodeRecord(record));
      const among = unlessRefused([RecordError], () => decodeRecord(record, known));
      assert.deepEqual(plain(among), plain(alone), 'what was remembered changes nothing');
      if (alone) checkEncoded(alone.value, record);
      else taken = false;
    }
    return taken;
  },
};

function checkEncoded(event: ReturnType<typeof decodeRecord>, record: Buffer): void {
  assert.equal(event.bytes, record.length);
  const again = encodeRecord(event, event);
  assert.equal(again.bytes, record.length, 'its size is known before it is written');
  const written = Buffer.alloc(record.length + 2, 0xaa);
  again.writeTo(written, 1);
  assert.deepEqual(written.subarray(1, -1), record, 'it is encoded as it came');
  assert.equal(written[0], 0xaa);
  assert.equal(written.at(-1), 0xaa);
  event.detach();
  assert.deepEqual(Buffer.from(event.record), record);
}
