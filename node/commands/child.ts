// One Causeway process started by another: in a process group of its own, so that a Ctrl-C in the terminal reaches only
// us and we stop it in order; its output goes to a log file; over the channel it tells its addresses. Should we die, the
// channel closes and it stops by itself.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { MeshError } from '../core/errors.ts';
import { asObject } from './api.ts';
import { within } from './waiting.ts';

export interface ChildEnd {
  readonly code: number | undefined;
  readonly signal: string | undefined;
}

// Longer than a mesher takes for its own deadlines.
const stopDeadlineMs = 25_000;
const logLinesShown = 3;
const logWordsMax = 200;
const logBytesRead = 16 * 1024;

// As this file: TypeScript in a clone, JavaScript where the package is installed.
const main = join(import.meta.dirname, `../main${extname(import.meta.filename)}`);

export class Child {
  readonly title: string;
  readonly logFile: string;
  /** What it told when it was up. Rejects where it ended before. */
  readonly told: Promise<Readonly<Record<string, unknown>>>;
  readonly ended: Promise<ChildEnd>;
  readonly #process: ChildProcess;
  #stopping = false;
  #end: ChildEnd | undefined;

  constructor(title: string, args: readonly string[], logFile: string) {
    this.title = title;
    this.logFile = logFile;
    const log = openSync(logFile, 'a');
    this.#process = spawn(process.execPath, [main, ...args], {
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: string | null): void => {
        this.#end = { code: code ?? undefined, signal: signal ?? undefined };
        resolve(this.#end);
      };
      this.#process.once('exit', end);
      this.#process.once('error', () => end(127, null));
    });
    const message = new Promise<Readonly<Record<string, unknown>>>((resolve) => {
      this.#process.once('message', (value) => resolve(asObject(value) ?? {}));
    });
    this.told = Promise.race([message, this.ended.then(() => Promise.reject(this.failure()))]);
    this.told.catch(() => undefined); // whoever waits for it sees the rejection; nobody may be left by then
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get running(): boolean {
    return this.#end === undefined;
  }

  /** True when it ended without having been told to. */
  get endedUnasked(): boolean {
    return this.#end !== undefined && !this.#stopping;
  }

  /** Its end in words, with the last lines of its log. */
  failure(): MeshError {
    const { code, signal } = this.#end ?? {};
    const how = signal === undefined ? `with exit code ${code ?? 'unknown'}` : `by ${signal}`;
    const lines = this.#lastLogLines().map(logWords);
    const words = lines.length === 0 ? '' : `, its last words: ${lines.join(' | ')}`;
    return new MeshError(
      'mesher-unreachable',
      `${this.title} ended ${how}${words}; its log is ${this.logFile}`,
    );
  }

  /** SIGTERM, and SIGKILL when it has not ended by the deadline. Resolves when it has. */
  async stop(): Promise<ChildEnd> {
    this.#stopping = true;
    if (this.running) this.#process.kill('SIGTERM');
    const end = await within(stopDeadlineMs, this.ended);
    if (end !== undefined) return end;
    this.#process.kill('SIGKILL');
    return this.ended;
  }

  #lastLogLines(): string[] {
    try {
      const text = readFileSync(this.logFile).subarray(-logBytesRead).toString();
      return text
        .split('\n')
        .filter((line) => line.trim() !== '')
        .slice(-logLinesShown);
    } catch {
      return []; // the failure itself is what must be said
    }
  }
}

/** What a line of JSON log says to people; other lines as they are. */
function logWords(line: string): string {
  let words = line;
  try {
    const { msg, err } = asObject(JSON.parse(line)) ?? {};
    const why = asObject(err)?.['message'];
    if (typeof msg === 'string') words = typeof why === 'string' ? `${msg} (${why})` : msg;
  } catch {
    // Not every line is JSON: a crash is told in words.
  }
  return words.slice(0, logWordsMax);
}
