// What waits for one outbound stream. Frames are gathered and written once per tick, in chunks small enough that the
// control stream gets its turn between two of them, and only while the stream takes more: what cannot be sent waits here,
// counted, where the core can see it, and not in the buffers of libp2p and the socket.

import type { Stream } from '@libp2p/interface';
import { FRAME_HEADER_BYTES, frameHeader } from '../wire/frames.ts';

/** One write: about one noise record (65,519 bytes of plaintext) and one yamux frame. */
const CHUNK_BYTES = 64 * 1024;

export interface OutboxOptions {
  /** From here on `send` says false. */
  readonly fullBytes: number;
  /** Above: `overflowed`, and the frame is dropped. */
  readonly bytesMax: number;
}

export interface OutboxEvents {
  /** Half of `fullBytes` is free again, after `send` said false. */
  drained(): void;
  overflowed(): void;
}

export class Outbox {
  readonly #stream: Stream;
  readonly #options: OutboxOptions;
  readonly #events: OutboxEvents;
  #parts: Uint8Array[] = [];
  #first = 0;
  #bytes = 0;
  #flushScheduled = false;
  #saidFull = false;
  #closed = false;

  constructor(stream: Stream, options: OutboxOptions, events: OutboxEvents) {
    this.#stream = stream;
    this.#options = options;
    this.#events = events;
    stream.addEventListener('drain', this.#onDrain);
  }

  /** False: full, wait for `drained`. The frame is taken all the same. */
  send(body: Uint8Array): boolean {
    if (this.#closed) return true;
    if (this.#bytes + body.length > this.#options.bytesMax) {
      this.#events.overflowed();
      return false;
    }
    this.#parts.push(frameHeader(body.length), body);
    this.#bytes += FRAME_HEADER_BYTES + body.length;
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      queueMicrotask(this.flush);
    }
    if (this.#bytes < this.#options.fullBytes) return true;
    this.#saidFull = true;
    return false;
  }

  /** Forgets what waits. */
  close(): void {
    this.#closed = true;
    this.#parts = [];
    this.#bytes = 0;
    this.#stream.removeEventListener('drain', this.#onDrain);
  }

  readonly #onDrain = (): void => this.flush();

  /** Hands to the stream what it takes now. */
  readonly flush = (): void => {
    this.#flushScheduled = false;
    try {
      while (this.#bytes > 0 && !this.#stream.writableNeedsDrain && this.#stream.writeStatus === 'writable') {
        this.#stream.send(this.#takeChunk());
      }
    } catch {
      // The stream broke while it was written to: it aborts itself, and the session sees its 'close' event.
      return;
    }
    if (this.#saidFull && this.#bytes <= this.#options.fullBytes / 2) {
      this.#saidFull = false;
      this.#events.drained();
    }
  };

  #takeChunk(): Uint8Array {
    const taken: Uint8Array[] = [];
    let bytes = 0;
    while (bytes < CHUNK_BYTES) {
      const part = this.#parts[this.#first];
      if (!part) break;
      const space = CHUNK_BYTES - bytes;
      taken.push(part.length <= space ? part : part.subarray(0, space));
      bytes += Math.min(part.length, space);
      if (part.length > space) this.#parts[this.#first] = part.subarray(space);
      else this.#first++;
    }
    this.#forgetTaken();
    this.#bytes -= bytes;
    const [only] = taken;
    return only && taken.length === 1 ? only : Buffer.concat(taken, bytes);
  }

  #forgetTaken(): void {
    if (this.#first === this.#parts.length) this.#parts = [];
    else if (this.#first > 1024) this.#parts.splice(0, this.#first);
    else return;
    this.#first = 0;
  }
}
