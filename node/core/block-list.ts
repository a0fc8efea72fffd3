// The blocks that a queue has not loaded yet, oldest first, in a few bytes each: a backlog that came event by event has as many
// blocks as events, millions of them.
//
//   item := gap:varint code:varint [ incarnation:varint sequence:varint ]
//     gap    from the block before           code   count * 4 + kind
//     kind   0: no position; 1: the position follows on the item before; 2: it is given
//
// Items lie in chunks one after the other, and none in two of them.

import { Deque } from './deque.ts';
import { invariant } from './errors.ts';
import type { Position } from './event.ts';

export interface ListedBlock {
  readonly block: number;
  /** Events of it that the queue wants. */
  readonly count: number;
  /** Lanes only: the position of the first of them. */
  readonly first: Position | undefined;
}

interface Chunk {
  readonly bytes: Uint8Array;
  /** What its first item is relative to: reading may begin here. */
  readonly before: Readonly<Place>;
  end: number;
}

/** What the next item is relative to; when reading, where it is in its chunk. */
interface Place {
  at: number;
  block: number;
  incarnation: number;
  sequence: number;
}

/** Most queues have few blocks or none; the first chunk is for those. */
const CHUNK_BYTES_MIN = 64;
const CHUNK_BYTES_MAX = 4096;
/** Four varints below 2^53. */
const ITEM_BYTES_MAX = 32;

export class BlockList implements Iterable<ListedBlock> {
  #chunks = new Deque<Chunk>();
  #tail: Chunk | undefined;
  readonly #read: Place = { at: 0, block: -1, incarnation: 0, sequence: 0 };
  readonly #written: Place = { at: 0, block: -1, incarnation: 0, sequence: 0 };
  #front: ListedBlock | undefined;
  #last: ListedBlock | undefined;
  #size = 0;

  constructor(items: Iterable<ListedBlock> = []) {
    for (const item of items) this.push(item);
  }

  get size(): number {
    return this.#size;
  }

  get front(): ListedBlock | undefined {
    if (!this.#front && this.#size > 0) this.#front = this.#readNext();
    return this.#front;
  }

  /** The one pushed last, if it is there. */
  get last(): ListedBlock | undefined {
    return this.#size > 0 ? this.#last : undefined;
  }

  /** Its block is above all before. */
  push(item: ListedBlock): void {
    const { block, count, first } = item;
    const written = this.#written;
    invariant(block > written.block, `block ${block} comes after block ${written.block}`);
    let tail = this.#tail;
    if (!tail || tail.bytes.length - tail.end < ITEM_BYTES_MAX) tail = this.#newChunk();
    tail.end = writeVarint(tail.bytes, tail.end, block - written.block);
    const follows = first?.incarnation === written.incarnation && first.sequence === written.sequence;
    tail.end = writeVarint(tail.bytes, tail.end, count * 4 + (first ? (follows ? 1 : 2) : 0));
    if (first && !follows) {
      tail.end = writeVarint(tail.bytes, tail.end, first.incarnation);
      tail.end = writeVarint(tail.bytes, tail.end, first.sequence);
    }
    written.block = block;
    if (first) {
      written.incarnation = first.incarnation;
      written.sequence = first.sequence + count;
    }
    this.#last = item;
    this.#size++;
  }

  #newChunk(): Chunk {
    const bytes = Math.min(CHUNK_BYTES_MAX, 2 * (this.#tail?.bytes.length ?? CHUNK_BYTES_MIN / 2));
    const chunk: Chunk = { bytes: new Uint8Array(bytes), before: { ...this.#written, at: 0 }, end: 0 };
    this.#chunks.pushBack(chunk);
    this.#tail = chunk;
    return chunk;
  }

  shift(): ListedBlock | undefined {
    const { front } = this;
    if (!front) return undefined;
    this.#front = undefined;
    this.#size--;
    if (this.#size === 0) this.clear();
    return front;
  }

  /** The first `count` events of the front are done with; fewer than it has. */
  settleFront(count: number): void {
    const { front } = this;
    if (!front) return;
    const first = front.first && {
      incarnation: front.first.incarnation,
      sequence: front.first.sequence + count,
    };
    this.#front = { block: front.block, count: front.count - count, first };
  }

  clear(): void {
    this.#chunks = new Deque();
    this.#tail = undefined;
    this.#front = undefined;
    this.#size = 0;
    Object.assign(this.#read, this.#written, { at: 0 });
  }

  #readNext(): ListedBlock | undefined {
    let chunk = this.#chunks.front();
    if (chunk && this.#read.at === chunk.end) {
      this.#chunks.popFront();
      this.#read.at = 0;
      chunk = this.#chunks.front();
    }
    return chunk && readItem(chunk.bytes, this.#read);
  }

  *[Symbol.iterator](): Iterator<ListedBlock> {
    const reader = this.from(0);
    for (let item = reader.next(); item; item = reader.next()) yield item;
  }

  /** For traces. */
  toJSON(): ListedBlock[] {
    return [...this];
  }

  /** Reads from this block number on; what is before is passed over by the chunk. Of no use any more once the list changes. */
  from(block: number): BlockReader {
    let first = this.#chunks.size - 1;
    while (first > 0 && (this.#chunks.at(first)?.before.block ?? -1) >= block) first--;
    // of the first chunk of all, some may be read already
    const place = { ...((first > 0 ? this.#chunks.at(first)?.before : undefined) ?? this.#read) };
    const front = this.#front && this.#front.block >= block ? this.#front : undefined;
    return new BlockReader(this.#chunks, Math.max(0, first), place, block, front);
  }
}

/** One after the other. A generator would take twice the time, where there are thousands of lists. */
export class BlockReader {
  readonly #chunks: Deque<Chunk>;
  readonly #place: Place;
  readonly #from: number;
  #chunk: number;
  #front: ListedBlock | undefined;

  constructor(
    chunks: Deque<Chunk>,
    chunk: number,
    place: Place,
    from: number,
    front: ListedBlock | undefined,
  ) {
    this.#chunks = chunks;
    this.#chunk = chunk;
    this.#place = place;
    this.#from = from;
    this.#front = front;
  }

  /** Undefined: that was all. */
  next(): ListedBlock | undefined {
    const front = this.#front;
    this.#front = undefined;
    if (front) return front;
    const place = this.#place;
    for (let chunk = this.#chunks.at(this.#chunk); chunk; chunk = this.#chunks.at(++this.#chunk)) {
      while (place.at < chunk.end) {
        const item = readItem(chunk.bytes, place);
        if (item.block >= this.#from) return item;
      }
      place.at = 0;
    }
    return undefined;
  }
}

function readItem(bytes: Uint8Array, place: Place): ListedBlock {
  place.block += readVarint(bytes, place);
  const code = readVarint(bytes, place);
  const count = Math.floor(code / 4);
  const kind = code % 4;
  if (kind === 0) return { block: place.block, count, first: undefined };
  if (kind === 2) {
    place.incarnation = readVarint(bytes, place);
    place.sequence = readVarint(bytes, place);
  }
  const first = { incarnation: place.incarnation, sequence: place.sequence };
  place.sequence += count;
  return { block: place.block, count, first };
}

function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let [place, left] = [at, value];
  for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes[place++] = (left % 0x80) + 0x80;
  bytes[place] = left;
  return place + 1;
}

function readVarint(bytes: Uint8Array, place: Place): number {
  let [value, scale] = [0, 1];
  for (;;) {
    const byte = bytes[place.at++] ?? 0;
    value += (byte % 0x80) * scale;
    if (byte < 0x80) return value;
    scale *= 0x80;
  }
}
