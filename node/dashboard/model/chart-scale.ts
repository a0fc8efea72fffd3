// The arithmetic of a chart over time: round steps upwards, round times along, and the lines between what is known.

export interface Scale {
  readonly max: number;
  readonly ticks: readonly number[];
}

/** Below that figures are shown as `<0.1`, which would be the same on all steps. */
const SCALE_MIN = 0.5;

/**
 * From 0 to a round number that is not below `max`, in two to five steps of one digit, so that no label is rounded; `unit`: in what it
 * is to be round, such as 1,024.
 */
export function valueScale(max: number, unit = 1): Scale {
  const least = (max > 0 ? Math.max(max, SCALE_MIN) : 1) / unit;
  const magnitude = 10 ** Math.floor(Math.log10(least));
  const step =
    [0.2, 0.5, 1].map((factor) => factor * magnitude).find((each) => least / each <= 5) ?? 2 * magnitude;
  const count = Math.max(2, Math.ceil(least / step - 1e-9));
  return { max: count * step * unit, ticks: Array.from({ length: count + 1 }, (_, at) => at * step * unit) };
}

const MINUTE_MS = 60_000;

/** Round times between both, at most `count`, in ms since the epoch. */
export function timeTicks(from: number, until: number, count: number): readonly number[] {
  const steps = [1, 2, 5, 10, 15, 20, 30, 60].map((minutes) => minutes * MINUTE_MS);
  const step = steps.find((each) => (until - from) / each <= count) ?? 60 * MINUTE_MS;
  const first = Math.ceil(from / step) * step;
  return Array.from(
    { length: Math.max(0, Math.floor((until - first) / step) + 1) },
    (_, at) => first + at * step,
  );
}

/** SVG path; where nothing was known the line is broken, and a lone value is a dot. */
export function linePath(
  values: readonly (number | null)[],
  x: (index: number) => number,
  y: (value: number) => number,
): string {
  let path = '';
  for (const [index, value] of values.entries()) {
    if (value === null) continue;
    const at = `${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    const [before, after] = [values[index - 1] ?? null, values[index + 1] ?? null];
    if (before !== null) path += `L${at}`;
    else path += after === null ? `M${at}h.01` : `M${at}`;
  }
  return path;
}

export interface Summary {
  readonly last: number | undefined;
  readonly min: number | undefined;
  readonly mean: number | undefined;
  readonly max: number | undefined;
}

export function summarise(values: readonly (number | null)[]): Summary {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return { last: undefined, min: undefined, mean: undefined, max: undefined };
  return {
    last: values.at(-1) ?? undefined,
    min: Math.min(...known),
    mean: known.reduce((sum, value) => sum + value, 0) / known.length,
    max: Math.max(...known),
  };
}
