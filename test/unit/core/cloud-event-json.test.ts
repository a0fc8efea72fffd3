import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { CloudEvent } from '../../../node/core/cloud-event.ts';
import { checkCloudEvent, checkCloudEvents } from '../../../node/core/cloud-event-check.ts';
import {
  dataFromBytes,
  formatJsonBatch,
  formatJsonEvent,
  parseJsonBatch,
  parseJsonEvent,
} from '../../../node/core/cloud-event-json.ts';
import { MeshError } from '../../../node/core/errors.ts';
import { spansOf } from '../../../node/core/json-spans.ts';
import { realEvents } from '../../support/real-events.ts';

const conformance = join(import.meta.dirname, '../../data/cloudevents');

interface Cases {
  readonly testType: string;
  readonly tests: readonly { id: string; testType?: string; event?: unknown; batch?: unknown }[];
}

const base = { specversion: '1.0', id: '1', source: '/s', type: 't' };
const parse = (event: object | string): CloudEvent =>
  checkCloudEvent(parseJsonEvent(typeof event === 'string' ? event : JSON.stringify(event)));
const tooMany = (count: number): MeshError => new MeshError('batch-too-large', `${count} events`);
const parseBatch = (json: string): CloudEvent[] => {
  const events = parseJsonBatch(json, 100, tooMany);
  checkCloudEvents(events);
  return events;
};
const isInvalidEvent = (error: unknown): boolean =>
  error instanceof MeshError && error.code === 'invalid-event';

suite('CloudEvents conformance cases', () => {
  for (const file of ['valid-events', 'invalid-events', 'valid-batches', 'invalid-batches']) {
    const text = readFileSync(join(conformance, `${file}.json`), 'utf8').replace(/^\uFEFF/, '');
    const { testType, tests } = JSON.parse(text) as Cases;
    for (const { id, testType: own, event, batch } of tests) {
      test(`${file}: ${id}`, () => {
        const read = (): unknown =>
          batch === undefined ? parse(event as object) : parseBatch(JSON.stringify(batch));
        if ((own ?? testType).startsWith('Valid')) read();
        else assert.throws(read, isInvalidEvent);
      });
    }
  }
});

test('every real event comes out as it went in', (t) => {
  const { source, lines } = realEvents();
  t.diagnostic(source);
  assert.ok(lines.length > 100);
  for (const line of lines) assert.deepEqual(JSON.parse(formatJsonEvent(parse(line))), JSON.parse(line));
});

suite('JSON data', () => {
  test('is kept as the very text that came, numbers and spaces included', () => {
    const data = '{ "big": 12345678901234567890.10, "a":[1,\n2 ], "text":"}\\"{" }';
    const event = parse(`{"data":${data} ,"specversion":"1.0","id":"1","source":"/s","type":"t"}`);
    assert.deepEqual(event.data, { type: 'text', value: data });
    assert.ok(formatJsonEvent(event).endsWith(`,"data":${data}}`));
  });

  test('is kept per event of a batch', () => {
    const one = (data: string): string =>
      `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":${data}}`;
    const events = parseBatch(` [ ${one('1.0')} ,${one('"a]b"')}, ${one('[[]]')}] `);
    assert.deepEqual(
      events.map(({ data }) => data?.value),
      ['1.0', '"a]b"', '[[]]'],
    );
  });

  test('null is a payload, while other types of data take null as none', () => {
    assert.deepEqual(parse({ ...base, data: null }).data, { type: 'text', value: 'null' });
    assert.equal(parse({ ...base, datacontenttype: 'text/plain', data: null }).data, undefined);
    assert.equal(parse({ ...base }).data, undefined);
  });

  test('a string is a JSON string under a JSON type, and plain text under another', () => {
    assert.deepEqual(parse({ ...base, data: 'a"b' }).data, { type: 'text', value: '"a\\"b"' });
    const text = parse({ ...base, datacontenttype: 'text/plain', data: 'a"b' });
    assert.deepEqual(text.data, { type: 'text', value: 'a"b' });
    assert.equal((JSON.parse(formatJsonEvent(text)) as { data: unknown }).data, 'a"b');
  });

  test('an object under a type that is not JSON is refused', () => {
    assert.throws(
      () => parse({ ...base, datacontenttype: 'text/plain', data: {} }),
      /"data".*text\/plain.*not an object/,
    );
  });

  test('binary data is base64 both ways', () => {
    const event = parse({ ...base, data_base64: '/+8=' });
    assert.deepEqual(event.data?.value, Buffer.from([0xff, 0xef]));
    assert.match(formatJsonEvent(event), /"data_base64":"\/\+8="/);
    assert.throws(() => parse({ ...base, data_base64: '/+8' }), /data_base64.*padding/);
    assert.throws(() => parse({ ...base, data_base64: '_-8=' }), isInvalidEvent);
  });

  test('as bytes: JSON must be JSON, text/* in UTF-8 is text, all else stays bytes', () => {
    const bytes = (text: string): Uint8Array => Buffer.from(text);
    assert.deepEqual(dataFromBytes(bytes('{"a": 1.0}'), 'application/vnd.x+json'), {
      type: 'text',
      value: '{"a": 1.0}',
    });
    assert.throws(
      () => dataFromBytes(bytes('{'), 'application/json', 3),
      /event 3, attribute "data".*not JSON/,
    );
    assert.throws(() => dataFromBytes(Buffer.from([0x22, 0xff, 0x22]), 'application/json'), /not UTF-8/);
    assert.equal(dataFromBytes(bytes('é'), 'text/plain').type, 'text');
    assert.equal(dataFromBytes(bytes('é'), 'text/plain; charset=iso-8859-1').type, 'binary');
    assert.equal(dataFromBytes(Buffer.from([0xff]), 'text/plain').type, 'binary');
    assert.equal(dataFromBytes(bytes('x'), 'image/png').type, 'binary');
    assert.equal(dataFromBytes(bytes('{}'), undefined).type, 'binary');
  });

  test('nested a million deep costs no stack', () => {
    const deep = '['.repeat(1_000_000) + ']'.repeat(1_000_000);
    const event = parse(`{"specversion":"1.0","id":"1","source":"/s","type":"t","data":${deep}}`);
    assert.equal(event.data?.value, deep);
  });
});

suite('what is refused', () => {
  const cases: readonly [string, unknown, RegExp][] = [
    [
      'a member given twice',
      '{"specversion":"1.0","id":"1","id":"2","source":"/s","type":"t"}',
      /"id": it is given twice/,
    ],
    [
      'one given twice in another spelling',
      '{"specversion":"1.0","id":"1","\\u0069d":"2","source":"/s","type":"t"}',
      /"id": it is given twice/,
    ],
    ['an object as an attribute', { ...base, ext: {} }, /"ext".*not an object/],
    ['a fraction', { ...base, ext: 1.5 }, /"ext": 1.5 is not a whole number/],
    ['an integer of 33 bits', { ...base, ext: 2 ** 31 }, /"ext"/],
    ['specversion as a number', { ...base, specversion: 1 }, /"specversion".*string/],
    [
      '__proto__ as an attribute',
      '{"specversion":"1.0","id":"1","source":"/s","type":"t","__proto__":"x"}',
      /__proto__/,
    ],
    ['an array', [], /an event is a JSON object, not an array/],
    ['text that is not JSON', '{', /not JSON/],
    ['an empty text', '', /not JSON/],
  ];
  for (const [name, event, message] of cases) {
    test(name, () =>
      assert.throws(
        () => parse(event as object),
        (error) => isInvalidEvent(error) && message.test((error as Error).message),
      ),
    );
  }

  test('a batch says which event, and what', () => {
    const json = JSON.stringify([base, { ...base, time: 'lunchtime' }]);
    assert.throws(
      () => parseBatch(json),
      (error) => {
        assert.ok(error instanceof MeshError);
        assert.deepEqual(error.details, { attribute: 'time', index: 1 });
        return error.message.startsWith('event 1, attribute "time": "lunchtime"');
      },
    );
  });

  test('a batch above the limit, before its events are looked at', () => {
    assert.throws(() => parseJsonBatch('[1,2,3]', 2, tooMany), /3 events/);
    assert.throws(() => parseJsonBatch('{}', 2, tooMany), /array of events, not an object/);
  });
});

suite('properties', () => {
  test('spans cover exactly the members of any JSON object, and the elements of any array', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue())),
        fc.nat(3),
        (value, indent) => {
          const json = JSON.stringify(value, null, indent);
          const spans = spansOf(json);
          const parsed = spans.map(({ name, start, end }) => [
            name,
            JSON.parse(json.slice(start, end)) as unknown,
          ]);
          const expected = Array.isArray(value) ? value.map((each) => ['', each]) : Object.entries(value);
          assert.equal(JSON.stringify(parsed), JSON.stringify(expected));
        },
      ),
    );
  });

  test('events of any content survive format and parse', () => {
    const text = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .filter((each) => !/[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u.test(each));
    fc.assert(
      fc.property(
        text,
        text,
        fc.jsonValue(),
        fc.dictionary(fc.stringMatching(/^x[a-z0-9]{1,8}$/), fc.oneof(text, fc.boolean(), fc.integer())),
        (id, type, data, extensions) => {
          const given = { ...base, id, type, ...extensions, data };
          const once = parse(given);
          assert.deepEqual(parse(formatJsonEvent(once)), once);
          assert.equal(parseBatch(formatJsonBatch([once, once])).length, 2);
        },
      ),
    );
  });

  test('whatever the text, parsing answers with events or a MeshError', () => {
    const almost = fc.record(
      {
        specversion: fc.constantFrom('1.0', '0.3', 1),
        id: fc.jsonValue(),
        source: fc.jsonValue(),
        type: fc.jsonValue(),
        data: fc.jsonValue(),
        data_base64: fc.jsonValue(),
        time: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    const texts = fc.oneof(
      fc.string(),
      fc.json(),
      almost.map((each) => JSON.stringify(each)),
      fc.array(almost).map((each) => JSON.stringify(each)),
    );
    fc.assert(
      fc.property(texts, (json) => {
        for (const read of [parse, parseBatch]) {
          try {
            read(json);
          } catch (error) {
            assert.ok(error instanceof MeshError, String(error));
          }
        }
      }),
      { numRuns: 2000 },
    );
  });
});
