// What became of a stream's deliveries, gathered until it is sent: by kind, delay and reason, in ranges of numbers.

import type { RangeSettlement } from '../../bridge/ws/frames/client-frames.ts';
import { rangesOf } from '../../bridge/ws/frames/ranges.ts';

export type Outcome =
  | { readonly kind: 'ack' }
  | { readonly kind: 'retry'; readonly delayMs: number | undefined }
  | { readonly kind: 'reject'; readonly reason: string };

export const ACK: Outcome = { kind: 'ack' };

export class Settlements {
  #acks: number[] = [];
  #retries = new Map<number | undefined, number[]>();
  #rejects = new Map<string, number[]>();

  /** Different kinds of settlement: each costs some bytes of its own. */
  get groups(): number {
    return (this.#acks.length > 0 ? 1 : 0) + this.#retries.size + this.#rejects.size;
  }

  /** Each number once. */
  add(number: number, outcome: Outcome): void {
    if (outcome.kind === 'ack') this.#acks.push(number);
    else if (outcome.kind === 'retry') append(this.#retries, outcome.delayMs, number);
    else append(this.#rejects, outcome.reason, number);
  }

  /** All of it, for one SETTLE; what is added from now on is for the next. */
  take(): RangeSettlement[] {
    const taken: RangeSettlement[] = [];
    if (this.#acks.length > 0) taken.push({ kind: 'ack', ranges: rangesOf(ascending(this.#acks)) });
    for (const [delayMs, numbers] of this.#retries)
      taken.push({ kind: 'retry', delayMs, ranges: rangesOf(ascending(numbers)) });
    for (const [reason, numbers] of this.#rejects)
      taken.push({ kind: 'reject', reason, ranges: rangesOf(ascending(numbers)) });
    this.#acks = [];
    this.#retries = new Map();
    this.#rejects = new Map();
    return taken;
  }
}

function append<Key>(groups: Map<Key, number[]>, key: Key, number: number): void {
  const numbers = groups.get(key);
  if (numbers === undefined) groups.set(key, [number]);
  else numbers.push(number);
}

/** Nearly always they are: a look costs less than sorting. */
function ascending(numbers: number[]): number[] {
  for (let i = 1; i < numbers.length; i++)
    if ((numbers[i] ?? 0) < (numbers[i - 1] ?? 0)) return numbers.sort((a, b) => a - b);
  return numbers;
}
