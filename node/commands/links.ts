// `causeway links`: links and lanes of one mesher; with `--verify`, what both ends of each say of it.

import type { LedgerView } from '../core/overview.ts';
import type { LinksView } from '../core/views.ts';
import { Api, urlFlag } from './api.ts';
import type { Command } from './command.ts';
import { lanesTable, linksTable } from './links-tables.ts';
import { formatTable, printable } from './table.ts';
import { fetchLedger, fetchLinks } from './views.ts';

/** Exit code where ledgers differ. */
const DIFFERS = 1;

export const command: Command = {
  name: 'links',
  summary: "shows a mesher's links and lanes; with --verify, whether anything was lost on them",
  usage: '[--verify] [--json] [--url url]',
  description:
    'With --verify the mesher compares its ledger with those of all it has links to: what each lane sent, and what the other end took. The exit code is then 1 where anything differs.',
  positionals: { min: 0, max: 0 },
  flags: {
    verify: { value: undefined, description: 'Compares the ledgers of both ends now.' },
    json: { value: undefined, description: 'Prints the answer as one line of JSON.' },
    url: urlFlag,
  },
  examples: ['causeway links', 'causeway links --verify'],
  async run(args, terminal) {
    const api = Api.at(args.text('url'), terminal.env);
    if (args.has('verify')) {
      const ledger = await fetchLedger(api, terminal.stop);
      await terminal.stdout.write(args.has('json') ? `${JSON.stringify(ledger)}\n` : ledgerText(ledger));
      return ledger.links.some(({ verdict }) => verdict.outcome === 'differs') ? DIFFERS : 0;
    }
    const links = await fetchLinks(api, terminal.stop);
    await terminal.stdout.write(args.has('json') ? `${JSON.stringify(links)}\n` : linksText(links));
    return 0;
  },
};

function linksText({ links, lanes }: LinksView): string {
  if (links.length === 0) return 'no links\n';
  const parts = [linksTable(links)];
  if (lanes.length > 0) parts.push(lanesTable(lanes));
  return `${parts.join('\n\n')}\n`;
}

function ledgerText({ links }: LedgerView): string {
  if (links.length === 0) return 'no links\n';
  const parts = links.map(({ peer, verdict, lanes }) => {
    const head = `${peer}: ${verdict.outcome}\n  ${printable(verdict.text)}`;
    return lanes.length === 0 ? head : `${head}\n${indented(lanesText(lanes))}`;
  });
  return `${parts.join('\n\n')}\n`;
}

function lanesText(lanes: LedgerView['links'][number]['lanes']): string {
  return formatTable(
    ['lane', 'way', 'from', 'to', 'sent', 'acked', 'received', 'again', 'not sent', 'differs'],
    lanes.map((lane) => [
      lane.lane,
      lane.direction,
      lane.from,
      lane.to,
      lane.sent,
      lane.acked,
      lane.received,
      lane.duplicate,
      Object.entries(lane.refused)
        .map(([reason, count]) => `${count} ${reason}`)
        .join(', '),
      lane.difference === '' ? 'no' : 'yes',
    ]),
  );
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '  ');
}
