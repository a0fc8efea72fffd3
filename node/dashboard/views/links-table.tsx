// All links as a table: the map for who does not see it, and for who wants to sort.

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { LinkOverview } from '../../core/overview.ts';
import { useFederation } from '../data/hooks.ts';
import { formatAge, formatBytes, formatCount, formatMs, formatRate } from '../model/format.ts';
import { worstFirst } from '../model/links.ts';
import { whereabouts } from '../model/names.ts';
import { matchesSearch } from '../model/sorting.ts';
import { type Column, DataTable } from '../parts/data-table.tsx';
import { CutNotice } from '../parts/notice.tsx';
import { SearchField } from '../parts/search-field.tsx';
import { LinkStateBadge } from '../parts/state.tsx';

export function LinksTable({ to }: { readonly to: (path: readonly string[]) => string }): JSX.Element {
  const { overview, now } = useFederation();
  const [search, setSearch] = useState('');
  const name = (node: string): string => whereabouts(overview, node);
  const columns: readonly Column<LinkOverview>[] = [
    {
      key: 'link',
      title: 'Link',
      cell: ({ from, to: peer }) => (
        <a href={to(['link', from, peer])}>
          {name(from)} → {name(peer)}
        </a>
      ),
      sort: ({ from, to: peer }) => `${name(from)} ${name(peer)}`,
    },
    {
      key: 'state',
      title: 'State',
      cell: ({ state, since }) => (
        <>
          <LinkStateBadge state={state} /> <span class="quiet">{formatAge(now - since)}</span>
        </>
      ),
      sort: ({ state }) => ['down', 'gapped', 'slow', 'up'].indexOf(state),
    },
    { key: 'why', title: 'Why', wide: true, cell: ({ why }) => why },
    number('roundTrip', 'Round trip', ({ roundTripMs }) => roundTripMs, formatMs),
    number('rate', 'Events', ({ eventsPerSecond }) => eventsPerSecond, formatRate),
    number(
      'bytes',
      'Bytes',
      ({ bytesPerSecond }) => bytesPerSecond,
      (bytes) => `${formatBytes(bytes)}/s`,
    ),
    number('queued', 'Waiting', ({ queued }) => queued, formatCount),
    number(
      'lag',
      'Lag',
      ({ lagMs }) => lagMs,
      (ms) => (ms === 0 ? 'none' : formatMs(ms)),
    ),
  ];
  const rows = overview.links
    .filter(({ from, to: peer, state, why }) => matchesSearch(search, [name(from), name(peer), state, why]))
    .toSorted(worstFirst);
  return (
    <>
      <SearchField label="Filter links" value={search} onChange={setSearch} />
      <CutNotice list="links" shown={overview.links.length} />
      <DataTable
        caption="Links, one for each direction, the worst first"
        columns={columns}
        rows={rows}
        rowKey={({ from, to: peer }) => `${from} ${peer}`}
        empty={<p class="quiet">{search === '' ? 'There is no link yet.' : 'No link fits.'}</p>}
        tone={({ state }) => (state === 'up' ? undefined : state)}
      />
    </>
  );
}

function number(
  key: string,
  title: string,
  value: (link: LinkOverview) => number | undefined,
  format: (value: number) => string,
): Column<LinkOverview> {
  const cell = (link: LinkOverview): string => {
    const figure = value(link);
    return figure === undefined ? '–' : format(figure);
  };
  return { key, title, align: 'end', cell, sort: value };
}
