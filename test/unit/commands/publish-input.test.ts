import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { splitInput, toCloudEvent } from '../../../node/commands/publish-input.ts';
import type { InputText } from '../../../node/commands/publish-input.ts';
import { MeshError } from '../../../node/core/errors.ts';

const wrapping = {
  type: 'com.example.thing',
  source: '/test',
  subject: undefined,
  time: () => '2026-01-31T17:30:00Z',
};

async function split(input: string | Uint8Array, cuts: readonly number[] = []): Promise<InputText[]> {
  const bytes = typeof input === 'string' ? Buffer.from(input) : input;
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  const chunks = (async function* () {
    for (const [index, end] of at.slice(1).entries()) yield bytes.subarray(at[index], end);
  })();
  const texts: InputText[] = [];
  for await (const some of splitInput(chunks)) texts.push(...some);
  return texts;
}

test('cuts lines, skips empty ones, and keeps count', async () => {
  assert.deepEqual(await split('\n{"a":1}\r\n\n  {"b":2}'), [
    { line: 2, text: '{"a":1}' },
    { line: 4, text: '{"b":2}' },
  ]);
});

test('cuts an array over several lines, brackets in strings left alone', async () => {
  assert.deepEqual(await split('[\n{"a":\n"]},\\"["},\n[1,2]\n]\n'), [
    { line: 2, text: '{"a":\n"]},\\"["}' },
    { line: 4, text: '[1,2]' },
  ]);
  assert.deepEqual(await split(' [ ] '), []);
});

test('says the line of what is malformed', async () => {
  await assert.rejects(split('[1,\n,2]'), /line 2: an element is missing before ','/);
  await assert.rejects(split('[1,\n]'), /line 2: an element is missing before ']'/);
  await assert.rejects(split('[1\n'), /line 2: the array has no end/);
  await assert.rejects(split('[1]\n[2]'), /line 2: there is more after the array/);
  await assert.rejects(split(Buffer.from([0x7b, 0x0a, 0xff, 0x0a])), /not UTF-8/);
  const [, second] = await split('{"a":1}\n{"a":\n');
  assert.ok(second);
  assert.throws(() => toCloudEvent(second, wrapping), /line 2: not valid JSON/);
});

test('gives out what a chunk completes, without waiting for the next', async () => {
  const chunks = (async function* () {
    yield Buffer.from('1\n2\n3');
    throw new Error('nothing more comes');
  })();
  const first = await splitInput(chunks).next();
  assert.deepEqual(first.value, [
    { line: 1, text: '1' },
    { line: 2, text: '2' },
  ]);
});

test('finds the same texts in lines and in an array, however the bytes are cut', async () => {
  const values = fc.array(fc.jsonValue(), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(
      values,
      fc.array(fc.nat(), { maxLength: 30 }),
      fc.boolean(),
      async (items, cuts, pretty) => {
        const texts = items.map((item) => JSON.stringify(item));
        const asArray = await split(
          pretty ? JSON.stringify(items, undefined, 2) : `[${texts.join(',')}]`,
          cuts,
        );
        assert.deepEqual(
          asArray.map(({ text }) => JSON.stringify(JSON.parse(text))),
          texts,
        );
        // A first line that is an array would be read as one.
        const lines = await split(['0', ...texts].join('\n'), cuts);
        assert.deepEqual(
          lines.map(({ text }) => text),
          ['0', ...texts],
        );
        assert.deepEqual(
          lines.map(({ line }) => line),
          lines.map((_, index) => index + 1),
        );
      },
    ),
  );
});

test('answers any input with texts or with a refusal, never a fault', async () => {
  const likely = fc
    .array(fc.constantFrom('[', ']', '{', '}', '"', '\\', ',', ':', '1', '\n', ' '))
    .map((parts) => parts.join(''));
  await fc.assert(
    fc.asyncProperty(fc.oneof(likely, fc.string(), fc.uint8Array()), async (input) => {
      try {
        for (const text of await split(input)) JSON.parse(toCloudEvent(text, wrapping));
      } catch (error) {
        assert.ok(error instanceof MeshError && error.code === 'invalid-event', String(error));
        assert.match(error.message, /line \d+/);
      }
    }),
    { numRuns: 500 },
  );
});

test('passes a CloudEvent on as it was written, digits and all', () => {
  const text = '{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"n":12345678901234567890}}';
  assert.equal(toCloudEvent({ line: 1, text }, wrapping), text);
});

test('wraps any other JSON under the type that was given, and refuses it without one', () => {
  const event = JSON.parse(toCloudEvent({ line: 1, text: '{"n":1.50}' }, wrapping)) as Record<
    string,
    unknown
  >;
  assert.equal(event['type'], 'com.example.thing');
  assert.deepEqual(event['data'], { n: 1.5 });
  assert.throws(
    () => toCloudEvent({ line: 7, text: '3' }, { ...wrapping, type: undefined }),
    /line 7: this is no CloudEvent .*--type/,
  );
  assert.throws(
    () => toCloudEvent({ line: 7, text: '{"specversion":"1.0","id":""}' }, wrapping),
    /line 7: the CloudEvent's 'id'/,
  );
});
