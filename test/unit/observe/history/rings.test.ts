import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Rows, Texts } from '../../../../node/observe/history/rings.ts';

test('rows keep the last ones, each under its number', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.nat(40), (capacity, count) => {
      const rows = new Rows(capacity, 3);
      for (let n = 0; n < count; n++) rows.cells[rows.push() + 1] = n * 10;
      assert.deepEqual([rows.start, rows.end], [Math.max(0, count - capacity), count]);
      for (let n = rows.start; n < rows.end; n++) assert.equal(rows.cell(n, 1), n * 10);
    }),
  );
});

test('a text is known by its number until others have taken its place, and never by that of another', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(12)), (asked) => {
      const texts = new Texts(8);
      const given: { text: string; number: number }[] = [];
      for (const n of asked) {
        const text = n === 0 ? '' : `t${n}`;
        const number = texts.numberOf(text);
        given.push({ text, number });
        assert.equal(texts.textOf(number), text);
        for (const before of given) assert.ok(['', before.text].includes(texts.textOf(before.number)));
        for (const { text: recent, number: its } of given.slice(-4)) assert.equal(texts.textOf(its), recent);
      }
    }),
  );
});
