// `causeway subscribe`: prints events as they come. From a subscription that lives as long as the command, or, with a name, from
// a durable one: printed, and only then acked, so that what was not printed comes again.

import type { CausewayError, Delivery, Mesh, Subscription } from '../../sdk/typescript/client.ts';
import { formatJsonEvent } from '../core/cloud-event-json.ts';
import { MeshError } from '../core/errors.ts';
import { decodeCloudEvent } from '../wire/cloud-event-protobuf.ts';
import { Api, urlFlag } from './api.ts';
import { printLine } from './command.ts';
import type { Command, Terminal } from './command.ts';
import { eventLine } from './event-line.ts';
import { parseExactJson } from './exact-json.ts';
import { asMeshErrors, connectMesh } from './mesh.ts';
import { fetchSubscription } from './views.ts';
import { pause } from './waiting.ts';

/**
 * What the mesher sends ahead. Of a durable subscription what was not printed goes back at the end, so it is little; to one that lives
 * as long as the command the mesher drops what it can neither send nor hold, so it is much: some seconds of many events.
 */
const creditMax = { durable: 256, ephemeral: 16_384 } as const;

const startingPauseMs = 500;

export const command: Command = {
  name: 'subscribe',
  summary: 'prints events as they come',
  usage: "'<filter>' [--group g] [--name durable] [--json] [flags]",
  description:
    "A filter is a topic in which '+' stands for one level and '#', at the end, for the rest. Without --name the\n" +
    'subscription lives as long as the command; with it the mesher keeps it, and its events, until it is deleted.\n\n' +
    'Without --name nothing waits for a slow reader: the mesher drops the oldest of what it cannot hand on, says so to\n' +
    'nobody but its metrics (causeway_events_dropped_total, reason slow-subscriber), and --count goes on waiting for as\n' +
    'many as it was told. What must not be missed wants --name.',
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
    'made-on': {
      value: 'node',
      description:
        'The mesher where --name was made, where that may be another one: it is found where it is now.',
    },
    count: { value: 'n', description: 'Ends after so many events; until then it waits.' },
    json: { value: undefined, description: 'Prints each event as one line of CloudEvents JSON.' },
    url: urlFlag,
  },
  examples: [
    "causeway subscribe 'orders/#'",
    "causeway subscribe 'com/github/+/opened' --name triage --json",
  ],
  async run(args, terminal) {
    const api = Api.at(args.text('url'), terminal.env);
    const [name, group] = [args.text('name'), args.text('group')];
    const madeOn = args.text('made-on');
    const count = args.integer('count', 1) ?? Infinity;
    const printer = new EventPrinter(terminal, args.has('json'), count);
    try {
      if (name !== undefined && madeOn === undefined)
        await refuseToChange(api, name, args.positionals[0] ?? '', group, terminal.stop);
      const mesh = await connectMesh(api, { signal: terminal.stop });
      tellTroubles(mesh, printer, name === undefined ? `, events are missed until it is back` : '');
      const subscription = mesh.subscribe({
        topic: args.positionals[0] ?? '',
        credit: Math.min(creditMax[name === undefined ? 'ephemeral' : 'durable'], count),
        ...(name === undefined ? {} : { name }),
        ...(madeOn === undefined ? {} : { madeOn }),
        ...(group === undefined ? {} : { group }),
      });
      try {
        await asMeshErrors(api.url, printAll(subscription, printer));
      } finally {
        await mesh.close();
      }
    } catch (error) {
      if (!terminal.stop.aborted) throw error;
    }
    return 0;
  },
};

/** Who reads a subscription that is there must not replace what it asks for, unseen by whoever made it. */
async function refuseToChange(
  api: Api,
  name: string,
  topic: string,
  group: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const there = await whenReady(() => fetchSubscription(api, name, signal), signal);
  if (!there || (there.topic === topic && there.group === group)) return;
  const shared = there.group === undefined ? 'no group' : `the group ${there.group}`;
  const same = `causeway subscribe '${there.topic}'${there.group === undefined ? '' : ` --group ${there.group}`} --name ${name}`;
  throw new MeshError(
    'invalid-subscription',
    `subscription ${name} is there already, with the filter ${there.topic} and ${shared}; write ${same}, take another name, or change it by PUT /v1/subscriptions/${name}`,
  );
}

/** A mesher that is starting cannot say yet. */
async function whenReady<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  while (!signal.aborted) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof MeshError) || error.code !== 'not-ready') throw error;
      await pause(startingPauseMs, signal);
    }
  }
  return undefined;
}

async function printAll(subscription: Subscription, printer: EventPrinter): Promise<void> {
  let printing = Promise.resolve();
  // What is being printed is acked first.
  const stop = (): void => void printing.then(() => subscription.close());
  printer.terminal.stop.addEventListener('abort', stop, { once: true });
  for await (const deliveries of subscription.batches()) {
    printing = printer.print(deliveries);
    await printing;
    if (printer.isDone()) break;
  }
}

/** Once for each time that the connection is lost, or that the mesher cannot serve. */
function tellTroubles(mesh: Mesh, printer: EventPrinter, andSo: string): void {
  let isTold = false;
  const tell = (text: string): void => {
    if (!isTold) void printer.tell(text);
    isTold = true;
  };
  mesh.on('up', () => (isTold = false));
  mesh.on('down', ({ message }: CausewayError) => tell(`${message}${andSo}; connecting again`));
  mesh.on('refused', ({ message }: CausewayError) => tell(`${message}; trying again`));
}

class EventPrinter {
  readonly terminal: Terminal;
  readonly #json: boolean;
  #left: number;

  constructor(terminal: Terminal, json: boolean, count: number) {
    this.terminal = terminal;
    this.#json = json;
    this.#left = count;
  }

  isDone(): boolean {
    return this.#left <= 0 || this.terminal.stop.aborted;
  }

  /** As many as are wanted; those are acked. */
  async print(deliveries: readonly Delivery[]): Promise<void> {
    const wanted = deliveries.slice(0, this.#left);
    this.#left -= wanted.length;
    await this.terminal.stdout.write(wanted.map((delivery) => this.#lineOf(delivery)).join(''));
    for (const delivery of wanted) delivery.ack();
  }

  #lineOf({ bytes }: Delivery): string {
    const event = parseEvent(bytes);
    return `${this.#json ? JSON.stringify(event) : eventLine(event)}\n`;
  }

  async tell(text: string): Promise<void> {
    await printLine(this.terminal.stderr, `causeway: ${text}`);
  }
}

/** With all the digits of its numbers. What is called JSON and is none, which no mesher looks at, is the text that it is. */
function parseEvent(bytes: Uint8Array): unknown {
  const event = decodeCloudEvent(bytes);
  try {
    return parseExactJson(formatJsonEvent(event));
  } catch {
    const value = JSON.stringify(event.data?.value);
    return parseExactJson(formatJsonEvent({ ...event, data: { type: 'text', value } }));
  }
}
