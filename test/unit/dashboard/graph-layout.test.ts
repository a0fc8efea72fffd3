import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  borderPoint,
  type Box,
  layOutClusters,
  placeOnLine,
  pushApart,
} from '../../../node/dashboard/model/graph-layout.ts';

const WIDE = { width: 188, height: 84 };
const NARROW = { width: 156, height: 84 };
const names = (count: number): string[] =>
  Array.from({ length: count }, (_, at) => `c${String(at).padStart(2, '0')}`);

function overlaps(boxes: readonly Box[]): number {
  const over = (one: Box, other: Box): boolean =>
    Math.abs(one.x - other.x) < (one.width + other.width) / 2 &&
    Math.abs(one.y - other.y) < (one.height + other.height) / 2;
  return boxes.flatMap((one, at) => boxes.slice(at + 1).filter((other) => over(one, other))).length;
}

function outside(boxes: readonly Box[], width: number, height: number): number {
  return boxes.filter(
    ({ x, y, width: w, height: h }) =>
      x - w / 2 < 0 || y - h / 2 < 0 || x + w / 2 > width || y + h / 2 > height,
  ).length;
}

test('any number of clusters lie within the drawing and over no other, wide or narrow', () => {
  for (let count = 1; count <= 40; count += 1) {
    for (const [width, box] of [
      [330, NARROW],
      [620, WIDE],
      [1_100, WIDE],
    ] as const) {
      const { boxes, height } = layOutClusters(names(count), box, width, 420);
      assert.equal(boxes.size, count);
      assert.equal(overlaps([...boxes.values()]), 0, `${count} clusters in ${width} pixels`);
      assert.equal(outside([...boxes.values()], width, height), 0, `${count} clusters in ${width} pixels`);
    }
  }
});

test('clusters stay where they are, in whatever order they are told', () => {
  const there = layOutClusters(['b', 'c', 'a'], WIDE, 800, 420);
  assert.deepEqual(there.boxes, layOutClusters(['a', 'b', 'c'], WIDE, 800, 420).boxes);
});

test('a line leaves a box at its border', () => {
  const box = { x: 100, y: 100, width: 40, height: 20 };
  assert.deepEqual(borderPoint(box, { x: 300, y: 100 }), { x: 120, y: 100 });
  assert.deepEqual(borderPoint(box, { x: 100, y: 0 }), { x: 100, y: 90 });
  assert.deepEqual(borderPoint(box, { x: 100, y: 100 }), { x: 100, y: 100 });
});

test('a label stands in the middle of its line, else near it, else nowhere, but never over another', () => {
  const [from, to] = [
    { x: 0, y: 0 },
    { x: 400, y: 0 },
  ];
  const size = { width: 60, height: 26 };
  const middle = { x: 200, y: 0, width: 80, height: 40 };
  assert.equal(placeOnLine(from, to, size, [])?.x, 200);
  const aside = placeOnLine(from, to, size, [middle]);
  assert.equal(aside && Math.abs(aside.x - 200), 80);
  assert.equal(placeOnLine(from, to, size, [{ ...middle, width: 500 }]), undefined);
});

test('boxes that want the same place are pushed apart, and stay within the drawing', () => {
  const wish = fc.record({ x: fc.integer({ min: 0, max: 900 }), y: fc.integer({ min: 0, max: 500 }) });
  fc.assert(
    fc.property(fc.array(wish, { minLength: 1, maxLength: 8 }), (wishes) => {
      const wanted = new Map(
        wishes.map((at, index): [string, Box] => [String(index), { ...at, width: 120, height: 40 }]),
      );
      const boxes = [...pushApart(wanted, 900, 500).values()];
      assert.equal(outside(boxes, 900, 500), 0);
      assert.equal(boxes.length, wishes.length);
    }),
  );
  const same = new Map(
    ['a', 'b', 'c'].map((name): [string, Box] => [name, { x: 450, y: 250, width: 120, height: 40 }]),
  );
  assert.equal(overlaps([...pushApart(same, 900, 500).values()]), 0);
});
