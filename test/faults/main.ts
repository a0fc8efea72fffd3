// Real processes under real faults: three clusters of meshers with a real etcd, each process on a host of its own, steady
// load, and nemeses that come and go as a seed says; then everything is healed, and a checker reads the history.
//
//   npm run faults                                 half an hour, a new seed
//   npm run faults -- --minutes 120 --seed 7
//   npm run faults -- --only partition,kill        nemeses whose names begin so
//   npm run faults -- --short                      a fixed list, two minutes: what npm test runs
//   npm run faults -- --list                       the nemeses, and which of them this machine cannot give
//
// Exit code 1: a promise was broken. The history and a JSON of the run are written to .causeway/faults/.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parsedOrExit } from '../../scripts/arguments.ts';
import { ensureSystemPackages, forTests } from '../../scripts/system-packages.ts';
import { slowness } from '../support/calibrate.ts';
import { enclose, enclosedFolder, furnish, whyNoEnclosure } from './machine/enclosure.ts';
import { examine } from './machine/examine.ts';
import { nemeses } from './nemeses/index.ts';
import type { Machine, Nemesis } from './nemeses/nemesis.ts';
import { printReport, type Report, writeReport } from './report.ts';
import { run } from './run.ts';
import { fixedPeriods, randomPeriods } from './schedule.ts';
import { shortNemeses, SHORT_SECONDS } from './short.ts';

const USAGE = `npm run faults -- [options]
  --minutes <n>      how long faults come (default 30)
  --seed <n>         chooses faults and victims (default: a new one)
  --only <names>     nemeses whose names begin with one of these, by commas
  --clusters <a=n>   meshers in each cluster (default a=2,b=3,c=2)
  --rate <n>         events per second in all (default 200)
  --replicas <n>     meshers of a cluster that keep what is acked (default 1)
  --tls              links are encrypted with TLS, which has certificates, instead of Noise
  --short            the fixed list that npm test runs, with two meshers in each cluster
  --list             name the nemeses, and run nothing
`;

const OUTPUT = join(import.meta.dirname, '../../.causeway/faults');
/** A machine cannot give it at all. */
const EXIT_IMPOSSIBLE = 3;

interface Asked {
  readonly minutes: number;
  readonly seed: number;
  readonly only: readonly string[];
  readonly clusters: Readonly<Record<string, number>>;
  readonly rate: number;
  readonly replicas: number;
  readonly tls: boolean;
  readonly short: boolean;
  readonly list: boolean;
}

function fail(why: string): never {
  process.stderr.write(`faults: ${why}\n${USAGE}`);
  process.exit(2);
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) fail(`--${name} wants a number, not ${text}`);
  return value;
}

function parseClusters(text: string): Record<string, number> {
  return Object.fromEntries(
    text.split(',').map((each) => {
      const match = /^([a-z]+)=([1-9])$/.exec(each);
      if (match?.[1] === undefined) fail(`--clusters wants something like a=2,b=3, not ${text}`);
      return [match[1], Number(match[2])];
    }),
  );
}

function parse(args: readonly string[]): Asked {
  const { values } = parsedOrExit('faults', {
    args: [...args],
    options: {
      minutes: { type: 'string', default: '30' },
      seed: { type: 'string' },
      only: { type: 'string', default: '' },
      clusters: { type: 'string' },
      rate: { type: 'string', default: '200' },
      replicas: { type: 'string', default: '1' },
      tls: { type: 'boolean', default: false },
      short: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
    },
  });
  return {
    minutes: number('minutes', values.minutes),
    seed: number('seed', values.seed ?? String(Math.floor(Date.now() / 1000) % 1_000_000)),
    only: values.only.split(',').filter((name) => name !== ''),
    clusters: parseClusters(values.clusters ?? (values.short ? 'a=2,b=2,c=2' : 'a=2,b=3,c=2')),
    rate: number('rate', values.rate),
    replicas: number('replicas', values.replicas),
    tls: values.tls,
    short: values.short,
    list: values.list,
  };
}

function choose(
  only: readonly string[],
  machine: Machine,
): { chosen: Nemesis[]; leftOut: Record<string, string> } {
  const wanted = nemeses.filter(
    ({ name }) => only.length === 0 || only.some((start) => name.startsWith(start)),
  );
  if (wanted.length === 0) fail(`no nemesis begins with ${only.join(' or ')}; --list names them`);
  const leftOut: Record<string, string> = {};
  const chosen = wanted.filter(({ name, cannot }) => {
    const why = cannot(machine);
    if (why !== undefined) leftOut[name] = why;
    return why === undefined;
  });
  return { chosen, leftOut };
}

/** Durations that a run of minutes gets to see; on a slow machine longer, so that healthy links and leases hold. */
function flags({ replicas, tls }: Asked): string[] {
  const ms = (usual: number): string => String(Math.round(usual * slowness()));
  return [
    ['--registry-lease-ttl-ms', ms(5000)],
    ['--timing-link-silence-ms', ms(6250)],
    ['--timing-link-grace-ms', ms(1500)],
    ['--timing-lane-stall-ms', ms(6000)],
    ['--timing-dead-after-ms', ms(20_000)],
    ['--replicas', String(replicas)],
    ['--link-encryption', tls ? 'tls' : 'noise'],
    ['--log-level', 'warn'],
  ].flat();
}

function commandOf({ seed, replicas, tls, short, minutes, only, clusters, rate }: Asked): string {
  const mesh = `${replicas === 1 ? '' : ` --replicas ${replicas}`}${tls ? ' --tls' : ''}`;
  if (short) return `npm run faults -- --short --seed ${seed}${mesh}`;
  const meshers = Object.entries(clusters).map(([name, count]) => `${name}=${count}`);
  const names = only.length > 0 ? ` --only ${only.join(',')}` : '';
  return `npm run faults -- --minutes ${minutes} --seed ${seed} --clusters ${meshers.join(',')} --rate ${rate}${names}${mesh}`;
}

async function inside(asked: Asked, folder: string): Promise<number> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const stop = new AbortController();
  createInterface({ input: process.stdin }).on('line', () => stop.abort());
  await furnish();
  const machine: Machine = { ...(await examine(folder)), replicas: asked.replicas };
  const { chosen, leftOut } = choose(asked.only, machine);
  for (const [name, why] of Object.entries(leftOut)) say(`left out: ${name}: ${why}`);
  if (asked.list) {
    for (const { name, seconds } of chosen) say(`${name.padEnd(22)} ${seconds.join(' to ')} s`);
    return 0;
  }
  const { seed, short, clusters, rate, minutes, replicas } = asked;
  const name = `${new Date().toISOString().replace(/[:.]/g, '-')}-${seed}`;
  mkdirSync(OUTPUT, { recursive: true });
  const history = join(OUTPUT, `${name}.jsonl`);
  const command = commandOf(asked);
  say(`seed ${seed}; again: ${command}`);
  const done = await run({
    seed,
    clusters,
    rate,
    flags: flags(asked),
    replicas,
    hasDisks: machine.noDisks === undefined,
    periods: short ? fixedPeriods(shortNemeses(chosen), SHORT_SECONDS) : randomPeriods(seed, chosen),
    seconds: short ? Infinity : minutes * 60,
    folder,
    historyFile: history,
    stop: stop.signal,
    say,
  });
  const report: Report = { command, seed, clusters, rate, leftOut, history, done };
  printReport(report, say);
  writeReport(report, join(OUTPUT, `${name}.json`));
  const isClean = done.verdict.breachCount === 0;
  if (isClean && short) rmSync(history); // every npm test makes one
  return isClean ? 0 : 1;
}

async function outside(): Promise<number> {
  const lacking = (await whyNoEnclosure()) ?? ensureSystemPackages(forTests);
  if (lacking === undefined) return enclose(import.meta.filename, process.argv.slice(2));
  process.stderr.write(`faults: this machine cannot give them: ${lacking}\n`);
  return EXIT_IMPOSSIBLE;
}

const asked = parse(process.argv.slice(2));
const folder = enclosedFolder();
process.exit(folder === undefined ? await outside() : await inside(asked, folder));
