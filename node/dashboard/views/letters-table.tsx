// The list of dead letters, with a box before each to choose it.

import type { JSX } from 'preact';
import type { DeadLetterView } from '../../core/overview.ts';
import type { LetterFilter } from '../data/api.ts';
import { useFederation } from '../data/hooks.ts';
import type { Letters } from '../data/letters.ts';
import { formatAge, formatBytes, formatCount } from '../model/format.ts';
import { hashOf } from '../model/routes.ts';
import { type Column, DataTable } from '../parts/data-table.tsx';
import { TopicText } from '../parts/topic-text.tsx';

interface Props {
  readonly letters: Letters;
  readonly chosen: ReadonlySet<string>;
  readonly setChosen: (chosen: ReadonlySet<string>) => void;
  readonly filter: LetterFilter;
}

export function letterKey({ at: { mesher, token } }: DeadLetterView): string {
  return JSON.stringify([mesher, token]);
}

export function LettersTable({ letters, chosen, setChosen, filter }: Props): JSX.Element {
  const { now } = useFederation();
  const { rows, pending } = letters;
  const choose = (keys: readonly string[], on: boolean): void => {
    const next = new Set(chosen);
    for (const key of keys) {
      if (on) next.add(key);
      else next.delete(key);
    }
    setChosen(next);
  };
  const all = rows.length > 0 && rows.every((row) => chosen.has(letterKey(row)));
  const columns: readonly Column<DeadLetterView>[] = [
    {
      key: 'id',
      title: 'Event',
      cell: (row) => (
        <span class="pick">
          <label class="pick-box">
            <input
              type="checkbox"
              checked={chosen.has(letterKey(row))}
              onChange={({ currentTarget }) => choose([letterKey(row)], currentTarget.checked)}
            />
            <span class="hidden">
              Choose {row.source} {row.id}
            </span>
          </label>
          <a href={hashOf('dead-letters', [row.at.mesher, row.at.token], { ...filter })}>
            <span class="event-source">{row.source}</span> {row.id}
          </a>
        </span>
      ),
      sort: ({ source, id }) => `${source} ${id}`,
    },
    { key: 'reason', title: 'Why', wide: true, cell: ({ reason }) => reason, sort: ({ reason }) => reason },
    {
      key: 'subscription',
      title: 'Subscription',
      cell: ({ subscription }) => subscription,
      sort: ({ subscription }) => subscription,
    },
    { key: 'cluster', title: 'Cluster', cell: ({ cluster }) => cluster, sort: ({ cluster }) => cluster },
    {
      key: 'topic',
      title: 'Topic',
      cell: ({ topic }) => <TopicText of={topic} />,
      sort: ({ topic }) => topic,
    },
    {
      key: 'attempts',
      title: 'Tries',
      align: 'end',
      cell: ({ attempts }) => formatCount(attempts),
      sort: ({ attempts }) => attempts,
    },
    {
      key: 'published',
      title: 'Published',
      align: 'end',
      cell: ({ acceptedAt }) => `${formatAge(now - acceptedAt)} ago`,
      sort: ({ acceptedAt }) => acceptedAt,
    },
    {
      key: 'size',
      title: 'Size',
      align: 'end',
      cell: ({ bytes }) => formatBytes(bytes),
      sort: ({ bytes }) => bytes,
    },
  ];
  return (
    <>
      {rows.length > 0 && (
        <label class="check">
          <input type="checkbox" checked={all} onChange={() => choose(rows.map(letterKey), !all)} />
          Choose all {formatCount(rows.length)} below
        </label>
      )}
      <DataTable
        caption="Dead letters"
        captionHidden
        columns={columns}
        rows={rows}
        rowKey={letterKey}
        tone={(row) => (chosen.has(letterKey(row)) ? 'chosen' : undefined)}
        empty={<p class="quiet">{pending ? 'Asking all clusters …' : 'There are none.'}</p>}
      />
      {letters.hasMore && (
        <p class="table-more">
          <button type="button" onClick={() => letters.more()}>
            Load more{letters.total !== undefined && ` (${formatCount(letters.total - rows.length)} left)`}
          </button>
        </p>
      )}
    </>
  );
}
