import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkCloudEvent } from '../../../node/core/cloud-event-check.ts';
import type { AttributeValue, CloudEvent } from '../../../node/core/cloud-event.ts';
import { hash32, hash32Ascii } from '../../../node/core/event.ts';
import { decodeCloudEvent, encodeCloudEvent } from '../../../node/wire/cloud-event-protobuf.ts';
import { CloudEventScanner } from '../../../node/wire/cloud-event-scan.ts';
import { cloudEvent } from './arbitraries.ts';

const attribute = (type: 'string' | 'timestamp', value: string): AttributeValue => ({ type, value });

/** As most publishers write them. */
const plainEvent: fc.Arbitrary<CloudEvent> = fc.record({
  id: fc.uuid(),
  source: fc.stringMatching(/^[a-z:/?#.]{1,20}$/),
  type: fc.constantFrom('com.example.order.created', 'com.example.order.paid', 'x'),
  attributes: fc
    .record(
      {
        time: fc
          .date({ min: new Date(0), max: new Date('9999-12-31T00:00:00Z'), noInvalidDate: true })
          .map((date) => attribute('timestamp', date.toISOString())),
        expirytime: fc
          .date({ min: new Date(1), max: new Date('9999-12-31T00:00:00Z'), noInvalidDate: true })
          .map((date) => attribute('timestamp', date.toISOString())),
        subject: fc.stringMatching(/^[ -~]{1,9}$/).map((text) => attribute('string', text)),
        datacontenttype: fc
          .constantFrom('application/json', 'text/plain')
          .map((text) => attribute('string', text)),
        partitionkey: fc.stringMatching(/^[ -~]{1,9}$/).map((text) => attribute('string', text)),
        traceparent: fc.stringMatching(/^[0-9a-f-]{0,55}$/).map((text) => attribute('string', text)),
        sw8: fc.constant(attribute('string', '0-x')),
        flag: fc.boolean().map((value): AttributeValue => ({ type: 'boolean', value })),
      },
      { requiredKeys: [] },
    )
    .map((attributes) => new Map(Object.entries(attributes))),
  data: fc.option(
    fc.oneof(
      fc.string({ unit: 'grapheme' }).map((value) => ({ type: 'text' as const, value })),
      fc.uint8Array().map((value) => ({ type: 'binary' as const, value })),
    ),
    { nil: undefined },
  ),
});

interface Seen {
  readonly type: string;
  readonly key: string;
  readonly expiresAt: number;
  readonly hash: number;
  readonly hasTraceContext: boolean;
}

const scanner = new CloudEventScanner();

/** Between other bytes, as in a batch. */
function scan(bytes: Uint8Array): Seen | undefined {
  const buffer = Buffer.concat([Buffer.from([0x2a, 0x7f]), bytes, Buffer.from([0x0a, 0x01, 0x41])]);
  if (!scanner.scan(buffer, 2, 2 + bytes.length)) return undefined;
  const { type, key, expiresAt, hasTraceContext, idStart, idEnd } = scanner;
  const hash = key === '' ? hash32Ascii(buffer, idStart, idEnd) : hash32(key);
  return { type, key, expiresAt, hash, hasTraceContext };
}

/** The same by decoding; throws what the front door would answer. */
function decoded(bytes: Uint8Array): Seen {
  const { id, type, attributes } = checkCloudEvent(decodeCloudEvent(bytes));
  const text = (name: string): string => {
    const value = attributes.get(name)?.value;
    return typeof value === 'string' ? value : '';
  };
  const key = text('partitionkey');
  const expiry = Date.parse(text('expirytime'));
  return {
    type,
    key,
    expiresAt: Number.isNaN(expiry) ? 0 : Math.max(1, expiry),
    hash: hash32(key === '' ? id : key),
    hasTraceContext: attributes.has('traceparent') || attributes.has('sw8'),
  };
}

test('a plain event needs no second look, and is seen as it is', () => {
  fc.assert(
    fc.property(plainEvent, (event) => {
      const bytes = encodeCloudEvent(event);
      assert.deepEqual(scan(bytes), decoded(bytes));
    }),
    { numRuns: 1_000 },
  );
});

test('what is taken without a second look is what decoding takes, whatever the bytes', () => {
  let taken = 0;
  fc.assert(
    fc.property(
      fc.oneof(plainEvent, cloudEvent).map(encodeCloudEvent),
      fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 0, max: 255 })), { maxLength: 2 }),
      fc.nat(3),
      (bytes, flips, cut) => {
        const changed = Buffer.from(bytes.subarray(0, bytes.length - (cut === 3 ? 1 : 0)));
        for (const [at, value] of flips) if (at < changed.length) changed[at] = value;
        const seen = scan(changed);
        if (!seen) return;
        taken++;
        assert.deepEqual(seen, decoded(changed));
      },
    ),
    { numRuns: 5_000 },
  );
  assert.ok(taken > 500, `only ${taken} were taken`);
});

test('names of the specification, doubled fields, and what is not ASCII get a second look', () => {
  const bytes = (name: string, value: AttributeValue): Uint8Array =>
    encodeCloudEvent({
      id: '1',
      source: '/s',
      type: 't',
      attributes: new Map([[name, value]]),
      data: undefined,
    });
  assert.ok(scan(bytes('note', attribute('string', 'x'))));
  for (const name of ['specversion', 'dataschema', 'data']) {
    assert.equal(scan(bytes(name, attribute('string', 'x'))), undefined, name);
  }
  for (const name of ['time', 'expirytime']) {
    assert.equal(scan(bytes(name, attribute('string', 'yesterday'))), undefined, name);
  }
  assert.equal(scan(bytes('subject', attribute('string', ''))), undefined);
  assert.equal(scan(bytes('note', attribute('string', 'é'))), undefined);
  assert.equal(scan(bytes('Note', attribute('string', 'x'))), undefined);
  assert.equal(scan(bytes('datacontenttype', attribute('string', 'json'))), undefined);
  const twice = Buffer.concat([bytes('note', attribute('string', 'x')), Buffer.from([0x0a, 1, 0x32])]);
  assert.equal(scan(twice), undefined, 'two ids');
});
