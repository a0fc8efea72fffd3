// Addresses within the page, behind the `#`, so that a link to what somebody saw can be sent on:
// `#/map/link/<from>/<to>`, `#/dead-letters?topic=orders%2F%23`.

export const VIEWS = [
  { name: '', title: 'Overview' },
  { name: 'map', title: 'Map' },
  { name: 'flow', title: 'Flow' },
  { name: 'topics', title: 'Topics' },
  { name: 'subscriptions', title: 'Subscriptions' },
  { name: 'dead-letters', title: 'Dead letters' },
  { name: 'find', title: 'Find an event' },
  { name: 'dry-run', title: 'Dry run' },
] as const;

export type ViewName = (typeof VIEWS)[number]['name'];

export interface Route {
  readonly view: ViewName;
  /** What follows the view, decoded. */
  readonly path: readonly string[];
  readonly query: Readonly<Record<string, string>>;
}

/** Of what nobody knows: the overview. Never throws. */
export function parseHash(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split('?', 2);
  const [name = '', ...rest] = path.split('/').filter((part, at) => part !== '' || at === 0);
  const view = VIEWS.find((each) => each.name === decoded(name))?.name ?? '';
  return { view, path: rest.map(decoded), query: Object.fromEntries(new URLSearchParams(query)) };
}

export function hashOf(
  view: ViewName,
  path: readonly string[] = [],
  query: Readonly<Record<string, string>> = {},
): string {
  const given = Object.entries(query).filter(([, value]) => value !== '');
  const search = given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
  return `#/${[view, ...path].map(encodeURIComponent).join('/')}${search}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // Written by hand with a bare %: taken as it is.
    return part;
  }
}
