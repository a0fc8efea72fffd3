// What happens to an event, in words; and how a way through the mesh ended.

import type { HopKind, TraceHop } from '../../core/overview.ts';
import { withoutRedriven } from '../../core/redriven-hops.ts';

type Tone = 'good' | 'slow' | 'bad' | 'quiet';

interface HopFacts {
  readonly words: string;
  readonly tone: Tone;
  readonly icon: 'up' | 'down' | 'slow' | 'arrow' | 'wait' | 'dead-letters' | 'flow' | 'unknown';
}

export const HOPS: Readonly<Record<HopKind, HopFacts>> = {
  published: { words: 'Published', tone: 'quiet', icon: 'flow' },
  committed: { words: 'On disk', tone: 'quiet', icon: 'up' },
  forwarded: { words: 'Sent', tone: 'quiet', icon: 'arrow' },
  landed: { words: 'Landed', tone: 'quiet', icon: 'arrow' },
  'forward-acked': { words: 'Handed over', tone: 'quiet', icon: 'up' },
  delivered: { words: 'Delivered', tone: 'quiet', icon: 'arrow' },
  acked: { words: 'Acked', tone: 'good', icon: 'up' },
  retried: { words: 'Not acked', tone: 'slow', icon: 'slow' },
  'dead-lettered': { words: 'Given up: a dead letter', tone: 'bad', icon: 'dead-letters' },
  redriven: { words: 'Sent back to its subscription', tone: 'quiet', icon: 'arrow' },
  dropped: { words: 'Dropped', tone: 'bad', icon: 'down' },
  refused: { words: 'Refused', tone: 'bad', icon: 'down' },
  'not-wanted': { words: 'Wanted by nobody', tone: 'slow', icon: 'unknown' },
};

/** The worst end that any branch of the way came to; on its way, where no branch has ended. */
export function traceOutcome(hops: readonly TraceHop[]): Pick<HopFacts, 'tone' | 'icon'> {
  const tones = new Set(withoutRedriven(hops).map(({ what }) => HOPS[what].tone));
  if (hops.length === 0) return { tone: 'quiet', icon: 'unknown' };
  if (tones.has('bad')) return { tone: 'bad', icon: 'down' };
  const last = hops.at(-1);
  if (last?.what === 'acked') return { tone: 'good', icon: 'up' };
  return { tone: 'slow', icon: last?.what === 'not-wanted' ? 'unknown' : 'wait' };
}
