// Where an event on a topic would go from this mesher, and why not elsewhere. Nothing is published.

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { RouteDestination, RoutesView } from '../../core/views.ts';
import { api } from '../data/api.ts';
import { useAnswer, useFederation } from '../data/hooks.ts';
import { formatMs, plural } from '../model/format.ts';
import { findMesher, whereabouts } from '../model/names.ts';
import { hashOf, type Route } from '../model/routes.ts';
import { Icon } from '../parts/icon.tsx';
import { ProblemNotice } from '../parts/notice.tsx';

export function DryRunPage({ route: { query } }: { readonly route: Route }): JSX.Element {
  const { overview } = useFederation();
  const topic = query['topic'] ?? '';
  const { value, problem, pending } = useAnswer(
    topic === '' ? undefined : topic,
    (signal) => api.routes(topic, signal),
    5_000,
  );
  return (
    <>
      <h1>Dry run</h1>
      <p class="lead">
        Where would an event go that is published at {whereabouts(overview, overview.self)}, and why not
        elsewhere? Nothing is published.
      </p>
      <TopicForm key={topic} topic={topic} topics={overview.topics.map((each) => each.topic)} />
      <div aria-live="polite">
        {pending && <p class="quiet">Asking …</p>}
        {problem && <ProblemNotice problem={problem} />}
        {value && <Routes routes={value} />}
      </div>
    </>
  );
}

function TopicForm({
  topic,
  topics,
}: {
  readonly topic: string;
  readonly topics: readonly string[];
}): JSX.Element {
  const [draft, setDraft] = useState(topic);
  return (
    <form
      class="filters"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        location.hash = hashOf('dry-run', [], { topic: draft.trim() });
      }}
    >
      <label class="field is-long">
        <span>Topic</span>
        <input
          required
          list="topics"
          value={draft}
          placeholder="orders/eu/created"
          autocomplete="off"
          spellcheck={false}
          onInput={({ currentTarget }) => setDraft(currentTarget.value)}
        />
      </label>
      <datalist id="topics">
        {topics.slice(0, 100).map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
      <button class="button is-primary" type="submit">
        Ask
      </button>
    </form>
  );
}

function Routes({
  routes: { topic, subscriptions, destinations, others },
}: {
  readonly routes: RoutesView;
}): JSX.Element {
  const count = subscriptions.length + destinations.length;
  return (
    <>
      <h2 class="verdict" data-tone={count === 0 ? 'slow' : 'good'}>
        <Icon name={count === 0 ? 'unknown' : 'up'} />
        {count === 0
          ? `An event on ${topic} would go nowhere: nobody wants it.`
          : `An event on ${topic} would go to ${[
              subscriptions.length > 0 ? `${plural(subscriptions.length, 'subscription')} here` : '',
              destinations.length > 0 ? `${plural(destinations.length, 'place')} elsewhere` : '',
            ]
              .filter(Boolean)
              .join(' and ')}.`}
      </h2>
      <div class="columns">
        <section aria-labelledby="goes">
          <h3 id="goes">It would go to</h3>
          {count === 0 && <p class="quiet">Nothing and nobody.</p>}
          <ul class="routes">
            {subscriptions.map(({ name, filter, group, why }) => (
              <li key={name} data-tone="good">
                <Icon name="up" />
                <div>
                  <p>
                    <strong>Subscription {name}</strong>, here
                  </p>
                  <p>{why}</p>
                  <p class="quiet">
                    Wants <code>{filter}</code>
                    {group !== '' && `, in the group ${group}`}
                  </p>
                </div>
              </li>
            ))}
            {destinations.map((destination) => (
              <Destination key={`${destination.kind} ${destination.destination}`} of={destination} />
            ))}
          </ul>
        </section>
        <section aria-labelledby="not">
          <h3 id="not">It would not go to</h3>
          {others.length === 0 && <p class="quiet">There is nobody else.</p>}
          <ul class="routes">
            {others.map(({ destination, cluster, why }) => (
              <li key={`${cluster} ${destination}`} data-tone="quiet">
                <Icon name="close" />
                <div>
                  <p>
                    <strong>
                      <Target name={destination} cluster={cluster} />
                    </strong>
                  </p>
                  <p>{why}</p>
                </div>
              </li>
            ))}
          </ul>
        </section>
      </div>
    </>
  );
}

function Destination({ of }: { readonly of: RouteDestination }): JSX.Element {
  const { overview } = useFederation();
  const { kind, destination, landing, roundTripMs, because, why } = of;
  return (
    <li data-tone="good">
      <Icon name="arrow" />
      <div>
        <p>
          <strong>
            {kind === 'cluster' ? 'Cluster ' : 'Mesher '}
            <Target name={destination} cluster={destination} />
          </strong>
          {landing !== undefined && kind === 'cluster' && ` by way of ${whereabouts(overview, landing)}`}
          {roundTripMs !== undefined && `, ${formatMs(roundTripMs)} away`}
        </p>
        <p>{why}</p>
        <ul class="quiet">
          {because.map(({ filter, group, node }) => (
            <li key={`${node} ${filter} ${group}`}>
              {whereabouts(overview, node)} wants <code>{filter}</code>
              {group !== '' && `, in the group ${group}`}
            </li>
          ))}
        </ul>
      </div>
    </li>
  );
}

/** A mesher or a cluster by its name, with the way to it. */
function Target({ name, cluster }: { readonly name: string; readonly cluster: string }): JSX.Element {
  const { overview } = useFederation();
  if (findMesher(overview, name))
    return <a href={hashOf('map', ['mesher', name])}>{whereabouts(overview, name)}</a>;
  const known = overview.clusters.some((each) => each.name === name);
  return known ? (
    <a href={hashOf('map', ['cluster', name])}>{name}</a>
  ) : (
    <>{name === cluster ? name : `${name} in ${cluster}`}</>
  );
}
