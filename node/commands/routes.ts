// `causeway routes <topic>`: a dry run: who would get an event on this topic, over which links, and why not the others.

import { Api, urlFlag } from './api.ts';
import type { Command } from './command.ts';
import { formatTable, printable } from './table.ts';
import { fetchRoutes } from './views.ts';
import type { RoutesView } from '../core/views.ts';

export const command: Command = {
  name: 'routes',
  summary: 'says who would get an event on a topic, over which links, and why not the others',
  usage: '<topic> [--json] [--url url]',
  description: 'Nothing is published.',
  positionals: { min: 1, max: 1 },
  flags: {
    json: { value: undefined, description: 'Prints the answer as one line of JSON.' },
    url: urlFlag,
  },
  examples: ['causeway routes orders/eu/created'],
  async run(args, terminal) {
    const api = Api.at(args.text('url'), terminal.env);
    const routes = await fetchRoutes(api, args.positionals[0] ?? '', terminal.stop);
    await terminal.stdout.write(args.has('json') ? `${JSON.stringify(routes)}\n` : routesText(routes));
    return 0;
  },
};

export function routesText({ topic, subscriptions, destinations, others }: RoutesView): string {
  const parts: string[] = [];
  if (subscriptions.length + destinations.length === 0)
    parts.push(`nobody would get an event on ${printable(topic)}`);
  if (subscriptions.length > 0) {
    parts.push(
      formatTable(
        ['subscription here', 'filter', 'group', 'why'],
        subscriptions.map(({ name, filter, group, why }) => [name, filter, group, why]),
      ),
    );
  }
  if (destinations.length > 0) {
    parts.push(
      formatTable(
        ['goes to', 'kind', 'lands on', 'round trip', 'wanted there', 'why'],
        destinations.map(({ destination, kind, landing, roundTripMs, because, why }) => [
          destination,
          kind,
          landing,
          roundTripMs === undefined ? undefined : `${roundTripMs.toFixed(2)} ms`,
          [
            ...new Set(because.map(({ filter, group }) => (group === '' ? filter : `${filter} (${group})`))),
          ].join(', '),
          why,
        ]),
      ),
    );
  }
  if (others.length > 0) {
    parts.push(
      formatTable(
        ['not to', 'cluster', 'why'],
        others.map(({ destination, cluster, why }) => [destination, cluster, why]),
      ),
    );
  }
  return `${parts.join('\n\n')}\n`;
}
