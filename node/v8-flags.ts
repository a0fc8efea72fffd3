// How V8 counts the memory of Buffers, which lies outside its heap. By itself it collects all garbage, of the whole heap,
// whenever 64 MB of such memory were allocated since the last time, whatever became of them: with frames of 64 KiB that is
// many times a second. Counted as a part of the heap, as newer versions of V8 do it, they are collected when the whole has
// doubled. That took half the CPU off the receiver of a link, and a sixth off durable publishing as a whole.

import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

export const V8_FLAGS = [
  '--external-memory-accounted-in-global-limit',
  // Left to itself V8 lets a heap grow to four times of what lives in it.
  '--heap-growing-percent=100',
] as const;

/**
 * Two halves of so much are enough for the young generation: of 64 MB, to which V8 lets them grow, a busy mesher had 110 MB more
 * of resident memory, and spent as much CPU.
 */
export const YOUNG_HALF_BYTES = 16 * 1024 * 1024;
export const GROWTH_FLAG = '--semi-space-growth-factor';

/** For this process, from now on. */
export function setV8Flags(): void {
  for (const flag of V8_FLAGS) setFlagsFromString(flag);
  boundYoungGeneration();
}

/** V8 takes a bound on it only as it starts; how it grows it asks each time, which is after a collection. */
function boundYoungGeneration(): void {
  let factor = 2;
  const bound = (): void => {
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
    const wanted = (young?.space_size ?? 0) < 2 * YOUNG_HALF_BYTES ? 2 : 1;
    if (wanted !== factor) setFlagsFromString(`${GROWTH_FLAG}=${(factor = wanted)}`);
  };
  new PerformanceObserver(bound).observe({ entryTypes: ['gc'] });
  bound();
}
