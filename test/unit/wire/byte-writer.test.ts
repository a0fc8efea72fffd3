import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteReader } from '../../../node/wire/byte-reader.ts';
import { ByteWriter } from '../../../node/wire/byte-writer.ts';

const text = fc.oneof(
  fc.string({ maxLength: 200 }),
  fc.string({ unit: 'grapheme', maxLength: 200 }),
  // around the lengths at which a text takes another way, or its length another byte
  fc.constantFrom(31, 32, 33, 127, 128, 16_383, 16_384).map((length) => 'x'.repeat(length)),
);

test('texts come back as they were, however small the buffer was at first', () => {
  fc.assert(
    fc.property(fc.array(text, { maxLength: 8 }), fc.nat({ max: 64 }), (texts, expectedBytes) => {
      const writer = new ByteWriter(expectedBytes);
      for (const each of texts) writer.text(each);
      const reader = new ByteReader(writer.finish());
      assert.deepEqual(
        texts.map(() => reader.text(1 << 20)),
        texts,
      );
      reader.end();
    }),
  );
});

test('a part that is opened and closed is the same as bytes whose length was known', () => {
  const part = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom(127, 128, 16_383, 16_384).map((length) => new Uint8Array(length).fill(7)),
  );
  fc.assert(
    fc.property(
      part,
      part,
      fc.integer({ min: 1, max: 3 }),
      fc.nat({ max: 24 }),
      (before, inner, guess, room) => {
        const known = new ByteWriter();
        const body = new ByteWriter();
        body.bytes(inner);
        body.byte(9);
        known.fixedBytes(before);
        known.bytes(body.finish());
        known.byte(1);
        // full, or nearly so, when the length is written
        const writer = new ByteWriter(before.length + inner.length + room);
        writer.fixedBytes(before);
        const start = writer.open(guess);
        writer.bytes(inner);
        writer.byte(9);
        writer.close(start, guess);
        writer.byte(1);
        assert.deepEqual(Buffer.from(writer.finish()), Buffer.from(known.finish()));
      },
    ),
  );
});
