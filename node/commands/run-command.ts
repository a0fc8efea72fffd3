// Finds the subcommand, reads its arguments and runs it; makes of whatever goes wrong one line on stderr and an exit
// code. Commands are loaded when they are wanted, so that `causeway status` does not wait for libp2p.

import { MeshError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { helpText, parseArguments, usage, wantsHelp } from './arguments.ts';
import type { Command, Terminal } from './command.ts';
import { printLine } from './command.ts';
import { errorLine } from './error-line.ts';
import { formatRows } from './table.ts';
import { version } from './version.ts';

const loaders: Readonly<Record<string, () => Promise<{ command: Command }>>> = {
  node: () => import('./node.ts'),
  registry: () => import('./registry.ts'),
  up: () => import('./up.ts'),
  start: () => import('./start.ts'),
  publish: () => import('./publish.ts'),
  subscribe: () => import('./subscribe.ts'),
  top: () => import('./top.ts'),
  status: () => import('./status.ts'),
  links: () => import('./links.ts'),
  routes: () => import('./routes.ts'),
  trace: () => import('./trace.ts'),
};

/** Resolves with the exit code; never rejects. `argv`: what follows `causeway`. */
export async function runCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    return await dispatch(argv, terminal);
  } catch (error) {
    await printLine(terminal.stderr, errorLine(error));
    if (
      !(error instanceof MeshError) &&
      error instanceof Error &&
      /\bcauseway\b/.test(terminal.env['NODE_DEBUG'] ?? '')
    ) {
      await printLine(terminal.stderr, error.stack);
    }
    return error instanceof MeshError ? error.facts.exit : 4;
  }
}

async function dispatch(argv: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined) {
    await terminal.stderr.write(await overview());
    return 2;
  }
  if (name === '--version' || name === '-V') {
    await printLine(terminal.stdout, version);
    return 0;
  }
  if (name === '--help' || name === '-h' || (name === 'help' && rest.length === 0)) {
    await terminal.stdout.write(await overview());
    return 0;
  }
  const wanted = name === 'help' ? (rest[0] ?? '') : name;
  const loader = Object.hasOwn(loaders, wanted) ? loaders[wanted] : undefined;
  if (loader === undefined) {
    const near = nearest(wanted, Object.keys(loaders));
    throw usage(
      `there is no command '${wanted}'${near === undefined ? '' : `, the nearest is '${near}'`}; 'causeway --help' lists them`,
    );
  }
  const { command } = await loader();
  if (name === 'help' || wantsHelp(rest)) {
    await terminal.stdout.write(helpText(command));
    return 0;
  }
  return command.run(parseArguments(command, rest), terminal);
}

async function overview(): Promise<string> {
  const commands = await Promise.all(Object.values(loaders).map(async (load) => (await load()).command));
  const list = formatRows(commands.map(({ name, summary }) => [`  ${name}`, summary]));
  return (
    `causeway ${version}: a federated event mesh\n\nUsage: causeway <command> [flags]\n\nCommands:\n${list}\n\n` +
    `Flags:\n  --help     Shows this; 'causeway <command> --help' says more of one.\n  --version  Prints the version.\n\n` +
    'Example:\n  causeway up\n\n' +
    'Exit codes: 0 done, 2 wrong use, 3 refused, 4 failure, 130 interrupted.\n'
  );
}
