// The last hour in steps of ten seconds, for each of a bounded number of names: four bytes a value.

import { HISTORY_STEP_MS, HISTORY_STEPS } from './bounds.ts';
import type { HistorySeries } from '../core/overview.ts';

export type Unit = HistorySeries['unit'];
/** Of what the values of a history are. */
export type SeriesKinds = Readonly<Record<string, Unit>>;

/** Number of the step that a wall clock is in. */
export function stepOf(wall: number): number {
  return Math.floor(wall / HISTORY_STEP_MS);
}

interface Row {
  readonly values: readonly Float32Array[];
  /** The step that was written last. */
  step: number;
}

export class History<Kinds extends SeriesKinds> {
  readonly #kinds: Kinds;
  readonly #names: readonly (keyof Kinds & string)[];
  readonly #rowsMax: number;
  /** The one written longest ago first. */
  readonly #rows = new Map<string, Row>();

  constructor(kinds: Kinds, rowsMax: number) {
    this.#kinds = kinds;
    this.#names = Object.keys(kinds);
    this.#rowsMax = rowsMax;
  }

  /** What is written twice for a step counts as it was last. A step before the last one is not written: the clock was put back. */
  put(name: string, step: number, values: Readonly<Record<keyof Kinds, number | undefined>>): void {
    const row = this.#rows.get(name) ?? this.#newRow(step);
    if (step < row.step) return;
    this.#rows.delete(name);
    this.#rows.set(name, row);
    forward(row, step);
    for (const [at, series] of row.values.entries()) {
      const key = this.#names[at];
      series[step % HISTORY_STEPS] = (key === undefined ? undefined : values[key]) ?? NaN;
    }
    if (this.#rows.size <= this.#rowsMax) return;
    for (const oldest of this.#rows.keys()) {
      this.#rows.delete(oldest);
      break;
    }
  }

  #newRow(step: number): Row {
    return { values: this.#names.map(() => new Float32Array(HISTORY_STEPS).fill(NaN)), step };
  }

  has(name: string): boolean {
    return this.#rows.has(name);
  }

  /** One value of `ago` steps before `step`; undefined: not known. */
  value(name: string, kind: keyof Kinds & string, step: number): number | undefined {
    const row = this.#rows.get(name);
    if (!row || step > row.step || step <= row.step - HISTORY_STEPS) return undefined;
    const value = row.values[this.#names.indexOf(kind)]?.[step % HISTORY_STEPS];
    return value === undefined || Number.isNaN(value) ? undefined : value;
  }

  /** Of all values known in the hour. */
  sum(name: string, kind: keyof Kinds & string): number {
    let sum = 0;
    for (const value of this.#rows.get(name)?.values[this.#names.indexOf(kind)] ?? [])
      if (!Number.isNaN(value)) sum += value;
    return sum;
  }

  /** The hour up to and with `step`; of a name of which nothing was written nothing is known. */
  series(name: string, step: number): HistorySeries[] {
    return this.#names.map((kind) => ({
      name: kind,
      unit: this.#kinds[kind] ?? 'events',
      values: Array.from({ length: HISTORY_STEPS }, (_, at) => {
        const value = this.value(name, kind, step - HISTORY_STEPS + 1 + at);
        return value === undefined ? null : Math.round(value * 1000) / 1000;
      }),
    }));
  }
}

/** Steps in which nothing was written are unknown. */
function forward(row: Row, step: number): void {
  const missed = Math.min(step - row.step, HISTORY_STEPS);
  for (let back = 0; back < missed; back++) {
    for (const series of row.values) series[(step - back) % HISTORY_STEPS] = NaN;
  }
  row.step = step;
}

/** Adds up the same hour of several meshers, value by value; what one of them does not know counts as nothing there. */
export function sumSeries(all: readonly (readonly HistorySeries[])[]): HistorySeries[] {
  const sums = new Map<string, { unit: Unit; values: (number | null)[] }>();
  for (const { name, unit, values } of all.flat()) {
    const sum = sums.get(name) ?? { unit, values: Array.from({ length: HISTORY_STEPS }, () => null) };
    sums.set(name, sum);
    for (let at = 0; at < HISTORY_STEPS; at++) {
      const [one, so] = [values[at] ?? null, sum.values[at] ?? null];
      // a latency is not added up: the worst of the meshers' is shown
      if (one !== null) sum.values[at] = unit === 'ms' ? Math.max(so ?? 0, one) : (so ?? 0) + one;
    }
  }
  return [...sums].map(([name, { unit, values }]) => ({ name, unit, values }));
}
