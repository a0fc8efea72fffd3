import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AttributeValue, CloudEvent } from '../../../../node/core/cloud-event.ts';
import { lookForContext } from '../../../../node/observe/otel/context-scan.ts';
import { encodeCloudEvent } from '../../../../node/wire/cloud-event-protobuf.ts';
import { OFFICIAL_EVENT } from '../../../support/official-protobuf.ts';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-';

function event(attributes: Readonly<Record<string, string>>, data?: CloudEvent['data']): CloudEvent {
  const texts = Object.entries(attributes).map(([name, value]): [string, AttributeValue] => [
    name,
    { type: 'string', value },
  ]);
  return { id: '1', source: '/s', type: 't', attributes: new Map(texts), data };
}

const look = (...given: Parameters<typeof event>) => lookForContext(encodeCloudEvent(event(...given)));

test('sees a context among the attributes, and never in the data', () => {
  assert.equal(look({ subject: 'x', partitionkey: 'k' }), 'none');
  assert.equal(look({ subject: 'x', traceparent: `${TRACEPARENT}01` }), 'perhaps');
  assert.equal(look({ sw8: '1-x' }), 'perhaps');
  assert.equal(look({ tracestate: 'a=1', traceparents: `${TRACEPARENT}01`, sw9: 'a' }), 'none');
  const inner = encodeCloudEvent(event({ traceparent: `${TRACEPARENT}01` }));
  assert.equal(look({ subject: 'x' }, { type: 'binary', value: inner }), 'none');
});

test('sees that nobody traces it, by the flags of a context of the usual form', () => {
  for (const flags of ['00', '02', '0a', 'fe'])
    assert.equal(look({ traceparent: TRACEPARENT + flags }), 'unsampled', flags);
  for (const flags of ['01', '03', '0b', 'ff', '0x', '0', '000'])
    assert.equal(look({ traceparent: TRACEPARENT + flags }), 'perhaps', flags);
  assert.equal(look({ sw8: '1-x', traceparent: `${TRACEPARENT}00` }), 'unsampled', 'traceparent comes first');
  assert.equal(look({ sw8: '0-x', traceparent: `${TRACEPARENT}01` }), 'perhaps', 'traceparent comes first');
  for (const length of [1, 100, 130, 1_900])
    assert.equal(look({ sw8: '0'.padEnd(length, '-') }), 'unsampled');
  for (const sw8 of ['', '1-x', '-'.padEnd(300, '0')]) assert.equal(look({ sw8 }), 'perhaps', sw8);
});

test('sees it in whatever another encoder writes', () => {
  const attribute = { ce_string: `${TRACEPARENT}01` };
  const bytes = OFFICIAL_EVENT.encode({
    id: 'x'.repeat(300),
    source: '/s',
    spec_version: '1.0',
    type: 't',
    attributes: { subject: { ce_string: 'y'.repeat(20_000) }, traceparent: attribute },
    text_data: '{}',
  }).finish();
  assert.equal(lookForContext(bytes), 'perhaps');
  const unknownField = Buffer.concat([Buffer.from([0x78, 5]), bytes]);
  assert.equal(lookForContext(unknownField), 'perhaps', 'what it does not know it leaves to others');
});

test('says none for exactly the events without one, and takes any bytes', () => {
  const name = fc.oneof(
    fc.constantFrom('traceparent', 'sw8', 'tracestate', 'time', 'subject'),
    fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'r', 't', '8'), minLength: 1, maxLength: 12 }),
  );
  const attributes = fc.dictionary(name, fc.string({ unit: 'grapheme', maxLength: 300 }), { maxKeys: 6 });
  const data = fc.option(
    fc.uint8Array({ maxLength: 300 }).map((value) => ({ type: 'binary' as const, value })),
    { nil: undefined },
  );
  fc.assert(
    fc.property(attributes, data, (given, body) => {
      const has = Object.hasOwn(given, 'traceparent') || Object.hasOwn(given, 'sw8');
      assert.equal(look(given, body) !== 'none', has);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => void lookForContext(bytes)),
    { numRuns: 2_000 },
  );
});
