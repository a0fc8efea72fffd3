// Where on a flat map a place lies: Miller's cylindrical projection, in degrees of longitude, y downwards. It keeps the shapes that
// people know, and the poles on the map.

export interface Place {
  readonly lat: number;
  readonly lon: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A part of the flat map that is shown in so many pixels. */
export interface Viewport {
  readonly x: number;
  readonly y: number;
  /** Pixels a degree of longitude. */
  readonly scale: number;
}

const LAT_MAX = 89;
/** Of longitude. Nearer, the outline is coarser than what it is to show. */
const SPAN_MIN = 70;
/** Of the width, free at each side of the outermost places. */
const MARGIN = 0.16;

export function project({ lat, lon }: Place): Point {
  const phi = (Math.min(LAT_MAX, Math.max(-LAT_MAX, lat)) * Math.PI) / 180;
  const y = 1.25 * Math.log(Math.tan(Math.PI / 4 + 0.4 * phi));
  return { x: lon, y: (-y * 180) / Math.PI };
}

/** The part that shows all places, in so many pixels; the whole world where there is none. */
export function fitPlaces(places: readonly Place[], width: number, height: number): Viewport {
  const points = places.map(project);
  const xs = points.length === 0 ? [-170, 190] : points.map(({ x }) => x);
  const ys = points.length === 0 ? [-100, 70] : points.map(({ y }) => y);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
  const span = Math.max(SPAN_MIN, (right - left) / (1 - 2 * MARGIN));
  const rise = Math.max((SPAN_MIN * height) / (2 * width), (bottom - top) / (1 - 2 * MARGIN));
  const scale = Math.min(width / span, height / rise);
  return {
    x: (left + right) / 2 - width / (2 * scale),
    y: (top + bottom) / 2 - height / (2 * scale),
    scale,
  };
}

export function toPixels(place: Place, { x, y, scale }: Viewport): Point {
  const at = project(place);
  return { x: (at.x - x) * scale, y: (at.y - y) * scale };
}
