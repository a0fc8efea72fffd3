// Runs the scenarios beside this file: commands, and below each the exact transcript of what the cores then do. They are
// read by newcomers, too. With UPDATE_SCENARIOS=1 the transcripts are written anew: read the difference.
//
//   # comment
//   command arguments
//   ----
//   what came of it            up to an empty line
//
// The commands are those of bench.ts.

import assert from 'node:assert/strict';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Bench } from './bench.ts';

const UPDATE = process.env['UPDATE_SCENARIOS'] === '1';
const files = globSync('*.txt', { cwd: import.meta.dirname }).sort();

void test('there are scenarios', () => {
  assert.ok(files.length >= 6);
});

for (const file of files) {
  const path = join(import.meta.dirname, file);
  void test(`does what ${file} says`, () => {
    const expected = readFileSync(path, 'utf8');
    const actual = play(expected);
    if (UPDATE) writeFileSync(path, actual);
    else assert.equal(actual, expected);
  });
}

/** The scenario with its transcripts as they come now. */
function play(text: string): string {
  const bench = new Bench();
  const out: string[] = [];
  let isOutput = false;
  for (const line of text.trimEnd().split('\n')) {
    if (line === '') isOutput = false;
    if (isOutput || line === '----') {
      isOutput = true;
      continue;
    }
    out.push(line);
    if (line === '' || line.startsWith('#')) continue;
    out.push('----', ...bench.run(line));
  }
  return `${out.join('\n')}\n`;
}
