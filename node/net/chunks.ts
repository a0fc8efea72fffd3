// Frames that wait for one stream, written once, one behind the other, into chunks: what is sent at once. A frame that fits
// into a chunk is never spread over two, so that the receiver finds it whole.
//
// The memory of chunks is used again, where the stream does not keep what it was given: a new buffer of 64 KiB for each
// chunk cost a fifth of the sender's CPU, for V8 collects all garbage whenever so much was allocated outside its heap.

import type { LinkMessage } from '../core/messages.ts';
import { ByteWriter } from '../wire/byte-writer.ts';
import { FRAME_HEADER_BYTES, writeFrame } from '../wire/frames.ts';
import { estimateMessage, writeMessage } from '../wire/link-messages.ts';

/** With the 12 bytes of yamux's header it is just what one record of noise holds: one encryption, one frame each. */
export const CHUNK_BYTES = 65_519 - 12;
/** Chunks kept for use again by all links of a mesher: two for each of some that are busy. */
const SPARE_CHUNKS_MAX = 32;

/** Taken by a stream that has not taken all of the last one yet. More than these are left to the garbage collector. */
const TAKEN_CHUNKS_MAX = 4;

/** Chunks that nobody uses. */
export class SpareChunks {
  readonly #reuses: boolean;
  readonly #spare: ByteWriter[] = [];

  /** `reuses`: false where a stream may look at what it was given later on. */
  constructor(reuses: boolean) {
    this.#reuses = reuses;
  }

  /** Room for at least `bytes`. */
  take(bytes: number): ByteWriter {
    return this.#spare.pop() ?? new ByteWriter(this.#reuses ? Math.max(bytes, CHUNK_BYTES) : bytes);
  }

  /** One that grew for a large frame is let go. */
  give(chunk: ByteWriter): void {
    if (!this.#reuses || chunk.length > CHUNK_BYTES || this.#spare.length >= SPARE_CHUNKS_MAX) return;
    chunk.cut(0);
    this.#spare.push(chunk);
  }
}

/** Bytes that `add` will take for a message, roughly. */
export function estimateFrame(message: LinkMessage): number {
  return FRAME_HEADER_BYTES + estimateMessage(message);
}

export class Chunks {
  readonly #spare: SpareChunks;
  /** Those after the first are as they were filled; the last is written to. */
  #waiting: ByteWriter[] = [];
  /** How much of the first was taken. */
  #takenOfFirst = 0;
  /** Taken whole, and not given back yet. */
  #taken: ByteWriter[] = [];
  #bytes = 0;

  constructor(spare: SpareChunks) {
    this.#spare = spare;
  }

  /** That wait. */
  get bytes(): number {
    return this.#bytes;
  }

  add(message: LinkMessage): void {
    const expected = estimateFrame(message);
    let chunk = this.#waiting.at(-1);
    if (!chunk || chunk.length + expected > CHUNK_BYTES) {
      chunk = this.#spare.take(expected);
      this.#waiting.push(chunk);
    }
    const before = chunk.length;
    writeFrame(chunk, (writer) => writeMessage(writer, message));
    this.#bytes += chunk.length - before;
  }

  /** The next to be sent, empty where nothing waits. It keeps its bytes until `reuse`. */
  take(): Uint8Array {
    const [chunk] = this.#waiting;
    if (!chunk) return Buffer.of();
    const from = this.#takenOfFirst;
    const piece = chunk.view(from).subarray(0, CHUNK_BYTES);
    this.#bytes -= piece.length;
    this.#takenOfFirst += piece.length;
    if (this.#takenOfFirst >= chunk.length) {
      this.#takenOfFirst = 0;
      this.#waiting.shift();
      if (this.#taken.push(chunk) > TAKEN_CHUNKS_MAX) this.#taken.shift();
    }
    return piece;
  }

  /** Of all that was taken nobody needs the memory any more. */
  reuse(): void {
    for (const chunk of this.#taken) this.#spare.give(chunk);
    this.#taken = [];
  }

  clear(): void {
    this.#waiting = [];
    this.#taken = [];
    this.#bytes = 0;
  }
}
