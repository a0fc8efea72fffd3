import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { CloudEvent as SdkEvent, HTTP } from 'cloudevents';
import fc from 'fast-check';
import type { HttpMessage } from '../../../../bridge/http/binding.ts';
import {
  chooseMode,
  decodeHeaderValue,
  encodeHeaderValue,
  formatBatch,
  formatBinary,
  formatStructured,
  parseHttpMessage,
} from '../../../../bridge/http/binding.ts';
import type { CloudEvent } from '../../../../node/core/cloud-event.ts';
import { checkCloudEvents } from '../../../../node/core/cloud-event-check.ts';
import { MeshError } from '../../../../node/core/errors.ts';

const limits = { batchEventsMax: 10 };
const required = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 't' };

function parse(
  headers: Readonly<Record<string, string>> | readonly string[],
  body: string | Uint8Array = '',
) {
  const raw = Array.isArray(headers) ? (headers as string[]) : Object.entries(headers).flat();
  const result = parseHttpMessage(raw, Buffer.from(body), limits);
  checkCloudEvents(result.events);
  return result;
}

function one(message: HttpMessage): CloudEvent {
  const [event] = parse(message.headers, message.body).events;
  assert.ok(event);
  return event;
}

suite('modes', () => {
  test('are chosen by content type alone, whatever its case and parameters', () => {
    assert.equal(chooseMode(undefined), 'binary');
    assert.equal(chooseMode('application/json'), 'binary');
    assert.equal(chooseMode('Application/CloudEvents+JSON; charset=UTF-8'), 'structured');
    assert.equal(chooseMode('application/cloudevents'), 'structured');
    assert.equal(chooseMode('application/cloudevents-batch+json'), 'batch');
  });

  test('other event formats, charsets and encodings are refused by name', () => {
    for (const type of [
      'application/cloudevents+avro',
      'application/cloudevents-batch+avro',
      'application/cloudevents+json; charset=utf-16',
    ]) {
      assert.throws(() => chooseMode(type), { code: 'unsupported-media-type' }, type);
    }
    assert.throws(() => parse({ ...required, 'content-encoding': 'gzip' }), {
      code: 'unsupported-media-type',
      message: /gzip/,
    });
  });
});

suite('binary mode', () => {
  test('keeps a JSON body as the very text that came', () => {
    const [event] = parse({ ...required, 'Content-Type': 'application/json' }, '{ "n": 1.0 }').events;
    assert.deepEqual(event?.data, { type: 'text', value: '{ "n": 1.0 }' });
  });

  test('takes extensions, in any case of header name', () => {
    const [event] = parse({
      'CE-SpecVersion': '1.0',
      'Ce-Id': '1',
      'ce-source': '/s',
      'ce-type': 't',
      'CE-Tenant': 'a',
    }).events;
    assert.deepEqual(event?.attributes.get('tenant'), { type: 'string', value: 'a' });
    assert.equal(event.data, undefined);
  });

  const refused: readonly [string, Record<string, string>, string, string, RegExp][] = [
    ['no specversion', { 'ce-id': '1' }, '', 'specversion', /send header ce-specversion/],
    [
      'no ce- header, but a JSON body',
      { 'content-type': 'application/json' },
      '{}',
      'specversion',
      /application\/cloudevents\+json/,
    ],
    ['no id', { 'ce-specversion': '1.0' }, '', 'id', /ce-id/],
    ['another specversion', { ...required, 'ce-specversion': '0.3' }, '', 'specversion', /1\.0, not "0\.3"/],
    ['an empty id', { ...required, 'ce-id': '' }, '', 'id', /empty/],
    [
      'a ce-datacontenttype',
      { ...required, 'ce-datacontenttype': 'text/plain' },
      '',
      'datacontenttype',
      /Content-Type header/,
    ],
    ['a ce-data', { ...required, 'ce-data': 'x' }, '', 'data', /specification/],
    ['a name with a dash', { ...required, 'ce-my-ext': 'x' }, '', 'my-ext', /myext would do/],
    ['a malformed time', { ...required, 'ce-time': 'now' }, '', 'time', /RFC 3339/],
    ['bytes outside ASCII', { ...required, 'ce-subject': 'é' }, '', 'subject', /percent-encode/],
    [
      'escapes that are not UTF-8',
      { ...required, 'ce-subject': 'a%C0%A0' },
      '',
      'subject',
      /%C0%A0 is not UTF-8/,
    ],
    ['an escaped control character', { ...required, 'ce-subject': 'a%0Ab' }, '', 'subject', /U\+000A/],
    ['JSON that is none', { ...required, 'content-type': 'application/json' }, '{', 'data', /not JSON/],
  ];
  for (const [name, headers, body, attribute, message] of refused) {
    test(`refuses ${name}`, () => {
      assert.throws(
        () => parse(headers, body),
        (error) => {
          assert.ok(error instanceof MeshError);
          assert.equal(error.code, 'invalid-event');
          assert.equal(error.details['attribute'], attribute);
          return message.test(error.message);
        },
      );
    });
  }

  test('refuses a header that came twice', () => {
    assert.throws(() => parse([...Object.entries(required).flat(), 'Ce-Id', '2']), {
      code: 'invalid-event',
      message: /ce-id came twice/,
    });
  });
});

suite('header values (§3.1.3.2)', () => {
  test("the specification's example", () => {
    assert.equal(encodeHeaderValue('Euro € 😀'), 'Euro%20%E2%82%AC%20%F0%9F%98%80');
    assert.equal(decodeHeaderValue('subject', 'Euro%20%e2%82%ac%20%F0%9F%98%80'), 'Euro € 😀');
  });

  test('quoted strings lose their quotes and backslashes, once', () => {
    assert.equal(decodeHeaderValue('subject', '"a b \\"c\\" %20"'), 'a b "c"  ');
    assert.equal(decodeHeaderValue('subject', '"'), '"');
    assert.equal(decodeHeaderValue('subject', 'a%2525'), 'a%25');
  });

  test('what is encoded without need is decoded, what is no escape stays', () => {
    assert.equal(decodeHeaderValue('subject', '%41%2F'), 'A/');
    assert.equal(decodeHeaderValue('subject', '100% of %zz'), '100% of %zz');
  });

  test('any string comes back, and only printable ASCII goes out', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (value) => {
        const encoded = encodeHeaderValue(value);
        assert.match(encoded, /^[\x21-\x7e]*$/);
        assert.equal(decodeHeaderValue('subject', encoded), value.toWellFormed());
      }),
    );
  });
});

suite('beside the SDK', () => {
  const attributes = {
    id: 'A 1',
    source: '/shop/eu',
    type: 'com.example.order',
    time: '2026-01-31T17:30:00.000Z',
    subject: 'o-4711',
    dataschema: 'https://example.com/s',
    tenant: 'acme',
  };
  const events: Record<string, SdkEvent<unknown>> = {
    JSON: new SdkEvent({ ...attributes, datacontenttype: 'application/json', data: { a: [1, 'é'] } }),
    text: new SdkEvent({ ...attributes, id: '2', datacontenttype: 'text/plain', data: 'plain' }),
    'no data': new SdkEvent({ ...attributes, id: '3' }),
  };
  for (const [name, sdk] of Object.entries(events)) {
    test(`${name}: its messages are read as it meant them`, () => {
      const structured = HTTP.structured(sdk);
      const fromStructured = one({
        headers: structured.headers as Record<string, string>,
        body: structured.body as string,
      });
      assert.deepEqual(
        JSON.parse(String(formatStructured(fromStructured).body)),
        JSON.parse(String(structured.body)),
      );
      const binary = HTTP.binary(sdk);
      const fromBinary = one({
        headers: binary.headers as Record<string, string>,
        body: binary.body as string,
      });
      assert.equal(fromBinary.id, sdk.id);
      assert.deepEqual(fromBinary.data, fromStructured.data);
      assert.deepEqual(fromBinary.attributes.get('tenant'), fromStructured.attributes.get('tenant'));
    });

    test(`${name}: our messages are its own, and are read by it`, () => {
      const event = one({
        headers: { 'content-type': 'application/cloudevents+json' },
        body: HTTP.structured(sdk).body as string,
      });
      for (const message of [formatBinary(event), formatStructured(event)]) {
        const body = message.body === undefined ? undefined : Buffer.from(message.body).toString();
        // The SDK knows its structured content type by these letters only, and does not percent-decode.
        const headers: Record<string, string> = {
          ...message.headers,
          ...(message.headers['content-type']?.includes('cloudevents') && {
            'content-type': 'application/cloudevents+json',
          }),
        };
        if (headers['ce-id'] !== undefined) headers['ce-id'] = decodeURIComponent(headers['ce-id']);
        const back = HTTP.toEvent({ headers, body }) as SdkEvent<unknown>;
        assert.deepEqual({ ...back.toJSON() }, { ...sdk.toJSON() });
      }
      const { headers } = formatBinary(event);
      const own = HTTP.binary(sdk).headers;
      const defaulted = sdk.datacontenttype === undefined ? ['content-type'] : [];
      for (const [header, value] of Object.entries(own)) {
        if (!defaulted.includes(header))
          assert.equal(headers[header], encodeIfCe(header, String(value)), header);
      }
    });
  }

  test('binary data', () => {
    const bytes = Buffer.from([0, 1, 255]);
    const sdk = new SdkEvent({ ...attributes, datacontenttype: 'image/png', data: bytes });
    const event = one({ headers: HTTP.binary(sdk).headers as Record<string, string>, body: bytes });
    assert.deepEqual(Buffer.from(formatBinary(event).body as Uint8Array), bytes);
    assert.equal(
      (JSON.parse(String(formatStructured(event).body)) as { data_base64: string }).data_base64,
      sdk.data_base64,
    );
  });

  const encodeIfCe = (header: string, value: string): string =>
    header.startsWith('ce-') ? encodeHeaderValue(value) : value;
});

suite('properties', () => {
  const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number =>
    a < b ? -1 : 1;
  const text = fc
    .string({ unit: 'grapheme', minLength: 1 })
    .filter((each) => !/[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u.test(each));
  const data = fc.oneof(
    fc.constant({ type: undefined, data: undefined }),
    fc.jsonValue().map((value) => ({
      type: 'application/json',
      data: { type: 'text' as const, value: JSON.stringify(value) },
    })),
    text.map((value) => ({ type: 'text/plain', data: { type: 'text' as const, value } })),
    fc.uint8Array({ minLength: 1 }).map((value) => ({
      type: 'application/octet-stream',
      data: { type: 'binary' as const, value: Buffer.from(value) },
    })),
  );
  const events = fc
    .record({
      id: text,
      type: text,
      extensions: fc.dictionary(fc.stringMatching(/^x[a-z0-9]{1,8}$/), text),
      data,
    })
    .map(({ id, type, extensions, data: content }): CloudEvent => {
      const named: [string, { type: 'string'; value: string }][] = Object.entries(extensions).map(
        ([name, value]) => [name, { type: 'string', value }],
      );
      const declared: typeof named =
        content.type === undefined ? [] : [['datacontenttype', { type: 'string', value: content.type }]];
      return {
        id,
        source: '/s',
        type,
        attributes: new Map([...declared, ...named].sort(byName)),
        data: content.data,
      };
    });
  const sorted = (event: CloudEvent): CloudEvent => ({
    ...event,
    attributes: new Map([...event.attributes].sort(byName)),
  });

  test('an event survives each of the three modes', () => {
    fc.assert(
      fc.property(events, (event) => {
        assert.deepEqual(sorted(one(formatBinary(event))), event);
        assert.deepEqual(sorted(one(formatStructured(event))), event);
        assert.deepEqual(sorted(one(formatBatch([event]))), event);
      }),
    );
  });

  test('whatever arrives, the answer is events or a MeshError', () => {
    const name = fc.oneof(
      fc.constantFrom(
        'content-type',
        'ce-id',
        'ce-source',
        'ce-type',
        'ce-specversion',
        'ce-time',
        'ce-x',
        'ce-',
        'content-encoding',
      ),
      fc.string(),
    );
    const value = fc.oneof(
      fc.constantFrom(
        'application/json',
        'application/cloudevents+json',
        'application/cloudevents-batch+json',
        '1.0',
        '/s',
        '%ff',
        '"',
      ),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(name, value)),
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((json) => Buffer.from(json)),
        ),
        (headers, body) => {
          try {
            parse(headers.flat(), body);
          } catch (error) {
            assert.ok(error instanceof MeshError, String(error));
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});
