// The command line: arguments, a line each. Whatever they are, they are read, or refused in words that name the command.

import assert from 'node:assert/strict';
import { helpText, parseArguments, wantsHelp } from '../../../node/commands/arguments.ts';
import { command as node } from '../../../node/commands/node.ts';
import { command as publish } from '../../../node/commands/publish.ts';
import { command as subscribe } from '../../../node/commands/subscribe.ts';
import { MeshError } from '../../../node/core/errors.ts';
import { type Target, unlessRefused } from '../target.ts';

const COMMANDS = [node, publish, subscribe] as const;
const LINES = [
  '--cluster',
  'eu',
  '--cluster=eu',
  '--url',
  'http://x:1',
  '--data',
  '{"a":1}',
  'orders/#',
  '--',
  '-h',
  '--limits-event-bytes-max',
  '5',
];

export const target: Target = {
  name: 'arguments',
  shape: 'text',
  bytesMax: 1_024,
  dictionary: [...LINES.map((line) => `${line}\n`), '--__proto__\n', '--constructor=1\n', '--no-'],
  sample: (chance) =>
    Buffer.from([String(chance.below(3)), ...LINES.filter(() => chance.is(0.3))].join('\n')),
  quick: 8_000,
  operationsFree: 200_000,
  run: (input) => {
    const [which = '', ...argv] = Buffer.from(input).toString().split('\n');
    const command = COMMANDS[which.length % COMMANDS.length] ?? node;
    wantsHelp(argv);
    const parsed = unlessRefused([MeshError], () => parseArguments(command, argv));
    if (!parsed) return false;
    for (const name of parsed.value.values.keys())
      assert(Object.hasOwn(command.flags, name), `${name} is a flag`);
    for (const name of Object.keys(command.flags))
      unlessRefused([MeshError], () => parsed.value.integer(name, 0));
    assert(helpText(command).startsWith('causeway '));
    return true;
  },
};
