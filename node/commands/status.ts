// `causeway status`: the federation as one mesher sees it.

import { Api, urlFlag } from './api.ts';
import type { Command } from './command.ts';
import { formatRoundTrip, lanesTable, linksTable } from './links-tables.ts';
import { formatDuration, formatTable } from './table.ts';
import { fetchFederation, fetchLinks, fetchQueues } from './views.ts';
import type { FederationView, LinksView, QueueView } from '../core/views.ts';

export const command: Command = {
  name: 'status',
  summary: 'shows clusters, meshers, links, round trips, lag and the registry, as one mesher sees them',
  usage: '[--json] [--url url]',
  description: '',
  positionals: { min: 0, max: 0 },
  flags: {
    json: {
      value: undefined,
      description: 'Prints {"federation", "links", "lanes", "queues"} as one line of JSON.',
    },
    url: urlFlag,
  },
  examples: ['causeway status', 'causeway status --url http://10.0.0.5:7400 --json'],
  async run(args, terminal) {
    const api = Api.at(args.text('url'), terminal.env);
    const [federation, links, queues] = await Promise.all([
      fetchFederation(api, terminal.stop),
      fetchLinks(api, terminal.stop),
      fetchQueues(api, terminal.stop),
    ]);
    const status = { federation, ...links, queues };
    await terminal.stdout.write(
      args.has('json') ? `${JSON.stringify(status)}\n` : statusText(status, Date.now()),
    );
    return 0;
  },
};

interface Status extends LinksView {
  readonly federation: FederationView;
  readonly queues: readonly QueueView[];
}

// Longer lists are for --json; the fullest come first.
const queuesShownMax = 20;

/** Exported for its test. `now`: wall clock, ms. */
export function statusText(status: Status, now: number): string {
  const { federation, links, lanes, queues } = status;
  const { self, registry, ready } = federation;
  const parts = [
    `federation ${federation.federation}, seen from ${self.node} in ${self.cluster} (incarnation ${self.incarnation}, version ${self.version})\n` +
      `registry   ${registry.address} ${registry.state} for ${formatDuration(registry.sinceMs)}, revision ${registry.revision}\n` +
      `ready      ${ready.ready ? 'yes' : `no: ${ready.why.join('; ')}`}`,
    clustersTable(status),
    formatTable(
      ['mesher', 'cluster', 'status', 'http', 'interests', 'routes'],
      federation.members.map((member) => [
        member.node === self.node ? `${member.node} (this)` : member.node,
        member.cluster,
        member.status,
        member.http,
        member.routes.interests,
        member.routes.gapped ? 'gapped' : member.routes.complete ? 'complete' : 'unknown',
      ]),
    ),
  ];
  if (links.length > 0) {
    parts.push(linksTable(links));
  }
  const full = queues
    .filter(({ kind, name, depth }) => kind === 'subscription' && (depth > 0 || !name.startsWith('$')))
    .sort((a, b) => b.depth - a.depth);
  if (full.length > 0) {
    parts.push(
      formatTable(
        ['subscription', 'queued', 'in flight', 'lag'],
        full
          .slice(0, queuesShownMax)
          .map((queue) => [queue.name, queue.depth, queue.inFlight, lag(queue.oldestAcceptedAt, now)]),
      ) + (full.length > queuesShownMax ? `\nand ${full.length - queuesShownMax} more, see --json` : ''),
    );
  }
  if (lanes.some((lane) => lane.queued > 0 || lane.state !== 'open')) {
    const busy = lanes.filter((lane) => lane.queued > 0 || lane.state !== 'open');
    parts.push(lanesTable(busy.slice(0, queuesShownMax)));
  }
  return `${parts.join('\n\n')}\n`;
}

function clustersTable({ federation, links, lanes }: Status): string {
  const clusters = [...new Set(federation.members.map((member) => member.cluster))].sort();
  return formatTable(
    ['cluster', 'meshers', 'alive', 'links up', 'round trip', 'waiting for it'],
    clusters.map((cluster) => {
      const members = federation.members.filter((member) => member.cluster === cluster);
      const theirs = links.filter((link) => link.cluster === cluster);
      const trips = theirs.flatMap(({ roundTripMs }) => (roundTripMs === undefined ? [] : [roundTripMs]));
      return [
        cluster === federation.self.cluster ? `${cluster} (this)` : cluster,
        members.length,
        members.filter((member) => member.status === 'alive').length,
        theirs.filter((link) => link.state === 'up').length,
        formatRoundTrip(trips.length === 0 ? undefined : Math.min(...trips)),
        lanes
          .filter((lane) => lane.scope === 'cluster' && lane.destination === cluster)
          .reduce((sum, lane) => sum + lane.queued, 0),
      ];
    }),
  );
}

function lag(oldestAcceptedAt: number, now: number): string | undefined {
  return oldestAcceptedAt === 0 ? undefined : formatDuration(now - oldestAcceptedAt);
}
