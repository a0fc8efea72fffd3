// The outline of the continents as one SVG path, made when the page is built, so that the page carries neither TopoJSON nor code to
// read it: `import outline from 'virtual:world-outline'`. Natural Earth's land, 1:110 m, in the public domain.

import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { feature } from 'topojson-client';
import type { GeometryCollection, Topology } from 'topojson-specification';
import type { Plugin } from 'vite';
import { project } from '../../node/dashboard/model/projection.ts';

const ID = 'virtual:world-outline';
/** No cloud region lies south of it, and Antarctica would take a fifth of the map. */
const SOUTHERNMOST = -58;

type Ring = readonly (readonly number[])[];

export function worldOutline(): Plugin {
  return {
    name: 'world-outline',
    resolveId: (id) => (id === ID ? `\0${ID}` : undefined),
    load: (id) => (id === `\0${ID}` ? `export default ${JSON.stringify(outline())};` : undefined),
  };
}

function outline(): string {
  const file = createRequire(import.meta.url).resolve('world-atlas/land-110m.json');
  const topology = JSON.parse(readFileSync(file, 'utf8')) as Topology<{ land: GeometryCollection }>;
  return feature(topology, topology.objects.land)
    .features.flatMap(({ geometry }) => polygonsOf(geometry))
    .flat()
    .filter((ring) => ring.some(([, lat = 0]) => lat > SOUTHERNMOST))
    .map(pathOf)
    .join('');
}

function polygonsOf(geometry: { readonly type: string }): readonly (readonly Ring[])[] {
  const { coordinates } = geometry as { readonly coordinates?: unknown };
  if (geometry.type === 'MultiPolygon') return coordinates as readonly (readonly Ring[])[];
  return geometry.type === 'Polygon' ? [coordinates as readonly Ring[]] : [];
}

/** A tenth of a degree is finer than the data is. A ring over the date line goes on beyond 180°, and not back around the world. */
function pathOf(ring: Ring): string {
  let turns = 0;
  const points = ring.map(([lon0 = 0, lat = 0], at) => {
    const before = ring[at - 1]?.[0] ?? lon0;
    if (Math.abs(lon0 - before) > 180) turns += lon0 < before ? 360 : -360;
    const lon = lon0 + turns;
    const { x, y } = project({ lat, lon });
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  return `M${points.join('L')}Z`;
}
