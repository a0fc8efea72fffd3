import assert from 'node:assert/strict';
import { test } from 'node:test';
import { helpText, parseArguments, wantsHelp } from '../../../node/commands/arguments.ts';
import type { Command } from '../../../node/commands/command.ts';
import { MeshError } from '../../../node/core/errors.ts';

const command: Command = {
  name: 'sing',
  summary: 'sings',
  usage: '<song> [flags]',
  description: '',
  positionals: { min: 1, max: 1 },
  flags: {
    loud: { value: undefined, description: 'Sings loud.' },
    verse: { value: 'n', description: 'From this verse.' },
    voice: { value: 'name', description: 'With this voice.', multiple: true },
    secret: { value: undefined, description: 'Is not told.', hidden: true },
  },
  examples: ['causeway sing ode'],
  run: async () => 0,
};

function refusal(...argv: string[]): string {
  try {
    parseArguments(command, argv);
  } catch (error) {
    assert.ok(error instanceof MeshError && error.facts.exit === 2);
    return error.message;
  }
  throw new assert.AssertionError({ message: 'it was taken' });
}

test('reads switches, values in both spellings, repeated flags and positionals', () => {
  const args = parseArguments(command, ['--loud', 'ode', '--verse=2', '--voice', 'alto', '--voice', 'bass']);
  assert.deepEqual(args.positionals, ['ode']);
  assert.ok(args.has('loud'));
  assert.equal(args.integer('verse', 1), 2);
  assert.deepEqual(args.values.get('voice'), ['alto', 'bass']);
});

test("takes what stands after '--' as it is", () => {
  assert.deepEqual(parseArguments(command, ['--', '--loud']).positionals, ['--loud']);
  assert.equal(wantsHelp(['ode', '--', '--help']), false);
  assert.equal(wantsHelp(['ode', '-h']), true);
});

test('refuses what it does not know, and names the nearest', () => {
  assert.match(refusal('ode', '--luod'), /no flag --luod, the nearest is --loud/);
  assert.match(refusal('ode', '-v'), /no flag -v/);
  assert.match(refusal('ode', '--constructor'), /no flag --constructor; 'causeway sing --help' lists/);
});

test('refuses a value too many or too few, and arguments too many or too few', () => {
  assert.match(refusal('ode', '--loud=yes'), /takes no value/);
  assert.match(refusal('ode', '--verse'), /needs a value: --verse n/);
  assert.match(refusal('ode', '--verse', '1', '--verse', '2'), /given twice/);
  assert.match(refusal(), /missing; write 'causeway sing <song>/);
  assert.match(refusal('ode', 'to'), /'to' is one argument too many/);
});

test('reads whole numbers only', () => {
  for (const verse of ['0', '-1', '1.5', '1e3', 'two', '99999999999999999999']) {
    const args = parseArguments(command, ['ode', `--verse=${verse}`]);
    assert.throws(() => args.integer('verse', 1), /whole number from 1/);
  }
});

test('writes help with every flag but hidden ones, and an example', () => {
  const help = helpText(command);
  assert.match(help, /--voice name … {2}With this voice\./);
  assert.match(help, /Example:\n {2}causeway sing ode/);
  assert.doesNotMatch(help, /secret/);
});
