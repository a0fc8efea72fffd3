// `causeway trace <source> <id>`: what became of an event, hop by hop, and why it was not delivered where it was not.

import { ERRORS } from '../core/errors.ts';
import { Api, urlFlag } from './api.ts';
import type { Command } from './command.ts';
import { traceText } from './trace-lines.ts';
import { fetchTrace } from './views.ts';

export const command: Command = {
  name: 'trace',
  summary: 'says what became of an event, hop by hop, and why it was not delivered',
  usage: '<source> <id> [--json] [--url url]',
  description:
    'Asks the meshers on the way, and all others that are linked. They remember the last events only (trace.events), and\n' +
    'refused and dead-lettered ones for longer. Ends with 3 where nobody remembers it.',
  positionals: { min: 2, max: 2 },
  flags: {
    json: { value: undefined, description: 'Prints the answer as one line of JSON.' },
    url: urlFlag,
  },
  examples: ['causeway trace /shop 1'],
  async run(args, terminal) {
    const [source = '', id = ''] = args.positionals;
    const trace = await fetchTrace(Api.at(args.text('url'), terminal.env), source, id, terminal.stop);
    await terminal.stdout.write(args.has('json') ? `${JSON.stringify(trace)}\n` : traceText(trace));
    return trace.hops.length > 0 ? 0 : ERRORS['not-found'].exit;
  },
};
