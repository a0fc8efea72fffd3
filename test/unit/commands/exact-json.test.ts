import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseExactJson } from '../../../node/commands/exact-json.ts';

function again(json: string): string {
  return JSON.stringify(parseExactJson(json));
}

const digits = (minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom('0', '0', '0', '1', '2', '5', '9', '9'), minLength, maxLength });

/** As JSON has numbers, whatever a double makes of them. */
const numbers = fc
  .tuple(
    fc.constantFrom('', '-'),
    fc.oneof(
      fc.constant('0'),
      digits(1, 20).map((text) => text.replace(/^0*/, '') || '0'),
    ),
    fc.option(digits(1, 20)),
    fc.option(fc.tuple(fc.constantFrom('e', 'E'), fc.constantFrom('', '+', '-'), digits(1, 2))),
  )
  .map(([sign, whole, fraction, exponent]) =>
    [sign, whole, fraction === null ? '' : `.${fraction}`, ...(exponent ?? [])].join(''),
  );

test('every number comes out with the digits that it came with, wherever it stands', () => {
  fc.assert(
    fc.property(numbers, fc.constantFrom('', ' ', '\n'), (number, space) => {
      assert.equal(again(`${space}${number}${space}`), number);
      assert.equal(again(`[1,${space}${number}${space}]`), `[1,${number}]`);
      assert.equal(again(`{"a":${space}${number}${space},"b":"x"}`), `{"a":${number},"b":"x"}`);
    }),
    { numRuns: 3000 },
  );
});

test('what looks like a number in a text stays text', () => {
  for (const text of [
    '{"time":"2026-01-01T00:00:10.120Z"}',
    '["a, 1.50 b", ":1e5", ", 12345678901234567890"]',
  ])
    assert.deepEqual(parseExactJson(text), JSON.parse(text));
});

test('what is no JSON is refused', () => {
  for (const text of ['', '{', '[1.]', '01']) assert.throws(() => parseExactJson(text), SyntaxError);
});
