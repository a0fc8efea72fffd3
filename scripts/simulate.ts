// Runs the simulation over many seeds, on all cores, and says what came of it. A seed that breaks a promise is told with
// the facts and the command that replays it.
//
//   npm run simulate -- --seeds 1000              seeds 1 to 1000
//   npm run simulate -- --seeds 1000 --from 5000  seeds 5000 to 5999
//   npm run simulate -- --seed 42 --trace         one seed, with everything that happened
//   npm run simulate -- --hours 8                 new seeds for that long
//
// Exit code 1: a promise was broken.

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { Verdict } from '../test/simulation/run.ts';
import { run } from '../test/simulation/run.ts';

/** Seeds given to a worker at a time: enough to keep it busy, few enough to end together. */
const SEEDS_AT_ONCE = 20;
const FAILURES_SHOWN = 10;

class Tally {
  readonly #startedAt = performance.now();
  readonly #faults = new Map<string, number>();
  readonly #excused = new Map<string, number>();
  #seeds = 0;
  #quiet = 0;
  #virtualMs = 0;
  #events = 0;
  #deliveries = 0;
  #failures = 0;

  get failed(): boolean {
    return this.#failures > 0;
  }

  take(verdict: Verdict): void {
    this.#seeds++;
    if (verdict.quiet) this.#quiet++;
    this.#virtualMs += verdict.virtualMs;
    this.#events += verdict.events;
    this.#deliveries += verdict.deliveries;
    addAll(this.#faults, verdict.faults);
    addAll(this.#excused, verdict.excused);
    if (verdict.breaches.length === 0) return;
    this.#failures++;
    if (this.#failures > FAILURES_SHOWN) return;
    console.log(
      `seed ${verdict.seed} (${verdict.meshers} meshers, ${verdict.quiet ? 'quiet' : 'with faults'}) broke a promise`,
    );
    for (const { promise, facts } of verdict.breaches.slice(0, 3)) console.log(`  ${promise}: ${facts}`);
    console.log(`  replay: npm run simulate -- --seed ${verdict.seed} --trace`);
  }

  print(): void {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const rate = (this.#seeds / seconds).toFixed(1);
    console.log(
      `${this.#seeds} seeds in ${seconds.toFixed(1)} s (${rate} per second), ${this.#quiet} of them quiet, ${this.#failures} failed`,
    );
    console.log(
      `${(this.#virtualMs / 3_600_000).toFixed(1)} virtual hours, ${this.#events} events, ${this.#deliveries} deliveries`,
    );
    console.log(`faults: ${list(this.#faults)}`);
    console.log(`let pass: ${list(this.#excused)}`);
  }
}

function addAll(sums: Map<string, number>, more: ReadonlyMap<string, number>): void {
  for (const [name, count] of more) sums.set(name, (sums.get(name) ?? 0) + count);
}

function list(counts: ReadonlyMap<string, number>): string {
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.length === 0 ? 'none' : sorted.map(([name, count]) => `${name} ${count}`).join(', ');
}

/** Hands out seeds to one worker per core until there are no more. */
async function runMany(next: () => number | undefined, tally: Tally): Promise<void> {
  const workers = Array.from(
    { length: availableParallelism() },
    () => new Worker(new URL(import.meta.url), { workerData: 'simulate' }),
  );
  await Promise.all(
    workers.map(
      (worker) =>
        new Promise<void>((resolve, reject) => {
          const feed = (): void => {
            const seeds: number[] = [];
            while (seeds.length < SEEDS_AT_ONCE) {
              const seed = next();
              if (seed === undefined) break;
              seeds.push(seed);
            }
            if (seeds.length > 0) worker.postMessage(seeds);
            else resolve();
          };
          worker.on('message', (verdicts: readonly Verdict[]) => {
            for (const verdict of verdicts) tally.take(verdict);
            feed();
          });
          worker.on('error', reject);
          feed();
        }),
    ),
  );
  await Promise.all(workers.map((worker) => worker.terminate()));
}

function work(): void {
  parentPort?.on('message', (seeds: readonly number[]) => {
    parentPort?.postMessage(seeds.map((seed) => run({ seed })));
  });
}

function number(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  console.error(`simulate: --${name} wants a number, not ${text}`);
  process.exit(2);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      from: { type: 'string' },
      seed: { type: 'string' },
      hours: { type: 'string' },
      trace: { type: 'boolean' },
    },
  });
  const tally = new Tally();
  const seed = number('seed', values.seed);
  if (seed !== undefined) {
    tally.take(run(values.trace === true ? { seed, trace: (line) => console.log(line) } : { seed }));
  } else {
    const hours = number('hours', values.hours);
    const first =
      number('from', values.from) ?? (hours === undefined ? 1 : Math.floor(Date.now() / 1000) * 1000);
    const end = hours === undefined ? first + (number('seeds', values.seeds) ?? 200) : Infinity;
    const until = hours === undefined ? Infinity : performance.now() + hours * 3_600_000;
    let at = first;
    await runMany(() => (at < end && performance.now() < until ? at++ : undefined), tally);
  }
  tally.print();
  process.exitCode = tally.failed ? 1 : 0;
}

if (isMainThread) await main();
else if (workerData === 'simulate') work();
