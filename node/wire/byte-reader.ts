// Reads what byte-writer.ts writes (its grammar is there). Trusts no length and no count: each read is checked against
// the bytes that are left, so that nothing is allocated which the input does not pay for. Throws WireError only.

import { isUtf8 } from 'node:buffer';
import { WireError } from './wire-error.ts';

const TWO_32 = 0x1_0000_0000;

export class ByteReader {
  readonly #buffer: Buffer;
  #end: number;
  #at: number;

  /** Views handed out share the memory of `bytes`, which must not change afterwards. */
  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = this.#buffer.length;
    this.#at = 0;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  byte(): number {
    return this.#buffer.readUInt8(this.#take(1));
  }

  /** 0 or 1. */
  flag(): boolean {
    const value = this.byte();
    if (value > 1) throw new WireError('bad-value', `${value} is neither 0 nor 1`);
    return value === 1;
  }

  /** Refuses what is above `max` and what is not in its shortest form: one value has one encoding. */
  uint(max: number = Number.MAX_SAFE_INTEGER): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 8; count++, scale *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte >= 0x80) continue;
      if (byte === 0 && count > 0) throw new WireError('bad-number', 'a number not in its shortest form');
      if (value > max) throw new WireError('bad-number', `${value} is above ${max}`);
      return value;
    }
    throw new WireError('bad-number', 'a number of more than 53 bits');
  }

  /** A Protobuf varint as its low and high 32 bits, unsigned: up to ten bytes, any form, as foreign encoders may write. */
  varint64(): { low: number; high: number } {
    const first = this.#buffer[this.#at] ?? 0x80;
    if (first < 0x80 && this.#at < this.#end) {
      this.#at++;
      return { low: first, high: 0 }; // tags, and most lengths
    }
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.byte();
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high |= bits >> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else high |= (bits & 1) << 31;
      if (byte < 0x80) return { low: low >>> 0, high: high >>> 0 };
    }
    throw new WireError('bad-number', 'a varint of more than ten bytes');
  }

  /** A Protobuf int64; refused where it is no safe integer. */
  int64(): number {
    const { low, high } = this.varint64();
    const value = (high | 0) * TWO_32 + low;
    if (!Number.isSafeInteger(value)) throw new WireError('bad-number', 'a number of more than 53 bits');
    return value;
  }

  f64(): number {
    const value = this.#buffer.readDoubleBE(this.#take(8));
    if (!Number.isFinite(value)) throw new WireError('bad-number', 'a number that is not finite');
    return value;
  }

  text(bytesMax: number): string {
    return this.fixedText(this.uint(), bytesMax);
  }

  /** A text whose length was read before. */
  fixedText(length: number, bytesMax: number): string {
    if (length > bytesMax)
      throw new WireError('too-long', `a text of ${length} bytes, the limit is ${bytesMax}`);
    const start = this.#take(length);
    const text = this.#buffer.toString('utf8', start, this.#at);
    // What is malformed becomes U+FFFD, so only texts that have one need the second look.
    if (text.includes('\ufffd') && !isUtf8(this.#buffer.subarray(start, this.#at))) {
      throw new WireError('bad-text', 'a text that is not UTF-8');
    }
    return text;
  }

  bytes(): Uint8Array {
    return this.fixedBytes(this.uint());
  }

  /** A view of the next `length` bytes. */
  fixedBytes(length: number): Uint8Array {
    return this.#buffer.subarray(this.#take(length), this.#at);
  }

  /** The next `length` bytes are all there is, until `leave` is given what this returns. */
  enter(length: number): number {
    const outer = this.#end;
    this.#end = this.#take(length) + length;
    this.#at -= length;
    return outer;
  }

  leave(outer: number): void {
    this.#end = outer;
  }

  /** How many items follow: at most `max`, and no more than the bytes left can hold at `bytesEach` or more. */
  count(max: number, bytesEach: number): number {
    const count = this.uint();
    if (count > max) throw new WireError('too-many', `${count} items, the limit is ${max}`);
    if (count * bytesEach > this.left)
      throw new WireError('cut-short', `${count} items in ${this.left} bytes`);
    return count;
  }

  /** Nothing may be left over. */
  end(): void {
    if (this.left > 0) throw new WireError('trailing-bytes', `${this.left} bytes after the end`);
  }

  #take(count: number): number {
    const start = this.#at;
    if (count > this.#end - start)
      throw new WireError('cut-short', `${count} bytes wanted, ${this.#end - start} are left`);
    this.#at = start + count;
    return start;
  }
}
