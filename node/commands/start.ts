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
const separator = ' · ';
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

/** Drawn over and over in place on a terminal, in as many lines as it needs there; one line every few seconds elsewhere. */
class LiveLine {
  readonly everyMs: number;
  readonly #output: Output;
  #drawnLines = 0;

  constructor(output: Output) {
    this.#output = output;
    this.everyMs = output.isTty ? redrawMs : plainLineEveryMs;
  }

  async draw(figures: TrafficFigures): Promise<void> {
    const text = figuresText(figures);
    if (!this.#output.isTty) {
      if (figures.published > 0) await printLine(this.#output, text);
      return;
    }
    const lines = wrapFigures(text, this.#output.columns() - 1);
    const up = this.#drawnLines > 1 ? `\x1b[${this.#drawnLines - 1}A` : '';
    this.#drawnLines = lines.length;
    await this.#output.write(`\r${up}\x1b[J${lines.join('\n')}`);
  }

  async end(): Promise<void> {
    if (this.#drawnLines > 0) await printLine(this.#output);
  }
}

/** Lines of at most so many columns, broken between figures. Exported for its test. */
export function wrapFigures(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const figure of text.split(separator)) {
    const longer = lines.length === 0 ? figure : `${lines.at(-1) ?? ''}${separator}${figure}`;
    if (lines.length > 0 && longer.length <= columns) lines[lines.length - 1] = longer;
    else lines.push(figure.slice(0, columns));
  }
  return lines;
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
  ].join(separator);
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
