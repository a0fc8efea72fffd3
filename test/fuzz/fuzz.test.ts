// Every target, for a second or two from a fixed seed: what is committed (the corpus, and what was once a finding) first, each
// input by itself. `npm run fuzz` goes on from there for as long as one likes.

import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { describe, suite, test } from 'node:test';
import { fuzz } from './campaign.ts';
import { committedInputs } from './corpus.ts';
import { Coverage } from './coverage.ts';
import { type Finding, Fuzzer } from './fuzzer.ts';
import type { Target } from './target.ts';
import { TARGET_NAMES, targetNamed } from './targets/index.ts';

suite('every target', { concurrency: availableParallelism() }, () => {
  for (const name of TARGET_NAMES) {
    test(`${name}: no input breaks a promise`, async (t) => {
      const { quick, bytesMax } = await targetNamed(name);
      const inputs = committedInputs(name).map(({ input }) => input);
      const findings: Finding[] = [];
      const { tally, blocks } = await fuzz(
        { target: name, seed: 1, inputs, bytesMax, executionsMax: quick, msMax: Infinity },
        { kept: () => undefined, found: (finding) => findings.push(finding) },
      );
      t.diagnostic(
        `${tally.executions} executions, ${blocks} blocks of code, ${inputs.length} inputs committed`,
      );
      assert.deepEqual(
        findings.map(
          ({ kind, message, stack, input }) =>
            `${kind}: ${message}\n${stack}\n${Buffer.from(input).toString('base64')}`,
        ),
        [],
      );
      assert(
        tally.executions >= quick && tally.taken > 0 && tally.refused > 0,
        'inputs are taken, and refused',
      );
    });
  }
});

test('what is committed belongs to a target', () => {
  const folders = globSync('findings/*', { cwd: import.meta.dirname });
  const files = globSync('corpus/*.txt', { cwd: import.meta.dirname });
  for (const path of [...folders, ...files]) assert(TARGET_NAMES.includes(basename(path, '.txt')), path);
});

describe('the fuzzer finds', () => {
  const found = async (run: Target['run']): Promise<Finding | undefined> => {
    const target: Target = {
      name: 'planted',
      shape: 'bytes',
      bytesMax: 256,
      dictionary: ['deep'],
      sample: (chance) => Buffer.alloc(8, chance.below(256)),
      quick: 0,
      run,
    };
    const here = new URL('planted.ts', import.meta.url).href;
    const coverage = new Coverage((url) => url === here);
    const findings: Finding[] = [];
    coverage.start();
    const fuzzer = new Fuzzer(target, 1, coverage, {
      started: () => undefined,
      kept: () => undefined,
      found: (finding) => findings.push(finding),
    });
    await fuzzer.begin([]);
    await fuzzer.run((executions) => findings.length > 0 || executions > 500_000);
    coverage.stop();
    return findings[0];
  };

  test('an error that lies behind four bytes, one after the other, and makes its input small', async () => {
    const { staircase } = await import('./planted.ts');
    const finding = await found((input) => staircase(input));
    assert.deepEqual([finding?.kind, Buffer.from(finding?.input ?? []).toString()], ['error', 'CAVE']);
  });

  test('memory that a length asks for', async () => {
    const finding = await found((input) => new Float64Array(input.length > 0 ? 4_000_000 : 0).length > 0);
    assert.equal(finding?.kind, 'memory');
  });

  test('work that grows with the square of the length', async () => {
    const { square } = await import('./planted.ts');
    assert.equal((await found((input) => square(input)))?.kind, 'work');
  });

  for (const [name, kind] of [
    ['planted-endless', 'hang'],
    ['planted-deadly', 'error'],
  ] as const) {
    test(`an input that ${kind === 'hang' ? 'never ends' : 'takes its thread with it'}`, async () => {
      const findings: Finding[] = [];
      const inputs = ['AB', 'EN', 'CD'].map((text) => Buffer.from(text));
      await fuzz(
        {
          target: name,
          seed: 1,
          inputs,
          bytesMax: 256,
          executionsMax: 0,
          msMax: Infinity,
          patienceMs: 2_000,
        },
        { kept: () => undefined, found: (finding) => findings.push(finding) },
      );
      const [finding] = findings;
      assert.deepEqual([finding?.kind, Buffer.from(finding?.input ?? []).toString()], [kind, 'EN']);
    });
  }
});
