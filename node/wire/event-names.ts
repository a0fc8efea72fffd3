// Finds an event's `id` and `source` in its Protobuf bytes without decoding the rest, which may be broken.

import type { StoredEvent } from '../core/event.ts';

/** Fields of io.cloudevents.v1.CloudEvent; both have the wire type 2. */
const ID = 0x0a;
const SOURCE = 0x12;
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** Where they lie in the event looked at last; from 0 to 0 where there are none. */
export class EventNames {
  idStart = 0;
  idEnd = 0;
  sourceStart = 0;
  sourceEnd = 0;
  /** Where the varint read last ends. */
  #at = 0;

  /** As our encoder, and most, begin: id, then source, both shorter than 128 bytes, and none of them again right behind. */
  find(bytes: Uint8Array, start: number, end: number): void {
    const idEnd = start + 2 + (bytes[start + 1] ?? 0);
    const sourceEnd = idEnd + 2 + (bytes[idEnd + 1] ?? 0);
    const isUsual =
      bytes[start] === ID &&
      (bytes[start + 1] ?? 128) < 128 &&
      bytes[idEnd] === SOURCE &&
      (bytes[idEnd + 1] ?? 128) < 128 &&
      sourceEnd < end &&
      (bytes[sourceEnd] ?? 0) > (SOURCE | 7);
    if (!isUsual) {
      this.#findAnywhere(bytes, start, end);
      return;
    }
    this.idStart = start + 2;
    this.idEnd = idEnd;
    this.sourceStart = idEnd + 2;
    this.sourceEnd = sourceEnd;
  }

  /** Fields in any order; the last of one kind is what counts, as Protobuf says. */
  #findAnywhere(bytes: Uint8Array, start: number, end: number): void {
    this.idStart = this.idEnd = this.sourceStart = this.sourceEnd = 0;
    this.#at = start;
    while (this.#at < end) {
      const tag = this.#varint(bytes, end);
      const type = tag & 7;
      if (type === VARINT) this.#varint(bytes, end);
      else if (type === FIXED64) this.#at += 8;
      else if (type === FIXED32) this.#at += 4;
      else if (type === BYTES) {
        const length = this.#varint(bytes, end);
        if (this.#at + length > end) return;
        this.#take(tag, this.#at, this.#at + length);
        this.#at += length;
      } else return;
    }
  }

  #take(tag: number, start: number, end: number): void {
    if (tag === ID) {
      this.idStart = start;
      this.idEnd = end;
    } else if (tag === SOURCE) {
      this.sourceStart = start;
      this.sourceEnd = end;
    }
  }

  #varint(bytes: Uint8Array, end: number): number {
    let value = 0;
    for (let factor = 1; this.#at < end && factor < 2 ** 53; factor *= 128) {
      const byte = bytes[this.#at++] ?? 0;
      value += (byte & 127) * factor;
      if (byte < 128) break;
    }
    return value;
  }
}

export interface Named {
  readonly source: string;
  readonly id: string;
}

/** '' for what is not there. */
export function namesIn(bytes: Uint8Array, start = 0, end = bytes.length): Named {
  const names = new EventNames();
  names.find(bytes, start, end);
  const text = (from: number, to: number): string =>
    Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString();
  return { source: text(names.sourceStart, names.sourceEnd), id: text(names.idStart, names.idEnd) };
}

export function namesOf(event: StoredEvent): Named {
  let found: Named = { source: '', id: '' };
  event.lookAt((bytes, start, end) => {
    found = namesIn(bytes, start, end);
  });
  return found;
}
