// The clusters on a map of the world, as far as it is known where they are; those of which it is not stand below.

import type { JSX } from 'preact';
import outline from 'virtual:world-outline';
import { useFederation, useWidth } from '../data/hooks.ts';
import { plural } from '../model/format.ts';
import { type Box, pushApart } from '../model/graph-layout.ts';
import { edgesOf } from '../model/links.ts';
import { fitPlaces, type Point, toPixels } from '../model/projection.ts';
import { type Chosen, Drawing } from './map-drawing.tsx';

const CARD = { wide: { width: 180, height: 62 }, narrow: { width: 140, height: 34 } };
/** From a place to its cluster's card. */
const RISE = 48;

interface Props {
  readonly chosen: Chosen | undefined;
  readonly to: (path: readonly string[]) => string;
}

export function WorldMap({ chosen, to }: Props): JSX.Element {
  const { overview } = useFederation();
  const [width, measure] = useWidth();
  const height = Math.round(width * (width < 560 ? 0.8 : 0.58));
  const placed = overview.clusters.flatMap(({ name, place }) => (place ? [{ name, place }] : []));
  const lost = overview.clusters.filter(({ place }) => place === undefined);
  const view = fitPlaces(
    placed.map(({ place }) => place),
    width,
    height,
  );
  const card = width < 560 ? CARD.narrow : CARD.wide;
  const points = new Map(placed.map(({ name, place }): [string, Point] => [name, toPixels(place, view)]));
  const wanted = new Map(
    [...points].map(([name, { x, y }]): [string, Box] => [name, { ...card, x, y: y - RISE }]),
  );
  const boxes = pushApart(wanted, width, height);
  return (
    <>
      <div class="map-canvas" ref={measure}>
        {width > 0 && (
          <Drawing
            width={width}
            height={height}
            boxes={boxes}
            overview={overview}
            edges={edgesOf(overview.meshers, overview.links)}
            chosen={chosen}
            to={to}
            bare
          >
            {/* One world more on either side, for federations across the date line. */}
            {[-360, 0, 360].map((shift) => (
              <path
                key={shift}
                class="land"
                d={outline}
                transform={`scale(${view.scale}) translate(${shift - view.x} ${-view.y})`}
              />
            ))}
            {[...points].map(([name, { x, y }]) => {
              const box = boxes.get(name);
              return (
                <g key={name} class="place">
                  {box && <path d={`M${x} ${y}L${box.x} ${box.y}`} />}
                  <circle cx={x} cy={y} r={5} />
                </g>
              );
            })}
          </Drawing>
        )}
      </div>
      {lost.length > 0 && (
        <p class="quiet">
          It is not known where{' '}
          {lost.length === 1 ? 'this cluster is' : `these ${plural(lost.length, 'cluster')} are`}:{' '}
          {lost.map(({ name }, at) => (
            <>
              {at > 0 && ', '}
              <a href={to(['cluster', name])}>{name}</a>
            </>
          ))}
          . Give a mesher of it the labels <code>lat</code> and <code>lon</code>.
        </p>
      )}
    </>
  );
}
