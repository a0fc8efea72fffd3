// What flows now, mesher by mesher, and how it went in the last hour.

import type { JSX } from 'preact';
import type { MesherOverview, Overview } from '../../core/overview.ts';
import { useFederation } from '../data/hooks.ts';
import { formatAge, formatBytes, formatCount, formatMs, formatRate, NOTHING } from '../model/format.ts';
import { mesherName, whereabouts } from '../model/names.ts';
import { hashOf, type Route } from '../model/routes.ts';
import { total } from '../model/totals.ts';
import { type Column, DataTable } from '../parts/data-table.tsx';
import { History } from '../parts/history.tsx';
import { State } from '../parts/state.tsx';

type Scope = { readonly of: 'cluster' | 'mesher' | 'topic' | 'subscription'; readonly name: string };

/** In one list: beyond, a topic or subscription is chosen on its own page. */
const CHOICES_MAX = 200;

export function FlowPage({ route }: { readonly route: Route }): JSX.Element {
  const { overview } = useFederation();
  const scope = scopeOf(route, overview);
  return (
    <>
      <h1>Flow</h1>
      <section aria-labelledby="hour">
        <div class="page-head">
          <h2 id="hour">The last hour</h2>
          <ScopeChoice scope={scope} overview={overview} />
        </div>
        {scope && <History key={JSON.stringify(scope)} {...scope} />}
      </section>
      <section aria-labelledby="now">
        <h2 id="now">Now</h2>
        <Rates overview={overview} />
        <Health overview={overview} />
      </section>
    </>
  );
}

function scopeOf({ path: [of, name] }: Route, overview: Overview): Scope | undefined {
  if (name !== undefined && (of === 'cluster' || of === 'mesher' || of === 'topic' || of === 'subscription'))
    return { of, name };
  const own = overview.meshers.find(({ node }) => node === overview.self)?.cluster;
  const cluster = own ?? overview.clusters[0]?.name;
  return cluster === undefined ? undefined : { of: 'cluster', name: cluster };
}

function ScopeChoice({
  scope,
  overview,
}: {
  readonly scope: Scope | undefined;
  readonly overview: Overview;
}): JSX.Element {
  const groups: readonly {
    readonly title: string;
    readonly of: Scope['of'];
    readonly choices: readonly (readonly [string, string])[];
  }[] = [
    { title: 'Clusters', of: 'cluster', choices: overview.clusters.map(({ name }) => [name, name]) },
    {
      title: 'Meshers',
      of: 'mesher',
      choices: overview.meshers.map((each) => [each.node, `${each.cluster} / ${mesherName(each)}`]),
    },
    {
      title: 'Topics',
      of: 'topic',
      choices: overview.topics.slice(0, CHOICES_MAX).map(({ topic }) => [topic, topic]),
    },
    {
      title: 'Subscriptions',
      of: 'subscription',
      choices: overview.subscriptions
        .slice(0, CHOICES_MAX)
        .map(({ mesher, name, cluster }) => [`${mesher}/${name}`, `${name} (${cluster})`]),
    },
  ];
  const value = scope === undefined ? '' : JSON.stringify([scope.of, scope.name]);
  const listed = groups.some(
    ({ of, choices }) => of === scope?.of && choices.some(([name]) => name === scope.name),
  );
  return (
    <label class="field">
      <span>Of</span>
      <select
        value={value}
        onChange={({ currentTarget }) => {
          const [of, name] = JSON.parse(currentTarget.value) as [string, string];
          location.hash = hashOf('flow', [of, name]);
        }}
      >
        {!listed && scope && <option value={value}>{scope.name}</option>}
        {groups.map(({ title, of, choices }) => (
          <optgroup key={of} label={title}>
            {choices.map(([name, text]) => (
              <option key={name} value={JSON.stringify([of, name])}>
                {text}
              </option>
            ))}
          </optgroup>
        ))}
      </select>
    </label>
  );
}

const figure = (
  key: string,
  title: string,
  value: (mesher: MesherOverview) => number | undefined,
  format: (value: number) => string,
): Column<MesherOverview> => ({
  key,
  title,
  align: 'end',
  cell: (mesher) => {
    const known = value(mesher);
    return known === undefined ? NOTHING : format(known);
  },
  sort: value,
});

function nameColumn(overview: Overview): Column<MesherOverview> {
  return {
    key: 'mesher',
    title: 'Mesher',
    cell: ({ node }) => <a href={hashOf('flow', ['mesher', node])}>{whereabouts(overview, node)}</a>,
    sort: ({ node }) => whereabouts(overview, node),
  };
}

function Rates({ overview }: { readonly overview: Overview }): JSX.Element {
  const sum = total(overview.meshers);
  return (
    <>
      <DataTable
        caption="Events and times, of the last seconds and the last minute"
        columns={[
          nameColumn(overview),
          figure('published', 'Published', ({ figures }) => figures?.rates.published, formatRate),
          figure('delivered', 'Delivered', ({ figures }) => figures?.rates.delivered, formatRate),
          figure('forwarded', 'To others', ({ figures }) => figures?.rates.forwarded, formatRate),
          figure('landed', 'From others', ({ figures }) => figures?.rates.landed, formatRate),
          figure('queued', 'Waiting', ({ figures }) => figures?.queued, formatCount),
          figure('publish50', 'Publish p50', ({ figures }) => figures?.latency.publish?.p50, formatMs),
          figure('publish99', 'Publish p99', ({ figures }) => figures?.latency.publish?.p99, formatMs),
          figure('delivery50', 'Delivery p50', ({ figures }) => figures?.latency.delivery?.p50, formatMs),
          figure('delivery99', 'Delivery p99', ({ figures }) => figures?.latency.delivery?.p99, formatMs),
        ]}
        rows={overview.meshers}
        rowKey={({ node }) => node}
        empty={<p class="quiet">No mesher is known.</p>}
      />
      <p class="quiet">
        All together: {formatRate(sum.published)} published, {formatRate(sum.delivered)} delivered,{' '}
        {formatRate(sum.forwarded)} sent between meshers, {formatCount(sum.queued)} waiting.
      </p>
    </>
  );
}

function Health({ overview }: { readonly overview: Overview }): JSX.Element {
  const { now } = useFederation();
  return (
    <DataTable
      caption="Health of the meshers"
      columns={[
        nameColumn(overview),
        {
          key: 'ready',
          title: 'Ready',
          wide: true,
          cell: ({ figures, silent }) => {
            if (figures === undefined)
              return (
                <State tone="slow" icon="unknown">
                  {silent}
                </State>
              );
            return figures.ready.ready ? (
              <State tone="good" icon="up">
                Ready
              </State>
            ) : (
              <State tone="slow" icon="wait">
                {figures.ready.why.join(' ')}
              </State>
            );
          },
        },
        {
          ...figure('disk', 'Disk free', ({ figures }) => figures?.disk.freeBytes, formatBytes),
          cell: ({ figures }) => {
            if (figures === undefined) return NOTHING;
            const free = formatBytes(figures.disk.freeBytes);
            return figures.disk.full ? (
              <State tone="bad" icon="down">
                {free}, full
              </State>
            ) : (
              free
            );
          },
        },
        figure('journal', 'Journal', ({ figures }) => figures?.disk.journalBytes, formatBytes),
        figure('loop50', 'Event loop p50', ({ figures }) => figures?.eventLoopDelayMs.p50, formatMs),
        figure('loop99', 'Event loop p99', ({ figures }) => figures?.eventLoopDelayMs.p99, formatMs),
        figure('rss', 'Memory', ({ figures }) => figures?.rssBytes, formatBytes),
        figure('up', 'Up for', ({ figures }) => (figures ? now - figures.upSince : undefined), formatAge),
        { key: 'version', title: 'Version', cell: ({ figures }) => figures?.version ?? NOTHING },
      ]}
      rows={overview.meshers}
      rowKey={({ node }) => node}
      empty={null}
    />
  );
}
