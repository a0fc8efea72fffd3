import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Unsettled } from '../../../../bridge/ws/unsettled.ts';
import { NO_TOKEN, type DeliveryToken } from '../../../../node/core/delivery-token.ts';

const token = (index: number): DeliveryToken => ({ ...NO_TOKEN, index });

test('gives each token once, whatever the order: as a Map would', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constant('put' as const), fc.nat({ max: 300 })), { maxLength: 600 }),
      (steps) => {
        const unsettled = new Unsettled();
        const twin = new Map<number, DeliveryToken>();
        let next = 1;
        for (const step of steps) {
          if (step === 'put') {
            twin.set(next, token(next));
            unsettled.put(next, token(next));
            next++;
          } else {
            assert.deepEqual(unsettled.take(step), twin.get(step));
            twin.delete(step);
          }
          assert.equal(unsettled.size, twin.size);
        }
      },
    ),
  );
});

test('takes of a range what there is, in its order', () => {
  const numbers = fc.uniqueArray(fc.nat({ max: 10_000 }), { maxLength: 300 });
  const ranges = fc.array(fc.record({ first: fc.nat({ max: 10_000 }), count: fc.nat({ max: 6_000 }) }), {
    maxLength: 5,
  });
  fc.assert(
    fc.property(numbers, ranges, (given, wanted) => {
      const unsettled = new Unsettled();
      for (const number of given) unsettled.put(number, token(number));
      let left = given.toSorted((a, b) => a - b);
      for (const range of wanted) {
        const isIn = (number: number): boolean => number >= range.first && number < range.first + range.count;
        const taken: number[] = [];
        unsettled.takeRange(range, (number, { index }) => {
          assert.equal(index, number);
          taken.push(number);
        });
        assert.deepEqual(taken, left.filter(isIn));
        left = left.filter((number) => !isIn(number));
        assert.equal(unsettled.size, left.length);
      }
    }),
  );
});

test('what was taken may be put back', () => {
  const unsettled = new Unsettled();
  unsettled.put(1, token(1));
  const taken = unsettled.take(1);
  assert(taken);
  unsettled.put(1, taken);
  assert.equal(unsettled.take(1), taken);
  assert.equal(unsettled.take(1), undefined);
});

test('a million deliveries settled as they come leave nothing behind', () => {
  const unsettled = new Unsettled();
  const given = token(1);
  for (let number = 1; number <= 1_000_000; number++) {
    unsettled.put(number, given);
    if (number > 100) unsettled.take(number - 100);
  }
  assert.equal(unsettled.size, 100);
  assert(unsettled.parts <= 5, `${unsettled.parts} parts for 100 numbers`);
});
