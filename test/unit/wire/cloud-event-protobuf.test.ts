import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AttributeValue, CloudEvent } from '../../../node/core/cloud-event.ts';
import { decodeCloudEvent, encodeCloudEvent } from '../../../node/wire/cloud-event-protobuf.ts';
import { WireError, type WireReason } from '../../../node/wire/wire-error.ts';
import { OFFICIAL_EVENT as OFFICIAL } from '../../support/official-protobuf.ts';
import { cloudEvent } from './arbitraries.ts';

const FIELDS = {
  boolean: 'ce_boolean',
  integer: 'ce_integer',
  string: 'ce_string',
  binary: 'ce_bytes',
  uri: 'ce_uri',
  'uri-ref': 'ce_uri_ref',
};

test('every event comes back as it was', () => {
  fc.assert(
    fc.property(cloudEvent, (event) => {
      assert.deepEqual(plain(decodeCloudEvent(encodeCloudEvent(event))), plain(event));
    }),
    { numRuns: 1000 },
  );
});

test('protobufjs, from the official text, reads what is written', () => {
  fc.assert(
    fc.property(cloudEvent, (event) => {
      const read = OFFICIAL.toObject(OFFICIAL.decode(encodeCloudEvent(event)), {
        longs: Number,
        oneofs: true,
      });
      assert.equal(read['id'], event.id);
      assert.equal(read['source'], event.source);
      assert.equal(read['spec_version'], '1.0');
      assert.equal(read['type'], event.type);
      const attributes = (read['attributes'] ?? {}) as Record<string, Record<string, unknown>>;
      assert.deepEqual(Object.keys(attributes).sort(), [...event.attributes.keys()].sort());
      for (const [name, value] of event.attributes) {
        assert.deepEqual(hexed(attributes[name]?.[fieldOf(value)]), hexed(officialOf(value)));
      }
      assert.equal(read['data'], event.data && (event.data.type === 'binary' ? 'binary_data' : 'text_data'));
      assert.deepEqual(
        hexed(read[event.data?.type === 'binary' ? 'binary_data' : 'text_data']),
        hexed(event.data?.value),
      );
    }),
    { numRuns: 500 },
  );
});

test('what protobufjs writes from the official text is read', () => {
  fc.assert(
    fc.property(cloudEvent, (event) => {
      const attributes = Object.fromEntries(
        [...event.attributes].map(([name, value]) => [name, { [fieldOf(value)]: officialOf(value) }]),
      );
      const message = {
        id: event.id,
        source: event.source,
        spec_version: '1.0',
        type: event.type,
        attributes,
        ...(event.data && { [event.data.type === 'binary' ? 'binary_data' : 'text_data']: event.data.value }),
      };
      const decoded = decodeCloudEvent(OFFICIAL.encode(OFFICIAL.fromObject(message)).finish());
      assert.deepEqual(sorted(plain(decoded)), sorted(plain(event)));
    }),
    { numRuns: 500 },
  );
});

test('a time keeps the text it was given', () => {
  for (const time of [
    '2018-04-05T17:31:00Z',
    '2018-04-05T17:31:00.123456789Z',
    '1969-12-31T23:59:59.999Z',
    '0001-01-01T00:00:00Z',
    '9999-12-31T23:59:59.999999999Z',
    '2018-04-05T17:31:00+02:00',
    '2018-04-05T17:31:00.1Z',
    '2018-04-05T17:31:00.120000Z',
    '2018-04-05t17:31:00z',
    '2016-12-31T23:59:60Z',
    '2018-02-30T00:00:00Z',
    '0000-01-01T00:00:00Z',
  ]) {
    const decoded = decodeCloudEvent(
      encodeCloudEvent(anEvent([['time', { type: 'timestamp', value: time }]])),
    );
    assert.deepEqual(decoded.attributes.get('time'), { type: 'timestamp', value: time });
  }
});

test('time and dataschema get their types back from their names', () => {
  const bytes = encodeCloudEvent(
    anEvent([
      ['time', { type: 'string', value: '2018-04-05T17:31:00+02:00' }],
      ['dataschema', { type: 'string', value: 'https://example.com/schema' }],
    ]),
  );
  const { attributes } = decodeCloudEvent(bytes);
  assert.equal(attributes.get('time')?.type, 'timestamp');
  assert.equal(attributes.get('dataschema')?.type, 'uri');
  refuses('bad-value', encodeCloudEvent(anEvent([['time', { type: 'integer', value: 1 }]])));
});

test('an event without what it must have is refused', () => {
  const good = { id: '1', source: '/s', spec_version: '1.0', type: 't' };
  for (const missing of ['id', 'source', 'type']) refuses('bad-value', official({ ...good, [missing]: '' }));
  refuses('unsupported-spec-version', official({ ...good, spec_version: '0.3' }));
  refuses('unsupported-spec-version', official({ ...good, spec_version: '' }));
  refuses(
    'unsupported-proto-data',
    official({ ...good, proto_data: { type_url: 'x', value: Buffer.of(1) } }),
  );
  refuses('bad-value', official({ ...good, attributes: { id: { ce_string: 'two' } } }));
  refuses('bad-value', official({ ...good, attributes: { a: {} } }));
  refuses(
    'bad-number',
    official({ ...good, attributes: { a: { ce_timestamp: { seconds: 1e12, nanos: 0 } } } }),
  );
  refuses(
    'bad-number',
    official({ ...good, attributes: { a: { ce_timestamp: { seconds: 0, nanos: 1e9 } } } }),
  );
  refuses(
    'too-many',
    official({
      ...good,
      attributes: Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`a${i}`, { ce_boolean: true }])),
    }),
  );
});

test('unknown fields are passed over', () => {
  const unknown = Buffer.of(
    (9 << 3) | 2,
    2,
    1,
    2,
    (10 << 3) | 0,
    0x96,
    0x01,
    (11 << 3) | 5,
    1,
    2,
    3,
    4,
    (12 << 3) | 1,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
  );
  const bytes = Buffer.concat([unknown, encodeCloudEvent(anEvent([])), unknown]);
  assert.equal(decodeCloudEvent(bytes).id, '1');
});

test('random and mutated bytes are refused or are an event, and nothing else happens', () => {
  fc.assert(
    fc.property(
      cloudEvent,
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 5 }),
      fc.uint8Array({ maxLength: 20 }),
      (event, flips, tail) => {
        const bytes = Buffer.concat([encodeCloudEvent(event), tail]);
        for (const [at, value] of flips) bytes[at % bytes.length] = value;
        try {
          decodeCloudEvent(bytes);
        } catch (error) {
          if (!(error instanceof WireError)) throw error;
        }
      },
    ),
    { numRuns: 10_000 },
  );
});

test('an integer beyond 32 bits is a bug of the caller', () => {
  assert.throws(() => encodeCloudEvent(anEvent([['n', { type: 'integer', value: 2 ** 31 }]])), /invariant/);
});

function anEvent(attributes: [string, AttributeValue][]): CloudEvent {
  return { id: '1', source: '/s', type: 't', attributes: new Map(attributes), data: undefined };
}

function official(message: Record<string, unknown>): Uint8Array {
  return OFFICIAL.encode(OFFICIAL.fromObject(message)).finish();
}

function refuses(reason: WireReason, bytes: Uint8Array): void {
  assert.throws(
    () => decodeCloudEvent(bytes),
    (error) => error instanceof WireError && error.reason === reason,
  );
}

function fieldOf(value: AttributeValue): string {
  return value.type === 'timestamp' ? 'ce_timestamp' : FIELDS[value.type];
}

function officialOf(value: AttributeValue): unknown {
  if (value.type !== 'timestamp') return value.value;
  const ms = Date.parse(value.value);
  const seconds = Math.floor(ms / 1000);
  const nanos = (ms - seconds * 1000) * 1e6;
  return { ...(seconds !== 0 && { seconds }), ...(nanos !== 0 && { nanos }) };
}

function hexed(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return typeof value === 'object' && value !== null ? { ...value } : value;
}

function plain(event: CloudEvent): { attributes: [string, unknown][]; [field: string]: unknown } {
  return {
    ...event,
    attributes: [...event.attributes].map(([name, { type, value }]) => [name, { type, value: hexed(value) }]),
    data: event.data && { type: event.data.type, value: hexed(event.data.value) },
  };
}

function sorted(event: ReturnType<typeof plain>): ReturnType<typeof plain> {
  return { ...event, attributes: event.attributes.sort(([a], [b]) => (a < b ? -1 : 1)) };
}
