// What both ends of a link counted, and whether it agrees: that nothing was lost on it is not believed, but compared.

import type { JSX } from 'preact';
import type { LaneLedger, LedgerVerdict } from '../../core/overview.ts';
import { api } from '../data/api.ts';
import { useAnswer, useFederation } from '../data/hooks.ts';
import { formatAge, formatCount } from '../model/format.ts';
import { type Column, DataTable } from '../parts/data-table.tsx';
import { ProblemNotice } from '../parts/notice.tsx';
import { State } from '../parts/state.tsx';

export function LedgerState({ verdict }: { readonly verdict: LedgerVerdict | undefined }): JSX.Element {
  const { now } = useFederation();
  if (verdict === undefined) return <>not compared yet</>;
  const { outcome, text, at } = verdict;
  const told = (
    <>
      {text} <span class="quiet">({formatAge(now - at)} ago)</span>
    </>
  );
  if (outcome === 'agrees')
    return (
      <State tone="good" icon="up">
        {told}
      </State>
    );
  return outcome === 'differs' ? (
    <State tone="bad" icon="down">
      {told}
    </State>
  ) : (
    <State tone="quiet" icon="unknown">
      {told}
    </State>
  );
}

const count = (key: 'sent' | 'acked' | 'received' | 'duplicate', title: string): Column<LaneLedger> => ({
  key,
  title,
  align: 'end',
  cell: (lane) => formatCount(lane[key]),
  sort: (lane) => lane[key],
});

const COLUMNS: readonly Column<LaneLedger>[] = [
  { key: 'lane', title: 'Lane', cell: ({ lane }) => lane, sort: ({ lane }) => lane },
  { key: 'direction', title: 'Way', cell: ({ direction }) => direction, sort: ({ direction }) => direction },
  { key: 'range', title: 'Sequences', cell: ({ from, to }) => `${formatCount(from)} to ${formatCount(to)}` },
  count('sent', 'Sent'),
  count('acked', 'Acked'),
  count('received', 'Received'),
  count('duplicate', 'Twice'),
  { key: 'difference', title: 'Difference', wide: true, cell: ({ difference }) => difference || 'none' },
];

/** Of a link of the mesher that serves this page: only it knows its lanes. */
export function LinkLedger({ peer }: { readonly peer: string }): JSX.Element {
  const { value, problem } = useAnswer('ledger', (signal) => api.ledger(signal), 10_000);
  // A mesher of a version that counts nothing has nothing to show.
  if (problem && problem.code !== 'not-found') return <ProblemNotice problem={problem} />;
  const lanes = value?.links.find((link) => link.peer === peer)?.lanes ?? [];
  if (lanes.length === 0) return <></>;
  return (
    <details>
      <summary>Count by lane</summary>
      <DataTable
        caption="Counts by lane"
        captionHidden
        columns={COLUMNS}
        rows={lanes}
        rowKey={({ lane, direction }) => `${lane} ${direction}`}
        empty={null}
      />
    </details>
  );
}
