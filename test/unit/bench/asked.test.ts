import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { BadArguments } from '../../../scripts/arguments.ts';
import { chooseScenarios, readArguments } from '../../bench/asked.ts';
import type { Scenario } from '../../bench/harness/scenario.ts';

function scenario(name: string, number: number, rows: Readonly<Record<string, boolean>>): Scenario {
  return {
    name,
    number,
    title: name,
    notes: '',
    rows: Object.entries(rows).map(([id, short]) => ({
      id,
      short,
      what: id,
      unit: 'events/s',
      better: 'higher' as const,
      subject: { name: 'ours', run: async () => ({ value: 1, events: 1 }) },
    })),
  };
}

const all = [
  scenario('slow', 2, { '2.long': false }),
  scenario('fast', 1, { '1.short': true, '1.long': false }),
];

function chosen(...args: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const scenarios = chooseScenarios(all, readArguments(args));
  return Object.fromEntries(scenarios.map(({ name, rows }) => [name, rows.map(({ id }) => id)]));
}

const refused = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BadArguments);
  assert.match(error.message, message);
  assert.ok(!error.message.includes('\n'), 'it is one line');
  return true;
};

suite('the benchmark runs', () => {
  test('all rows in the order of their numbers, those of a scenario, the short ones, or those that are named', () => {
    assert.deepEqual(chosen(), { fast: ['1.short', '1.long'], slow: ['2.long'] });
    assert.deepEqual(chosen('slow'), { slow: ['2.long'] });
    assert.deepEqual(chosen('--short'), { fast: ['1.short'] });
    assert.deepEqual(chosen('--row', '2.long', '--row', '1.long'), { fast: ['1.long'], slow: ['2.long'] });
  });

  test('five pairs a row, three of short ones, or as many as are asked for', () => {
    assert.equal(readArguments([]).pairs, 5);
    assert.equal(readArguments(['--short']).pairs, 3);
    assert.equal(readArguments(['--short', '--pairs', '9']).pairs, 9);
  });
});

suite('the benchmark refuses, in one line,', () => {
  test('a row that is not there, also beside one that is, and names those that are', () => {
    assert.throws(
      () => chosen('--row', '3.none'),
      refused(/no row 3.none; there are 1.short 1.long 2.long$/),
    );
    assert.throws(() => chosen('--row', '1.long', '--row', '3.none'), refused(/no row 3.none;/));
  });

  test('a row of another scenario, or that is none of the short ones', () => {
    assert.throws(
      () => chosen('slow', '--row', '1.long'),
      refused(/no row 1.long in slow; there are 2.long$/),
    );
    assert.throws(() => chosen('--short', '--row', '1.long'), refused(/no row 1.long among the short ones;/));
    assert.throws(() => chosen('slow', '--short'), refused(/no rows among the short ones in slow$/));
  });

  test('an unknown scenario, option or number, and an option without its value', () => {
    assert.throws(() => chosen('fats'), refused(/no scenario fats; there are slow, fast$/));
    assert.throws(() => readArguments(['--wirte']), refused(/--wirte/));
    assert.throws(() => readArguments(['--row']), refused(/--row.*missing/));
    assert.throws(() => readArguments(['--row', '--write']), refused(/--row/));
    assert.throws(() => readArguments(['--write=yes']), refused(/--write/));
    assert.throws(
      () => readArguments(['--pairs', '0']),
      refused(/--pairs must be a whole number from 1, not 0/),
    );
  });

  test('options that contradict each other', () => {
    assert.throws(() => readArguments(['--check']), refused(/add --short/));
    assert.throws(() => readArguments(['--write', '--row', '1.long']), refused(/leave out --row/));
    assert.throws(() => readArguments(['--write', '--profile']), refused(/leave out --write/));
  });
});
