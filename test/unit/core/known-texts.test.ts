import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KnownTexts } from '../../../node/core/known-texts.ts';

const utf8 = (bytes: Buffer, start: number, end: number): string => bytes.toString('utf8', start, end);
const notAgain = (): never => assert.fail('decoded again');

test('every text is its own, however many there are', () => {
  const known = new KnownTexts();
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'binary', maxLength: 8 }).map((each) => each.toWellFormed())),
      (texts) => {
        for (const text of texts) {
          const bytes = Buffer.from(`<${text}>`);
          assert.equal(known.find(bytes, 1, bytes.length - 1, utf8), text);
        }
      },
    ),
  );
});

test('a text that was found before is not decoded again, also when the bytes it was found in have changed', () => {
  const known = new KnownTexts();
  const bytes = Buffer.from('orders/eu');
  assert.equal(known.find(bytes, 0, 9, utf8), 'orders/eu');
  bytes.fill(0);
  assert.equal(known.find(Buffer.from('..orders/eu'), 2, 11, notAgain), 'orders/eu');
});

test('long texts are not remembered', () => {
  const known = new KnownTexts();
  const bytes = Buffer.alloc(257, 'x');
  assert.equal(known.find(bytes, 0, 256, utf8), known.find(bytes, 0, 256, notAgain));
  known.find(bytes, 0, 257, utf8);
  assert.throws(() => known.find(bytes, 0, 257, notAgain));
});
