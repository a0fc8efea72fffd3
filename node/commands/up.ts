// `causeway up`: a federation on this machine, until it is told to stop.

import { resolve } from 'node:path';
import type { Arguments, Flag } from './arguments.ts';
import { usage } from './arguments.ts';
import { interrupted, printLine } from './command.ts';
import type { Command, Terminal } from './command.ts';
import { DataFolder } from './data-folder.ts';
import { LocalFederation } from './local-federation.ts';
import type { LocalMesher } from './local-federation.ts';
import { errorLine } from './error-line.ts';
import { formatTable } from './table.ts';
import { untilAborted } from './waiting.ts';

const defaultClusters = 'aws-eu-west-1,gcp-us-east1,azure-ap-southeast1';

// Each mesher is a process of some 100 MB.
const clustersMax = 32;

export const upFlags: Readonly<Record<string, Flag>> = {
  clusters: { value: 'a,b,c', description: `One mesher for each; else ${defaultClusters}.` },
  registry: { value: 'address', description: 'Registry to join; else an embedded one is started.' },
  federation: { value: 'name', description: "Name of the federation; else 'local'." },
  data: { value: 'dir', description: 'Folder of all data and logs; else ./causeway-data.' },
};

export const command: Command = {
  name: 'up',
  summary: 'runs a federation on this machine: a registry, and one mesher per cluster',
  usage: '[--clusters a,b,c] [--registry address] [--data dir] [--json]',
  description:
    'Ports are 7400, 7402, … (HTTP), 7401, 7403, … (links) and 7420 (registry) where they are free, else others.\n' +
    'Starting again with the same data goes on with the same meshers, subscriptions and queues.',
  positionals: { min: 0, max: 0 },
  flags: {
    ...upFlags,
    json: {
      value: undefined,
      description: 'Prints {"cluster", "node", "http", "pid"}, one line per mesher, once all are ready.',
    },
  },
  examples: ['causeway up', 'causeway up --clusters eu,us --data /tmp/mesh --json'],
  run: (args, terminal) =>
    withFederation(args, terminal, async (federation) => {
      const { meshers } = federation;
      await terminal.stdout.write(
        args.has('json')
          ? meshers.map((mesher) => `${JSON.stringify(mesher)}\n`).join('')
          : welcome(federation),
      );
      await untilAborted(terminal.stop);
    }),
};

/** Starts a federation for as long as `work` runs. Its exit code is 4 where a process ended unasked. */
export async function withFederation(
  args: Arguments,
  terminal: Terminal,
  work: (federation: LocalFederation, data: DataFolder) => Promise<void>,
): Promise<number> {
  const clusters = parseClusters(args.text('clusters') ?? defaultClusters);
  const path = resolve(args.text('data') ?? './causeway-data');
  const data = await DataFolder.open(path);
  try {
    let failures = 0;
    const allEnded = new AbortController();
    const federation = await LocalFederation.start({
      federation: args.text('federation') ?? 'local',
      clusters,
      registry: args.text('registry'),
      data,
      signal: terminal.stop,
      ended: (why) => {
        failures++;
        void printLine(terminal.stderr, errorLine(why));
      },
    });
    if (terminal.stop.aborted) {
      await federation.stop();
      return interrupted;
    }
    void federation.ended().then(() => allEnded.abort());
    try {
      await Promise.race([work(federation, data), untilAborted(allEnded.signal)]);
    } finally {
      await federation.stop();
    }
    return failures === 0 ? 0 : 4;
  } finally {
    await data.close();
  }
}

function parseClusters(text: string): string[] {
  const clusters = text.split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]));
  if (clusters.length === 0) throw usage('--clusters is empty; name at least one, e.g. --clusters eu,us');
  if (clusters.length > clustersMax)
    throw usage(`--clusters names ${clusters.length}; at most ${clustersMax} run on one machine`);
  return clusters;
}

/** The table of addresses, and commands ready to paste. Exported for its test. */
export function welcome({
  meshers,
  registry,
}: {
  meshers: readonly LocalMesher[];
  registry: string;
}): string {
  const [first, second = first] = meshers;
  const table = formatTable(
    ['cluster', 'http', 'api', 'pid', 'node'],
    meshers.map(({ cluster, http, pid, node }) => [cluster, http, `${http}/docs`, String(pid), node]),
  );
  const commands = [
    `npx causeway subscribe 'orders/#' --url ${second?.http ?? ''}`,
    `npx causeway publish --topic orders/eu --type com.example.order.created --data '{"order": 7}' --url ${first?.http ?? ''}`,
    `npx causeway routes orders/eu --url ${first?.http ?? ''}`,
    `npx causeway status --url ${first?.http ?? ''}`,
  ];
  return `${table}\n\nregistry ${registry}\ndashboard of all, at each: ${first?.http ?? ''}/\n\nTry, in another terminal:\n${commands.map((line) => `  ${line}`).join('\n')}\n\nCtrl-C stops all.\n`;
}
