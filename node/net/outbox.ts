// What waits for one outbound stream. Frames are gathered in chunks and written once per tick, chunk by chunk, so that the
// control stream gets its turn between two of them, and only while the stream takes more: what cannot be sent waits here,
// counted, where the core can see it, and not in the buffers of libp2p and the socket.

import type { Stream } from '@libp2p/interface';
import type { LinkMessage } from '../core/messages.ts';
import { Chunks, estimateFrame, type SpareChunks } from './chunks.ts';

export interface OutboxOptions {
  /** From here on `send` says false. */
  readonly fullBytes: () => number;
  /** Above: `overflowed`, and the message is dropped. */
  readonly bytesMax: number;
  readonly spareChunks: SpareChunks;
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
  readonly #chunks: Chunks;
  #flushScheduled = false;
  #saidFull = false;
  #closed = false;

  constructor(stream: Stream, options: OutboxOptions, events: OutboxEvents) {
    this.#stream = stream;
    this.#options = options;
    this.#events = events;
    this.#chunks = new Chunks(options.spareChunks);
    stream.addEventListener('drain', this.#onDrain);
  }

  /** False: full, wait for `drained`. The message is taken all the same. */
  send(message: LinkMessage): boolean {
    if (this.#closed) return true;
    if (this.#chunks.bytes + estimateFrame(message) > this.#options.bytesMax) {
      this.#events.overflowed();
      return false;
    }
    this.#chunks.add(message);
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      queueMicrotask(this.flush);
    }
    if (this.#chunks.bytes < this.#options.fullBytes()) return true;
    this.#saidFull = true;
    return false;
  }

  /** Forgets what waits. */
  close(): void {
    this.#closed = true;
    this.#chunks.clear();
    this.#stream.removeEventListener('drain', this.#onDrain);
  }

  /** The stream itself goes on with what it holds in a microtask that it has just queued. */
  readonly #onDrain = (): void => queueMicrotask(this.flush);

  /** One chunk at a time: what a stream holds while its window is shut would be memory that cannot be used again. */
  #streamIsEmpty(): boolean {
    const { writeBufferLength, writableNeedsDrain, writeStatus } = this.#stream;
    return writeBufferLength === 0 && !writableNeedsDrain && writeStatus === 'writable';
  }

  /** Hands to the stream what it takes now. */
  readonly flush = (): void => {
    this.#flushScheduled = false;
    const stream = this.#stream;
    try {
      while (this.#chunks.bytes > 0 && this.#streamIsEmpty()) {
        // False where it, or a layer below, holds these bytes yet; true means that all before them went out too.
        if (stream.send(this.#chunks.take())) this.#chunks.reuse();
      }
    } catch {
      // The stream broke while it was written to: it aborts itself, and the session sees its 'close' event.
      return;
    }
    if (this.#saidFull && this.#chunks.bytes <= this.#options.fullBytes() / 2) {
      this.#saidFull = false;
      this.#events.drained();
    }
  };
}
