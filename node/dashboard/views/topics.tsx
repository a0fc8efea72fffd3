// Topics: who publishes, who listens, where; and one of them.

import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { TopicOverview } from '../../core/overview.ts';
import { useFederation } from '../data/hooks.ts';
import { formatCount, formatRate } from '../model/format.ts';
import { whereabouts } from '../model/names.ts';
import { hashOf, type Route } from '../model/routes.ts';
import { matchesSearch } from '../model/sorting.ts';
import { type Column, DataTable } from '../parts/data-table.tsx';
import { Facts } from '../parts/facts.tsx';
import { History } from '../parts/history.tsx';
import { CutNotice, SilentMeshersNotice } from '../parts/notice.tsx';
import { SearchField } from '../parts/search-field.tsx';
import { State } from '../parts/state.tsx';

export function TopicsPage({ route: { path } }: { readonly route: Route }): JSX.Element {
  const [topic] = path;
  return topic === undefined ? <TopicList /> : <TopicPage topic={topic} />;
}

const COLUMNS: readonly Column<TopicOverview>[] = [
  {
    key: 'topic',
    title: 'Topic',
    cell: ({ topic }) => <a href={hashOf('topics', [topic])}>{topic}</a>,
    sort: ({ topic }) => topic,
  },
  {
    key: 'rate',
    title: 'Published',
    align: 'end',
    cell: ({ publishedPerSecond }) => formatRate(publishedPerSecond),
    sort: ({ publishedPerSecond }) => publishedPerSecond,
  },
  {
    key: 'hour',
    title: 'Last hour',
    align: 'end',
    cell: ({ published }) => formatCount(published),
    sort: ({ published }) => published,
  },
  {
    key: 'publishers',
    title: 'Published in',
    cell: ({ publishers }) => clustersOf(publishers) || 'nowhere',
    sort: ({ publishers }) => publishers.length,
  },
  {
    key: 'listeners',
    title: 'Who listens',
    wide: true,
    cell: ({ listeners }) => <Listeners of={listeners} />,
    sort: ({ listeners }) => listeners.length,
  },
];

function TopicList(): JSX.Element {
  const { overview } = useFederation();
  const [search, setSearch] = useState('');
  const rows = overview.topics.filter(({ topic, publishers, listeners }) =>
    matchesSearch(search, [
      topic,
      ...publishers.map(({ cluster }) => cluster),
      ...listeners.flatMap(({ cluster, subscription }) => [cluster, subscription]),
    ]),
  );
  return (
    <>
      <h1>Topics</h1>
      <SearchField label="Filter by topic, cluster or subscription" value={search} onChange={setSearch} />
      <SilentMeshersNotice />
      <CutNotice list="topics" shown={overview.topics.length} />
      <DataTable
        caption="Topics of the last hour"
        columns={COLUMNS}
        rows={rows}
        rowKey={({ topic }) => topic}
        order={{ key: 'rate', descending: true }}
        empty={
          <p class="quiet">
            {search === '' ? 'Nothing was published in the last hour, and nobody listens.' : 'No topic fits.'}
          </p>
        }
      />
    </>
  );
}

function Listeners({ of }: { readonly of: TopicOverview['listeners'] }): ComponentChildren {
  if (of.length === 0)
    return (
      <State tone="quiet" icon="unknown">
        Nobody
      </State>
    );
  return (
    <ul class="inline-list">
      {of.map(({ mesher, cluster, subscription }) => (
        <li key={`${mesher} ${subscription}`}>
          <a href={hashOf('subscriptions', [mesher, subscription])}>{subscription}</a>{' '}
          <span class="quiet">in {cluster}</span>
        </li>
      ))}
    </ul>
  );
}

function clustersOf(publishers: TopicOverview['publishers']): string {
  return [...new Set(publishers.map(({ cluster }) => cluster))].toSorted().join(', ');
}

function TopicPage({ topic }: { readonly topic: string }): JSX.Element {
  const { overview } = useFederation();
  const known = overview.topics.find((each) => each.topic === topic);
  return (
    <>
      <p class="crumbs">
        <a href={hashOf('topics')}>Topics</a>
      </p>
      <h1 class="name">{topic}</h1>
      <p class="actions">
        <a class="button" href={hashOf('dry-run', [], { topic })}>
          Where would an event go?
        </a>
        <a class="button" href={hashOf('dead-letters', [], { topic })}>
          Its dead letters
        </a>
      </p>
      {known ? (
        <Facts
          facts={[
            [
              'Published',
              `${formatRate(known.publishedPerSecond)}, ${formatCount(known.published)} in the last hour`,
            ],
            [
              'By way of',
              known.publishers.length === 0
                ? 'nobody'
                : known.publishers.map(({ mesher }) => whereabouts(overview, mesher)).join(', '),
            ],
            ['Who listens', <Listeners key="listeners" of={known.listeners} />],
          ]}
        />
      ) : (
        <p class="quiet">Nothing was published on it in the last hour, as far as is known.</p>
      )}
      <h2>The last hour</h2>
      <History of="topic" name={topic} />
    </>
  );
}
