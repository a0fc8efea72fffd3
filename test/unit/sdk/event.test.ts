import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CloudEvent } from 'cloudevents';
import fc from 'fast-check';
import { checkCloudEvent } from '../../../node/core/cloud-event-check.ts';
import { parseJsonEvent } from '../../../node/core/cloud-event-json.ts';
import { encodeCloudEvent } from '../../../node/wire/cloud-event-protobuf.ts';
import { encodeEvent, identityOf, meshEventOf } from '../../../sdk/typescript/event.ts';
import type { EventInput } from '../../../sdk/typescript/types.ts';

const text = fc.stringMatching(/^[a-z/.]{1,20}$/);
const json = fc.jsonValue({ depthSize: 'small' });
const named = { id: text, source: text, type: text };
const optional = {
  time: fc
    .date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) })
    .map((date) => date.toISOString()),
  subject: text,
  dataschema: fc.constant('https://example.com/schema'),
  flag: fc.boolean(),
  count: fc.integer(),
  word: text,
};
const input: fc.Arbitrary<EventInput> = fc.oneof(
  fc.record({ ...named, ...optional, data: json }, { requiredKeys: ['id', 'source', 'type'] }),
  fc.record(
    { ...named, ...optional, datacontenttype: fc.constantFrom('application/json', 'a/b+json'), data: json },
    { requiredKeys: ['id', 'source', 'type', 'datacontenttype', 'data'] },
  ),
  fc.record(
    { ...named, ...optional, datacontenttype: fc.constant('text/plain'), data: fc.string() },
    { requiredKeys: ['id', 'source', 'type', 'datacontenttype', 'data'] },
  ),
);

test('a plain event is the one that its JSON text is', () => {
  fc.assert(
    fc.property(input, (event) => {
      const text = JSON.stringify({ specversion: '1.0', ...event });
      const parsed = encodeCloudEvent(checkCloudEvent(parseJsonEvent(text)));
      assert.deepEqual(Buffer.from(encodeEvent(event)), Buffer.from(parsed), text);
    }),
    { numRuns: 500 },
  );
});

test('an event comes as it was published', () => {
  fc.assert(
    fc.property(input, (event) => {
      const wanted = JSON.parse(JSON.stringify({ specversion: '1.0', ...event })) as unknown;
      assert.deepEqual({ ...meshEventOf(encodeEvent(event)) }, wanted);
    }),
    { numRuns: 500 },
  );
});

test('bytes stay bytes, whatever kind of array or text they came in; an instance of the SDK is what it holds', () => {
  const bytes = Uint8Array.from([0, 255, 7, 8]);
  const event = { id: '1', source: '/s', type: 't', datacontenttype: 'application/octet-stream' };
  for (const data of [
    bytes,
    Buffer.from(bytes),
    bytes.buffer,
    new DataView(bytes.buffer),
    new Uint16Array(bytes.buffer),
  ])
    assert.deepEqual(
      Buffer.from(meshEventOf(encodeEvent({ ...event, data })).data as Uint8Array),
      Buffer.from(bytes),
    );
  assert.deepEqual(
    Buffer.from(meshEventOf(encodeEvent({ ...event, data_base64: 'AP8HCA==' })).data as Uint8Array),
    Buffer.from(bytes),
  );
  const time = '2026-01-31T17:30:00.123Z';
  const sdk = new CloudEvent({ ...event, time, data: bytes, tenant: 'acme', n: 7 });
  assert.deepEqual(
    meshEventOf(encodeEvent(sdk)),
    meshEventOf(encodeEvent({ ...event, time, data: bytes, tenant: 'acme', n: 7 })),
  );
  const order = new CloudEvent({
    id: '1',
    source: '/s',
    type: 't',
    time,
    datacontenttype: 'application/json',
    data: { a: 1 },
  });
  assert.deepEqual(meshEventOf(encodeEvent(order)).data, { a: 1 });
});

test('null is a value of JSON, and nothing anywhere else', () => {
  const of = (datacontenttype: string | undefined) =>
    meshEventOf(encodeEvent({ source: '/s', type: 't', datacontenttype, data: null }));
  assert.equal(of(undefined).data, null);
  assert.equal(of('application/json').data, null);
  assert.equal('data' in of('text/plain'), false);
});

test('what is left out is left out; only the id is made up', () => {
  const made = meshEventOf(encodeEvent({ source: '/s', type: 't', subject: undefined, data: undefined }));
  assert.match(made.id, /^[0-9a-f-]{36}$/);
  assert.deepEqual({ ...made, id: '' }, { specversion: '1.0', id: '', source: '/s', type: 't' });
  const dated = encodeEvent({ source: '/s', type: 't', time: new Date(1_000), due: new Date(0) });
  assert.deepEqual(
    [meshEventOf(dated).time, meshEventOf(dated)['due']],
    ['1970-01-01T00:00:01Z', '1970-01-01T00:00:00Z'],
  );
});

test('data that is called JSON and is none is the text that it is', () => {
  const attributes = new Map([['datacontenttype', { type: 'string' as const, value: 'application/json' }]]);
  const data = { type: 'text' as const, value: '{' };
  assert.equal(
    meshEventOf(encodeCloudEvent({ id: '1', source: '/s', type: 't', attributes, data })).data,
    '{',
  );
});

test('events are told apart by source and id together', () => {
  const of = (source: string, id: string) => identityOf(encodeEvent({ source, id, type: 't' }));
  assert.equal(of('/a', 'b'), of('/a', 'b'));
  assert.notEqual(of('/a', 'bc'), of('/ab', 'c'));
  assert.equal(identityOf(Uint8Array.of(1, 2, 3)), undefined);
});
