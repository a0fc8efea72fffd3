// What a soak came to, for people and as JSON.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Resources } from './resources.ts';
import type { Done } from './run.ts';

export interface Report {
  readonly command: string;
  readonly payloadBytes: number;
  readonly done: Done;
}

const MIB = 1024 * 1024;
const WIDTHS = [12, 9, 10, 13, 12, 12, 11, 13] as const;

export function printReport({ done, command, payloadBytes }: Report, say: (line: string) => void): void {
  const { phases, seen } = done;
  const row = (cells: readonly string[]): void =>
    say(cells.map((cell, i) => (i === 0 ? cell.padEnd(WIDTHS[0]) : cell.padStart(WIDTHS[i] ?? 0))).join(''));
  say('');
  row(['phase', 'seconds', 'acked/s', 'delivered/s', 'waiting', 'memory MiB', 'disk MiB', 'cores']);
  for (const phase of phases)
    row([
      phase.name,
      phase.seconds.toFixed(0),
      String(phase.ackedPerS),
      String(phase.receivedPerS),
      String(phase.backlog),
      (phase.rssMaxBytes / MIB).toFixed(0),
      (phase.diskMaxBytes / MIB).toFixed(0),
      phase.cores.map((each) => each.toFixed(2)).join(' + '),
    ]);
  say('');
  for (const { name, baseline, end } of seen.meshers) {
    const figures = (Object.keys(baseline) as (keyof Resources)[]).map(
      (what) => `${what} ${shown(what, baseline[what])} → ${shown(what, end[what])}`,
    );
    say(`${name}: ${figures.join(', ')}`);
  }
  say(
    `${done.ratePerS} events/s of ${payloadBytes} B offered; ${seen.acked} acked, ${seen.missing.count} lost, ${seen.duplicates} came again`,
  );
  for (const [why, count] of Object.entries(seen.doubts)) if (count > 0) say(`explained: ${count} × ${why}`);
  for (const [at, { seconds, backlog, recoveredSeconds }] of seen.outages.entries())
    say(
      `outage ${at + 1}: ${seconds.toFixed(0)} s, ${backlog} waited, caught up ${recoveredSeconds === undefined ? 'never' : `in ${recoveredSeconds.toFixed(0)} s under load`}`,
    );
  if (done.stopped) say('stopped before its time');
  for (const broken of done.breaches) say(`BROKEN: ${broken}`);
  say(done.breaches.length === 0 ? 'no promise was broken' : `${done.breaches.length} breaches`);
  say(`again: ${command}`);
}

function shown(what: keyof Resources, value: number): string {
  return what.endsWith('Bytes') ? `${(value / MIB).toFixed(0)} MiB` : String(value);
}

export function writeReport(report: Report, file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
}
