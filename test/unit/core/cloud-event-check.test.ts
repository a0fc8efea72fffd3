import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { AttributeValue, CloudEvent } from '../../../node/core/cloud-event.ts';
import { checkCloudEvent, checkCloudEvents, isTimestamp } from '../../../node/core/cloud-event-check.ts';
import { MeshError } from '../../../node/core/errors.ts';
import { ATTRIBUTES_MAX } from '../../../node/core/limits.ts';

const make = (
  attributes: Record<string, AttributeValue> = {},
  own: Partial<CloudEvent> = {},
): CloudEvent => ({
  id: '1',
  source: '/s',
  type: 't',
  data: undefined,
  ...own,
  attributes: new Map(Object.entries(attributes)),
});
const text = (value: string): AttributeValue => ({ type: 'string', value });

function refusal(event: CloudEvent): MeshError {
  try {
    checkCloudEvent(event);
  } catch (error) {
    assert.ok(error instanceof MeshError);
    assert.equal(error.code, 'invalid-event');
    return error;
  }
  return assert.fail('the event was accepted');
}

suite('attributes that are accepted', () => {
  const accepted: Record<string, Record<string, AttributeValue>> = {
    'a name longer than 20 characters': { comexampleothervalueofmine: text('x') },
    'an empty extension': { ext: text('') },
    'the largest and smallest integers': {
      a: { type: 'integer', value: 2147483647 },
      b: { type: 'integer', value: -2147483648 },
    },
    'a content type with parameters': {
      datacontenttype: text('multipart/mixed; boundary="a b"; charset=utf-8'),
    },
    'a content type with Latin-1 and an escape in a quoted string': {
      datacontenttype: text('text/plain; title="na\u00efve \\" \\\\"'),
    },
    'as many attributes as may be': Object.fromEntries(
      Array.from({ length: ATTRIBUTES_MAX }, (_, i) => [`a${i}`, text('x')]),
    ),
    'a schema with a fragment': {
      dataschema: { type: 'uri', value: 'https://example.com/s#/definitions/a' },
    },
    'an emoji': { subject: text('parcel 📦') },
    bytes: { ext: { type: 'binary', value: new Uint8Array(3) } },
  };
  for (const [name, attributes] of Object.entries(accepted))
    test(name, () => void checkCloudEvent(make(attributes)));

  test('sources in every form that the specification shows', () => {
    const sources = [
      'https://github.com/cloudevents',
      'mailto:cncf-wg-serverless@lists.cncf.io',
      'urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66',
      'cloudevents/spec/pull/123',
      '/sensors/tn-1234567/alerts',
      '1-555-123-4567',
      '#fragment',
      '/a%20b',
    ];
    for (const source of sources) checkCloudEvent(make({}, { source }));
  });
});

suite('attributes that are refused, by name and reason', () => {
  const refused: readonly [string, CloudEvent, string, RegExp][] = [
    ['an empty id', make({}, { id: '' }), 'id', /empty/],
    ['an empty source', make({}, { source: '' }), 'source', /empty/],
    ['a source with a space', make({}, { source: '/a b' }), 'source', /percent-encode/],
    ['a broken escape', make({}, { source: '/a%2' }), 'source', /URI reference/],
    ['an empty type', make({}, { type: '' }), 'type', /empty/],
    ['a control character', make({}, { id: 'a\nb' }), 'id', /character 2 is U\+000A/],
    ['a C1 control character', make({ ext: text('\u0085') }), 'ext', /U\+0085/],
    ['a lone surrogate', make({}, { id: 'a\ud800' }), 'id', /U\+D800/],
    ['a noncharacter', make({ ext: text('\uffff') }), 'ext', /U\+FFFF/],
    ['an empty subject', make({ subject: text('') }), 'subject', /empty/],
    [
      'a subject that is no string',
      make({ subject: { type: 'integer', value: 1 } }),
      'subject',
      /must be a string/,
    ],
    [
      'a relative schema',
      make({ dataschema: { type: 'uri', value: '/schema' } }),
      'dataschema',
      /absolute URI/,
    ],
    [
      'a content type without subtype',
      make({ datacontenttype: text('xyz') }),
      'datacontenttype',
      /media type/,
    ],
    [
      'a content type that no HTTP header can hold',
      make({ datacontenttype: text('text/plain; title="\u0142"') }),
      'datacontenttype',
      /media type/,
    ],
    [
      'one attribute more than can be decoded',
      make(Object.fromEntries(Array.from({ length: ATTRIBUTES_MAX + 1 }, (_, i) => [`a${i}`, text('x')]))),
      '',
      /1025 attributes/,
    ],
    ['a time of day', make({ time: { type: 'timestamp', value: 'lunchtime' } }), 'time', /RFC 3339/],
    ['an upper-case name', make({ MyExt: text('x') }), 'MyExt', /myext would do/],
    ['a name of the specification', make({ data: text('x') }), 'data', /belongs/],
    ['an empty name', make({ '': text('x') }), '', /names/],
    ['an integer too large', make({ ext: { type: 'integer', value: 2 ** 31 } }), 'ext', /32 bits/],
    ['NaN', make({ ext: { type: 'integer', value: NaN } }), 'ext', /whole number/],
    ['an extension of type uri that is none', make({ ext: { type: 'uri', value: 'x' } }), 'ext', /absolute/],
    [
      'an extension of type timestamp that is none',
      make({ ext: { type: 'timestamp', value: 'x' } }),
      'ext',
      /RFC 3339/,
    ],
    [
      'an extension of type uri-ref that is none',
      make({ ext: { type: 'uri-ref', value: 'a b' } }),
      'ext',
      /URI reference/,
    ],
  ];
  for (const [name, event, attribute, message] of refused) {
    test(name, () => {
      const error = refusal(event);
      assert.match(error.message, message);
      if (attribute !== '') assert.equal(error.details['attribute'], attribute);
    });
  }

  test('the index is told in a batch, and not for an event that is alone', () => {
    const wrong = make({}, { id: '' });
    assert.throws(() => checkCloudEvents([make(), wrong]), { details: { attribute: 'id', index: 1 } });
    assert.throws(() => checkCloudEvents([wrong]), { details: { attribute: 'id' } });
  });

  test('a huge wrong value is not repeated whole', () => {
    assert.ok(refusal(make({ datacontenttype: text('x'.repeat(100_000)) })).message.length < 300);
    assert.ok(refusal(make({ ['X'.repeat(100_000)]: text('') })).message.length < 500);
  });
});

test('times: RFC 3339, days that exist, leap seconds, offsets', () => {
  for (const good of [
    '2018-04-05T17:31:00Z',
    '2018-04-05t17:31:00.123456789z',
    '2020-02-29T00:00:00+23:59',
    '2016-12-31T23:59:60Z',
    '2000-02-29T00:00:00-00:00',
  ])
    assert.ok(isTimestamp(good), good);
  for (const bad of [
    '2018-04-05T18:31Z',
    '2018-04-05T18:31:00',
    '2018-04-05T18:31:00+25:00',
    '2018-04-05T18:31:00+05',
    '2018-02-29T00:00:00Z',
    '1900-02-29T00:00:00Z',
    '2018-13-01T00:00:00Z',
    '2018-00-01T00:00:00Z',
    '2018-01-00T00:00:00Z',
    '2018-01-01T24:00:00Z',
    '2018-01-01T00:60:00Z',
    '2018-01-01T00:00:61Z',
    '2018-01-01 00:00:00Z',
    ' 2018-01-01T00:00:00Z',
    '2018-01-01T00:00:00.Z',
    '٢018-01-01T00:00:00Z',
  ])
    assert.ok(!isTimestamp(bad), bad);
});
