import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PartialMessage } from '../../../../bridge/ws/partial-message.ts';

/** RFC 6455 §5.2, masked. */
const headerBytes = (payload: number): number => 6 + (payload < 126 ? 0 : payload < 65_536 ? 2 : 8);

test('knows how much of a message has come, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 200_000 })), { minLength: 1, maxLength: 10 }),
      fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 20 }),
      (payloads, cuts) => {
        const ends: number[] = [];
        for (const payload of payloads) ends.push((ends.at(-1) ?? 0) + headerBytes(payload) + payload);
        const total = ends.at(-1) ?? 0;
        const partial = new PartialMessage();
        let at = 0;
        let message = 0;
        for (let i = 0; at < total; i++) {
          const bytes = Math.min(cuts[i % cuts.length] ?? 1, total - at);
          at += bytes;
          for (; (ends[message] ?? Infinity) <= at; message++) partial.ended(payloads[message] ?? 0);
          partial.chunk(bytes);
          assert.equal(partial.bytes, at - (ends[message - 1] ?? 0));
          assert.equal(partial.messages, message);
        }
      },
    ),
  );
});

test('headers that it cannot see add no more than a chunk', () => {
  const partial = new PartialMessage();
  for (let i = 0; i < 100; i++) {
    partial.chunk(1000); // fragments: half of it headers
    partial.ended(500);
    partial.chunk(10);
    assert(partial.bytes <= 10);
  }
});
