import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { comparePositions, type Position } from '../../../../node/core/event.ts';
import {
  describeRanges,
  type PositionRange,
  PositionSet,
} from '../../../../node/observe/ledger/position-set.ts';

const range = fc
  .record({
    incarnation: fc.integer({ min: 1, max: 2 }),
    from: fc.integer({ min: 1, max: 12 }),
    more: fc.nat(4),
  })
  .map(({ incarnation, from, more }): PositionRange => ({ incarnation, from, to: from + more }));
const ranges = fc.array(range, { maxLength: 8 });
const position = fc.record({ incarnation: fc.integer({ min: 1, max: 2 }), sequence: fc.nat(16) });

/** One by one. */
function placesOf(all: readonly PositionRange[]): Set<string> {
  const places = new Set<string>();
  for (const { incarnation, from, to } of all)
    for (let sequence = from; sequence <= to; sequence++) places.add(`${incarnation}.${sequence}`);
  return places;
}

function positionOf(place: string): Position {
  const [incarnation = 0, sequence = 0] = place.split('.').map(Number);
  return { incarnation, sequence };
}

function assertIs(set: PositionSet, places: ReadonlySet<string>): void {
  assert.deepEqual([...placesOf(set.ranges)].sort(), [...places].sort());
  assert.equal(set.count, places.size);
  for (const [i, one] of set.ranges.entries()) {
    const next = set.ranges[i + 1];
    if (!next) continue;
    assert.ok(
      comparePositions({ ...one, sequence: one.to }, { ...next, sequence: next.from - 1 }) < 0,
      'they touch',
    );
  }
}

test('it holds what a set of single places would', () => {
  fc.assert(
    fc.property(ranges, ranges, range, position, (first, second, one, upTo) => {
      const [a, b] = [PositionSet.of(first), PositionSet.of(second)];
      const [inA, inB] = [placesOf(first), placesOf(second)];
      assertIs(a, inA);
      assertIs(a.minus(b), new Set([...inA].filter((place) => !inB.has(place))));
      assertIs(
        a.after(upTo),
        new Set([...inA].filter((place) => comparePositions(positionOf(place), upTo) > 0)),
      );
      const fresh = [...placesOf([one])].filter((place) => !inA.has(place));
      assert.equal(a.add(one), fresh.length);
      for (const place of fresh) inA.add(place);
      assertIs(a, inA);
      const taken = a.takeUpTo(upTo);
      assertIs(taken, new Set([...inA].filter((place) => comparePositions(positionOf(place), upTo) <= 0)));
      assertIs(a, new Set([...inA].filter((place) => comparePositions(positionOf(place), upTo) > 0)));
    }),
  );
});

test('a range that ends before it begins is none', () => {
  assert.ok(PositionSet.of([{ incarnation: 1, from: 5, to: 4 }]).isEmpty);
});

test('of too many ranges the newest are kept, and it is said up to where the others went', () => {
  const set = PositionSet.of([1, 3, 5, 7].map((from) => ({ incarnation: 1, from, to: from })));
  assert.deepEqual(set.keepNewest(2), { incarnation: 1, sequence: 3 });
  assert.equal(set.keepNewest(2), undefined);
  assert.deepEqual(set.first, { incarnation: 1, sequence: 5 });
});

test('ranges are said in words, the incarnation only where it is another', () => {
  const told = describeRanges(
    [
      { incarnation: 16, from: 3, to: 3 },
      { incarnation: 17, from: 1, to: 2 },
    ],
    17,
  );
  assert.equal(told, 'sequence 3 of incarnation 16, sequences 1 to 2');
});
