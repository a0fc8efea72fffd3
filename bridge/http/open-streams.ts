// The streams that are open, by subscription; ephemeral ones under ''. The front door bounds how many there are.

import type { AutoSettler } from './auto-settler.ts';
import type { EventStream } from './event-stream.ts';

export interface OpenStream {
  readonly stream: EventStream;
  /** Undefined: the client settles, or nothing is to be settled. */
  readonly settler: AutoSettler | undefined;
}

export class OpenStreams {
  readonly #byName = new Map<string, Set<OpenStream>>();

  add(name: string, opened: OpenStream): void {
    const streams = this.#byName.get(name) ?? new Set();
    streams.add(opened);
    this.#byName.set(name, streams);
  }

  remove(name: string, opened: OpenStream): void {
    const streams = this.#byName.get(name);
    streams?.delete(opened);
    if (streams?.size === 0) this.#byName.delete(name);
  }

  /** One more stream shares the subscription's in-flight limit: each keeps less from now on. */
  trim(name: string): void {
    for (const { settler } of this.#byName.get(name) ?? []) settler?.trim();
  }

  endAll(): void {
    for (const streams of this.#byName.values()) {
      for (const { stream } of streams) stream.end('shutting-down');
    }
  }
}
