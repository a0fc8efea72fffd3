// Aligned columns for people. A cell's width is counted in code points; control characters are shown, never sent to the
// terminal, since names and reasons come from other meshers.

export type Cell = string | number | undefined;

/** Lines without a trailing newline. Columns of numbers are right-aligned; undefined is shown as `-`. */
export function formatTable(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const right = head.map(
    (_, column) =>
      rows.some((row) => typeof row[column] === 'number') &&
      rows.every((row) => typeof row[column] !== 'string'),
  );
  const texts = [
    head.map((title) => title.toUpperCase()),
    ...rows.map((row) => head.map((_, column) => cellText(row[column]))),
  ];
  const widths = head.map((_, column) => Math.max(...texts.map((row) => width(row[column] ?? ''))));
  return texts
    .map((row) =>
      row
        .map((text, column) => pad(text, widths[column] ?? 0, right[column] === true))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Aligned columns of text, without a head. */
export function formatRows(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => width(row[column] ?? ''))),
  );
  return rows
    .map((row) =>
      row
        .map((text, column) => pad(text, widths[column] ?? 0, false))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function cellText(cell: Cell): string {
  if (cell === undefined || cell === '') return '-';
  return typeof cell === 'number' ? formatNumber(cell) : printable(cell);
}

/** Whole numbers with commas; others with as many digits as tell something. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (Number.isInteger(value)) return value.toLocaleString('en-US');
  return value < 10
    ? value.toFixed(2)
    : value < 100
      ? value.toFixed(1)
      : Math.round(value).toLocaleString('en-US');
}

/** `850 ms`, `12.3 s`, `4 min`, `3 h`, `2 d` */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h`;
  return `${Math.floor(ms / 86_400_000)} d`;
}

/** Escapes what would steer a terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function width(text: string): number {
  return Array.from(text).length;
}

function pad(text: string, columns: number, right: boolean): string {
  const filler = ' '.repeat(Math.max(0, columns - width(text)));
  return right ? filler + text : text + filler;
}
