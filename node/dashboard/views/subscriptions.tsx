// Subscriptions of all meshers: who keeps up and who does not; and one of them.

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { SubscriptionOverview } from '../../core/overview.ts';
import { useFederation } from '../data/hooks.ts';
import { formatAge, formatCount, formatRate, formatTime, plural } from '../model/format.ts';
import { whereabouts } from '../model/names.ts';
import { hashOf, type Route } from '../model/routes.ts';
import { matchesSearch } from '../model/sorting.ts';
import { type Column, DataTable } from '../parts/data-table.tsx';
import { TopicText } from '../parts/topic-text.tsx';
import { Facts } from '../parts/facts.tsx';
import { History } from '../parts/history.tsx';
import { CutNotice, SilentMeshersNotice } from '../parts/notice.tsx';
import { SearchField } from '../parts/search-field.tsx';
import { SubscriptionStateBadge } from '../parts/state.tsx';

const VIA: Readonly<Record<SubscriptionOverview['via'], string>> = {
  stream: 'stream',
  pull: 'pull',
  webhook: 'webhook',
  nobody: 'nobody takes it',
};

export function SubscriptionsPage({ route: { path } }: { readonly route: Route }): JSX.Element {
  const [mesher, name] = path;
  return mesher === undefined || name === undefined ? (
    <SubscriptionList />
  ) : (
    <SubscriptionPage mesher={mesher} name={name} />
  );
}

function columnsAt(now: number): readonly Column<SubscriptionOverview>[] {
  const number = (
    key: string,
    title: string,
    value: (of: SubscriptionOverview) => number,
  ): Column<SubscriptionOverview> => ({
    key,
    title,
    align: 'end',
    cell: (of) => formatCount(value(of)),
    sort: value,
  });
  return [
    {
      key: 'name',
      title: 'Subscription',
      cell: ({ mesher, name }) => <a href={hashOf('subscriptions', [mesher, name])}>{name}</a>,
      sort: ({ name }) => name,
    },
    { key: 'cluster', title: 'Cluster', cell: ({ cluster }) => cluster, sort: ({ cluster }) => cluster },
    {
      key: 'topic',
      title: 'Topic',
      cell: ({ topic }) => <TopicText of={topic} />,
      sort: ({ topic }) => topic,
    },
    {
      key: 'state',
      title: 'State',
      wide: true,
      cell: (of) => (
        <>
          <SubscriptionStateBadge of={of} />
          {of.stuck !== '' && <p class="why">{of.stuck}</p>}
        </>
      ),
      sort: ({ stuck, oldestAt }) => (stuck === '' ? 0 : now - oldestAt),
    },
    number('depth', 'Waiting', ({ depth }) => depth),
    {
      key: 'oldest',
      title: 'Oldest',
      align: 'end',
      cell: ({ oldestAt }) => (oldestAt === 0 ? 'none' : formatAge(now - oldestAt)),
      sort: ({ oldestAt }) => (oldestAt === 0 ? 0 : now - oldestAt),
    },
    {
      key: 'rate',
      title: 'Delivered',
      align: 'end',
      cell: ({ deliveredPerSecond }) => formatRate(deliveredPerSecond),
      sort: ({ deliveredPerSecond }) => deliveredPerSecond,
    },
    number('redelivered', 'Again', ({ redelivered }) => redelivered),
    number('dead', 'Dead letters', ({ deadLettered }) => deadLettered),
    {
      key: 'via',
      title: 'Taken by',
      cell: ({ via, consumers }) => (via === 'nobody' ? VIA.nobody : `${consumers} × ${VIA[via]}`),
      sort: ({ via }) => via,
    },
  ];
}

function SubscriptionList(): JSX.Element {
  const { overview, now } = useFederation();
  const [search, setSearch] = useState('');
  const [onlyStuck, setOnlyStuck] = useState(false);
  const rows = overview.subscriptions.filter(
    ({ name, cluster, topic, stuck }) =>
      (!onlyStuck || stuck !== '') && matchesSearch(search, [name, cluster, topic]),
  );
  const stuck = overview.subscriptions.filter((each) => each.stuck !== '').length;
  return (
    <>
      <h1>Subscriptions</h1>
      <div class="filters">
        <SearchField label="Filter by name, cluster or topic" value={search} onChange={setSearch} />
        <label class="check">
          <input
            type="checkbox"
            checked={onlyStuck}
            onChange={({ currentTarget }) => setOnlyStuck(currentTarget.checked)}
          />
          Only those that do not keep up ({formatCount(stuck)})
        </label>
      </div>
      <SilentMeshersNotice />
      <CutNotice list="subscriptions" shown={overview.subscriptions.length} />
      <DataTable
        caption="Subscriptions, those that do not keep up first"
        columns={columnsAt(now)}
        rows={rows}
        rowKey={({ mesher, name }) => `${mesher}/${name}`}
        order={{ key: 'state', descending: true }}
        tone={(of) => (of.stuck === '' ? undefined : 'slow')}
        empty={
          <p class="quiet">
            {overview.subscriptions.length === 0 ? 'There is no subscription.' : 'No subscription fits.'}
          </p>
        }
      />
    </>
  );
}

function SubscriptionPage({ mesher, name }: { readonly mesher: string; readonly name: string }): JSX.Element {
  const { overview, now } = useFederation();
  const of = overview.subscriptions.find((each) => each.mesher === mesher && each.name === name);
  return (
    <>
      <p class="crumbs">
        <a href={hashOf('subscriptions')}>Subscriptions</a>
      </p>
      <h1 class="name">{name}</h1>
      {of === undefined ? (
        <p>{whereabouts(overview, mesher)} has no such subscription, as far as is known.</p>
      ) : (
        <>
          <p>
            <SubscriptionStateBadge of={of} /> at{' '}
            <a href={hashOf('map', ['mesher', mesher])}>{whereabouts(overview, mesher)}</a>
          </p>
          {of.stuck !== '' && <p class="why">{of.stuck}</p>}
          <Facts
            facts={[
              ['Topic', <code key="topic">{of.topic}</code>],
              ['Group', of.group === '' ? 'none' : `${of.group}: its members share the events`],
              [
                'Taken by',
                of.via === 'nobody'
                  ? VIA.nobody
                  : plural(of.consumers, `consumer by ${VIA[of.via]}`, `consumers by ${VIA[of.via]}`),
              ],
              ['Waiting', plural(of.depth, 'event')],
              [
                'Oldest',
                of.oldestAt === 0
                  ? 'none waits'
                  : `${formatAge(now - of.oldestAt)}, since ${formatTime(of.oldestAt, now)}`,
              ],
              ['Out, not acked', plural(of.inFlight, 'event')],
              ['Delivered', formatRate(of.deliveredPerSecond)],
              ['Delivered again', plural(of.redelivered, 'time')],
              ['Dead letters', formatCount(of.deadLettered)],
            ]}
          />
          {of.deadLettered > 0 && (
            <p class="actions">
              <a
                class="button"
                href={hashOf('dead-letters', [], { subscription: name, cluster: of.cluster })}
              >
                Its dead letters
              </a>
            </p>
          )}
        </>
      )}
      <h2>The last hour</h2>
      <History of="subscription" name={`${mesher}/${name}`} />
    </>
  );
}
