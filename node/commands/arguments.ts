// Reads a command's arguments by its table of flags, and writes its help from the same table. All that is wrong is a
// `invalid-request` that names the nearest flag there is.

import { parseArgs } from 'node:util';
import { MeshError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { Command } from './command.ts';

export interface Flag {
  /** What stands for the value in the help, e.g. `host:port`; undefined: a switch. */
  readonly value: string | undefined;
  readonly description: string;
  readonly multiple?: boolean;
  /** Left out of the help, where it would drown the others. */
  readonly hidden?: boolean;
}

/** The arguments of one call, checked against the command's table. */
export class Arguments {
  readonly positionals: readonly string[];
  readonly values: ReadonlyMap<string, readonly string[]>;

  constructor(positionals: readonly string[], values: ReadonlyMap<string, readonly string[]>) {
    this.positionals = positionals;
    this.values = values;
  }

  has(name: string): boolean {
    return this.values.has(name);
  }

  text(name: string): string | undefined {
    return this.values.get(name)?.at(-1);
  }

  /** A whole number from `min` on, or undefined where the flag was not given. */
  integer(name: string, min: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < min) {
      throw usage(`--${name} is '${text}'; give a whole number from ${min} on`);
    }
    return value;
  }

  /** One of a few words, or undefined where the flag was not given. */
  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const chosen = choices.find((choice) => choice === text);
    if (chosen === undefined) throw usage(`--${name} is '${text}'; give one of ${choices.join(', ')}`);
    return chosen;
  }
}

export function usage(message: string): MeshError {
  return new MeshError('invalid-request', message);
}

/** True where help was asked for, whatever else is wrong with the arguments. */
export function wantsHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).some((arg) => arg === '--help' || arg === '-h');
}

export function parseArguments(command: Command, argv: readonly string[]): Arguments {
  const options = Object.fromEntries(
    Object.entries(command.flags).map(([name, { value }]) => {
      return [name, { type: value === undefined ? 'boolean' : 'string', multiple: true }] as const;
    }),
  );
  const { tokens } = parseArgs({
    args: [...argv],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const help = `'causeway ${command.name} --help' lists the flags`;
  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const flag = Object.hasOwn(command.flags, token.name) ? command.flags[token.name] : undefined;
    if (flag === undefined || !token.rawName.startsWith('--')) {
      const near = nearest(token.name, Object.keys(command.flags));
      throw usage(
        `'${command.name}' has no flag ${token.rawName}${near === undefined ? '' : `, the nearest is --${near}`}; ${help}`,
      );
    }
    if (flag.value === undefined && token.value !== undefined)
      throw usage(`--${token.name} takes no value; write it alone`);
    if (flag.value !== undefined && token.value === undefined)
      throw usage(`--${token.name} needs a value: --${token.name} ${flag.value}`);
    const given = values.get(token.name) ?? [];
    if (given.length > 0 && flag.multiple !== true)
      throw usage(`--${token.name} is given twice; give it once`);
    values.set(token.name, [...given, token.value ?? 'true']);
  }
  const { min, max } = command.positionals;
  if (positionals.length < min)
    throw usage(`something is missing; write 'causeway ${command.name} ${command.usage}'`);
  if (positionals.length > max)
    throw usage(
      `'${positionals[max] ?? ''}' is one argument too many; write 'causeway ${command.name} ${command.usage}'`,
    );
  return new Arguments(positionals, values);
}

export function helpText(command: Command): string {
  const flags = Object.entries(command.flags).filter(([, flag]) => flag.hidden !== true);
  const rows = [
    ...flags.map(([name, flag]) => [flagTitle(name, flag), flag.description] as const),
    ['--help', 'Shows this.'] as const,
  ];
  const width = Math.max(...rows.map(([title]) => title.length));
  const parts = [
    `causeway ${command.name}: ${command.summary}`,
    `Usage: causeway ${command.name} ${command.usage}`,
    ...(command.description === '' ? [] : [command.description]),
    `Flags:\n${rows.map(([title, text]) => `  ${title.padEnd(width)}  ${text}`).join('\n')}`,
    `${command.examples.length > 1 ? 'Examples' : 'Example'}:\n${command.examples.map((line) => `  ${line}`).join('\n')}`,
  ];
  return `${parts.join('\n\n')}\n`;
}

function flagTitle(name: string, { value, multiple }: Flag): string {
  return `--${name}${value === undefined ? '' : ` ${value}`}${multiple === true && value !== undefined ? ' …' : ''}`;
}
