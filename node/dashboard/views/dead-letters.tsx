// Events that were given up on, of all clusters in one list: to look at, to send again, to drop; those that were chosen, or all that
// fit the filter. What cannot be undone asks first, with how many it concerns.

import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { DeadLetterView } from '../../core/overview.ts';
import { api, given, type LetterFilter, type Settled } from '../data/api.ts';
import { useFederation } from '../data/hooks.ts';
import { type Letters, useLetters } from '../data/letters.ts';
import { formatCount, plural } from '../model/format.ts';
import { whereabouts } from '../model/names.ts';
import { hashOf, type Route } from '../model/routes.ts';
import { ProblemNotice, SilentNotice } from '../parts/notice.tsx';
import { Icon } from '../parts/icon.tsx';
import { LetterDialog } from './letter-dialog.tsx';
import { letterKey, LettersTable } from './letters-table.tsx';
import { type Intent, SettleDialog } from './settle-dialog.tsx';

const EMPTY: LetterFilter = { cluster: '', subscription: '', topic: '', source: '' };

export function DeadLettersPage({ route }: { readonly route: Route }): JSX.Element {
  const filter: LetterFilter = { ...EMPTY, ...pick(route.query) };
  const letters = useLetters(filter);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [intent, setIntent] = useState<Intent | undefined>(undefined);
  const [settled, setSettled] = useState<{ how: Intent['how']; result: Settled } | undefined>(undefined);
  useEffect(() => setChosen(new Set()), [JSON.stringify(filter)]);
  const [mesher, token] = route.path;
  const back = (): void => {
    location.hash = hashOf('dead-letters', [], { ...filter });
  };
  const which = letters.rows.filter((each) => chosen.has(letterKey(each)));
  return (
    <>
      <h1>Dead letters</h1>
      <p class="lead">
        Events that a subscription was handed again and again, or refused for good. They wait here until
        somebody decides.
      </p>
      <FilterForm key={JSON.stringify(filter)} filter={filter} />
      {letters.problem && <ProblemNotice problem={letters.problem} />}
      {settled && <SettledNotice {...settled} />}
      <SilentNotice silent={letters.silent} />
      <Actions letters={letters} chosen={which} filter={filter} choose={setIntent} />
      <LettersTable letters={letters} chosen={chosen} setChosen={setChosen} filter={filter} />
      {mesher !== undefined && token !== undefined && (
        <LetterDialog
          key={`${mesher} ${token}`}
          at={{ mesher, token }}
          onClose={back}
          onSettle={(how, letter) => {
            back();
            setIntent({ how, which: { letters: [letter.at] }, count: 1 });
          }}
        />
      )}
      {intent && (
        <SettleDialog
          intent={intent}
          settle={() => api.settle(intent.how, intent.which)}
          onClose={() => setIntent(undefined)}
          onDone={(result) => {
            setIntent(undefined);
            setSettled({ how: intent.how, result });
            setChosen(new Set());
            letters.reload();
          }}
        />
      )}
    </>
  );
}

function pick(query: Route['query']): Partial<LetterFilter> {
  const { cluster = '', subscription = '', topic = '', source = '' } = query;
  return given({ cluster, subscription, topic, source });
}

function FilterForm({ filter }: { readonly filter: LetterFilter }): JSX.Element {
  const { overview } = useFederation();
  const [draft, setDraft] = useState(filter);
  const field = (key: keyof LetterFilter, title: string, hint: string): JSX.Element => (
    <label class="field">
      <span>{title}</span>
      <input
        value={draft[key]}
        placeholder={hint}
        autocomplete="off"
        spellcheck={false}
        onInput={({ currentTarget }) => setDraft({ ...draft, [key]: currentTarget.value.trim() })}
      />
    </label>
  );
  return (
    <form
      class="filters"
      role="search"
      aria-label="Filter of the dead letters"
      onSubmit={(event) => {
        event.preventDefault();
        location.hash = hashOf('dead-letters', [], { ...draft });
      }}
    >
      <label class="field">
        <span>Cluster</span>
        <select
          value={draft.cluster}
          onChange={({ currentTarget }) => setDraft({ ...draft, cluster: currentTarget.value })}
        >
          <option value="">All</option>
          {overview.clusters.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {field('subscription', 'Subscription', 'billing')}
      {field('topic', 'Topic', 'orders/#')}
      {field('source', 'Source', '/shop')}
      <button class="button" type="submit">
        Apply
      </button>
      {Object.values(filter).some((value) => value !== '') && (
        <a class="button is-plain" href={hashOf('dead-letters')}>
          Show all
        </a>
      )}
    </form>
  );
}

interface ActionsProps {
  readonly letters: Letters;
  readonly chosen: readonly DeadLetterView[];
  readonly filter: LetterFilter;
  readonly choose: (intent: Intent) => void;
}

function Actions({ letters, chosen, filter, choose }: ActionsProps): JSX.Element | null {
  if (letters.rows.length === 0) return null;
  const some = chosen.length > 0;
  const filtered = Object.values(filter).some((value) => value !== '');
  const start = (how: Intent['how']): void =>
    choose(
      some
        ? { how, which: { letters: chosen.map(({ at }) => at) }, count: chosen.length }
        : { how, which: { filter: given(filter) }, count: letters.total },
    );
  const { total } = letters;
  const fit = filtered ? ' that fit the filter' : '';
  const whom = some
    ? `${formatCount(chosen.length)} chosen`
    : `all${total === undefined ? '' : ` ${formatCount(total)}`}${fit}`;
  const there =
    total === undefined
      ? `${plural(letters.rows.length, 'dead letter')} and more${fit}`
      : `${plural(total, 'dead letter')}${total === 1 ? fit.replace('fit', 'fits') : fit}`;
  return (
    <div class="bar">
      <p role="status">{some ? `${formatCount(chosen.length)} of ${there} chosen` : there}</p>
      <button class="button" type="button" onClick={() => start('redrive')}>
        Redrive {whom}
      </button>
      <button class="button is-danger" type="button" onClick={() => start('drop')}>
        Drop {whom}
      </button>
    </div>
  );
}

function SettledNotice({
  how,
  result,
}: {
  readonly how: Intent['how'];
  readonly result: Settled;
}): JSX.Element {
  const { overview } = useFederation();
  const { done, failed } = result;
  return (
    <div class="notice" data-tone={failed.length > 0 ? 'bad' : 'good'} role="status">
      <Icon name={failed.length > 0 ? 'down' : 'up'} />
      <div>
        <p>
          {plural(done, 'dead letter')} {done === 1 ? 'was' : 'were'}{' '}
          {how === 'redrive' ? 'put back into the subscription’s queue' : 'dropped'}.
        </p>
        {failed.length > 0 && (
          <ul>
            {failed.map(({ mesher, why }) => (
              <li key={`${mesher} ${why}`}>
                Not at {whereabouts(overview, mesher)}: {why}
              </li>
            ))}
          </ul>
        )}
      </div>
    </div>
  );
}
