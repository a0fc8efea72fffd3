// Writes the primitives that our grammars are made of into one growing buffer.
//
//   uint   := unsigned LEB128 of an integer in [0, 2^53), shortest form
//   text   := length:uint utf8:bytes{length}
//   bytes  := length:uint bytes{length}
//   f64    := IEEE 754, big-endian

import { invariant } from '../core/errors.ts';

const SMALL_BYTES = 128;
/** UTF-16 units up to which a loop writes a text faster than the call into native code does that long ones are worth. */
const LOOP_UNITS_MAX = 32;

export class ByteWriter {
  #buffer: Buffer;
  #at = 0;

  /** `expectedBytes`: an estimate; the buffer doubles where it was too small. */
  constructor(expectedBytes = SMALL_BYTES) {
    this.#buffer = Buffer.allocUnsafe(expectedBytes);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#at;
  }

  /** Takes away what was written beyond the first `length` bytes. */
  cut(length: number): void {
    this.#at = length;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#at++] = value;
  }

  uint(value: number): void {
    invariant(Number.isSafeInteger(value) && value >= 0, `${value} is no unsigned integer`);
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#at++] = (rest % 0x80) | 0x80;
      rest = rest < 0x8000_0000 ? rest >>> 7 : Math.floor(rest / 0x80);
    }
    this.#buffer[this.#at++] = rest;
  }

  /** Two's complement in 64 bits as an unsigned LEB128: how Protobuf writes int32 and int64. */
  int64(value: number): void {
    if (value >= 0) {
      this.uint(value);
      return;
    }
    invariant(Number.isSafeInteger(value), `${value} is no integer`);
    this.#reserve(10);
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest >= 0x80n; rest >>= 7n) this.#buffer[this.#at++] = Number(rest & 0x7fn) | 0x80;
    this.#buffer[this.#at++] = Number(rest);
  }

  /** Big-endian; for a number that is known only later, see `setU32`. */
  u32(value: number): void {
    this.#reserve(4);
    this.#at = this.#buffer.writeUInt32BE(value, this.#at);
  }

  /** Writes over what `u32` wrote at `at`. */
  setU32(value: number, at: number): void {
    this.#buffer.writeUInt32BE(value, at);
  }

  f64(value: number): void {
    this.#reserve(8);
    this.#at = this.#buffer.writeDoubleBE(value, this.#at);
  }

  text(value: string): void {
    const units = value.length;
    if (units <= LOOP_UNITS_MAX && this.#shortAscii(value)) return;
    // Written where it stands if it is ASCII, as nearly all texts are, so that nobody has to count its bytes before.
    this.#reserve(8 + units * 3); // UTF-8 has at most three bytes for a UTF-16 unit
    const start = this.#at + uintBytes(units);
    const length = this.#buffer.write(value, start);
    if (length !== units) this.#buffer.copyWithin(this.#at + uintBytes(length), start, start + length);
    this.uint(length);
    this.#at += length;
  }

  /** False, and nothing written, where it is not ASCII. */
  #shortAscii(value: string): boolean {
    const units = value.length;
    this.#reserve(1 + units);
    const buffer = this.#buffer;
    let at = this.#at;
    buffer[at++] = units;
    for (let i = 0; i < units; i++) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) return false;
      buffer[at++] = code;
    }
    this.#at = at;
    return true;
  }

  /**
   * Begins something whose length stands before it, and is known when it is written: `close` takes what this returns.
   * What is longer than `lengthBytes` of a length can say is moved then.
   */
  open(lengthBytes: number): number {
    this.#reserve(lengthBytes);
    this.#at += lengthBytes;
    return this.#at;
  }

  close(start: number, lengthBytes: number): void {
    const end = this.#at;
    const length = end - start;
    const needed = uintBytes(length);
    this.#reserve(8); // while all that was written counts: growing copies no more than that
    if (needed !== lengthBytes) this.#buffer.copyWithin(start - lengthBytes + needed, start, end);
    this.#at = start - lengthBytes;
    this.uint(length);
    this.#at += length;
  }

  bytes(value: Uint8Array): void {
    this.uint(value.length);
    this.fixedBytes(value);
  }

  /** Lets `write` write `count` bytes itself, from the place it is given. */
  space(count: number, write: (buffer: Buffer, at: number) => void): void {
    this.#reserve(count);
    write(this.#buffer, this.#at);
    this.#at += count;
  }

  /** Bytes whose length the reader knows. */
  fixedBytes(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#buffer.set(value, this.#at);
    this.#at += value.length;
  }

  /** What was written from `from` on. It changes when that is cut, and written again. */
  view(from: number): Buffer {
    return this.#buffer.subarray(from, this.#at);
  }

  /** What was written. The writer must not be used afterwards. */
  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#at);
  }

  #reserve(count: number): void {
    const needed = this.#at + count;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}

/** Bytes that `uint` takes. */
export function uintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) count++;
  return count;
}
