// Lines over the last hour, of figures with one unit. The slider over them reads the values at a time, by pointer, touch or arrow keys;
// the table below says the same in words.

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { HistorySeries } from '../../core/overview.ts';
import { useWidth } from '../data/hooks.ts';
import { linePath, summarise, timeTicks, valueScale } from '../model/chart-scale.ts';
import { formatBytes, formatMs, formatNumber, formatRate, NOTHING } from '../model/format.ts';

const HEIGHT = 168;
/** On the right there is half of a time. */
const PAD = { left: 58, right: 20, top: 10, bottom: 22 };
/** Lines that the eye can tell apart: as many as there are colours with dashes in views.css. */
export const LINES_MAX = 6;

const UNITS: Readonly<Record<HistorySeries['unit'], (value: number) => string>> = {
  'events/s': formatRate,
  ms: formatMs,
  events: formatNumber,
  bytes: formatBytes,
};

const MINUTES = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const SECONDS = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });

interface Props {
  readonly title: string;
  readonly series: readonly HistorySeries[];
  readonly until: number;
  readonly stepMs: number;
}

export function Chart({ title, series, until, stepMs }: Props): JSX.Element {
  const [width, measure] = useWidth();
  const [picked, setPicked] = useState<number | undefined>(undefined);
  const count = Math.max(1, ...series.map(({ values }) => values.length));
  const at = picked === undefined ? undefined : Math.min(picked, count - 1);
  const from = until - (count - 1) * stepMs;
  const most = Math.max(0, ...series.flatMap(({ values }) => values.filter((value) => value !== null)));
  const scale = valueScale(
    most,
    series[0]?.unit === 'bytes' ? 1024 ** Math.floor(Math.log2(Math.max(1, most)) / 10) : 1,
  );
  const format = UNITS[series[0]?.unit ?? 'events'];
  const plot = { width: Math.max(10, width - PAD.left - PAD.right), height: HEIGHT - PAD.top - PAD.bottom };
  const x = (index: number): number => PAD.left + (count === 1 ? 0 : (index / (count - 1)) * plot.width);
  const y = (value: number): number => PAD.top + plot.height * (1 - value / scale.max);
  const clock = stepMs % 60_000 === 0 ? MINUTES : SECONDS;
  const time = at === undefined ? undefined : clock.format(from + at * stepMs);
  const spoken = series
    .map(({ name, values }) => `${name} ${show(values[at ?? count - 1], format)}`)
    .join(', ');
  return (
    <figure class="chart">
      <figcaption>
        {title}
        <span class="chart-time">{time ?? 'now'}</span>
      </figcaption>
      <ul class="chart-legend">
        {series.map(({ name, values }, line) => (
          <li key={name} data-line={line}>
            <svg viewBox="0 0 24 8" width="24" height="8" aria-hidden="true">
              <path d="M1 4h22" />
            </svg>
            {name} <b>{show(values[at ?? count - 1], format)}</b>
          </li>
        ))}
      </ul>
      <div class="chart-plot" ref={measure}>
        {width > 0 && (
          <svg width={width} height={HEIGHT} aria-hidden="true">
            {scale.ticks.map((tick) => (
              <g key={tick} class="chart-grid">
                <path d={`M${PAD.left} ${y(tick)}h${plot.width}`} />
                <text x={PAD.left - 8} y={y(tick) + 4} text-anchor="end">
                  {format(tick)}
                </text>
              </g>
            ))}
            {timeTicks(from, until, plot.width / 70).map((tick) => (
              <text
                key={tick}
                class="chart-tick"
                x={x((tick - from) / stepMs)}
                y={HEIGHT - 6}
                text-anchor="middle"
              >
                {MINUTES.format(tick)}
              </text>
            ))}
            {series.map(({ name, values }, line) => (
              <path key={name} class="chart-line" data-line={line} d={linePath(values, x, y)} />
            ))}
            {at !== undefined && <path class="chart-cross" d={`M${x(at)} ${PAD.top}v${plot.height}`} />}
          </svg>
        )}
        <input
          class="chart-slider"
          type="range"
          min={0}
          max={count - 1}
          value={at ?? count - 1}
          aria-label={`Time in ${title}`}
          aria-valuetext={`${time ?? clock.format(until)}: ${spoken}`}
          onInput={({ currentTarget }) => setPicked(Number(currentTarget.value))}
          onPointerMove={(event) => {
            const { left, width: wide } = event.currentTarget.getBoundingClientRect();
            setPicked(Math.round(Math.min(1, Math.max(0, (event.clientX - left) / wide)) * (count - 1)));
          }}
          onPointerLeave={() => setPicked(undefined)}
          onBlur={() => setPicked(undefined)}
        />
      </div>
      <details class="chart-figures">
        <summary>In figures</summary>
        <table>
          <caption class="hidden">{title}, the last hour in figures</caption>
          <thead>
            <tr>
              {['', 'Now', 'Least', 'Mean', 'Most'].map((head) =>
                head === '' ? (
                  <td key={head} />
                ) : (
                  <th key={head} scope="col">
                    {head}
                  </th>
                ),
              )}
            </tr>
          </thead>
          <tbody>
            {series.map(({ name, values }) => {
              const { last, min, mean, max } = summarise(values);
              return (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  {[last, min, mean, max].map((value, column) => (
                    <td key={column}>{show(value, format)}</td>
                  ))}
                </tr>
              );
            })}
          </tbody>
        </table>
      </details>
    </figure>
  );
}

function show(value: number | null | undefined, format: (value: number) => string): string {
  return value === null || value === undefined ? NOTHING : format(value);
}
