// The `causeway` command: hands the process to one subcommand as a terminal, and its exit code back. With commands/ the
// only place that touches `process`.
// The first SIGINT, SIGTERM or SIGHUP asks the command to stop, the second ends it where it stands.

import type { Output, Terminal } from './commands/command.ts';
import { errorLine } from './commands/error-line.ts';
import { ttyScreen } from './commands/tty-screen.ts';
import { runCommand } from './commands/run-command.ts';
import { setV8Flags } from './v8-flags.ts';

const stop = new AbortController();

// npm passes on a Ctrl-C that the terminal has sent us already: two within this time are one.
const sameKeyPressMs = 300;

function stopOnSignals(): void {
  let firstMs: number | undefined;
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => {
      if (firstMs === undefined) firstMs = performance.now();
      else if (performance.now() - firstMs > sameKeyPressMs) process.exit(code);
      stop.abort();
    });
  }
  // Started by `causeway up`, which is gone: nobody else would stop us.
  process.on('disconnect', () => stop.abort());
  process.channel?.unref();
}

function endOnFaults(): void {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      const stack = error instanceof Error && error.stack !== undefined ? `\n${error.stack}` : '';
      process.stderr.write(`${errorLine(error)}${stack}\n`, () => process.exit(4));
    });
  }
}

/** A reader that goes (`causeway … | head`) ends the command quietly. */
function output(stream: NodeJS.WriteStream): Output {
  let gone = false;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    gone = true;
    if (stream === process.stdout) stop.abort();
  });
  return {
    isTty: stream.isTTY,
    columns: () => stream.columns || 80,
    write: (text) =>
      new Promise((resolve) => {
        if (gone || text === '') resolve();
        else stream.write(text, () => resolve());
      }),
  };
}

async function flush(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength > 0 && !stream.destroyed)
    await new Promise((resolve) => stream.write('', resolve));
}

setV8Flags();
stopOnSignals();
endOnFaults();

const terminal: Terminal = {
  env: process.env,
  stdin: {
    bytes: {
      [Symbol.asyncIterator]: () => process.stdin[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>,
    },
    get isTty() {
      return process.stdin.isTTY;
    },
  },
  stdout: output(process.stdout),
  stderr: output(process.stderr),
  screen: ttyScreen(process.stdin, process.stdout, (giveBack) => {
    process.once('exit', giveBack);
    return () => process.off('exit', giveBack);
  }),
  stop: stop.signal,
  tellStarter: process.send === undefined ? undefined : (message) => void process.send?.(message),
};

const code = await runCommand(process.argv.slice(2), terminal);
await Promise.all([flush(process.stdout), flush(process.stderr)]);
process.exit(code);
