// The page that opens first: what is wrong, then how much there is of everything, then what the canaries measure.

import type { JSX } from 'preact';
import type { CanaryOverview, ClusterOverview, Overview } from '../../core/overview.ts';
import { useFederation } from '../data/hooks.ts';
import {
  formatAge,
  formatCount,
  formatMs,
  formatRate,
  formatShare,
  NOTHING,
  plural,
} from '../model/format.ts';
import { mesherName, whereabouts } from '../model/names.ts';
import { hashOf, type ViewName } from '../model/routes.ts';
import { total } from '../model/totals.ts';
import { AlarmList } from '../parts/alarm-list.tsx';
import { type Column, DataTable } from '../parts/data-table.tsx';
import { Icon } from '../parts/icon.tsx';
import { State } from '../parts/state.tsx';

export function OverviewPage(): JSX.Element {
  const { overview } = useFederation();
  const { alarms } = overview;
  return (
    <>
      <section aria-labelledby="wrong">
        <h1 id="wrong">
          {alarms.length === 0 ? 'Nothing is wrong' : `${plural(alarms.length, 'thing')} to look at`}
        </h1>
        {alarms.length === 0 ? <AllWell overview={overview} /> : <AlarmList alarms={alarms} />}
      </section>
      <section aria-labelledby="figures">
        <h2 id="figures">Key figures</h2>
        <KeyFigures overview={overview} />
      </section>
      <section aria-labelledby="clusters">
        <h2 id="clusters">Clusters</h2>
        <Clusters overview={overview} />
      </section>
      {overview.canaries.length > 0 && (
        <section aria-labelledby="canaries">
          <h2 id="canaries">Probes between clusters</h2>
          <p class="quiet">
            Small events that go the way of all others, all the time: what your events would have met.
          </p>
          <Canaries canaries={overview.canaries} />
        </section>
      )}
    </>
  );
}

function AllWell({ overview }: { readonly overview: Overview }): JSX.Element {
  const { links, meshers, subscriptions } = overview;
  return (
    <div class="notice" data-tone="good">
      <Icon name="up" />
      <p>
        {plural(meshers.length, 'mesher')}, {plural(links.length, 'link')} and{' '}
        {plural(subscriptions.length, 'subscription')} are watched, and none gives cause for an alarm, as far
        as {whereabouts(overview, overview.self)} knows.
      </p>
    </div>
  );
}

interface Figure {
  readonly title: string;
  readonly value: string;
  readonly note: string;
  readonly tone?: 'bad' | 'slow';
  readonly view?: ViewName;
}

function KeyFigures({ overview }: { readonly overview: Overview }): JSX.Element {
  const { now } = useFederation();
  const { meshers, links, registry, subscriptions } = overview;
  const rates = total(meshers);
  const alive = meshers.filter(({ status, silent }) => status === 'alive' && silent === '').length;
  const badLinks = links.filter(({ state }) => state !== 'up').length;
  const stuck = subscriptions.filter((each) => each.stuck !== '').length;
  const oldest = Math.min(...subscriptions.flatMap(({ oldestAt }) => (oldestAt > 0 ? [oldestAt] : [])));
  const figures: readonly Figure[] = [
    { title: 'Published', value: formatRate(rates.published), note: 'events in', view: 'flow' },
    { title: 'Delivered', value: formatRate(rates.delivered), note: 'events out', view: 'flow' },
    {
      title: 'Waiting',
      value: formatCount(rates.queued),
      note: oldest === Infinity ? 'no subscription waits' : `the oldest for ${formatAge(now - oldest)}`,
      view: 'subscriptions',
    },
    {
      title: 'Dead letters',
      value: formatCount(rates.deadLetters),
      note: rates.deadLetters === 0 ? 'none' : 'to inspect, redrive or drop',
      view: 'dead-letters',
      ...(rates.deadLetters > 0 && { tone: 'slow' }),
    },
    {
      title: 'Links',
      value:
        badLinks === 0
          ? `${formatCount(links.length)} up`
          : `${formatCount(badLinks)} of ${formatCount(links.length)}`,
      note: badLinks === 0 ? 'each pair counts twice' : 'down, gapped or slow',
      view: 'map',
      ...(badLinks > 0 && { tone: 'bad' }),
    },
    {
      title: 'Meshers',
      value:
        alive === meshers.length
          ? `${formatCount(alive)} alive`
          : `${formatCount(alive)} of ${formatCount(meshers.length)}`,
      note:
        alive === meshers.length
          ? `in ${plural(overview.clusters.length, 'cluster')}`
          : 'alive and answering',
      view: 'map',
      ...(alive < meshers.length && { tone: 'slow' }),
    },
    {
      title: 'Subscriptions',
      value:
        stuck === 0
          ? formatCount(subscriptions.length)
          : `${formatCount(stuck)} of ${formatCount(subscriptions.length)}`,
      note: stuck === 0 ? 'all keep up' : 'do not keep up',
      view: 'subscriptions',
      ...(stuck > 0 && { tone: 'slow' }),
    },
    {
      title: 'Registry',
      value: { up: 'Up', down: 'Down', 'never-reached': 'Not reached' }[registry.state],
      note: registry.state === 'up' ? registry.address : 'needed to join, not to run',
      ...(registry.state !== 'up' && { tone: 'slow' }),
    },
  ];
  return (
    <dl class="figures">
      {figures.map(({ title, value, note, tone, view }) => (
        <div key={title} class="figure" data-tone={tone}>
          <dt>{view === undefined ? title : <a href={hashOf(view)}>{title}</a>}</dt>
          <dd>
            <span class="figure-value">
              {tone && <Icon name={tone === 'bad' ? 'down' : 'slow'} />}
              {value}
            </span>
            <span class="figure-note">{note}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Clusters({ overview }: { readonly overview: Overview }): JSX.Element {
  const within = (cluster: ClusterOverview) =>
    overview.meshers.filter((each) => each.cluster === cluster.name);
  const columns: readonly Column<ClusterOverview>[] = [
    {
      key: 'name',
      title: 'Cluster',
      cell: ({ name }) => <a href={hashOf('map', ['cluster', name])}>{name}</a>,
      sort: ({ name }) => name,
    },
    {
      key: 'meshers',
      title: 'Meshers',
      cell: (cluster) =>
        within(cluster).map((mesher) => (
          <a key={mesher.node} class="mesher-link" href={hashOf('map', ['mesher', mesher.node])}>
            {mesherName(mesher)}
          </a>
        )),
      sort: ({ meshers }) => meshers.length,
    },
    rateColumn('published', 'Published'),
    rateColumn('delivered', 'Delivered'),
    {
      key: 'queued',
      title: 'Waiting',
      align: 'end',
      cell: (cluster) => formatCount(total(within(cluster)).queued),
      sort: (cluster) => total(within(cluster)).queued,
    },
    {
      key: 'links',
      title: 'Links to others',
      cell: (cluster) => {
        const own = new Set(cluster.meshers);
        const links = overview.links.filter(({ from, to }) => own.has(from) && !own.has(to));
        const bad = links.filter(({ state }) => state !== 'up').length;
        if (links.length === 0 && overview.clusters.length > 1)
          return (
            <State tone="bad" icon="down">
              none is known
            </State>
          );
        return bad === 0 ? (
          <State tone="good" icon="up">
            {links.length} up
          </State>
        ) : (
          <State tone="bad" icon="down">
            {bad} of {links.length} not well
          </State>
        );
      },
    },
  ];
  function rateColumn(key: 'published' | 'delivered', title: string): Column<ClusterOverview> {
    const rate = (cluster: ClusterOverview): number => total(within(cluster))[key];
    return { key, title, align: 'end', cell: (cluster) => formatRate(rate(cluster)), sort: rate };
  }
  return (
    <DataTable
      caption="Clusters"
      captionHidden
      columns={columns}
      rows={overview.clusters}
      rowKey={({ name }) => name}
      empty={<p class="quiet">No cluster is known.</p>}
    />
  );
}

function Canaries({ canaries }: { readonly canaries: readonly CanaryOverview[] }): JSX.Element {
  const { now } = useFederation();
  const share = (key: 'hour' | 'day' | 'month', title: string): Column<CanaryOverview> => ({
    key,
    title,
    align: 'end',
    cell: (canary) => (
      <span class={(canary[key].availability ?? 1) < 0.99 ? 'is-bad' : undefined}>
        {formatShare(canary[key].availability)}
      </span>
    ),
    sort: (canary) => canary[key].availability,
  });
  return (
    <DataTable
      caption="What arrived of what was sent, and how fast in the last hour"
      columns={[
        { key: 'from', title: 'From', cell: ({ from }) => from, sort: ({ from }) => from },
        { key: 'to', title: 'To', cell: ({ to }) => to, sort: ({ to }) => to },
        share('hour', 'Last hour'),
        share('day', 'Last day'),
        share('month', 'Last month'),
        {
          key: 'p50',
          title: 'p50',
          align: 'end',
          cell: ({ hour }) => formatMs(hour.latencyMs?.p50),
          sort: ({ hour }) => hour.latencyMs?.p50,
        },
        {
          key: 'p99',
          title: 'p99',
          align: 'end',
          cell: ({ hour }) => formatMs(hour.latencyMs?.p99),
          sort: ({ hour }) => hour.latencyMs?.p99,
        },
        {
          key: 'last',
          title: 'Last arrived',
          align: 'end',
          cell: ({ lastAt }) =>
            lastAt === 0 ? NOTHING : `${formatAge(now - lastAt)} ago`.replace('now ago', 'now'),
          sort: ({ lastAt }) => lastAt,
        },
      ]}
      rows={canaries}
      rowKey={({ from, to }) => JSON.stringify([from, to])}
      order={{ key: 'hour', descending: false }}
      empty={null}
    />
  );
}
