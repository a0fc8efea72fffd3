// Figures as people read them: a unit with each, no more digits than mean something.

/** Stands for what is not known. */
export const NOTHING = '–';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long ago, or for how long: `4 s`, `4 min`, `2 h 5 min`, `3 d`. */
export function formatAge(ms: number): string {
  if (ms < SECOND) return 'now';
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  if (ms < DAY) return joined(Math.floor(ms / HOUR), 'h', Math.floor((ms % HOUR) / MINUTE), 'min');
  return joined(Math.floor(ms / DAY), 'd', Math.floor((ms % DAY) / HOUR), 'h');
}

function joined(whole: number, unit: string, rest: number, restUnit: string): string {
  return rest === 0 || whole >= 10 ? `${whole} ${unit}` : `${whole} ${unit} ${rest} ${restUnit}`;
}

/** A measured time: `0.8 ms`, `84 ms`, `1.2 s`; long ones as ages. */
export function formatMs(ms: number | undefined): string {
  if (ms === undefined) return NOTHING;
  if (ms === 0) return '0 ms';
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  return ms < 10 * SECOND ? `${(ms / SECOND).toFixed(1)} s` : formatAge(ms);
}

/** `12,345`; from a million on `1.2 M`. */
export function formatCount(count: number): string {
  if (count >= 1e9) return `${significant(count / 1e9)} G`;
  if (count >= 1e6) return `${significant(count / 1e6)} M`;
  return Math.round(count).toLocaleString('en');
}

/** `0/s`, `0.3/s`, `120/s`, `12.5k/s`. */
export function formatRate(perSecond: number): string {
  return `${formatNumber(perSecond)}/s`;
}

export function formatNumber(value: number): string {
  if (value === 0) return '0';
  if (value < 0.05) return '<0.1';
  if (value < 9.95) return Number(value.toFixed(1)).toString();
  if (value < 9_950) return Math.round(value).toLocaleString('en');
  if (value < 999_500) return `${significant(value / 1e3)}k`;
  return `${significant(value / 1e6)} M`;
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const at = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** at;
  return `${at === 0 ? Math.round(value) : significant(value)} ${units[at] ?? ''}`;
}

/** 0 to 1. Rounds down: 100 % means that nothing was missing. */
export function formatShare(share: number | undefined): string {
  if (share === undefined) return NOTHING;
  return share === 1 ? '100 %' : `${(Math.floor(share * 1e4) / 100).toFixed(2)} %`;
}

/** In the reader's time zone; with the day where that is not the day of `now`. */
export function formatTime(at: number, now: number): string {
  const time = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' }).format(at);
  const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium' });
  return day.format(at) === day.format(now) ? time : `${day.format(at)}, ${time}`;
}

/** With ms, for hops that lie close together. */
export function formatClock(at: number): string {
  return new Intl.DateTimeFormat('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    fractionalSecondDigits: 3,
  }).format(at);
}

/** `1 event`, `2 events`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

function significant(value: number): string {
  return value < 100 ? Number(value.toPrecision(3)).toString() : Math.round(value).toLocaleString('en');
}
