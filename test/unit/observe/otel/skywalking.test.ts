// Held against SkyWalking's "Cross Process Propagation Headers Protocol" v3, the header that its agents' own tests use, and the ids that the
// OpenTelemetry Collector's receiver for SkyWalking makes (its Test_stringToTraceID and Test_segmentIdToSpanId).

import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { contextOfSw8, parseSw8, type Sw8 } from '../../../../node/observe/otel/skywalking.ts';

const EXAMPLE = '1-My40LjU=-MS4yLjM=-4-c2VydmljZQ==-aW5zdGFuY2U=-L2FwcA==-MTI3LjAuMC4xOjgwODA=';

/** As the protocol says that it is written. */
function format(sw8: Sw8): string {
  const { sampled, traceId, segmentId, spanId, service, instance, endpoint, address } = sw8;
  const [trace, segment, ...others] = [traceId, segmentId, service, instance, endpoint, address].map((text) =>
    Buffer.from(text).toString('base64'),
  );
  return [sampled ? 1 : 0, trace, segment, spanId, ...others].join('-');
}

test("reads the header that SkyWalking's agents are tested with", () => {
  const sw8 = parseSw8(EXAMPLE);
  assert.deepEqual(sw8, {
    sampled: true,
    traceId: '3.4.5',
    segmentId: '1.2.3',
    spanId: 4,
    service: 'service',
    instance: 'instance',
    endpoint: '/app',
    address: '127.0.0.1:8080',
  });
  assert.equal(format(sw8), EXAMPLE);
  assert.equal(parseSw8(EXAMPLE.replace('1', '0'))?.sampled, false);
});

test('ids become what the OpenTelemetry Collector makes of them', () => {
  const base = { sampled: true, service: 's', instance: 'i', endpoint: '/', address: 'a' };
  const of = (traceId: string, segmentId: string, spanId: number) =>
    contextOfSw8({ ...base, traceId, segmentId, spanId });
  const segment = '4f2f27748b8e44ecaf18fe0347194e86.33.16560607369950066';
  const uuid = 'de5980b8-fce3-4a37-aab9-b4ac3af7eedd';
  assert.equal(of(uuid, segment, 0).traceId, 'de5980b8fce34a37aab9b4ac3af7eedd');
  assert.equal(of(uuid.replaceAll('-', ''), segment, 0).traceId, 'de5980b8fce34a37aab9b4ac3af7eedd');
  assert.equal(
    of('de5980b8fce34a37aab9b4ac3af7eedd.1.16563474296430001', segment, 0).traceId,
    Buffer.from([222, 89, 128, 184, 253, 227, 74, 55, 27, 228, 27, 205, 94, 47, 212, 221]).toString('hex'),
  );
  assert.equal(
    of(uuid, segment, 123).parentId,
    Buffer.from([233, 196, 85, 168, 37, 66, 48, 106]).toString('hex'),
  );
  assert.equal(
    of(uuid, '4f2f27748b8e44ecaf18fe0347194e86', 123).parentId,
    Buffer.from([155, 55, 217, 119, 204, 151, 10, 106]).toString('hex'),
  );
});

test('ids of another form become the beginning of their SHA-256', () => {
  const sw8 = parseSw8(EXAMPLE);
  assert.deepEqual(sw8 && contextOfSw8(sw8), {
    traceId: hash('sha256', '3.4.5', 'hex').slice(0, 32),
    parentId: hash('sha256', '4-1.2.3', 'hex').slice(0, 16),
    sampled: true,
  });
});

test('what breaks the protocol is no header', () => {
  const fields = EXAMPLE.split('-');
  const put = (at: number, field: string): string => fields.with(at, field).join('-');
  const wrong = [
    '',
    '-------',
    put(0, '2'),
    put(1, ''),
    put(2, ''),
    put(1, 'no base64!'),
    put(4, 'c2VydmljZQ='),
    put(4, '//8='),
    put(3, '-1'),
    put(3, '1.5'),
    put(3, '99999999999'),
    `${EXAMPLE}-`,
    fields.slice(0, 7).join('-'),
    put(6, 'QUFB'.repeat(512)),
  ];
  for (const text of wrong) assert.equal(parseSw8(text), undefined, text.slice(0, 100));
});

test('any header that is written by the protocol is read back; its ids are always valid', () => {
  const text = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .map((given) => given.toWellFormed());
  const id = fc.oneof(
    text,
    fc.uuid(),
    fc
      .tuple(fc.uuid(), fc.nat(), fc.bigInt({ min: 0n, max: 10n ** 19n - 1n }))
      .map(([uuid, thread, time]) => `${uuid.replaceAll('-', '')}.${thread}.${time}`),
  );
  const sw8 = fc.record(
    {
      sampled: fc.boolean(),
      traceId: id,
      segmentId: id,
      spanId: fc.nat({ max: 999_999_999 }),
      service: text,
      instance: text,
      endpoint: text,
      address: text,
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(sw8, (given) => {
      assert.deepEqual(parseSw8(format(given)), given);
      const { traceId, parentId } = contextOfSw8(given);
      assert.match(traceId, /^(?!0{32})[0-9a-f]{32}$/);
      assert.match(parentId, /^(?!0{16})[0-9a-f]{16}$/);
    }),
  );
  fc.assert(fc.property(fc.string(), (given) => void parseSw8(given)));
});
