// `causeway publish`: one event from flags, or many from NDJSON or a JSON array on stdin or in a file.

import { createReadStream, statSync } from 'node:fs';
import type { PublishReport } from '../../sdk/typescript/client.ts';
import type { Arguments } from './arguments.ts';
import { usage } from './arguments.ts';
import { Api, urlFlag } from './api.ts';
import { interrupted, printLine } from './command.ts';
import type { Command, Terminal } from './command.ts';
import { DryRun } from './dry-run.ts';
import { eventFromFlags } from './event-from-flags.ts';
import { followTrace } from './follow-trace.ts';
import { splitInput, toCloudEvent } from './publish-input.ts';
import type { InputText, Wrapping } from './publish-input.ts';
import { encodeJson, Publisher } from './publisher.ts';
import { MeshError } from '../core/errors.ts';
import { ProgressBar } from './progress-bar.ts';
import { formatNumber } from './table.ts';

const patienceMs = 60_000;
const fileChunkBytes = 256 * 1024;

export const command: Command = {
  name: 'publish',
  summary: 'publishes one event from flags, or many from stdin or a file',
  usage: '[--topic t] [--type x.y] [--data text|@file] [--file events.ndjson] [flags]',
  description:
    'Input is one JSON text per line, or one JSON array. CloudEvents go as they are; with --type, anything else becomes\n' +
    "the data of one. Without --topic, an event's topic is its type with '.' as '/'.",
  positionals: { min: 0, max: 0 },
  flags: {
    topic: { value: 't', description: "Topic of all events; else each one's type with '.' as '/'." },
    type: { value: 'x.y', description: 'Type of the event, and of input that is no CloudEvent.' },
    source: { value: 'uri', description: 'Source of the event; else /causeway/publish.' },
    id: { value: 'id', description: 'Id of the event; else a random one. For one event only.' },
    subject: { value: 'text', description: 'Subject of the event.' },
    data: { value: 'text|@file', description: 'Data of the event: JSON, text, or a file of any kind.' },
    'content-type': { value: 'type', description: 'Content type of --data; else seen from it.' },
    file: { value: 'path', description: "Reads events from this file; '-' is stdin." },
    qos: {
      value: 'durable|best-effort',
      description: 'durable (the default): on disk before it is acknowledged.',
    },
    replicas: {
      value: 'n',
      description: 'Meshers that are to have it on disk, where fewer will do than the mesher is set to.',
    },
    parallel: {
      value: 'n',
      description: 'Batches under way at once; else 1, which keeps the order of the input.',
    },
    trace: {
      value: undefined,
      description: 'Follows the event and prints its way, hop by hop. For one event only.',
    },
    'dry-run': {
      value: undefined,
      description: 'Sends nothing: checks the events, and shows who would get them.',
    },
    json: { value: undefined, description: 'Prints one line of JSON for each event published.' },
    url: urlFlag,
  },
  examples: [
    `causeway publish --topic orders/eu --type com.example.order.created --data '{"order": 7}'`,
    'causeway publish --type com.example.order.created --trace',
    'causeway publish --file events.ndjson --json',
    `seq 1000 | causeway publish --type com.example.number`,
  ],
  async run(args, terminal) {
    const run = new PublishRun(args, terminal);
    try {
      await run.all();
    } catch (error) {
      if (!terminal.stop.aborted) throw await run.failed(error);
    } finally {
      await run.close();
    }
    await run.summary();
    await run.follow();
    return terminal.stop.aborted ? interrupted : 0;
  },
};

class PublishRun {
  readonly #args: Arguments;
  readonly #terminal: Terminal;
  readonly #publisher: Publisher | DryRun;
  readonly #api: Api;
  /** Of the event that is to be followed. */
  #report: PublishReport | undefined;
  readonly #startedMs = performance.now();
  readonly #clusters = new Set<string>();
  #bar: ProgressBar | undefined;
  #published = 0;
  #nowhere = 0;
  #hasTold = false;
  /** Nobody else knows it: whoever wants to trace the event is told. */
  #hasMadeUpId = false;

  constructor(args: Arguments, terminal: Terminal) {
    this.#args = args;
    this.#terminal = terminal;
    this.#api = Api.at(args.text('url'), terminal.env);
    this.#publisher = args.has('dry-run') ? this.#dryRun() : this.#realRun();
  }

  #dryRun(): DryRun {
    const { stdout, stop } = this.#terminal;
    const [topic, json] = [this.#args.text('topic'), this.#args.has('json')];
    return new DryRun(this.#api, { topic, json, output: stdout, signal: stop });
  }

  #realRun(): Publisher {
    const args = this.#args;
    const terminal = this.#terminal;
    return new Publisher(this.#api, {
      topic: args.text('topic'),
      qos: args.choice('qos', ['durable', 'best-effort']) ?? 'durable',
      replicas: args.integer('replicas', 1),
      parallel: args.integer('parallel', 1) ?? 1,
      patienceMs,
      signal: terminal.stop,
      published: async (results) => {
        this.#published += results.length;
        this.#report = results[0];
        for (const { destinations } of results) {
          for (const cluster of destinations.clusters) this.#clusters.add(cluster);
          if (destinations.subscriptions + destinations.meshers.length + destinations.clusters.length === 0)
            this.#nowhere++;
        }
        if (args.has('json'))
          await terminal.stdout.write(results.map((result) => `${JSON.stringify(result)}\n`).join(''));
        await this.#bar?.count(results.length);
      },
      waiting: (error) => this.#tellWaiting(error),
    });
  }

  /** Once, where no bar shows it all the time: whoever waits is to know what for. */
  #tellWaiting({ code, message }: MeshError): void {
    if (this.#bar) void this.#bar.say(`${code}, trying again`);
    else if (!this.#hasTold)
      void printLine(
        this.#terminal.stderr,
        `causeway publish: ${message}; trying again for up to ${patienceMs / 1_000} s`,
      );
    this.#hasTold = true;
  }

  async all(): Promise<void> {
    if (this.#args.has('trace') && this.#args.has('dry-run'))
      throw usage('--dry-run sends nothing that --trace could follow; give one or the other');
    const path = this.#args.text('file');
    const { stdin } = this.#terminal;
    if (path === undefined && (this.#args.has('data') || this.#args.has('id') || stdin.isTty))
      return this.#one();
    if (path !== undefined && (this.#args.has('data') || this.#args.has('id'))) {
      throw usage('--data and --id are for one event, --file is for many; give one or the other');
    }
    if (this.#args.has('trace') && path !== undefined)
      throw usage('--trace follows one event, --file is for many; give one or the other');
    const texts = await this.#many(path);
    // `causeway publish --type x.y </dev/null`, as in a script without a terminal, means one event without data.
    if (texts === 0 && path === undefined && this.#args.has('type')) await this.#one();
  }

  async #one(): Promise<void> {
    const type = this.#args.text('type');
    if (type === undefined)
      throw usage(
        '--type is missing; write causeway publish --type com.example.order.created, or pipe events in',
      );
    const [id, data, contentType] = [
      this.#args.text('id'),
      this.#args.text('data'),
      this.#args.text('content-type'),
    ];
    const event = eventFromFlags({ ...this.#wrapping(), type, id, data, contentType });
    this.#hasMadeUpId = id === undefined;
    await this.#publisher.publish([encodeJson(event)]);
    await this.#publisher.flush();
  }

  /** How many texts there were. */
  async #many(path: string | undefined): Promise<number> {
    const wrapping = this.#wrapping();
    const { bytes, size } =
      path === undefined || path === '-'
        ? { bytes: this.#terminal.stdin.bytes, size: undefined }
        : openFile(path);
    this.#bar = this.#terminal.stderr.isTty ? new ProgressBar(this.#terminal.stderr, size) : undefined;
    let count = 0;
    for await (const texts of splitInput(this.#counted(bytes))) {
      count += texts.length;
      const events: Uint8Array[] = [];
      try {
        for (const text of texts) events.push(encodeText(text, wrapping));
      } finally {
        // What stands before a malformed line is published: the line number then says where to go on.
        await this.#publisher.publish(events);
      }
    }
    await this.#publisher.flush();
    return count;
  }

  async *#counted(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      this.#bar?.read(chunk.byteLength);
      yield chunk;
      if (this.#terminal.stop.aborted) return;
    }
  }

  #wrapping(): Wrapping {
    return {
      type: this.#args.text('type'),
      source: this.#args.text('source') ?? '/causeway/publish',
      subject: this.#args.text('subject'),
      time: () => new Date().toISOString(),
    };
  }

  /** The failure, with what was published before it. */
  async failed(error: unknown): Promise<unknown> {
    // Batches under way end first, so that the count is right; their own failure is not the first.
    await this.#publisher.flush().catch(() => undefined);
    if (!(error instanceof MeshError) || this.#published === 0) return error;
    return new MeshError(error.code, `${error.message}; ${plural(this.#published)} before it published`, {
      cause: error,
      details: { ...error.details },
    });
  }

  async close(): Promise<void> {
    await this.#publisher.close();
    await this.#bar?.close();
    this.#bar = undefined;
  }

  /** Prints the way of the event. */
  async follow(): Promise<void> {
    if (!this.#args.has('trace') || !this.#report || this.#terminal.stop.aborted) return;
    if (this.#published > 1)
      throw usage('--trace follows one event, and more were piped in; trace one with causeway trace');
    await followTrace(this.#api, this.#report, this.#terminal);
  }

  async summary(): Promise<void> {
    if (this.#args.has('dry-run')) return;
    const seconds = (performance.now() - this.#startedMs) / 1_000;
    const rate =
      this.#published > 1
        ? ` in ${seconds.toFixed(1)} s (${formatNumber(Math.round(this.#published / seconds))}/s)`
        : '';
    const to = this.#clusters.size > 0 ? `, to ${[...this.#clusters].sort().join(', ')}` : '';
    const nowhere = this.#nowhere === 0 ? '' : `; ${formatNumber(this.#nowhere)} with nobody subscribed`;
    const doubt =
      this.#publisher.inDoubt === 0
        ? ''
        : `; ${formatNumber(this.#publisher.inDoubt)} sent again after a lost answer`;
    const { source, id } = this.#report ?? { source: '', id: '' };
    const names = this.#hasMadeUpId && id !== '' ? `; its source is ${source}, its id ${id}` : '';
    const line = `published ${plural(this.#published)}${rate}${to}${nowhere}${doubt}${names}`;
    if (!this.#args.has('json')) await printLine(this.#terminal.stdout, line);
  }
}

function encodeText(text: InputText, wrapping: Wrapping): Uint8Array {
  const event = toCloudEvent(text, wrapping);
  try {
    return encodeJson(event);
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    const details = { ...error.details, line: text.line };
    throw new MeshError(error.code, `line ${text.line}: ${error.message}`, { cause: error, details });
  }
}

function plural(count: number): string {
  return count === 1 ? '1 event' : `${formatNumber(count)} events`;
}

function openFile(path: string): { bytes: AsyncIterable<Uint8Array>; size: number } {
  try {
    const { size } = statSync(path);
    return { bytes: createReadStream(path, { highWaterMark: fileChunkBytes }), size };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MeshError('invalid-request', `--file ${path}: ${why}; name a file that can be read`, { cause });
  }
}
