// Sets of delivery numbers, ascending, as they are settled: nearly always one range.
//
//   ranges := n:uint (gap:uint count:uint){n}       count ≥ 1
//
// `gap` is the distance from the number after the range before (from 0 for the first one) to the first of this range, so
// 1-5, 8 is (1, 5) (2, 1). Numbers stay below 2^53.

import { invariant } from '../../../node/core/errors.ts';
import type { ByteReader } from '../../../node/wire/byte-reader.ts';
import type { ByteWriter } from '../../../node/wire/byte-writer.ts';
import { WireError } from '../../../node/wire/wire-error.ts';

/** `count` numbers from `first` on. */
export interface NumberRange {
  readonly first: number;
  readonly count: number;
}

const RANGE_BYTES_MIN = 2;

/** Numbers in any order as the fewest ranges. */
export function rangesOfAny(numbers: readonly number[]): NumberRange[] {
  return numbers.length === 0 ? [] : rangesOf([...new Set(numbers)].sort((a, b) => a - b));
}

/** Ascending numbers, each once, as the fewest ranges. */
export function rangesOf(numbers: readonly number[]): NumberRange[] {
  const ranges: { first: number; count: number }[] = [];
  let last: { first: number; count: number } | undefined;
  for (const number of numbers) {
    if (last !== undefined && number === last.first + last.count) last.count++;
    else ranges.push((last = { first: number, count: 1 }));
  }
  return ranges;
}

/** Ranges in any order, which may overlap, as the fewest: without looking at each number, of which a few bytes may name many. */
export function mergedRanges(ranges: readonly NumberRange[]): NumberRange[] {
  const merged: { first: number; count: number }[] = [];
  let last: { first: number; count: number } | undefined;
  for (const { first, count } of ranges.toSorted((a, b) => a.first - b.first)) {
    if (last !== undefined && first <= last.first + last.count)
      last.count = Math.max(last.count, first + count - last.first);
    else merged.push((last = { first, count }));
  }
  return merged;
}

/** Ranges must be ascending and apart. */
export function writeRanges(writer: ByteWriter, ranges: readonly NumberRange[]): void {
  writer.uint(ranges.length);
  let end = 0;
  for (const { first, count } of ranges) {
    invariant(first >= end && count > 0, `a range of ${count} at ${first} after ${end}`);
    writer.uint(first - end);
    writer.uint(count);
    end = first + count;
  }
}

/** `rangesMax`: how many the frame may still have. */
export function readRanges(reader: ByteReader, rangesMax: number): NumberRange[] {
  const ranges: NumberRange[] = [];
  let end = 0;
  for (let left = reader.count(rangesMax, RANGE_BYTES_MIN); left > 0; left--) {
    const first = end + reader.uint(Number.MAX_SAFE_INTEGER - end);
    const count = reader.uint(Number.MAX_SAFE_INTEGER - first);
    if (count === 0) throw new WireError('bad-value', 'a range of no deliveries');
    ranges.push({ first, count });
    end = first + count;
  }
  return ranges;
}
