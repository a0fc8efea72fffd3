// Figures for people: as many digits as mean something, and a unit of a size that can be read at a glance.

/** Three significant digits; thousands apart by a comma. */
export function showNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const short = Number(value.toPrecision(3));
  return short.toLocaleString('en', { maximumFractionDigits: Math.abs(short) < 10 ? 3 : 1 });
}

export function showBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const step = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)));
  return `${showNumber(bytes / 1024 ** step)} ${units[step] ?? ''}`;
}

export function showRatio(ratio: number): string {
  return `${ratio >= 100 ? showNumber(ratio) : ratio.toFixed(2)} ×`;
}

/** `p99Ms` → `p99 ms`, `bytesPerFilter` → `bytes per filter`: names of further figures end with their unit. */
export function showName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
