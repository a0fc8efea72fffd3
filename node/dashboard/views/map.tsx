// The federation as a graph, on the world map, or as a table of its links; beside it, what was chosen.

import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useFederation, useWidth } from '../data/hooks.ts';
import { plural } from '../model/format.ts';
import { layOutClusters } from '../model/graph-layout.ts';
import { edgesOf } from '../model/links.ts';
import { hashOf, type Route } from '../model/routes.ts';
import { Icon } from '../parts/icon.tsx';
import { LINK_STATES } from '../parts/state.tsx';
import { LinksTable } from './links-table.tsx';
import { type Chosen, Drawing } from './map-drawing.tsx';
import { MapDetails } from './map-details.tsx';

const FORMS = [
  { name: 'graph', title: 'Graph' },
  { name: 'world', title: 'World' },
  { name: 'table', title: 'Table' },
] as const;
export type MapForm = (typeof FORMS)[number]['name'];

const CARD = { wide: { width: 188, height: 84 }, narrow: { width: 156, height: 84 } };
const HEIGHT_MIN = 420;

export function MapPage({ route }: { readonly route: Route }): JSX.Element {
  const form = FORMS.find(({ name }) => name === route.query['as'])?.name ?? 'graph';
  const chosen = chosenIn(route.path);
  const to = (path: readonly string[]): string => hashOf('map', path, { as: form === 'graph' ? '' : form });
  return (
    <>
      <div class="page-head">
        <h1>Map</h1>
        <nav class="segments" aria-label="Form of the map">
          {FORMS.map(({ name, title }) => (
            <a
              key={name}
              href={hashOf('map', route.path, { as: name === 'graph' ? '' : name })}
              aria-current={name === form ? 'true' : undefined}
            >
              {title}
            </a>
          ))}
        </nav>
      </div>
      <div class={form === 'table' && chosen === undefined ? 'map is-whole' : 'map'}>
        <section class="map-main" aria-label="Map of the federation">
          {form === 'graph' && <Graph chosen={chosen} to={to} />}
          {form === 'world' && <World chosen={chosen} to={to} />}
          {form === 'table' && <LinksTable to={to} />}
          {form !== 'table' && <Legend />}
        </section>
        {(form !== 'table' || chosen !== undefined) && <MapDetails chosen={chosen} to={to} />}
      </div>
    </>
  );
}

function chosenIn([kind, one, other]: readonly string[]): Chosen | undefined {
  if (one === undefined) return undefined;
  if (kind === 'cluster' || kind === 'mesher') return { kind, name: one };
  if ((kind === 'link' || kind === 'between') && other !== undefined) return { kind, ends: [one, other] };
  return undefined;
}

interface FormProps {
  readonly chosen: Chosen | undefined;
  readonly to: (path: readonly string[]) => string;
}

function Graph({ chosen, to }: FormProps): JSX.Element {
  const { overview } = useFederation();
  const [width, measure] = useWidth();
  const names = overview.clusters.map(({ name }) => name);
  const layout = layOutClusters(
    names,
    width < 560 ? CARD.narrow : CARD.wide,
    width,
    width < 560 ? 0 : HEIGHT_MIN,
  );
  return (
    <div class="map-canvas" ref={measure}>
      {names.length === 0 && <p class="quiet">No cluster is known yet.</p>}
      {width > 0 && (
        <Drawing
          {...layout}
          overview={overview}
          edges={edgesOf(overview.meshers, overview.links)}
          chosen={chosen}
          to={to}
        />
      )}
    </div>
  );
}

/** Its outline is most of this page's bytes, and comes when it is asked for. */
function World(props: FormProps): JSX.Element {
  const [module, setModule] = useState<typeof import('./world.tsx') | undefined>(undefined);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    import('./world.tsx').then(setModule, () => setFailed(true));
  }, []);
  if (failed) return <p class="quiet">The world map did not load: load the page again.</p>;
  return module === undefined ? <p class="quiet">Loading the world map …</p> : <module.WorldMap {...props} />;
}

function Legend(): JSX.Element {
  const { overview } = useFederation();
  const count = (state: string): number => overview.links.filter((link) => link.state === state).length;
  return (
    <ul class="legend" aria-label="Links by state">
      {(['up', 'slow', 'gapped', 'down'] as const).map((state) => (
        <li key={state} data-tone={LINK_STATES[state].tone}>
          <svg viewBox="0 0 36 8" width="36" height="8" aria-hidden="true">
            <path class="edge-line" data-state={state} d="M1 4h34" />
          </svg>
          <Icon name={LINK_STATES[state].icon} />
          {LINK_STATES[state].word}: {plural(count(state), 'link')}
        </li>
      ))}
    </ul>
  );
}
