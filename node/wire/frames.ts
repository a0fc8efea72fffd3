// Frames on a byte stream.
//
//   stream := frame*
//   frame  := length:u32 body:bytes{length}        big-endian; 1 ≤ length ≤ the reader's limit

import type { ByteWriter } from './byte-writer.ts';
import { WireError } from './wire-error.ts';

export const FRAME_HEADER_BYTES = 4;

/** The header of a frame with a body of `length` bytes. */
export function frameHeader(length: number): Uint8Array {
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  header.writeUInt32BE(length);
  return header;
}

/** Writes a frame, whose body `writeBody` writes. */
export function writeFrame(writer: ByteWriter, writeBody: (writer: ByteWriter) => void): void {
  const start = writer.length;
  writer.u32(0);
  writeBody(writer);
  writer.setU32(writer.length - start - FRAME_HEADER_BYTES, start);
}

/** First size of the buffer for a body that spans chunks: most of our frames fit, and it is no more than a data frame. */
const FIRST_BUFFER_BYTES = 64 * 1024;

/**
 * Takes the stream in chunks of any size and gives back the bodies of the frames that are complete. A body within one
 * chunk is a view of it; one that spans chunks is gathered in a buffer of its own, which doubles with what has come
 * rather than being as large as what was announced. Chunks must not change afterwards.
 */
export class FrameReader {
  readonly #bodyBytesMax: number;
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerFilled = 0;
  /** The body under way: how long it will be (0: none), what has come of it, and where that is. */
  #length = 0;
  #filled = 0;
  #body: Buffer | undefined;

  constructor(bodyBytesMax: number) {
    this.#bodyBytesMax = bodyBytesMax;
  }

  /** Bytes held for a frame that is not complete. */
  get heldBytes(): number {
    return this.#headerFilled + this.#filled;
  }

  /** Yields lazily: frames before a bad one are given before it throws. After a throw the stream cannot go on. */
  *push(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#length === 0) {
        at = this.#readHeader(chunk, at);
        continue;
      }
      const piece = chunk.subarray(at, at + this.#length - this.#filled);
      at += piece.length;
      if (piece.length === this.#length) {
        this.#length = 0;
        yield piece;
        continue;
      }
      const body = this.#append(piece);
      if (body) yield body;
    }
  }

  #readHeader(chunk: Uint8Array, from: number): number {
    let at = from;
    while (at < chunk.length && this.#headerFilled < FRAME_HEADER_BYTES) {
      this.#header[this.#headerFilled++] = chunk[at++] ?? 0;
    }
    if (this.#headerFilled < FRAME_HEADER_BYTES) return at;
    const length = this.#header.readUInt32BE();
    this.#headerFilled = 0;
    if (length === 0) throw new WireError('bad-value', 'a frame with nothing in it');
    if (length > this.#bodyBytesMax) {
      throw new WireError(
        'frame-too-large',
        `a frame of ${length} bytes, the limit is ${this.#bodyBytesMax}`,
      );
    }
    this.#length = length;
    return at;
  }

  /** The body, where this piece completes it. */
  #append(piece: Uint8Array): Uint8Array | undefined {
    const needed = this.#filled + piece.length;
    if (!this.#body || this.#body.length < needed) {
      const larger = Buffer.allocUnsafe(Math.min(this.#length, Math.max(needed * 2, FIRST_BUFFER_BYTES)));
      if (this.#body) this.#body.copy(larger, 0, 0, this.#filled);
      this.#body = larger;
    }
    this.#body.set(piece, this.#filled);
    this.#filled = needed;
    if (needed < this.#length) return undefined;
    const body = this.#body.subarray(0, needed);
    this.#body = undefined;
    this.#length = 0;
    this.#filled = 0;
    return body;
  }
}
