// The calendar reckoned here against the one of Date.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteReader } from '../../../node/wire/byte-reader.ts';
import { ByteWriter } from '../../../node/wire/byte-writer.ts';
import { readTimestamp, timestampOf, writeTimestamp } from '../../../node/wire/protobuf-timestamp.ts';

const DAY_MS = 86_400_000;
const FIRST_MS = Date.parse('0001-01-01T00:00:00Z');
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z');

function textOf(seconds: number, nanos: number): string {
  const writer = new ByteWriter();
  writeTimestamp(writer, { seconds, nanos });
  const reader = new ByteReader(writer.finish());
  return readTimestamp(reader, reader.uint());
}

function canonical(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}

test('any day that there is, and its text, are told from one another', () => {
  // Every 97th, which passes over every day of the year in every kind of year.
  for (let ms = FIRST_MS; ms <= LAST_MS; ms += 97 * DAY_MS) {
    const text = canonical(ms);
    assert.deepEqual(timestampOf(text), { seconds: ms / 1_000, nanos: 0 });
    assert.equal(textOf(ms / 1_000, 0), text);
  }
});

test('any millisecond, and its text, are told from one another', () => {
  fc.assert(
    fc.property(fc.integer({ min: FIRST_MS, max: LAST_MS }), (ms) => {
      const seconds = Math.floor(ms / 1_000);
      const nanos = (ms - seconds * 1_000) * 1e6;
      assert.deepEqual(timestampOf(canonical(ms)), { seconds, nanos });
      assert.equal(textOf(seconds, nanos), canonical(ms));
    }),
    { numRuns: 2_000 },
  );
});

test('a text is taken only where it is exactly what its timestamp is written as', () => {
  const two = fc.nat({ max: 70 }).map((value) => String(value).padStart(2, '0'));
  const year = fc.oneof(fc.nat({ max: 9_999 }), fc.constantFrom(0, 1, 1_900, 2_000, 2_023, 2_024, 9_999));
  const fraction = fc.oneof(
    fc.constantFrom('', '.0', '.000', '.120000', '.000001', '.000000001', '.100000000', '.000000000'),
    fc.nat({ max: 999_999_999 }).map((nanos) => `.${String(nanos).padStart(9, '0')}`),
  );
  fc.assert(
    fc.property(
      year,
      fc.tuple(two, two, two, two, two),
      fraction,
      (y, [month, day, hour, min, sec], part) => {
        const text = `${String(y).padStart(4, '0')}-${month}-${day}T${hour}:${min}:${sec}${part}Z`;
        const timestamp = timestampOf(text);
        if (timestamp !== undefined) assert.equal(textOf(timestamp.seconds, timestamp.nanos), text);
        const ms = Date.parse(text);
        const exists = ms >= FIRST_MS && canonical(ms).slice(0, 19) === text.slice(0, 19);
        const isShortest = /^(?:|\.\d{3}|\.\d{6}|\.\d{9})$/.test(part) && !part.endsWith('000');
        assert.equal(timestamp !== undefined, exists && isShortest, text);
      },
    ),
    { numRuns: 5_000 },
  );
});
