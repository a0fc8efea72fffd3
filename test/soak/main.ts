// Steady load across a link through long outages: nothing acked may be lost, and when all is delivered memory, handles,
// timers and disk must be where they were after the warm-up.
//
//   npm run soak                                   outages of 5 and 10 minutes, at a share of what the machine holds
//   npm run soak -- --minutes 3                    one and two minutes
//   npm run soak -- --outages 5,10 --rate 50000
//   npm run soak -- --short                        two of ten seconds, at a low rate: what npm test runs
//
// `--minutes` are of outages: warm-up and recovery come on top. Exit code 1: a promise was broken. A JSON of the run, with a
// sample of each second, is written to .causeway/soak/.

import { mkdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parsedOrExit } from '../../scripts/arguments.ts';
import { ensureSystemPackages, forTests } from '../../scripts/system-packages.ts';
import { enclose, enclosedFolder, furnish, whyNoEnclosure } from '../faults/machine/enclosure.ts';
import { planOf, rateThatFits } from './plan.ts';
import { printReport, type Report, writeReport } from './report.ts';
import { soak } from './run.ts';

const USAGE = `npm run soak -- [options]
  --minutes <n>      of outages in all, a third in the first and two in the second (default 15)
  --outages <n,…>    minutes of each outage instead
  --rate <n>         events per second (default: 60 % of what comes through in a calibration)
  --payload <n>      bytes of each event's payload (default 256)
  --publishers <n>   processes that publish (default 2)
  --meshers <n>      of each of the two clusters (default 1)
  --short            two outages of ten seconds at 2,000 events/s
`;

const OUTPUT = join(import.meta.dirname, '../../.causeway/soak');
/** A machine cannot give it at all. */
const EXIT_IMPOSSIBLE = 3;
const SHORT = { outages: [1 / 6, 1 / 6], ratePerS: 2_000 } as const;

interface Asked {
  readonly minutes: number;
  readonly outages: readonly number[] | undefined;
  readonly ratePerS: number | undefined;
  readonly payloadBytes: number;
  readonly publishers: number;
  readonly meshers: number;
}

function fail(why: string): never {
  process.stderr.write(`soak: ${why}\n${USAGE}`);
  process.exit(2);
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) fail(`--${name} wants a number above 0, not ${text}`);
  return value;
}

function parse(args: readonly string[]): Asked {
  const { values } = parsedOrExit('soak', {
    args: [...args],
    options: {
      minutes: { type: 'string', default: '15' },
      outages: { type: 'string' },
      rate: { type: 'string' },
      payload: { type: 'string', default: '256' },
      publishers: { type: 'string', default: '2' },
      meshers: { type: 'string', default: '1' },
      short: { type: 'boolean', default: false },
    },
  });
  const outages = values.outages?.split(',').map((each) => number('outages', each));
  const rate = values.rate === undefined ? undefined : number('rate', values.rate);
  return {
    minutes: number('minutes', values.minutes),
    outages: values.short ? SHORT.outages : outages,
    ratePerS: values.short ? SHORT.ratePerS : rate,
    payloadBytes: number('payload', values.payload),
    publishers: number('publishers', values.publishers),
    meshers: number('meshers', values.meshers),
  };
}

async function inside(args: readonly string[], folder: string): Promise<number> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const stop = new AbortController();
  createInterface({ input: process.stdin }).on('line', () => stop.abort());
  const { minutes, outages, ratePerS, payloadBytes, publishers, meshers } = parse(args);
  const plan = planOf(minutes, outages);
  const { bavail, bsize } = statfsSync(folder);
  const freeBytes = bavail * bsize;
  const fits = rateThatFits(plan, payloadBytes, freeBytes);
  if (ratePerS !== undefined && ratePerS > fits)
    fail(
      `of the ${Math.floor(freeBytes / 2 ** 30)} GiB free for ${folder}, half have room for the backlog of ${fits} events/s; give a lower --rate, shorter outages, or a TMPDIR with more room`,
    );
  await furnish();
  const done = await soak({
    plan,
    ratePerS,
    payloadBytes,
    publishers,
    meshers,
    flags: ['--log-level', 'warn'],
    folder,
    freeBytes,
    stop: stop.signal,
    say,
  });
  const command = ['npm run soak', ...(args.length > 0 ? ['--', ...args] : [])].join(' ');
  const report: Report = { command, payloadBytes, done };
  printReport(report, say);
  mkdirSync(OUTPUT, { recursive: true });
  const file = join(OUTPUT, `${new Date().toISOString().replace(/[:.]/g, '-')}.json`);
  writeReport(report, file);
  say(`written to ${file}`);
  return done.breaches.length === 0 ? 0 : 1;
}

async function outside(args: readonly string[]): Promise<number> {
  parse(args); // what is asked for wrongly is said at once
  const lacking = (await whyNoEnclosure()) ?? ensureSystemPackages(forTests);
  if (lacking === undefined) return enclose(import.meta.filename, args);
  process.stderr.write(`soak: this machine cannot give outages: ${lacking}\n`);
  return EXIT_IMPOSSIBLE;
}

const args = process.argv.slice(2);
const folder = enclosedFolder();
process.exit(folder === undefined ? await outside(args) : await inside(args, folder));
