// Refused and dead-lettered events, and letters that were sent back or dropped, on disk, so that it can be told after a restart, too: lines of JSON in two files,
// of which the older one goes when the newer is full. Written behind, without an fsync: it is for people who ask why, and no promise
// rests on it. Read only when somebody asks.
//
// Lines of JSON, not keys of the journal: whoever has the disk and no mesher can read them, and what is lost with them costs nothing.

import { appendFile, mkdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Named } from '../../wire/event-names.ts';
import type { LocalHop } from './recall.ts';
import { NAME_MAX } from './trace-question.ts';

export interface TraceLogPorts {
  readonly log: { warn(fields: object, message: string): void };
}

/** One event of a line: `hop` is what is told of it. */
interface Line extends Named, LocalHop {}

/** Of each of the two files: some 10,000 lines. */
const FILE_BYTES_MAX = 2 * 1024 * 1024;
/** Written in one second; those beyond it are remembered in memory alone. A mesher that is overloaded refuses far more. */
const LINES_PER_SECOND_MAX = 500;
const TEXT_MAX = 1_024;

export class TraceLog {
  readonly #folder: string;
  readonly #ports: TraceLogPorts;
  #waiting: string[] = [];
  /** Resolves when all that waited is written. */
  #written: Promise<void> = Promise.resolve();
  #isWriting = false;
  #bytes: number | undefined;
  /** Lines of this second of the wall clock. */
  #second = 0;
  #lines = 0;
  #hasFailed = false;

  /** Makes `folder` with the first line. */
  constructor(folder: string, ports: TraceLogPorts) {
    this.#folder = folder;
    this.#ports = ports;
  }

  /**
   * What `write` is to be given, now or when it has come true. Undefined: there are too many, or nobody could ask for it. `isAsked`:
   * somebody asked for what it tells of, and for no more than can be written.
   */
  line({ source, id }: Named, hop: LocalHop, isAsked = false): string | undefined {
    if ((id === '' && source === '') || id.length > NAME_MAX || source.length > NAME_MAX) return undefined;
    const second = Math.floor(hop.at / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#lines = 0;
    }
    if (!isAsked && this.#lines++ >= LINES_PER_SECOND_MAX) return undefined;
    const line: Line = { source, id, ...hop, reason: hop.reason.slice(0, TEXT_MAX) };
    return JSON.stringify(line);
  }

  write(line: string | undefined): void {
    if (line === undefined) return;
    this.#waiting.push(`${line}\n`);
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#written = this.#writeAll();
  }

  /** What is known of the event, the oldest first. Never rejects. */
  async of({ source, id }: Named): Promise<LocalHop[]> {
    await this.#written;
    const hops: LocalHop[] = [];
    for (const path of [this.#older, this.#newer]) hops.push(...linesOf(await bytesOf(path), source, id));
    return hops;
  }

  /** What was to be written before is. */
  close(): Promise<void> {
    return this.#written;
  }

  get #newer(): string {
    return join(this.#folder, 'recent.jsonl');
  }

  get #older(): string {
    return join(this.#folder, 'older.jsonl');
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        // a line that a crash cut short ends here
        const text = Buffer.from(
          `${this.#bytes === undefined ? '\n' : ''}${this.#waiting.splice(0).join('')}`,
        );
        await made(this.#folder);
        this.#bytes ??= await stat(this.#newer).then(
          ({ size }) => size,
          () => 0, // there is none yet
        );
        if (this.#bytes > FILE_BYTES_MAX) {
          await rename(this.#newer, this.#older);
          this.#bytes = 0;
        }
        await appendFile(this.#newer, text);
        this.#bytes += text.length;
      }
    } catch (error) {
      this.#waiting = [];
      this.#bytes = undefined;
      if (!this.#hasFailed) this.#ports.log.warn({ err: error }, 'reasons of refused events are not written');
      this.#hasFailed = true; // once: the disk is looked after elsewhere
    } finally {
      this.#isWriting = false;
    }
  }
}

/** Not with the folders above it: the data folder is there. */
async function made(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

async function bytesOf(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch {
    return Buffer.alloc(0); // none was written, or it cannot be read: then nothing is known
  }
}

/** Lines are looked through as bytes: a few thousand of them parsed would hold up everybody else. */
function linesOf(bytes: Buffer, source: string, id: string): LocalHop[] {
  const hops: LocalHop[] = [];
  const wanted = Buffer.from(`"id":${JSON.stringify(id)},`);
  for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + 1)) {
    const end = bytes.indexOf(0x0a, at);
    const start = bytes.lastIndexOf(0x0a, at) + 1;
    const line = parse(bytes.toString('utf8', start, end < 0 ? bytes.length : end));
    if (line?.source !== source || line.id !== id) continue;
    const { source: _source, id: _id, ...hop } = line;
    hops.push(hop);
  }
  return hops;
}

/** Undefined: a line that a crash cut short. */
function parse(text: string): Line | undefined {
  try {
    return JSON.parse(text) as Line;
  } catch {
    return undefined;
  }
}
