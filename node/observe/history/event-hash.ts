// Two hashes of 32 bits of an event's `source` and `id`, straight from its Protobuf bytes: what the history finds an event by. Both
// start from numbers that are drawn for each process, so that nobody can look for two events that have the same.
//
// Invariant: the same source and id have the same hashes, in whatever order the event's fields were encoded, as long as none comes
// twice. Two different ones share both with a probability of 2^-64: 10^-14 for one question to a history of 200,000 events.

import { EventNames } from '../../wire/event-names.ts';

export class EventHash {
  /** Of the event looked at last. */
  low = 0;
  high = 0;
  readonly #seedLow: number;
  readonly #seedHigh: number;
  readonly #names = new EventNames();

  constructor(random: () => number) {
    this.#seedLow = Math.floor(random() * 2 ** 32) | 0;
    this.#seedHigh = Math.floor(random() * 2 ** 32) | 0;
  }

  /** Of texts. */
  ofTexts(source: string, id: string): void {
    const bytes = Buffer.from(id + source);
    const idEnd = Buffer.byteLength(id);
    this.#hash(bytes, 0, idEnd, idEnd, bytes.length);
  }

  /** Of the Protobuf bytes of an event. What is no event has the hashes of empty texts. */
  readonly ofBytes = (bytes: Uint8Array, start: number, end: number): void => {
    const names = this.#names;
    names.find(bytes, start, end);
    this.#hash(bytes, names.idStart, names.idEnd, names.sourceStart, names.sourceEnd);
  };

  #hash(bytes: Uint8Array, idStart: number, idEnd: number, sourceStart: number, sourceEnd: number): void {
    this.low = this.#seedLow;
    this.high = this.#seedHigh;
    this.#add(bytes, idStart, idEnd);
    this.#add(bytes, sourceStart, sourceEnd);
    this.low = spread(this.low);
    this.high = spread(this.high ^ this.low);
  }

  /** Four bytes at a time, and at the end what is left with the length. */
  #add(bytes: Uint8Array, start: number, end: number): void {
    let { low, high } = this;
    let at = start;
    for (const whole = end - 3; at < whole; at += 4) {
      const word =
        (bytes[at] ?? 0) |
        ((bytes[at + 1] ?? 0) << 8) |
        ((bytes[at + 2] ?? 0) << 16) |
        ((bytes[at + 3] ?? 0) << 24);
      low = Math.imul(low ^ word, 0x85ebca6b);
      low = (low << 13) | (low >>> 19);
      high = Math.imul(high + word, 0xc2b2ae35);
      high = (high << 17) | (high >>> 15);
    }
    let rest = end - start;
    for (; at < end; at++) rest = (rest << 8) | (bytes[at] ?? 0);
    this.low = Math.imul(low ^ rest, 0xcc9e2d51);
    this.high = Math.imul(high + rest, 0x1b873593);
    this.low = (this.low << 15) | (this.low >>> 17);
    this.high = (this.high << 11) | (this.high >>> 21);
  }
}

/** MurmurHash3's last step: each bit of what goes in changes half of those that come out. */
function spread(state: number): number {
  let hash = state;
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
