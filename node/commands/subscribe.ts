// `causeway subscribe`: prints events as they come. Ephemeral by a stream of server-sent events, or, with a name, from a
// durable subscription: pulled, printed, and only then acked, so that what was not printed comes again.

import { setTimeout as sleep } from 'node:timers/promises';
import { MeshError } from '../core/errors.ts';
import { Api, asArray, asObject, urlFlag } from './api.ts';
import { printLine } from './command.ts';
import type { Command, Terminal } from './command.ts';
import { eventLine } from './event-line.ts';
import { parseExactJson } from './exact-json.ts';

const pullMax = 100;
const pullWaitMs = 20_000;
const firstWaitMs = 250;
const longestWaitMs = 5_000;

export const command: Command = {
  name: 'subscribe',
  summary: 'prints events as they come',
  usage: "'<filter>' [--group g] [--name durable] [--json] [flags]",
  description:
    "A filter is a topic in which '+' stands for one level and '#', at the end, for the rest. Without --name the\n" +
    'subscription lives as long as the command; with it the mesher keeps it, and its events, until it is deleted.',
  positionals: { min: 1, max: 1 },
  flags: {
    group: {
      value: 'g',
      description: 'Shares the events with all others of this group, in the whole federation.',
    },
    name: {
      value: 'name',
      description: 'Uses the durable subscription of this name, and makes it if need be.',
    },
    count: { value: 'n', description: 'Ends after so many events.' },
    json: { value: undefined, description: 'Prints each event as one line of CloudEvents JSON.' },
    url: urlFlag,
  },
  examples: [
    "causeway subscribe 'orders/#'",
    "causeway subscribe 'com/github/+/opened' --name triage --json",
  ],
  async run(args, terminal) {
    const api = Api.at(args.text('url'), terminal.env);
    const filter = args.positionals[0] ?? '';
    const group = args.text('group');
    const name = args.text('name');
    const printer = new EventPrinter(terminal, args.has('json'), args.integer('count', 1) ?? Infinity);
    const source =
      name === undefined
        ? streamEphemeral(api, filter, group, printer)
        : pullDurable(api, name, filter, group, printer);
    try {
      await source;
    } catch (error) {
      if (!terminal.stop.aborted) throw error;
    }
    return 0;
  },
};

class EventPrinter {
  readonly terminal: Terminal;
  readonly #json: boolean;
  left: number;

  constructor(terminal: Terminal, json: boolean, count: number) {
    this.terminal = terminal;
    this.#json = json;
    this.left = count;
  }

  isDone(): boolean {
    return this.left <= 0 || this.terminal.stop.aborted;
  }

  async print(event: unknown): Promise<void> {
    this.left--;
    await printLine(this.terminal.stdout, this.#json ? JSON.stringify(event) : eventLine(event));
  }

  async tell(text: string): Promise<void> {
    await printLine(this.terminal.stderr, `causeway: ${text}`);
  }
}

async function streamEphemeral(
  api: Api,
  filter: string,
  group: string | undefined,
  printer: EventPrinter,
): Promise<void> {
  const query = new URLSearchParams({ topic: filter, ...(group === undefined ? {} : { group }) });
  await whileWanted(printer, async (working) => {
    const request = { signal: printer.terminal.stop, opened: working };
    for await (const { data, type } of api.stream(`/v1/stream?${query.toString()}`, request)) {
      if (type === 'closed') break;
      await printer.print(parseEvent(data));
      if (printer.isDone()) return;
    }
    throw new MeshError(
      'mesher-unreachable',
      `the stream from ${api.url} ended, events are missed until it is back`,
    );
  });
}

async function pullDurable(
  api: Api,
  name: string,
  filter: string,
  group: string | undefined,
  printer: EventPrinter,
): Promise<void> {
  const path = `/v1/subscriptions/${encodeURIComponent(name)}`;
  const { stop } = printer.terminal;
  await ensureSubscription(api, path, filter, group, stop);
  await whileWanted(printer, async (working) => {
    while (!printer.isDone()) {
      const max = Math.min(pullMax, printer.left);
      const body = await api.post(
        `${path}/pull`,
        { max, waitMs: pullWaitMs },
        { signal: stop, timeoutMs: pullWaitMs + 30_000, parse: parseExactJson },
      );
      working();
      const ack: unknown[] = [];
      const retry: { token: unknown; delayMs: number }[] = [];
      for (const delivery of asArray(asObject(body)?.['events'])) {
        const { event, token } = asObject(delivery) ?? {};
        if (printer.isDone()) retry.push({ token, delayMs: 0 });
        else {
          await printer.print(event);
          ack.push(token);
        }
      }
      // Not under `stop`: what was printed is acked, and what was not goes back at once.
      if (ack.length + retry.length > 0) await api.post(`${path}/settle`, { ack, retry, reject: [] });
    }
  });
}

/** An existing one on the same topic keeps its delivery settings. */
async function ensureSubscription(
  api: Api,
  path: string,
  topic: string,
  group: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const existing = await api.get(path, { signal }).catch((error: unknown) => {
    if (error instanceof MeshError && error.code === 'subscription-not-found') return undefined;
    throw error;
  });
  const state = asObject(existing);
  const known = asObject(state?.['subscription']) ?? state;
  if (known !== undefined && known['topic'] === topic && (known['group'] ?? undefined) === group) return;
  await api.put(path, { topic, ...(group === undefined ? {} : { group }) }, { signal });
}

/** Does `work` again, after a growing pause, when the connection was lost after it had once worked. */
async function whileWanted(
  printer: EventPrinter,
  work: (working: () => void) => Promise<void>,
): Promise<void> {
  let waitMs = firstWaitMs;
  let everWorked = false;
  let told = false;
  const hasWorked = (): boolean => everWorked;
  const working = (): void => {
    everWorked = true;
    told = false;
    waitMs = firstWaitMs;
  };
  while (!printer.isDone()) {
    try {
      await work(working);
    } catch (error) {
      if (!(error instanceof MeshError) || !error.facts.retryable || printer.terminal.stop.aborted)
        throw error;
      if (!hasWorked() && error.code === 'mesher-unreachable' && error.details['reason'] !== undefined)
        throw error;
      if (!told) await printer.tell(`${error.message}; connecting again`);
      told = true;
      await sleep(waitMs, undefined, { signal: printer.terminal.stop });
      waitMs = Math.min(longestWaitMs, waitMs * 2);
    }
  }
}

function parseEvent(data: string): unknown {
  try {
    return asObject(parseExactJson(data))?.['event'];
  } catch (cause) {
    throw new MeshError(
      'internal',
      'an event on the stream is no JSON; are command and mesher of the same version?',
      { cause },
    );
  }
}
