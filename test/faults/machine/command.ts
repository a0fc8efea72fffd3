// Runs one of the system's programs (ip, mount, mkfs, …) and says, where it fails, what was run and what it answered.

import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** None of them waits for anything: one that takes this long hangs. */
const COMMAND_TIMEOUT_MS = 60_000;

/** Resolves with its stdout. `input` goes to its stdin. */
export function command(program: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      program,
      args,
      { timeout: COMMAND_TIMEOUT_MS, env: { ...process.env, LC_ALL: 'C' } },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else {
          const words = [program, ...args].join(' ');
          const said = (stderr.trim() || error.message).slice(0, 500);
          reject(
            new Error(`"${words}" failed: ${said}${input && `; its input:\n${input}`}`, { cause: error }),
          );
        }
      },
    );
    child.stdin?.on('error', () => undefined); // it ended without reading: its exit code tells
    child.stdin?.end(input);
  });
}

/** The first of these programs that is not on PATH. */
export function lacking(...programs: readonly string[]): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return programs.find((program) => !folders.some((folder) => isProgram(join(folder, program))));
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // not in this folder, or not ours to run
  }
}
