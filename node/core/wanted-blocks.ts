// The blocks that some of many queues want, ascending, each with those that want it. Nothing is made of what lies ahead: there may be
// ten million blocks in a queue, and tens of thousands of queues. A step to the next block costs what looking at the queues that want
// it does, and little for all others: they wait in a binary heap, by their next block.

import type { BlockReader } from './block-list.ts';
import type { BlockRange, Recovered } from './ports.ts';

export interface WantedBlock {
  readonly block: number;
  /** Their numbers, in the order in which the queues were given. */
  readonly queues: readonly number[];
}

interface Head {
  /** Its next block. */
  block: number;
  /** Its place among the queues that were given. */
  readonly index: number;
  readonly queue: number;
  readonly rest: BlockReader;
}

/** Of the blocks in these ranges, which ascend and do not overlap. */
export function* wantedBlocks(
  queues: Recovered['queues'],
  ranges: readonly BlockRange[],
): Generator<WantedBlock, undefined> {
  for (const range of ranges) yield* merged(headsIn(queues, range), range.upTo);
}

function headsIn(queues: Recovered['queues'], { from, upTo }: BlockRange): Head[] {
  const heads: Head[] = [];
  for (const [index, { queue, blocks }] of queues.entries()) {
    if ((blocks.last?.block ?? -1) < from) continue;
    const head = { block: from, index, queue, rest: blocks.from(from) };
    if (advance(head, upTo)) heads.push(head);
  }
  return heads.sort((one, other) => (isBefore(one, other) ? -1 : 1)); // what is sorted is a heap
}

/** False: it has no more below `upTo`. */
function advance(head: Head, upTo: number): boolean {
  const next = head.rest.next();
  if (!next || next.block >= upTo) return false;
  head.block = next.block;
  return true;
}

function isBefore(one: Head, other: Head): boolean {
  return one.block < other.block || (one.block === other.block && one.index < other.index);
}

function* merged(heap: Head[], upTo: number): Generator<WantedBlock, undefined> {
  for (let [first] = heap; first; [first] = heap) {
    const { block } = first;
    const queues: number[] = [];
    for (let [top] = heap; top?.block === block; [top] = heap) {
      queues.push(top.queue);
      if (!advance(top, upTo)) takeFirst(heap);
      sink(heap);
    }
    yield { block, queues };
  }
}

/** The last of the heap comes in its place. */
function takeFirst(heap: Head[]): void {
  const last = heap.pop();
  if (last && heap.length > 0) heap[0] = last;
}

/** The first may have to go down. */
function sink(heap: Head[]): void {
  let at = 0;
  for (;;) {
    const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]];
    const next = left && right && isBefore(right, left) ? 2 * at + 2 : 2 * at + 1;
    const [head, below] = [heap[at], heap[next]];
    if (!head || !below || isBefore(head, below)) return;
    [heap[at], heap[next]] = [below, head];
    at = next;
  }
}
