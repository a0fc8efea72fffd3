// The page's frame: what federation this is and how fresh, the ways to the views, and the view that the address names.

import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Overview } from '../core/overview.ts';
import { api } from './data/api.ts';
import { FederationContext, useAnswer, useLive, useMonotonic, useRoute } from './data/hooks.ts';
import { formatAge, formatTime, plural } from './model/format.ts';
import { whereabouts } from './model/names.ts';
import { hashOf, type Route, VIEWS } from './model/routes.ts';
import { Announcer } from './parts/announcer.tsx';
import { Icon } from './parts/icon.tsx';
import { ProblemNotice } from './parts/notice.tsx';
import { ThemeChoice } from './parts/theme-choice.tsx';
import { DeadLettersPage } from './views/dead-letters.tsx';
import { DryRunPage } from './views/dry-run.tsx';
import { FindPage } from './views/find.tsx';
import { FlowPage } from './views/flow.tsx';
import { MapPage } from './views/map.tsx';
import { OverviewPage } from './views/overview.tsx';
import { SubscriptionsPage } from './views/subscriptions.tsx';
import { TopicsPage } from './views/topics.tsx';
import type { Live } from './data/live-feed.ts';

const PAGES: Readonly<Record<Route['view'], (props: { readonly route: Route }) => JSX.Element>> = {
  '': OverviewPage,
  map: MapPage,
  flow: FlowPage,
  topics: TopicsPage,
  subscriptions: SubscriptionsPage,
  'dead-letters': DeadLettersPage,
  find: FindPage,
  'dry-run': DryRunPage,
};

const ASK_AGAIN_MS = 5_000;

export function App(): JSX.Element {
  const live = useLive();
  const route = useRoute();
  const monotonic = useMonotonic();
  const { overview } = live;
  const ageMs = Math.max(0, monotonic - live.receivedAt);
  const title = VIEWS.find(({ name }) => name === route.view)?.title ?? '';
  const alarms = overview?.alarms.length ?? 0;
  useEffect(() => {
    document.title = `${alarms > 0 ? `(${alarms}) ` : ''}${title} – ${overview?.federation ?? ''} Causeway`;
  }, [alarms, title, overview?.federation]);
  const main = useFocusOnNewView(route);
  const Page = PAGES[route.view];
  return (
    <div class={live.state === 'lost' && overview ? 'app is-stale' : 'app'}>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          // The address is the view's: this link must not change it.
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to the content
      </a>
      <Header live={live} ageMs={ageMs} />
      <Navigation route={route} overview={overview} />
      <main id="main" ref={main} tabIndex={-1}>
        {overview === undefined ? (
          <Waiting state={live.state} />
        ) : (
          <FederationContext.Provider value={{ overview, now: overview.at + ageMs }}>
            <Page route={route} />
            <Announcer alarms={overview.alarms} />
          </FederationContext.Provider>
        )}
      </main>
    </div>
  );
}

/** Views whose path names a page of its own, not something beside the list. */
const PAGED: readonly Route['view'][] = ['topics', 'subscriptions'];

/** Who reads by ear or keyboard starts at what is new, not where the link was that led there. */
function useFocusOnNewView(route: Route): { current: HTMLElement | null } {
  const main = useRef<HTMLElement>(null);
  const { view, path } = route;
  const page = PAGED.includes(view) ? hashOf(view, path) : view;
  const shown = useRef(page);
  useEffect(() => {
    if (shown.current === page) return;
    shown.current = page;
    main.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [page]);
  const first = useRef(route);
  useEffect(() => {
    // What had the focus may be gone with what it led away from.
    const isLost = route !== first.current && document.activeElement === document.body;
    if (isLost) main.current?.focus({ preventScroll: true });
  }, [route]);
  return main;
}

function Header({ live, ageMs }: { readonly live: Live; readonly ageMs: number }): JSX.Element {
  const { overview } = live;
  return (
    <header class="top">
      <a class="brand" href={hashOf('')}>
        <Icon name="causeway" />
        <span class={overview ? 'brand-name' : undefined}>Causeway</span>
        {overview && <span class="brand-federation">{overview.federation}</span>}
      </a>
      <div class="top-end">
        <Connection live={live} ageMs={ageMs} />
        <ThemeChoice />
      </div>
    </header>
  );
}

function Connection({ live, ageMs }: { readonly live: Live; readonly ageMs: number }): JSX.Element {
  const { overview, state } = live;
  if (state === 'live' && overview) {
    return (
      <p class="connection" data-state="live">
        <Icon name="live" />
        <span>
          Live<span class="only-wide">, as {whereabouts(overview, overview.self)} sees it</span>
        </span>
      </p>
    );
  }
  return (
    <p class="connection" data-state={state} role="status">
      <Icon name={state === 'lost' ? 'down' : 'wait'} />
      <span>
        {state === 'connecting' && 'Connecting …'}
        {state === 'lost' && overview && `Not live: from ${formatTime(overview.at, overview.at + ageMs)}`}
        {state === 'lost' && !overview && 'No answer'}
        {/* Not told anew each second. */}
        {state === 'lost' && (
          <span aria-hidden="true">{overview && `, ${formatAge(ageMs)} ago`}; trying again</span>
        )}
      </span>
    </p>
  );
}

function Navigation({
  route,
  overview,
}: {
  readonly route: Route;
  readonly overview: Overview | undefined;
}): JSX.Element {
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [route]);
  const deadLetters =
    overview?.meshers.reduce((sum, { figures }) => sum + (figures?.deadLetters ?? 0), 0) ?? 0;
  const badges: Readonly<Partial<Record<Route['view'], { count: number; what: string }>>> = {
    '': { count: overview?.alarms.length ?? 0, what: 'alarm' },
    'dead-letters': { count: deadLetters, what: 'waiting' },
  };
  const current = VIEWS.find(({ name }) => name === route.view)?.title;
  return (
    <nav class="nav" aria-label="Views" data-open={open}>
      <button
        class="nav-toggle"
        type="button"
        aria-expanded={open}
        aria-controls="views"
        onClick={() => setOpen(!open)}
      >
        <Icon name="menu" />
        {current}
        {(overview?.alarms.length ?? 0) > 0 && route.view !== '' && (
          <span class="nav-badge" data-view="">
            {overview?.alarms.length}
            <span class="hidden"> {overview?.alarms.length === 1 ? 'alarm' : 'alarms'}</span>
          </span>
        )}
      </button>
      <ul id="views">
        {VIEWS.map(({ name, title }) => {
          const badge = badges[name];
          return (
            <li key={name}>
              <a href={hashOf(name)} aria-current={route.view === name ? 'page' : undefined}>
                <Icon name={name === '' ? 'overview' : name} />
                <span>{title}</span>
                {badge !== undefined && badge.count > 0 && (
                  <span class="nav-badge" data-view={name}>
                    {badge.count > 999 ? '999+' : badge.count}
                    <span class="hidden">
                      {' '}
                      {name === '' ? plural(badge.count, 'alarm').replace(/^\S+ /, '') : badge.what}
                    </span>
                  </span>
                )}
              </a>
            </li>
          );
        })}
      </ul>
    </nav>
  );
}

/** A stream that does not open tells no reason: the same question without a stream does. */
function Waiting({ state }: { readonly state: Live['state'] }): JSX.Element {
  const { problem } = useAnswer(
    state === 'lost' ? 'overview' : undefined,
    (signal) => api.overview(signal),
    ASK_AGAIN_MS,
  );
  if (state !== 'lost') {
    return (
      <section class="empty">
        <h1>Asking the mesher …</h1>
      </section>
    );
  }
  return (
    <section class="empty">
      <h1>No overview yet</h1>
      {problem && <ProblemNotice problem={problem} />}
      <p>The page asks again every few seconds. Another mesher shows the same federation.</p>
    </section>
  );
}
