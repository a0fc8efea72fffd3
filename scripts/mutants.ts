// Finds for each known bug the first seed of the simulator that shows it, one bug in each thread at a time, and prints the table.
//
//   npm run mutants                    all of them, up to 1,000 seeds each
//   npm run mutants -- --only lane     those whose name has this in it
//   … --seeds 5000 --workers 1
//
// Exit code 1: a bug was not caught.

import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { parsedOrExit } from './arguments.ts';
import { MUTANTS } from '../test/simulation/mutants.ts';
import { catchWith, optionsFor } from '../test/simulation/mutants/mutant.ts';
import { run } from '../test/simulation/run.ts';

const SEEDS_MAX = 1_000;

interface Caught {
  readonly name: string;
  readonly seeds: number;
  /** Undefined: not within the seeds. */
  readonly promise: string | undefined;
}

interface Task {
  readonly mutant: number;
  readonly seeds: number;
}

/** In a thread of its own: what it replaces is replaced for the whole thread. */
function hunt({ mutant: index, seeds }: Task): void {
  const mutant = MUTANTS[index];
  if (!mutant) throw new Error(`no mutant ${index}: there are ${MUTANTS.length}`);
  mutant.infect();
  let caught: Caught = { name: mutant.name, seeds, promise: undefined };
  for (let seed = 1; seed <= seeds; seed++) {
    const promise = catchWith(mutant, run(optionsFor(mutant, seed)).breaches);
    if (promise === undefined) continue;
    caught = { name: mutant.name, seeds: seed, promise };
    break;
  }
  parentPort?.postMessage(caught);
}

function inThread(workerData: Task): Promise<Caught> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

async function main(): Promise<void> {
  const { values } = parsedOrExit('mutants', {
    options: { only: { type: 'string' }, seeds: { type: 'string' }, workers: { type: 'string' } },
  });
  const seeds = Number(values.seeds ?? SEEDS_MAX);
  const waiting = [...MUTANTS.keys()].filter(
    (index) => MUTANTS[index]?.name.includes(values.only ?? '') ?? false,
  );
  const found: Caught[] = [];
  const work = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const caught = await inThread({ mutant, seeds });
      found.push(caught);
      console.log(lineOf(caught));
    }
  };
  await Promise.all(Array.from({ length: Number(values.workers ?? availableParallelism()) }, work));
  const missed = found.filter(({ promise }) => promise === undefined);
  const [worst] = found.toSorted((a, b) => b.seeds - a.seeds);
  console.log(
    `\n${found.length - missed.length} of ${found.length} caught, each within ${worst?.seeds ?? 0} of ${seeds} seeds`,
  );
  process.exitCode = missed.length > 0 || found.length === 0 ? 1 : 0;
}

function lineOf({ name, seeds, promise }: Caught): string {
  return `${promise === undefined ? 'NOT CAUGHT' : `seed ${seeds}`.padEnd(10)}  a mesher that ${name}: ${promise ?? `${seeds} seeds`}`;
}

if (isMainThread) await main();
else hunt(workerData as Task);
