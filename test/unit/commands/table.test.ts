import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { barLine } from '../../../node/commands/progress-bar.ts';
import { formatDuration, formatNumber, formatTable } from '../../../node/commands/table.ts';

test('aligns columns, numbers to the right, and shows what is missing as a dash', () => {
  assert.equal(
    formatTable(
      ['name', 'depth', 'lag'],
      [
        ['orders', 12_345, '4.0 s'],
        ['a', 7, undefined],
      ],
    ),
    ['NAME     DEPTH  LAG', 'orders  12,345  4.0 s', 'a            7  -'].join('\n'),
  );
});

test('prints a head alone where there are no rows', () => {
  assert.equal(formatTable(['a', 'b'], []), 'A  B');
});

test('sends no control character to the terminal, whatever a name holds', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.integer())), (rows) => {
      const lines = formatTable(['name', 'n'], rows).split('\n');
      assert.equal(lines.length, rows.length + 1);
      for (const line of lines) assert.doesNotMatch(line, /\p{Cc}/u);
    }),
  );
});

test('shows numbers and durations with as much as tells something', () => {
  assert.deepEqual([0, 1234567, 0.123, 12.34, 1234.5, Number.NaN].map(formatNumber), [
    '0',
    '1,234,567',
    '0.12',
    '12.3',
    '1,235',
    '-',
  ]);
  assert.deepEqual([-1, 850, 12_300, 240_000, 7_300_000, 200_000_000].map(formatDuration), [
    '0 ms',
    '850 ms',
    '12.3 s',
    '4 min',
    '2 h',
    '2 d',
  ]);
});

test('keeps the progress bar within the terminal', () => {
  fc.assert(
    fc.property(
      fc.option(fc.double({ min: 0, max: 3, noNaN: true })),
      fc.string({ maxLength: 200 }),
      fc.integer({ min: 1, max: 200 }),
      (share, text, columns) => {
        assert.ok(barLine(share ?? undefined, text, columns).length < columns + 1);
      },
    ),
  );
  assert.equal(barLine(0.5, '5 events', 80), `[${'█'.repeat(15)}${'░'.repeat(15)}] 50% 5 events`);
});
