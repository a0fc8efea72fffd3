// A trace as lines for people: a hop each, with the time since the first.

import type { TraceHop, TraceView } from '../core/overview.ts';
import { formatDuration, printable } from './table.ts';

const WORDS: Readonly<Record<TraceHop['what'], string>> = {
  published: 'published',
  committed: 'on disk',
  forwarded: 'sent to',
  landed: 'came from',
  'forward-acked': 'acked by',
  delivered: 'handed to',
  acked: 'settled by',
  retried: 'to be tried again for',
  'dead-lettered': 'dead letter of',
  redriven: 'sent back to',
  dropped: 'dropped',
  refused: 'refused',
  'not-wanted': 'wanted by nobody',
};

/** `start`: when the way began, ms. */
export function hopLine(hop: TraceHop, start: number): string {
  const { at, mesher, cluster, what, peer, subscription, reason, attempt } = hop;
  const after = at >= start ? `+${formatDuration(at - start)}` : `-${formatDuration(start - at)}`;
  const parts = [
    new Date(at).toISOString().slice(11, 23),
    after.padStart(8),
    `${cluster} ${mesher}`,
    [WORDS[what], subscription, peer].filter((word) => word !== '').join(' '),
    attempt > 1 ? `(attempt ${attempt})` : '',
    reason,
  ];
  return printable(parts.filter((part) => part !== '').join('  '));
}

/** All of it. */
export function traceText({ hops, verdict, silent }: TraceView): string {
  const start = hops[0]?.at ?? 0;
  const lines = hops.map((hop) => hopLine(hop, start));
  for (const { mesher, why } of silent) lines.push(printable(`${mesher} says nothing: ${why}`));
  return `${[...lines, printable(verdict)].join('\n')}\n`;
}
