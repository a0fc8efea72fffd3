// How V8 counts the memory of Buffers, which lies outside its heap. By itself it collects all garbage, of the whole heap,
// whenever 64 MB of such memory were allocated since the last time, whatever became of them: with frames of 64 KiB that is
// many times a second. Counted as a part of the heap, as newer versions of V8 do it, they are collected when the whole has
// doubled. That took half the CPU off the receiver of a link, and a sixth off durable publishing as a whole.

import { setFlagsFromString } from 'node:v8';

export const V8_FLAGS = [
  '--external-memory-accounted-in-global-limit',
  // Left to itself V8 lets a heap grow to four times of what lives in it.
  '--heap-growing-percent=100',
] as const;

/** For this process, from now on. */
export function setV8Flags(): void {
  for (const flag of V8_FLAGS) setFlagsFromString(flag);
}
