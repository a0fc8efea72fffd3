// Where the map's graph draws its clusters: on an ellipse, in the order of their names, so that each stays where people have seen it
// last. Pure geometry, in pixels.

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

/** Narrower than this, boxes stand upright above each other. */
const NARROW = 560;
const EDGE = 10;
/** Between two boxes that are neighbours on the ellipse: room for a link's figures. */
const GAP = { wide: 110, narrow: 44 };
const ASPECT_WIDE = 0.52;

/** Fits the clusters into `width`; the height is what they need, at least `heightMin`. */
export function layOutClusters(
  clusters: readonly string[],
  box: { readonly width: number; readonly height: number },
  width: number,
  heightMin: number,
): Layout {
  const narrow = width < NARROW;
  const gap = narrow ? GAP.narrow : GAP.wide;
  const [rx, ry] = radii(clusters.length, box, width, gap, narrow);
  const height = Math.max(heightMin, Math.ceil(2 * (ry + EDGE) + box.height));
  const centre = { x: width / 2, y: height / 2 };
  // Two lie side by side where there is room, more begin at the top.
  const start = clusters.length === 2 && !narrow ? -Math.PI : -Math.PI / 2;
  const boxes = clusters.toSorted().map((name, at): [string, Box] => {
    const angle = start + (2 * Math.PI * at) / clusters.length;
    const [x, y] =
      clusters.length === 1
        ? [centre.x, centre.y]
        : [centre.x + rx * Math.cos(angle), centre.y + ry * Math.sin(angle)];
    return [name, { ...box, x: Math.round(x), y: Math.round(y) }];
  });
  return { width, height, boxes: new Map(boxes) };
}

function radii(
  count: number,
  box: { readonly width: number; readonly height: number },
  width: number,
  gap: number,
  narrow: boolean,
): readonly [number, number] {
  const rx = Math.max(0, width / 2 - box.width / 2 - EDGE);
  if (count < 2) return [0, 0];
  const ry = narrow ? (count === 2 ? box.height : 1.1 * rx) : rx * ASPECT_WIDE;
  // Boxes of which several hang on one side need as much height as they have together, whatever the width is.
  const perSide = Math.ceil(count / 2);
  const least = ((perSide - 1) * (box.height + gap)) / 2 + (count > 2 ? box.height / 2 : 0);
  return [rx, Math.max(narrow ? least : Math.min(ry, 190), count === 2 && !narrow ? 0 : least)];
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
