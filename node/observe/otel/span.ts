// A span that is over, as plain data, and the clock by which spans are measured.

import type { Now } from '../../core/steps.ts';

export type AttributeValue = string | number | boolean;

export interface Span {
  readonly name: Operation;
  readonly kind: 'server' | 'internal' | 'producer' | 'consumer';
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | undefined;
  /** Whether the parent is of another process. */
  readonly parentIsRemote: boolean;
  readonly tracestate: string;
  /** Unix time, ms, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  /** What went wrong, in a word; undefined: nothing that is known. */
  readonly error: string | undefined;
}

export type Operation =
  'publish' | 'receive' | 'take over' | 'dead-letter' | 'commit' | 'forward' | 'deliver';

/** Of both clocks, how far apart they may come before the wall clock is believed anew: somebody set it. */
const DRIFT_MS_MAX = 50;

/** Unix time that goes on evenly, as the monotonic clock does, and has its fractions. */
export class SpanClock {
  #offsetMs: number | undefined;

  at({ wall, monotonic }: Now): number {
    const drift = this.#offsetMs === undefined ? Infinity : Math.abs(wall - monotonic - this.#offsetMs);
    if (drift > DRIFT_MS_MAX) this.#offsetMs = wall - monotonic;
    return monotonic + (this.#offsetMs ?? 0);
  }
}
