// Fuzzes every parser, each in a thread of its own, as many at a time as there are cores. Says what came of it as a table,
// and writes it as JSON to .causeway/fuzz. What reached something new is kept there, and is where the next run begins.
//
//   npm run fuzz                                                   a minute for each target
//   npm run fuzz -- --minutes 60 --only link-frames --seed 7       an hour for one
//   npm run fuzz -- --only config --replay <file>                  one input, with the error it raises
//   npm run fuzz -- --commit-corpus                                afterwards, the smallest inputs that reach as much go to test/fuzz/corpus
//
// Exit code 1: there are findings. Each is written to .causeway/fuzz/findings; once mended it moves to test/fuzz/findings,
// which `npm test` runs.

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parsedOrExit } from '../../scripts/arguments.ts';
import { fuzz } from './campaign.ts';
import * as corpus from './corpus.ts';
import type { Finding } from './fuzzer.ts';
import { distilled } from './distil.ts';
import { TARGET_NAMES, targetNamed } from './targets/index.ts';
import type { Progress } from './order.ts';

interface Row extends Progress {
  readonly target: string;
  readonly seed: number;
  readonly findings: number;
}

const { values } = parsedOrExit('fuzz', {
  options: {
    minutes: { type: 'string', default: '1' },
    only: { type: 'string' },
    seed: { type: 'string' },
    jobs: { type: 'string' },
    replay: { type: 'string' },
    'commit-corpus': { type: 'boolean', default: false },
  },
});

function fail(why: string): never {
  console.error(`fuzz: ${why}`);
  process.exit(2);
}

function number(name: string, text: string, min: number): number {
  const value = Number(text);
  return Number.isFinite(value) && value >= min
    ? value
    : fail(`--${name} wants a number from ${min}, not ${text}`);
}

function chosenTargets(): readonly string[] {
  const names = values.only?.split(',') ?? TARGET_NAMES;
  const unknown = names.find((name) => !TARGET_NAMES.includes(name));
  return unknown === undefined
    ? names
    : fail(`there is no target ${unknown}; there are ${TARGET_NAMES.join(', ')}`);
}

async function replay(path: string, names: readonly string[]): Promise<void> {
  const [name, ...more] = names;
  if (name === undefined || more.length > 0) fail('--replay wants --only with one target');
  const target = await targetNamed(name);
  const taken = await target.run(readFileSync(path)); // what it throws is what there is to see
  console.log(`${name}: ${taken ? 'taken' : 'refused'}, as it should be`);
}

async function fuzzOne(name: string, seed: number, msMax: number): Promise<Row> {
  const { bytesMax } = await targetNamed(name);
  const inputs = [...corpus.committedInputs(name), ...corpus.localInputs(name)].map(({ input }) => input);
  let findings = 0;
  const show = ({ kind, message, stack, input }: Finding): void => {
    findings++;
    const path = corpus.writeFinding(name, input);
    const [words, places] = [
      message.split('\n').slice(0, 8),
      stack.split('\n').filter((line) => /^ +at /.test(line)),
    ];
    console.log([`${name}: ${kind}: ${words.join('\n')}`, ...places.slice(0, 6)].join('\n'));
    console.log(`    replay: npm run fuzz -- --only ${name} --replay ${path}`);
  };
  const progress = await fuzz(
    { target: name, seed, inputs, bytesMax, executionsMax: Infinity, msMax },
    { kept: (input) => corpus.keepInput(name, input), found: show },
  );
  return { target: name, seed, findings, ...progress };
}

function table(rows: readonly Row[]): string {
  const head = ['target', 'executions', 'per second', 'taken', 'blocks', 'new blocks', 'kept', 'findings'];
  const cells = rows.map(({ target, tally, seconds, blocks, blocksAtFirst, findings }) => [
    target,
    String(tally.executions),
    (tally.executions / Math.max(seconds, 0.001)).toFixed(0),
    `${((tally.taken / Math.max(1, tally.executions)) * 100).toFixed(0)} %`,
    String(blocks),
    String(blocks - blocksAtFirst),
    String(tally.kept),
    String(findings),
  ]);
  const lines = [head, ...cells];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join('  '),
    )
    .join('\n');
}

async function main(): Promise<void> {
  const names = chosenTargets();
  if (values.replay !== undefined) return replay(values.replay, names);
  const msMax = number('minutes', values.minutes, 0) * 60_000;
  const seed = values.seed === undefined ? Math.floor(Date.now() / 1000) : number('seed', values.seed, 0);
  const jobs = values.jobs === undefined ? availableParallelism() : number('jobs', values.jobs, 1);
  const rows: Row[] = [];
  const waiting = [...names];
  const worker = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const row = await fuzzOne(name, seed, msMax);
      rows.push(row);
      console.log(`${name}: ${row.tally.executions} executions, ${row.findings} findings`);
      if (values['commit-corpus']) corpus.writeCorpus(name, await distilled(name));
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  rows.sort((a, b) => names.indexOf(a.target) - names.indexOf(b.target));
  console.log(table(rows));
  console.log(
    `seed ${seed}; ${corpus.writeReport({ seed, minutes: values.minutes, node: process.version, rows })}`,
  );
  process.exitCode = rows.some(({ findings }) => findings > 0) ? 1 : 0;
}

await main();
