// The last hour of one thing, one chart for each unit.

import type { JSX } from 'preact';
import type { HistorySeries, HistoryView } from '../../core/overview.ts';
import { api } from '../data/api.ts';
import { useAnswer } from '../data/hooks.ts';
import { Chart, LINES_MAX } from './chart.tsx';
import { ProblemNotice } from './notice.tsx';

const EVERY_MS = 10_000;

/** Names of the mesher's that people would not say. Another is shown as it is. */
const NAMES: Readonly<Record<string, string>> = {
  publishP99: 'publish p99',
  deliveryP99: 'delivery p99',
  eventLoopP99: 'event loop p99',
  queued: 'waiting',
  depth: 'waiting',
  deadLetters: 'dead letters',
  oldest: 'age of the oldest',
  rss: 'memory',
  forwarded: 'to others',
  landed: 'from others',
};

const TITLES: Readonly<Record<HistorySeries['unit'], string>> = {
  'events/s': 'Events per second',
  ms: 'Times',
  events: 'Events held',
  bytes: 'Memory',
};

export function History({
  of,
  name,
}: {
  readonly of: HistoryView['of'];
  readonly name: string;
}): JSX.Element {
  const { value, problem } = useAnswer(
    JSON.stringify([of, name]),
    (signal) => api.history(of, name, signal),
    EVERY_MS,
  );
  if (problem) return <ProblemNotice problem={problem} />;
  if (!value) return <p class="quiet">Asking for the last hour …</p>;
  const units = (Object.keys(TITLES) as HistorySeries['unit'][]).filter((unit) =>
    value.series.some((each) => each.unit === unit),
  );
  if (units.length === 0) return <p class="quiet">There is no history of it yet.</p>;
  return (
    <div class="charts">
      {units.map((unit) => {
        const series = value.series
          .filter((each) => each.unit === unit)
          .slice(0, LINES_MAX)
          .map((each) => ({ ...each, name: NAMES[each.name] ?? each.name }));
        return (
          <Chart key={unit} title={TITLES[unit]} series={series} until={value.until} stepMs={value.stepMs} />
        );
      })}
    </div>
  );
}
