// Inputs on disk. What is committed: for each target one file with the smallest inputs that together reach all that was
// reached (a line of base64 for each), and a folder with what was once a finding, a file for each. What a long run has
// reached beyond that is kept under .causeway/fuzz for the next one.

import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { nameOf } from './fuzzer.ts';

const here = import.meta.dirname;
const local = join(dirname(dirname(here)), '.causeway', 'fuzz');

export interface NamedInput {
  readonly name: string;
  readonly input: Uint8Array;
}

export function committedInputs(target: string): NamedInput[] {
  return [...corpusOf(target), ...findingsOf(target)];
}

function corpusOf(target: string): NamedInput[] {
  const path = corpusPath(target);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.flatMap((line, at) =>
    line === '' ? [] : [{ name: `corpus, line ${at + 1}`, input: Buffer.from(line, 'base64') }],
  );
}

function findingsOf(target: string): NamedInput[] {
  return filesIn(join(here, 'findings', target));
}

export function writeCorpus(target: string, inputs: readonly Uint8Array[]): void {
  mkdirSync(dirname(corpusPath(target)), { recursive: true });
  const lines = inputs.map((input) => `${Buffer.from(input).toString('base64')}\n`);
  writeFileSync(corpusPath(target), lines.join(''));
}

/** What long runs on this machine have kept. */
export function localInputs(target: string): NamedInput[] {
  return filesIn(join(local, 'corpus', target));
}

export function keepInput(target: string, input: Uint8Array): void {
  writeInput(join(local, 'corpus', target), nameOf(input), input);
}

/** Returns the path. */
export function writeFinding(target: string, input: Uint8Array): string {
  return writeInput(join(local, 'findings', target), nameOf(input), input);
}

export function writeReport(report: unknown): string {
  const path = join(local, `report-${Date.now()}.json`);
  mkdirSync(local, { recursive: true });
  writeFileSync(path, `${JSON.stringify(report, undefined, 2)}\n`);
  return path;
}

function corpusPath(target: string): string {
  return join(here, 'corpus', `${target}.txt`);
}

function filesIn(folder: string): NamedInput[] {
  const paths = globSync('*', { cwd: folder }).sort();
  return paths.map((path) => ({ name: basename(path), input: readFileSync(join(folder, path)) }));
}

function writeInput(folder: string, name: string, input: Uint8Array): string {
  const path = join(folder, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path, input);
  return path;
}
