// In which order a journal's keys are copied to another mesher, and how far a copy has come: a *cursor*, a rank and a key in hex.
// Names come first, so that a copy which is not complete is of use for what came since it began; entries after their blocks.

import { COPY_COMPLETE, COPY_NAMED } from '../core/messages.ts';
import { invariant } from '../core/errors.ts';
import * as keys from './keys.ts';

interface Stage {
  readonly rank: string;
  readonly range: keys.KeyRange;
}

const STAGES: readonly Stage[] = [
  { rank: '1', range: keys.queueRange },
  { rank: '2', range: keys.markRange },
  { rank: '3', range: keys.subscriptionRange },
  { rank: '4', range: keys.takeoverRange },
  { rank: COPY_NAMED, range: keys.blockRange },
  { rank: '6', range: keys.headRange },
  { rank: '7', range: keys.entryRange },
];

export function isCopiedKey(key: Buffer): boolean {
  return STAGES.some(({ range }) => keys.isWithin(key, range));
}

export function cursorAt(rank: string, key: Buffer): string {
  return rank + key.toString('hex');
}

/**
 * The parts of the stages that lie behind `from`, up to and with `to`, which may come from anyone: never a key beyond a stage. (LevelDB
 * takes an empty key for no bound at all.)
 */
export function rangesBetween(from: string, to: string): { rank: string; gt: Buffer; lte: Buffer }[] {
  const ranges: { rank: string; gt: Buffer; lte: Buffer }[] = [];
  for (const { rank, range } of STAGES) {
    if (rank < from.slice(0, 1) || rank > to.slice(0, 1)) continue;
    const gt = from.startsWith(rank) ? later(keyOf(from), range.gte) : range.gte;
    const lte = to.startsWith(rank) ? earlier(keyOf(to), range.lt) : range.lt;
    if (Buffer.compare(gt, lte) < 0) ranges.push({ rank, gt, lte });
  }
  return ranges;
}

function later(a: Buffer, b: Buffer): Buffer {
  return Buffer.compare(a, b) > 0 ? a : b;
}

function earlier(a: Buffer, b: Buffer): Buffer {
  return Buffer.compare(a, b) < 0 ? a : b;
}

function keyOf(cursor: string): Buffer {
  return Buffer.from(cursor.slice(1), 'hex');
}

invariant(
  STAGES.every(({ rank }) => rank < COPY_COMPLETE),
  'a complete copy is behind all stages',
);
