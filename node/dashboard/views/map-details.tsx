// Beside the map: what is known of what was chosen there; where nothing was, the links that somebody has to look at.

import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { LinkOverview, MesherOverview, Overview } from '../../core/overview.ts';
import { useFederation } from '../data/hooks.ts';
import {
  formatAge,
  formatBytes,
  formatCount,
  formatMs,
  formatRate,
  formatTime,
  plural,
} from '../model/format.ts';
import { alarmOf, edgesOf, worstFirst } from '../model/links.ts';
import { findMesher, mesherName, whereabouts } from '../model/names.ts';
import { hashOf } from '../model/routes.ts';
import { total } from '../model/totals.ts';
import { Facts } from '../parts/facts.tsx';
import { Icon } from '../parts/icon.tsx';
import { LinkStateBadge, MesherStateBadge } from '../parts/state.tsx';
import { LinkLedger, LedgerState } from './link-ledger.tsx';
import type { Chosen } from './map-drawing.tsx';

interface Props {
  readonly chosen: Chosen | undefined;
  readonly to: (path: readonly string[]) => string;
}

export function MapDetails({ chosen, to }: Props): JSX.Element {
  const aside = useRef<HTMLElement>(null);
  const key = JSON.stringify(chosen);
  const shown = useRef(key);
  useEffect(() => {
    if (shown.current === key) return;
    shown.current = key;
    // On a narrow screen it stands below the map.
    aside.current?.querySelector('h2')?.scrollIntoView({ block: 'nearest' });
  }, [key]);
  return (
    <aside class="map-details" aria-label="Details" ref={aside}>
      {chosen !== undefined && (
        <p class="map-back">
          <a href={to([])}>
            <Icon name="close" />
            Close
          </a>
        </p>
      )}
      <Chosen chosen={chosen} to={to} />
    </aside>
  );
}

function Chosen({ chosen, to }: Props): JSX.Element {
  const { overview } = useFederation();
  if (chosen === undefined) return <NothingChosen to={to} />;
  if (chosen.kind === 'cluster') return <ClusterDetails name={chosen.name} to={to} />;
  if (chosen.kind === 'mesher') {
    const mesher = findMesher(overview, chosen.name);
    return mesher ? <MesherDetails mesher={mesher} to={to} /> : <Unknown what="mesher" />;
  }
  const [one, other] = chosen.ends;
  if (chosen.kind === 'link') {
    const links = overview.links
      .filter(({ from, to: peer }) => (from === one && peer === other) || (from === other && peer === one))
      .toSorted((a, b) => Number(b.from === one) - Number(a.from === one));
    return links.length === 0 ? <Unknown what="link" /> : <LinkDetails links={links} to={to} />;
  }
  return <BetweenDetails ends={chosen.ends} to={to} />;
}

function Unknown({ what }: { readonly what: string }): JSX.Element {
  return (
    <>
      <h2>No such {what}</h2>
      <p>It is not known, or not any more. It may have come back under another name.</p>
    </>
  );
}

function NothingChosen({ to }: Pick<Props, 'to'>): JSX.Element {
  const { overview } = useFederation();
  const bad = overview.links.filter(({ state }) => state !== 'up').toSorted(worstFirst);
  return (
    <>
      <h2>{bad.length === 0 ? 'All links are up' : `${plural(bad.length, 'link')} to look at`}</h2>
      {bad.length === 0 ? (
        <p class="quiet">Choose a cluster, a mesher or a link to see more of it.</p>
      ) : (
        <LinkList links={bad} to={to} overview={overview} />
      )}
    </>
  );
}

function LinkList({
  links,
  to,
  overview,
}: {
  readonly links: readonly LinkOverview[];
  readonly to: Props['to'];
  readonly overview: Overview;
}): JSX.Element {
  const { now } = useFederation();
  return (
    <ul class="link-list">
      {links.map(({ from, to: peer, state, since, why, roundTripMs, eventsPerSecond }) => (
        <li key={`${from} ${peer}`} data-state={state}>
          <a href={to(['link', from, peer])}>
            {whereabouts(overview, from)} → {whereabouts(overview, peer)}
          </a>
          <p>
            <LinkStateBadge state={state} />{' '}
            {state === 'up' ? (
              <span class="quiet">
                {formatMs(roundTripMs)}, {formatRate(eventsPerSecond)}
              </span>
            ) : (
              <span>
                for {formatAge(now - since)}, since {formatTime(since, now)}
              </span>
            )}
          </p>
          {why !== '' && <p class="why">{why}</p>}
        </li>
      ))}
    </ul>
  );
}

function BetweenDetails({
  ends: [a, b],
  to,
}: {
  readonly ends: readonly [string, string];
  readonly to: Props['to'];
}): JSX.Element {
  const { overview } = useFederation();
  const edge = edgesOf(overview.meshers, overview.links).find(
    (each) => (each.a === a && each.b === b) || (each.a === b && each.b === a),
  );
  if (edge === undefined) return <Unknown what="link" />;
  const pair = new Set(edge.links.flatMap(({ from, to: peer }) => [from, peer]));
  // With one mesher at each end there is nothing to choose from.
  if (pair.size === 2) return <LinkDetails links={edge.links} to={to} />;
  return (
    <>
      <h2>{a === b ? `Links within ${a}` : `${a} and ${b}`}</h2>
      <p>
        {edge.bad === 0
          ? `All ${plural(edge.links.length, 'link')} are up.`
          : `${formatCount(edge.bad)} of ${plural(edge.links.length, 'link')} ${edge.bad === 1 ? 'is' : 'are'} not well.`}
      </p>
      <LinkList links={edge.links} to={to} overview={overview} />
    </>
  );
}

function LinkDetails({
  links,
  to,
}: {
  readonly links: readonly LinkOverview[];
  readonly to: Props['to'];
}): JSX.Element {
  const { overview, now } = useFederation();
  const [first] = links;
  const alarm = first && alarmOf(overview.alarms, first);
  const pair = first && [first.from, first.to];
  return (
    <>
      <h2>Link {pair?.map((node) => whereabouts(overview, node)).join(' ↔ ')}</h2>
      {alarm && (
        <p class="todo">
          <strong>To do:</strong> {alarm.help}
        </p>
      )}
      {links.map((link) => (
        <section key={link.from} class="link-way" data-state={link.state}>
          <h3>
            <a href={to(['mesher', link.from])}>{whereabouts(overview, link.from)}</a> →{' '}
            <a href={to(['mesher', link.to])}>{whereabouts(overview, link.to)}</a>
          </h3>
          <p>
            <LinkStateBadge state={link.state} /> for {formatAge(now - link.since)}, since{' '}
            {formatTime(link.since, now)}
          </p>
          {link.why !== '' && <p class="why">{link.why}</p>}
          <Facts
            facts={[
              ['Round trip', formatMs(link.roundTripMs)],
              ['Rate', `${formatRate(link.eventsPerSecond)}, ${formatBytes(link.bytesPerSecond)}/s`],
              ['Waiting', plural(link.queued, 'event')],
              ['Lag', link.lagMs === 0 ? 'none' : `the oldest waits ${formatMs(link.lagMs)}`],
              [
                'Sent in doubt',
                link.doubtful === 0 ? 'none' : `${plural(link.doubtful, 'event')}, may come twice`,
              ],
              ['Both ends’ counts', <LedgerState key="ledger" verdict={link.ledger} />],
            ]}
          />
          {link.from === overview.self && <LinkLedger peer={link.to} />}
        </section>
      ))}
    </>
  );
}

function ClusterDetails({ name, to }: { readonly name: string; readonly to: Props['to'] }): JSX.Element {
  const { overview } = useFederation();
  const cluster = overview.clusters.find((each) => each.name === name);
  if (cluster === undefined) return <Unknown what="cluster" />;
  const meshers = overview.meshers.filter((each) => each.cluster === name);
  const sum = total(meshers);
  const edges = edgesOf(overview.meshers, overview.links).filter(({ a, b }) => a === name || b === name);
  const { place } = cluster;
  return (
    <>
      <h2>{name}</h2>
      <Facts
        facts={[
          ['Published', formatRate(sum.published)],
          ['Delivered', formatRate(sum.delivered)],
          ['To other meshers', formatRate(sum.forwarded)],
          ['From other meshers', formatRate(sum.landed)],
          ['Waiting', plural(sum.queued, 'event')],
          ['Dead letters', formatCount(sum.deadLetters)],
          [
            'Place',
            place
              ? `${place.lat.toFixed(1)}°, ${place.lon.toFixed(1)}° (from its ${place.from === 'name' ? 'name' : 'labels'})`
              : 'not known',
          ],
        ]}
      />
      <h3>Meshers</h3>
      <ul class="link-list">
        {meshers.map((mesher) => (
          <li key={mesher.node}>
            <a href={to(['mesher', mesher.node])}>{mesherName(mesher)}</a>{' '}
            <MesherStateBadge mesher={mesher} />
            {mesher.silent !== '' && <p class="why">{mesher.silent}</p>}
          </li>
        ))}
      </ul>
      <h3>Links</h3>
      <ul class="link-list">
        {edges.map(({ a, b, state, bad, links }) => (
          <li key={`${a} ${b}`} data-state={state}>
            <a href={to(['between', a, b])}>{a === b ? 'within the cluster' : a === name ? b : a}</a>{' '}
            <LinkStateBadge state={state} />
            {bad > 0 && (
              <span class="quiet">
                {' '}
                {bad} of {links.length}
              </span>
            )}
          </li>
        ))}
      </ul>
      <p>
        <a class="button" href={hashOf('flow', ['cluster', name])}>
          Its last hour
          <Icon name="arrow" />
        </a>
      </p>
    </>
  );
}

function MesherDetails({
  mesher,
  to,
}: {
  readonly mesher: MesherOverview;
  readonly to: Props['to'];
}): JSX.Element {
  const { overview, now } = useFederation();
  const { figures } = mesher;
  const links = overview.links.filter(({ from }) => from === mesher.node).toSorted(worstFirst);
  return (
    <>
      <h2>{mesherName(mesher)}</h2>
      <p>
        <MesherStateBadge mesher={mesher} /> in <a href={to(['cluster', mesher.cluster])}>{mesher.cluster}</a>
      </p>
      {mesher.silent !== '' && <p class="why">{mesher.silent}</p>}
      {figures?.ready.why.map((why) => (
        <p key={why} class="why">
          {why}
        </p>
      ))}
      <Facts
        facts={[
          [
            'Id',
            <code key="id" class="id">
              {mesher.node}
            </code>,
          ],
          ['HTTP', mesher.http === '' ? 'not known' : mesher.http],
          ...(figures
            ? ([
                ['Version', figures.version],
                ['Up', `for ${formatAge(now - figures.upSince)}, since ${formatTime(figures.upSince, now)}`],
                ['Waiting', plural(figures.queued, 'event')],
                ['Dead letters', formatCount(figures.deadLetters)],
                ['Journal', formatBytes(figures.disk.journalBytes)],
                [
                  'Disk free',
                  figures.disk.full
                    ? `${formatBytes(figures.disk.freeBytes)}: full`
                    : formatBytes(figures.disk.freeBytes),
                ],
                [
                  'Event loop',
                  `p50 ${formatMs(figures.eventLoopDelayMs.p50)}, p99 ${formatMs(figures.eventLoopDelayMs.p99)}`,
                ],
                ['Copies', figures.copies.length === 0 ? 'none kept' : copiesText(figures.copies)],
                ['Dropped', reasons(figures.dropped)],
                ['Refused', reasons(figures.refused)],
              ] as const)
            : []),
          ...Object.entries(mesher.labels).map(([key, value]) => [`Label ${key}`, value] as const),
        ]}
      />
      <h3>Its links</h3>
      <LinkList links={links} to={to} overview={overview} />
      <p>
        <a class="button" href={hashOf('flow', ['mesher', mesher.node])}>
          Its last hour
          <Icon name="arrow" />
        </a>
      </p>
    </>
  );
}

function copiesText(copies: NonNullable<MesherOverview['figures']>['copies']): string {
  const whole = copies.filter(({ complete, state }) => complete && state === 'streaming').length;
  return `${whole} of ${copies.length} whole`;
}

function reasons(counts: Readonly<Record<string, number>>): string {
  const given = Object.entries(counts).filter(([, count]) => count > 0);
  return given.length === 0
    ? 'none'
    : given.map(([reason, count]) => `${formatCount(count)} ${reason}`).join(', ');
}
