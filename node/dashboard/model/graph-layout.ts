// Where the map's graph draws its clusters: around an ellipse, or down a narrow screen, in the order of their names, so that each stays
// where people have seen it last. Pure geometry, in pixels.

import type { Point } from './projection.ts';

export interface Box extends Point {
  readonly width: number;
  readonly height: number;
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  /** Centres, by cluster. */
  readonly boxes: ReadonlyMap<string, Box>;
}

/** Narrower than this, boxes go down the screen. */
const NARROW = 560;
const EDGE = 10;
/** Between two boxes above each other: room for a link's figures. */
const GAP = 72;
/** More come closer together. */
const ROWS_WIDE_APART = 4;
/** Between the highest and the lowest, where the drawing has room for more. */
const ROOM_HEIGHT = 280;

/** Fits the clusters into `width`; the height is what they need, at least `heightMin`. */
export function layOutClusters(
  clusters: readonly string[],
  box: { readonly width: number; readonly height: number },
  width: number,
  heightMin: number,
): Layout {
  const count = clusters.length;
  const spots = width < NARROW ? onZigzag(count) : onEllipse(count);
  const rows = 1 + Math.max(0, ...spots.map(({ row }) => row));
  const gap = rows > ROWS_WIDE_APART ? GAP / 2 : GAP;
  const least = rows * box.height + (rows - 1) * gap;
  const height = Math.max(heightMin, least + 2 * EDGE);
  const room = {
    x: Math.max(0, width - box.width - 2 * EDGE),
    y: rows === 1 ? 0 : Math.max(Math.min(ROOM_HEIGHT, height - box.height - 2 * EDGE), least - box.height),
  };
  const boxes = clusters.toSorted().map((name, at): [string, Box] => {
    const { x, row } = spots[at] ?? { x: 0, row: 0 };
    const aside = Math.min(room.x / 2, Math.max(Math.abs(x) * room.x, box.width / 2 + EDGE));
    return [
      name,
      {
        ...box,
        x: Math.round(width / 2 + Math.sign(x) * aside),
        y: Math.round(height / 2 + (rows === 1 ? 0 : row / (rows - 1) - 0.5) * room.y),
      },
    ];
  });
  return { width, height, boxes: new Map(boxes) };
}

interface Spot {
  /** From -0.5, at the left, to 0.5. */
  readonly x: number;
  readonly row: number;
}

/** Clockwise from the top; rows are as far from each other at the top as they are in the middle, so that boxes have room. */
function onEllipse(count: number): readonly Spot[] {
  if (count === 2) {
    return [
      { x: -0.5, row: 0 },
      { x: 0.5, row: 0 },
    ];
  }
  const xs = stretched(Array.from({ length: count }, (_, at) => Math.sin((2 * Math.PI * at) / count)));
  return xs.map((x, at) => ({ x, row: Math.min(at, count - at) }));
}

/** Left and right by turns, downwards: each line between two has a middle of its own. */
function onZigzag(count: number): readonly Spot[] {
  return Array.from({ length: count }, (_, at) => ({
    x: count === 1 ? 0 : at % 2 === 0 ? -0.5 : 0.5,
    row: at,
  }));
}

function stretched(values: readonly number[]): readonly number[] {
  const [min, max] = [Math.min(...values), Math.max(...values)];
  // What is 0 but for rounding is on the middle.
  return values.map((value) =>
    max - min < 1e-6 || Math.abs(value) < 1e-6 ? 0 : (value - min) / (max - min) - 0.5,
  );
}

/** Where the line from a box's centre towards `to` leaves the box. */
export function borderPoint(box: Box, to: Point): Point {
  const [dx, dy] = [to.x - box.x, to.y - box.y];
  if (dx === 0 && dy === 0) return { x: box.x, y: box.y };
  const scale = Math.min(
    dx === 0 ? Infinity : box.width / 2 / Math.abs(dx),
    dy === 0 ? Infinity : box.height / 2 / Math.abs(dy),
  );
  return { x: box.x + dx * Math.min(1, scale), y: box.y + dy * Math.min(1, scale) };
}

/**
 * Where on a line a box of this size covers none of the others, as near to the middle as can be; undefined: nowhere.
 */
export function placeOnLine(
  from: Point,
  to: Point,
  size: { readonly width: number; readonly height: number },
  others: readonly Box[],
): Box | undefined {
  for (const along of PLACES) {
    const box = { ...size, x: from.x + (to.x - from.x) * along, y: from.y + (to.y - from.y) * along };
    if (!others.some((other) => covers(box, other))) return box;
  }
  return undefined;
}

/** From the middle outwards, by turns. */
const PLACES = Array.from(
  { length: 17 },
  (_, at) => 0.5 + (at % 2 === 0 ? 1 : -1) * Math.ceil(at / 2) * 0.05,
);

function covers(one: Box, other: Box): boolean {
  return (
    Math.abs(one.x - other.x) < (one.width + other.width) / 2 &&
    Math.abs(one.y - other.y) < (one.height + other.height) / 2
  );
}

/** Pushes boxes apart until none covers another, each from where it wants to be, within the drawing. */
export function pushApart(
  wanted: ReadonlyMap<string, Box>,
  width: number,
  height: number,
): ReadonlyMap<string, Box> {
  const boxes = [...wanted].map(([name, box]) => ({ name, ...box }));
  for (let round = 0; round < 60; round += 1) {
    let moved = false;
    for (const [at, one] of boxes.entries()) {
      for (const other of boxes.slice(at + 1)) moved = separate(one, other) || moved;
      one.x = clamp(one.x, one.width / 2 + EDGE, width - one.width / 2 - EDGE);
      one.y = clamp(one.y, one.height / 2 + EDGE, height - one.height / 2 - EDGE);
    }
    if (!moved) break;
  }
  return new Map(boxes.map(({ name, ...box }) => [name, box]));
}

type Movable = { x: number; y: number; readonly width: number; readonly height: number };

function separate(one: Movable, other: Movable): boolean {
  const overX = (one.width + other.width) / 2 + EDGE - Math.abs(one.x - other.x);
  const overY = (one.height + other.height) / 2 + EDGE - Math.abs(one.y - other.y);
  if (overX <= 0.5 || overY <= 0.5) return false;
  if (overY <= overX) {
    const up = one.y <= other.y ? -1 : 1;
    one.y += (up * overY) / 2;
    other.y -= (up * overY) / 2;
  } else {
    const left = one.x <= other.x ? -1 : 1;
    one.x += (left * overX) / 2;
    other.x -= (left * overX) / 2;
  }
  return true;
}

function clamp(value: number, min: number, max: number): number {
  return max < min ? (min + max) / 2 : Math.min(max, Math.max(min, value));
}
