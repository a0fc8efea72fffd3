// Runs the simulation over many seeds, on all cores, and says what came of it. A seed that breaks a promise is told with
// the facts and the command that replays it. What came of each run is kept in `.causeway/simulate/`.
//
//   npm run simulate -- --seeds 1000              seeds 1 to 1000
//   npm run simulate -- --seeds 1000 --from 5000  seeds 5000 to 5999
//   npm run simulate -- --hours 8                 new seeds for that long
//   npm run simulate -- --seed 42 --trace         one seed, with everything that happened
//   npm run simulate -- --totals                  the sum of all runs that are kept
//   … --workers 1                                 on so many cores only
//   … --redrives                                  in each run somebody redrives and drops dead letters
//   … --damages                                   in each run with faults copies are damaged, where there are some
//   … --absences                                  in each run with faults and copies meshers join while an heir is away
//
// Exit code 1: a promise was broken.

import { availableParallelism } from 'node:os';
import { parsedOrExit } from './arguments.ts';
import { run } from '../test/simulation/run.ts';
import { type Forced, runSeeds } from './simulation/crew.ts';
import { newRecord, type RunRecord, save, take, totals } from './simulation/record.ts';
import { progressLine, table } from './simulation/table.ts';

const SEEDS_USUAL = 200;
const PROGRESS_EVERY_MS = 10_000;

const { values } = parsedOrExit('simulate', {
  options: {
    seeds: { type: 'string' },
    from: { type: 'string' },
    seed: { type: 'string' },
    hours: { type: 'string' },
    workers: { type: 'string' },
    trace: { type: 'boolean' },
    totals: { type: 'boolean' },
    redrives: { type: 'boolean' },
    damages: { type: 'boolean' },
    absences: { type: 'boolean' },
  },
});

function number(name: 'seeds' | 'from' | 'seed' | 'hours' | 'workers'): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  console.error(`simulate: --${name} wants a number, not ${text}`);
  process.exit(2);
}

const all: Forced = {
  ...(values.redrives === true && { redrives: true }),
  ...(values.damages === true && { damages: true }),
  ...(values.absences === true && { absences: true }),
};

const flags = Object.keys(all)
  .map((name) => ` --${name}`)
  .join('');

function runOne(seed: number): RunRecord {
  const record = newRecord(seed);
  const startedAt = performance.now();
  const trace = values.trace === true && { trace: (line: string) => console.log(line) };
  take(record, run({ ...all, ...trace, seed }), flags);
  record.seconds = (performance.now() - startedAt) / 1000;
  return record;
}

async function runMany(): Promise<RunRecord> {
  const hours = number('hours');
  // seeds that nobody ran before: there are more than can be run in the seconds since 1970
  const first = number('from') ?? (hours === undefined ? 1 : Math.floor(Date.now() / 1000) * 1000);
  const end = hours === undefined ? first + (number('seeds') ?? SEEDS_USUAL) : Infinity;
  const startedAt = performance.now();
  const until = hours === undefined ? Infinity : startedAt + hours * 3_600_000;
  const record = newRecord(first);
  const note = (): void => {
    record.seconds = (performance.now() - startedAt) / 1000;
    save(record);
  };
  const progress = setInterval(() => {
    note();
    console.log(progressLine(record));
  }, PROGRESS_EVERY_MS);
  let at = first;
  try {
    await runSeeds(
      number('workers') ?? availableParallelism(),
      all,
      () => (at < end && performance.now() < until ? at++ : undefined),
      (verdict) => {
        take(record, verdict, flags);
        for (const { promise, facts } of verdict.breaches.slice(0, 1))
          console.log(`seed ${verdict.seed} broke: ${promise}: ${facts}`);
      },
    );
  } finally {
    clearInterval(progress);
    note();
  }
  return record;
}

const seed = number('seed');
if (values.totals === true) {
  const sum = totals();
  console.log(`${sum.runs} runs in .causeway/simulate`);
  console.log(table(sum));
} else {
  const record = seed === undefined ? await runMany() : runOne(seed);
  console.log(table(record));
  process.exitCode = record.failures.length > 0 ? 1 : 0;
}
