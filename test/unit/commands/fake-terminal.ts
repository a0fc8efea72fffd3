// A terminal in memory: what a command wrote, and a way to stop it.

import type { Output, Terminal } from '../../../node/commands/command.ts';

export interface FakeTerminal extends Terminal {
  readonly written: { stdout: string; stderr: string };
  readonly interrupt: () => void;
  /** Resolves once stdout holds the text. */
  readonly prints: (text: string) => Promise<void>;
}

export function fakeTerminal(
  options: { env?: Record<string, string>; stdin?: string | readonly Uint8Array[]; tty?: boolean } = {},
): FakeTerminal {
  const stop = new AbortController();
  const written = { stdout: '', stderr: '' };
  const waiting: { text: string; resolve: () => void }[] = [];
  const output = (name: 'stdout' | 'stderr'): Output => ({
    isTty: options.tty ?? false,
    columns: () => 80,
    write: async (text) => {
      written[name] += text;
      for (const each of waiting) if (written.stdout.includes(each.text)) each.resolve();
    },
  });
  const { stdin } = options;
  return {
    env: options.env ?? {},
    stdin: { bytes: chunksOf(stdin ?? ''), isTty: stdin === undefined },
    stdout: output('stdout'),
    stderr: output('stderr'),
    screen: undefined,
    stop: stop.signal,
    tellStarter: undefined,
    written,
    interrupt: () => stop.abort(),
    prints: (text) =>
      new Promise((resolve) => {
        if (written.stdout.includes(text)) resolve();
        else waiting.push({ text, resolve });
      }),
  };
}

async function* chunksOf(input: string | readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* typeof input === 'string' ? [Buffer.from(input)] : input;
}
