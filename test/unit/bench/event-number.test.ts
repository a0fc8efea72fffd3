import assert from 'node:assert/strict';
import { test } from 'node:test';
import { numberOfEvent, numberOfPayload } from '../../bench/durable/event-number.ts';
import { idOf, Payloads, SOURCE, TYPE } from '../../bench/harness/payloads.ts';
import { encodeCloudEvent } from '../../../node/wire/cloud-event-protobuf.ts';

const NUMBERS = [0, 7, 123_456, 999_999_999_999];

test('the number of a payload is read from its bytes', () => {
  const payloads = new Payloads({ bytes: 256 });
  for (const n of NUMBERS) assert.equal(numberOfPayload(payloads.encoded(n)), n);
});

test('the number of an event is read from its bytes, as they are stored and delivered', () => {
  for (const n of NUMBERS) {
    const bytes = encodeCloudEvent({
      id: idOf(n),
      source: SOURCE,
      type: TYPE,
      attributes: new Map(),
      data: undefined,
    });
    assert.equal(numberOfEvent(bytes), n);
  }
});

test('bytes of something else have no number', () => {
  assert.throws(() => numberOfPayload(Buffer.from('{"m":"000000000001"')), /not an event of this benchmark/);
  assert.throws(() => numberOfPayload(Buffer.from('{"n":"00000000001"')), /not an event of this benchmark/);
  assert.throws(() => numberOfPayload(Buffer.from('{"n":"0000')), /not an event of this benchmark/);
  assert.throws(() => numberOfPayload(Buffer.from('{"n":"00000000000:"')), /not an event of this benchmark/);
  assert.throws(
    () => numberOfEvent(new Payloads({ bytes: 256 }).encoded(1)),
    /not an event of this benchmark/,
  );
});
