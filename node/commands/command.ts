// What a subcommand is, and what it gets of the process it runs in. A command never exits the process and never writes
// to it but through its terminal, so that tests run it in-process.

import type { Arguments, Flag } from './arguments.ts';

export interface Command {
  /** `publish` */
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** What follows the name, e.g. `<filter> [flags]`. */
  readonly usage: string;
  /** A paragraph or two for `--help`; '' for none. */
  readonly description: string;
  /** How many arguments that are no flags it takes. */
  readonly positionals: { readonly min: number; readonly max: number };
  readonly flags: Readonly<Record<string, Flag>>;
  readonly examples: readonly string[];
  /** Resolves with the exit code. Rejects with a MeshError where it was refused or failed. */
  run(args: Arguments, terminal: Terminal): Promise<number>;
}

/** The process as a command sees it. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: { readonly bytes: AsyncIterable<Uint8Array>; readonly isTty: boolean };
  readonly stdout: Output;
  readonly stderr: Output;
  /** Undefined where input or output is no terminal. */
  readonly screen: Screen | undefined;
  /** Aborts at the first SIGINT, SIGTERM or SIGHUP, and when nobody reads stdout any more. */
  readonly stop: AbortSignal;
  /** Tells the Causeway process that started this one (`causeway up`); undefined where a user did. */
  readonly tellStarter: ((message: Readonly<Record<string, unknown>>) => void) | undefined;
}

/** All of a terminal, for a command that draws on it and hears its keys. */
export interface Screen {
  rows(): number;
  /** Takes it; what is returned gives it back as it was, which also happens however the process ends. */
  take(events: ScreenEvents): () => void;
}

export interface ScreenEvents {
  /** What one press of a key sends: a character, or an escape sequence. */
  key(text: string): void;
  resized(): void;
}

export interface Output {
  readonly isTty: boolean;
  /** Columns of the terminal; 80 where it is none. */
  columns(): number;
  /** Writes text as it is. Awaiting the result keeps a slow reader from filling the memory. */
  write(text: string): Promise<void>;
}

/** Exit code of a command that a signal ended before its work was done, as shells have it. */
export const interrupted = 130;

export async function printLine(output: Output, line = ''): Promise<void> {
  await output.write(`${line}\n`);
}
