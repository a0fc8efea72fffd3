// The way of one event through the mesh, hop by hop, or the reason why it stopped.

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { TraceHop, TraceView } from '../../core/overview.ts';
import { api } from '../data/api.ts';
import { useAnswer, useFederation } from '../data/hooks.ts';
import { formatClock, formatMs, formatTime } from '../model/format.ts';
import { HOPS, traceOutcome } from '../model/hops.ts';
import { whereabouts } from '../model/names.ts';
import { hashOf, type Route } from '../model/routes.ts';
import { Icon } from '../parts/icon.tsx';
import { ProblemNotice, SilentNotice } from '../parts/notice.tsx';

/** What is on its way goes on; all meshers are asked each time. */
const EVERY_MS = 10_000;

export function FindPage({ route: { query } }: { readonly route: Route }): JSX.Element {
  const { source = '', id = '' } = query;
  const asked = source !== '' && id !== '';
  const { value, problem, pending } = useAnswer(
    asked ? JSON.stringify([source, id]) : undefined,
    (signal) => api.trace(source, id, signal),
    EVERY_MS,
  );
  return (
    <>
      <h1>Find an event</h1>
      <p class="lead">
        Its source and id, as its publisher gave them: all meshers are asked what they know of it.
      </p>
      <FindForm key={`${source}\n${id}`} source={source} id={id} />
      <div aria-live="polite">
        {pending && <p class="quiet">Asking all meshers …</p>}
        {problem && <ProblemNotice problem={problem} />}
        {value && <Trace trace={value} />}
      </div>
    </>
  );
}

function FindForm({ source, id }: { readonly source: string; readonly id: string }): JSX.Element {
  const [draft, setDraft] = useState({ source, id });
  return (
    <form
      class="filters"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        location.hash = hashOf('find', [], { source: draft.source.trim(), id: draft.id.trim() });
      }}
    >
      <label class="field">
        <span>Source</span>
        <input
          required
          value={draft.source}
          placeholder="/shop"
          autocomplete="off"
          spellcheck={false}
          onInput={({ currentTarget }) => setDraft({ ...draft, source: currentTarget.value })}
        />
      </label>
      <label class="field">
        <span>Id</span>
        <input
          required
          value={draft.id}
          placeholder="order-4711"
          autocomplete="off"
          spellcheck={false}
          onInput={({ currentTarget }) => setDraft({ ...draft, id: currentTarget.value })}
        />
      </label>
      <button class="button is-primary" type="submit">
        Find
      </button>
    </form>
  );
}

function Trace({ trace }: { readonly trace: TraceView }): JSX.Element {
  const { now } = useFederation();
  const { hops, verdict } = trace;
  const outcome = traceOutcome(hops);
  const first = hops[0];
  return (
    <section aria-labelledby="verdict">
      <h2 id="verdict" class="verdict" data-tone={outcome.tone}>
        <Icon name={outcome.icon} />
        {verdict}
      </h2>
      {first && (
        <p class="quiet">
          {trace.source} {trace.id}, {formatTime(first.at, now)}. Times are those of each mesher’s own clock.
        </p>
      )}
      <SilentNotice silent={trace.silent} />
      <ol class="hops">
        {hops.map((hop, at) => (
          <Hop key={at} hop={hop} before={hops[at - 1]} first={first} />
        ))}
      </ol>
    </section>
  );
}

const SUBSCRIPTION_WORDS: Readonly<Partial<Record<TraceHop['what'], string>>> = {
  delivered: 'to',
  acked: 'by',
  retried: 'by',
};

function Hop({
  hop,
  before,
  first,
}: {
  readonly hop: TraceHop;
  readonly before: TraceHop | undefined;
  readonly first: TraceHop | undefined;
}): JSX.Element {
  const { overview } = useFederation();
  const { tone, icon, words } = HOPS[hop.what];
  const moved = before?.mesher !== hop.mesher;
  const details = [
    hop.peer === '' ? '' : `${hop.what === 'landed' ? 'from' : 'to'} ${whereabouts(overview, hop.peer)}`,
    hop.subscription === '' ? '' : `${SUBSCRIPTION_WORDS[hop.what] ?? 'of'} subscription ${hop.subscription}`,
    hop.attempt > 0 ? `try ${hop.attempt}` : '',
    hop.reason === '' ? '' : `because: ${hop.reason}`,
  ].filter(Boolean);
  return (
    <li class={moved ? 'hop is-moved' : 'hop'} data-tone={tone}>
      {moved && (
        <p class="hop-place">
          <a href={hashOf('map', ['mesher', hop.mesher])}>{whereabouts(overview, hop.mesher)}</a>
        </p>
      )}
      <Icon name={icon} />
      <p class="hop-what">
        <strong>{words}</strong> {details.join(', ')}
      </p>
      <p class="hop-time">
        <time dateTime={new Date(hop.at).toISOString()}>{formatClock(hop.at)}</time>
        {before && first && <span class="quiet">{sinceText(hop.at - before.at)}</span>}
      </p>
    </li>
  );
}

/** Clocks of two meshers may differ, and a step then goes back. */
function sinceText(ms: number): string {
  return ms < 0 ? `−${formatMs(-ms)}` : `+${formatMs(ms)}`;
}
