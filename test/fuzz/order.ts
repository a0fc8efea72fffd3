// What the thread that fuzzes is told, and what it tells.

import type { Finding, Tally } from './fuzzer.ts';

export interface Order {
  readonly target: string;
  readonly seed: number;
  /** Given as they are, before anything else. */
  readonly inputs: readonly Uint8Array[];
  /** Ends after so many executions, or so many milliseconds, whichever comes first. */
  readonly executionsMax: number;
  readonly msMax: number;
  /** Executions so far, length of the input under way; then its bytes. */
  readonly shared: SharedArrayBuffer;
}

export type Told =
  | { readonly kind: 'kept'; readonly input: Uint8Array }
  | { readonly kind: 'found'; readonly finding: Finding }
  | ({ readonly kind: 'progress' } & Progress)
  | ({ readonly kind: 'done' } & Progress);

export interface Progress {
  readonly tally: Tally;
  readonly blocks: number;
  /** Reached by the inputs given and valid ones, before the first mutant. */
  readonly blocksAtFirst: number;
  readonly seconds: number;
}

/** Counters before the input's bytes. */
export const SHARED_HEAD_BYTES = 8;
