// Follows an event that was just published: asks for its trace again and again, at growing intervals, and prints each hop once.

import type { PublishReport } from '../../sdk/typescript/client.ts';
import type { TraceHop, TraceView } from '../core/overview.ts';
import type { Api } from './api.ts';
import type { Terminal } from './command.ts';
import { printLine } from './command.ts';
import { printable } from './table.ts';
import { hopLine } from './trace-lines.ts';
import { fetchTrace } from './views.ts';
import { pause } from './waiting.ts';

const FIRST_PAUSE_MS = 50;
const LAST_PAUSE_MS = 2_000;
const PATIENCE_MS = 30_000;

/** Until all destinations of `report` have it, or for half a minute. */
export async function followTrace(api: Api, report: PublishReport, terminal: Terminal): Promise<void> {
  const { source, id } = report;
  const deadline = performance.now() + PATIENCE_MS;
  const printed = new Set<string>();
  let trace: TraceView | undefined;
  for (
    let pauseMs = FIRST_PAUSE_MS;
    !terminal.stop.aborted;
    pauseMs = Math.min(pauseMs * 1.6, LAST_PAUSE_MS)
  ) {
    trace = await fetchTrace(api, source, id, terminal.stop);
    const start = trace.hops[0]?.at ?? 0;
    for (const hop of trace.hops) {
      const key = JSON.stringify(hop);
      if (printed.has(key)) continue;
      printed.add(key);
      await printLine(terminal.stdout, hopLine(hop, start));
    }
    if (isOver(trace, report) || performance.now() > deadline) break;
    await pause(pauseMs, terminal.stop);
  }
  for (const { mesher, why } of trace?.silent ?? [])
    await printLine(terminal.stdout, printable(`${mesher} says nothing: ${why}`));
  if (trace) await printLine(terminal.stdout, printable(trace.verdict));
}

/** It came to all destinations that the publisher was told of, or was dropped on its way there, and waits nowhere any more. */
function isOver({ hops, waits }: TraceView, { destinations }: PublishReport): boolean {
  const isAt = (is: (hop: TraceHop) => boolean): boolean =>
    hops.some((hop) => hop.what === 'landed' && is(hop));
  const isGone = (to: string): boolean => hops.some(({ what, peer }) => what === 'dropped' && peer === to);
  return (
    hops.length > 0 &&
    waits.length === 0 &&
    destinations.meshers.every((node) => isGone(node) || isAt(({ mesher }) => mesher === node)) &&
    destinations.clusters.every((name) => isGone(name) || isAt(({ cluster }) => cluster === name))
  );
}
