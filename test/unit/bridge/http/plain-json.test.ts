import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { parsePlainBatch, parsePlainEvent } from '../../../../bridge/http/plain-json.ts';
import { parseJsonBatch, parseJsonEvent } from '../../../../node/core/cloud-event-json.ts';
import { realEvents } from '../../../support/real-events.ts';

const PLAIN = '{"specversion":"1.0","id":"1","source":"/s","type":"t"';

function tooMany(): never {
  throw new Error('too many');
}

suite('the short way', () => {
  test('takes every real event, and gives what the format gives', () => {
    for (const line of realEvents().lines) {
      const event = parsePlainEvent(line);
      assert.ok(event, `left to the other parser: ${line.slice(0, 200)}`);
      assert.deepEqual(event, parseJsonEvent(line));
    }
  });

  test('takes data anywhere, of any kind, and keeps its text', () => {
    for (const data of ['{"a":[1,{"b":"}\\"]"}]}', '[]', '"\\\\"', '"x"', 'null', '-1.5e3', 'true']) {
      for (const json of [
        `${PLAIN},"data":${data}}`,
        `${PLAIN},"data": ${data}\n,"subject":"after"}`,
        `{ "data":${data} ,${PLAIN.slice(1)}} `,
      ]) {
        const event = parsePlainEvent(json);
        assert.deepEqual(event?.data, { type: 'text', value: data }, json);
        assert.deepEqual(event, parseJsonEvent(json));
      }
    }
  });

  test('takes text that is no JSON from the string that holds it', () => {
    const json = `${PLAIN},"datacontenttype":"text/plain","data":"a\\nb"}`;
    assert.deepEqual(parsePlainEvent(json)?.data, { type: 'text', value: 'a\nb' });
  });

  test('takes flags and whole numbers', () => {
    const json = `${PLAIN},"first":true,"last" : false ,"delay":-5,"zero":-0}`;
    const event = parsePlainEvent(json);
    assert.deepEqual(event?.attributes.get('delay'), { type: 'integer', value: -5 });
    assert.deepEqual(event, parseJsonEvent(json));
  });

  test('leaves alone what is wrong or unusual', () => {
    for (const json of [
      '',
      '[]',
      PLAIN,
      `${PLAIN}}}`,
      `${PLAIN}} x`,
      `${PLAIN},}`,
      `${PLAIN},"id":"2"}`,
      `${PLAIN},"subject":"a","subject":"b"}`,
      `${PLAIN},"data":1,"data":1}`,
      `${PLAIN},"data":{"a":1}`,
      `${PLAIN},"data":{"a":01}}`,
      `${PLAIN},"data":}`,
      `${PLAIN},"data":"\u0001"}`,
      `${PLAIN},"subject":"\u0001"}`,
      `${PLAIN},"subject":"a\\u0062"}`,
      `${PLAIN},"Subject":"a"}`,
      `${PLAIN},"sequence":1.0}`,
      `${PLAIN},"sequence":01}`,
      `${PLAIN},"sequence":null}`,
      `${PLAIN},"sequence":1,"sequence":1}`,
      `${PLAIN},"sequence":1234567890123456}`,
      `${PLAIN.replace('"1"', '1')}}`,
      `${PLAIN},"data_base64":"AA=="}`,
      `${PLAIN},"datacontenttype":"text/plain","data":{}}`,
      `${PLAIN.replace('1.0', '0.3')}}`,
      '{"specversion":"1.0","id":"1","source":"/s"}',
    ])
      assert.equal(parsePlainEvent(json), undefined, json);
  });

  test('takes a batch as the format does, and leaves one that is too long, empty or not ended', () => {
    const events = [`${PLAIN},"data":[1]}`, ` ${PLAIN}}`, `${PLAIN},"subject":"x"} `];
    const json = ` [${events.join(',')}] `;
    assert.deepEqual(parsePlainBatch(json, 3), parseJsonBatch(json, 3, tooMany));
    assert.equal(parsePlainBatch(json, 2), undefined);
    for (const other of [
      '[]',
      '',
      '{}',
      `[${PLAIN}}`,
      `[${PLAIN}},]`,
      `[${PLAIN}}]]`,
      `[${PLAIN}} ${PLAIN}}]`,
    ])
      assert.equal(parsePlainBatch(other, 10), undefined, other);
  });

  test('gives what the format gives, for any text, or nothing', () => {
    const space = fc.constantFrom('', ' ', '\n\t', '\u00a0');
    const value = fc.oneof(
      { weight: 4, arbitrary: fc.json({ maxDepth: 3 }) },
      fc.constantFrom(
        '"1.0"',
        '""',
        'null',
        '1',
        '"application/json"',
        '"text/plain"',
        '"a\\"b"',
        '{"a":"]"}',
      ),
    );
    const name = fc.constantFrom(
      'data',
      'data_base64',
      'datacontenttype',
      'subject',
      'time',
      'id',
      'seq',
      'A',
    );
    const member = fc
      .tuple(space, name, space, value, space)
      .map(([a, key, b, text, c]) => `${a}"${key}"${b}:${text}${c}`);
    const event = fc
      .tuple(fc.array(member, { maxLength: 5 }), fc.nat(5))
      .map(([members, at]) => [...members.slice(0, at), PLAIN.slice(1), ...members.slice(at)].join(','))
      .map((members) => `{${members}}`);
    const broken = fc
      .tuple(event, fc.nat(200), fc.nat(2), fc.constantFrom('', '"', '{', '}', ',', '\\', ' ', 'x'))
      .map(([text, at, length, put]) => text.slice(0, at) + put + text.slice(at + length));
    let taken = 0;
    fc.assert(
      fc.property(fc.oneof(event, broken), (text) => {
        const plain = parsePlainEvent(text);
        if (!plain) return;
        taken++;
        assert.deepEqual(plain, parseJsonEvent(text));
      }),
      { numRuns: 3000 },
    );
    assert.ok(taken > 300, `only ${taken} were taken`);
  });
});
