// Reads the arguments of the project's own commands (`npm run simulate`, `faults`, …): what makes no sense is said in one line, with
// what would have made some.

import { parseArgs, type ParseArgsConfig } from 'node:util';

/** The command line makes no sense; `message` is one line, for who wrote it. */
export class BadArguments extends Error {
  override readonly name = 'BadArguments';
}

/** As `parseArgs` of Node. Throws BadArguments. */
export function parsed<const T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    // Of what Node says, the first sentence is what is wrong; the others are about positional arguments.
    const [what = ''] = cause.message.split(/[.\n]/);
    const known = Object.keys(config.options ?? {}).map((name) => `--${name}`);
    throw new BadArguments(`${what}; there are ${known.join(', ')}`, { cause });
  }
}

/** The same for a command that ends where it is not understood: with a line on stderr, and exit code 2. */
export function parsedOrExit<const T extends ParseArgsConfig>(
  command: string,
  config: T,
): ReturnType<typeof parseArgs<T>> {
  try {
    return parsed(config);
  } catch (error) {
    if (!(error instanceof BadArguments)) throw error;
    process.stderr.write(`${command}: ${error.message}\n`);
    process.exit(2);
  }
}
