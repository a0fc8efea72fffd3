// What a run came to, for people and as JSON.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Done } from './run.ts';

export interface Report {
  readonly command: string;
  readonly seed: number;
  readonly clusters: Readonly<Record<string, number>>;
  readonly rate: number;
  /** Nemesis → why it was left out: mostly, that this machine cannot give it. */
  readonly leftOut: Readonly<Record<string, string>>;
  readonly history: string;
  readonly done: Done;
}

export function printReport({ done, command, history }: Report, say: (line: string) => void): void {
  const { faults, verdict } = done;
  say('');
  say(`${'nemesis'.padEnd(22)}${'times'.padStart(7)}${'seconds'.padStart(10)}`);
  for (const [name, { times, seconds, passedOver }] of Object.entries(faults)) {
    const rest =
      passedOver > 0
        ? `   passed over ${passedOver} times: nobody was free for it, or had what it needs`
        : '';
    say(`${name.padEnd(22)}${String(times).padStart(7)}${seconds.toFixed(1).padStart(10)}${rest}`);
  }
  say('');
  say(
    `${verdict.attempted} events offered, ${verdict.acked} acked, ${verdict.delivered} deliveries (${verdict.redelivered} again), in ${done.seconds.toFixed(0)} s`,
  );
  if (done.stopped) say('stopped before its time');
  say(`all there ${(verdict.recoveredMs / 1000).toFixed(1)} s after the last fault`);
  for (const [reason, count] of Object.entries(verdict.explained)) say(`explained: ${count} × ${reason}`);
  for (const { promise, facts } of verdict.breaches) say(`BROKEN: ${promise}: ${facts}`);
  if (verdict.breachCount > verdict.breaches.length)
    say(`… and ${verdict.breachCount - verdict.breaches.length} more`);
  say(
    verdict.breachCount === 0
      ? 'no promise was broken'
      : `${verdict.breachCount} breaches; history: ${history}`,
  );
  say(`again: ${command}`);
}

export function writeReport(report: Report, file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
}
