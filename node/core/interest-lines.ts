// One bucket of interests as the bytes that are digested: a line for each, in order.
//
//   line := length ':' filter length ':' group ('1' durable | '0')      UTF-8; lengths in UTF-16 units, decimal
//
// Lengths are part of it, so that no other interests read the same. The digest is SHA-256 of all lines, cut to 16 bytes, and
// not a sum of the lines' own digests that a change is added to: such sums are quick, but short ones are easy to forge for
// whoever chooses what is summed (XOR by linear algebra, addition by Wagner's generalised birthday), and those that are
// not take kilobytes for each bucket. What makes a change cheap is that the other lines need not be written again.

import { hash } from 'node:crypto';
import type { Interest } from './messages.ts';

export const DIGEST_BYTES = 16;
/** A line beside filter and group: two lengths, two colons, a flag. */
const MORE_BYTES = 16;
const COLON = 0x3a;
const ZERO = 0x30;

/** What orders interests, and tells them apart within a record. */
export type InterestName = Pick<Interest, 'filter' | 'group'>;

export class InterestLines {
  #bytes: Buffer;
  #length = 0;
  /** Where each line ends. */
  readonly #ends: number[] = [];

  /** `interests` as `compareNames` orders them. */
  constructor(interests: readonly Interest[]) {
    let room = 0;
    for (const one of interests) room += roomFor(one);
    this.#bytes = Buffer.allocUnsafe(room);
    for (const one of interests) {
      this.#length = writeLine(this.#bytes, this.#length, one);
      this.#ends.push(this.#length);
    }
  }

  /** Of nothing: zeros. */
  digest(): Uint8Array {
    return this.#length === 0
      ? new Uint8Array(DIGEST_BYTES)
      : digestOf(this.#bytes.subarray(0, this.#length));
  }

  /** In the place of `removed` lines from the one at `place`: that of `interest`, or none. */
  splice(place: number, removed: 0 | 1, interest: Interest | undefined): void {
    const ends = this.#ends;
    const start = ends[place - 1] ?? 0;
    const end = ends[place - 1 + removed] ?? 0;
    const line = Buffer.allocUnsafe(interest ? roomFor(interest) : 0);
    const lineBytes = interest ? writeLine(line, 0, interest) : 0;
    const by = lineBytes - (end - start);
    if (this.#length + by > this.#bytes.length) {
      const before = this.#bytes;
      this.#bytes = Buffer.allocUnsafeSlow(Math.ceil((this.#length + by) * 1.25));
      this.#bytes.set(before.subarray(0, this.#length));
    }
    this.#bytes.copyWithin(end + by, end, this.#length);
    this.#bytes.set(line.subarray(0, lineBytes), start);
    this.#length += by;
    for (let i = place + removed; i < ends.length; i++) ends[i] = (ends[i] ?? 0) + by;
    if (interest) ends.splice(place, removed, start + lineBytes);
    else ends.splice(place, removed);
  }
}

export function digestOf(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer').subarray(0, DIGEST_BYTES);
}

/** The order of lines, which is that of their code units. */
export function compareNames(a: InterestName, b: InterestName): number {
  return compareTexts(a.filter, b.filter) || compareTexts(a.group, b.group);
}

function compareTexts(a: string, b: string): number {
  if (a.length === b.length) return a < b ? -1 : a > b ? 1 : 0;
  return `${a.length}:` < `${b.length}:` ? -1 : 1;
}

function roomFor({ filter, group }: InterestName): number {
  return (filter.length + group.length) * 3 + MORE_BYTES;
}

function writeLine(bytes: Buffer, start: number, { filter, group, durable }: Interest): number {
  const at = writeText(bytes, writeText(bytes, start, filter), group);
  bytes[at] = ZERO + (durable ? 1 : 0);
  return at + 1;
}

function writeText(bytes: Buffer, start: number, text: string): number {
  const at = writeDecimal(bytes, start, text.length);
  bytes[at] = COLON;
  return text === '' ? at + 1 : at + 1 + bytes.write(text, at + 1);
}

function writeDecimal(bytes: Buffer, start: number, number: number): number {
  const at = number < 10 ? start : writeDecimal(bytes, start, Math.floor(number / 10));
  bytes[at] = ZERO + (number % 10);
  return at + 1;
}
