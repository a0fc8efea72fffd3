import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeClientFrame, encodeSettle } from '../../../bridge/ws/frames/client-frames.ts';
import { Settlements } from '../../../sdk/typescript/settlements.ts';
import type { Outcome } from '../../../sdk/typescript/settlements.ts';

const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  { weight: 8, arbitrary: fc.constant({ kind: 'ack' as const }) },
  fc.record(
    { kind: fc.constant('retry' as const), delayMs: fc.constantFrom(undefined, 0, 500) },
    { noNullPrototype: true },
  ),
  fc.record(
    { kind: fc.constant('reject' as const), reason: fc.constantFrom('a', 'b') },
    { noNullPrototype: true },
  ),
);

test('whatever is settled in whatever order, each number goes out once, with what became of it', () => {
  const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 300 }), { maxLength: 200 });
  const all = numbers.chain((each) =>
    fc.tuple(fc.constant(each), fc.array(outcome, { minLength: each.length, maxLength: each.length })),
  );
  fc.assert(
    fc.property(all, fc.boolean(), ([order, outcomes], sorted) => {
      if (sorted) order.sort((a, b) => a - b);
      const settlements = new Settlements();
      order.forEach((number, i) => settlements.add(number, outcomes[i] ?? { kind: 'ack' }));
      // as the mesher reads it
      const frame = decodeClientFrame(encodeSettle(1, 1, settlements.take()));
      assert.ok(frame.kind === 'settle');
      const found = new Map<number, Outcome>();
      for (const { ranges, ...what } of frame.settlements) {
        for (const { first, count } of ranges) {
          for (let number = first; number < first + count; number++) {
            assert.ok(!found.has(number), `${number} twice`);
            found.set(number, what);
          }
        }
      }
      assert.deepEqual(found, new Map(order.map((number, i) => [number, outcomes[i]])));
      const groups = new Set(outcomes.map((each) => JSON.stringify(each)));
      assert.equal(frame.settlements.length, groups.size);
      assert.deepEqual(settlements.take(), []);
    }),
  );
});
