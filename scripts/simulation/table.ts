// What simulator runs came to, in words for a terminal.

import type { RunRecord } from './record.ts';

const FAILURES_SHOWN = 10;
const NAME_WIDTH = 52;

export function progressLine(record: RunRecord): string {
  const { seeds, seconds, virtualMs, failures } = record;
  return `${number(seeds)} seeds, ${rate(record)} a second, ${hours(virtualMs)} virtual hours, ${failures.length} failed, after ${number(Math.round(seconds))} s`;
}

export function table(record: RunRecord): string {
  const { seeds, quiet, seconds, virtualMs, meshers, events, deliveries, takeovers } = record;
  const { faults, met, excused } = record;
  return [
    '',
    line('seeds', `${number(seeds)} (${number(quiet)} of them without faults)`),
    line('took', `${number(Math.round(seconds))} s, ${rate(record)} seeds a second`),
    line('virtual hours', hours(virtualMs)),
    line('meshers', number(meshers)),
    line('events', number(events)),
    line('deliveries', number(deliveries)),
    line('lost meshers taken over', number(takeovers)),
    ...counts('faults', faults),
    ...counts('met on the way', met),
    ...counts('let pass, and why', excused),
    ...failuresOf(record),
  ].join('\n');
}

function failuresOf({ failures }: RunRecord): string[] {
  const lines = ['', line('failed seeds', number(failures.length))];
  for (const { seed, promise, facts, flags = '' } of failures.slice(0, FAILURES_SHOWN)) {
    lines.push(`  seed ${seed} broke: ${promise}`, `    ${facts}`);
    lines.push(`    again: npm run simulate -- --seed ${seed}${flags} --trace`);
  }
  if (failures.length > FAILURES_SHOWN) lines.push(`  and ${failures.length - FAILURES_SHOWN} more`);
  return lines;
}

function counts(title: string, of: Readonly<Record<string, number>>): string[] {
  const sorted = Object.entries(of).sort(([, a], [, b]) => b - a);
  const sum = sorted.reduce((all, [, count]) => all + count, 0);
  return ['', line(title, number(sum)), ...sorted.map(([name, count]) => line(`  ${name}`, number(count)))];
}

function line(name: string, value: string): string {
  return `${name.padEnd(NAME_WIDTH)} ${value}`;
}

function rate({ seeds, seconds }: RunRecord): string {
  return (seeds / Math.max(seconds, 0.001)).toFixed(1);
}

function hours(ms: number): string {
  return (ms / 3_600_000).toFixed(1);
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
