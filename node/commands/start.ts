// `causeway start`, which `npm start` runs: a local federation of three clusters, and real events across it.

import { printLine } from './command.ts';
import type { Command, Output, Terminal } from './command.ts';
import type { DataFolder } from './data-folder.ts';
import type { LocalFederation } from './local-federation.ts';
import { SampleTraffic, chooseRoles } from './sample-traffic.ts';
import type { TrafficFigures } from './sample-traffic.ts';
import { formatNumber } from './table.ts';
import { TrafficLedger } from './traffic-ledger.ts';
import { upFlags, welcome, withFederation } from './up.ts';
import { pause, untilAborted } from './waiting.ts';

const firstLineAfterMs = 1_000;
const redrawMs = 250;
const plainLineEveryMs = 5_000;

export const command: Command = {
  name: 'start',
  summary: 'runs a federation on this machine and sends real events across it, as npm start does',
  usage: '[--quiet] [--clusters a,b,c] [--data dir]',
  description:
    'The events are the webhook payloads that GitHub documents: published into the first cluster, taken out of a durable\n' +
    "subscription ('demo' on com/github/#) in each of the others.",
  positionals: { min: 0, max: 0 },
  flags: { ...upFlags, quiet: { value: undefined, description: 'Without the sample events.' } },
  examples: ['npm start', 'npm start -- --quiet'],
  async run(args, terminal) {
    await printLine(terminal.stdout, 'starting a registry and the meshers …');
    return withFederation(args, terminal, async (federation, data) => {
      await terminal.stdout.write(`\n${welcome(federation)}\n`);
      if (args.has('quiet')) await untilAborted(terminal.stop);
      else await showTraffic(federation, data, terminal);
      await printLine(terminal.stdout, 'stopping …');
    });
  },
};

async function showTraffic(federation: LocalFederation, data: DataFolder, terminal: Terminal): Promise<void> {
  const { publisher, consumers } = chooseRoles(federation.meshers);
  if (publisher === undefined) return;
  const clusters = consumers.map(({ cluster }) => cluster);
  const ledger = await TrafficLedger.open(data.store.sublevel('sent'), clusters, Date.now());
  const { earlier } = ledger.counts(Date.now());
  if (earlier.found > 0)
    await printLine(
      terminal.stdout,
      `${formatNumber(earlier.found)} events of the earlier run are still on their way; they go on now`,
    );
  const traffic = new SampleTraffic(publisher, consumers, ledger);
  await traffic.start(terminal.stop);
  const line = new LiveLine(terminal.stdout);
  const shown = new AbortController();
  const drawing = drawUntil(shown.signal, line, traffic);
  try {
    await Promise.race([untilAborted(terminal.stop), traffic.failed()]);
  } finally {
    shown.abort();
    await drawing;
  }
  await line.end();
  await printLine(terminal.stdout, 'no more events are published; those on their way arrive …');
  await traffic.stop();
  await printLine(terminal.stdout, summaryText(traffic.figures()));
}

async function drawUntil(signal: AbortSignal, line: LiveLine, traffic: SampleTraffic): Promise<void> {
  await pause(firstLineAfterMs, signal);
  for (; !signal.aborted; await pause(line.everyMs, signal)) await line.draw(traffic.figures());
}

/** One line that is drawn over on a terminal, and one every few seconds elsewhere. */
class LiveLine {
  readonly everyMs: number;
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
    this.everyMs = output.isTty ? redrawMs : plainLineEveryMs;
  }

  async draw(figures: TrafficFigures): Promise<void> {
    const text = figuresText(figures);
    if (this.#output.isTty) await this.#output.write(`\r\x1b[2K${text.slice(0, this.#output.columns() - 1)}`);
    else if (figures.published > 0) await printLine(this.#output, text);
  }

  async end(): Promise<void> {
    if (this.#output.isTty) await printLine(this.#output);
  }
}

/** Exported for its test. */
export function figuresText({
  published,
  delivered,
  inFlight,
  lost,
  p50,
  p99,
  trouble,
}: TrafficFigures): string {
  const clusters = [...delivered].map(([cluster, count]) => `${cluster} ${formatNumber(count)}`);
  const latency = p50 === undefined || p99 === undefined ? [] : [`p50 ${formatMs(p50)} p99 ${formatMs(p99)}`];
  return [
    `published ${formatNumber(published)}`,
    `delivered ${clusters.join(', ')}`,
    `in flight ${formatNumber(inFlight)}`,
    ...latency,
    `lost ${formatNumber(lost)}`,
    ...(trouble === '' ? [] : [trouble]),
  ].join(' · ');
}

/** Exported for its test. */
export function summaryText(figures: TrafficFigures): string {
  const { inFlight, duplicates, earlier, lost } = figures;
  const parts = [figuresText({ ...figures, trouble: '' })];
  if (earlier.found > 0) {
    const arrived = earlier.found - earlier.left;
    parts.push(
      `of the ${formatNumber(earlier.found)} events that the earlier run had left on their way, ${formatNumber(arrived)} arrived`,
    );
  }
  if (duplicates > 0)
    parts.push(`${formatNumber(duplicates)} came more than once, where custody was in doubt`);
  if (inFlight > 0)
    parts.push(`${formatNumber(inFlight)} are kept in the queues and arrive after the next start`);
  if (lost > 0)
    parts.push(
      `${formatNumber(lost)} were acked more than a minute ago and have not arrived: see 'causeway status'`,
    );
  return parts.join('\n');
}

function formatMs(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}
