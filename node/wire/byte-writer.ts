// Writes the primitives that our grammars are made of into one growing buffer.
//
//   uint   := unsigned LEB128 of an integer in [0, 2^53), shortest form
//   text   := length:uint utf8:bytes{length}
//   bytes  := length:uint bytes{length}
//   f64    := IEEE 754, big-endian

import { invariant } from '../core/errors.ts';

const SMALL_BYTES = 128;

export class ByteWriter {
  #buffer: Buffer;
  #at = 0;

  /** `expectedBytes`: an estimate; the buffer doubles where it was too small. */
  constructor(expectedBytes = SMALL_BYTES) {
    this.#buffer = Buffer.allocUnsafe(expectedBytes);
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

  f64(value: number): void {
    this.#reserve(8);
    this.#at = this.#buffer.writeDoubleBE(value, this.#at);
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    this.uint(length);
    this.#reserve(length);
    this.#at += this.#buffer.write(value, this.#at, length, 'utf8');
  }

  bytes(value: Uint8Array): void {
    this.uint(value.length);
    this.fixedBytes(value);
  }

  /** Bytes whose length the reader knows. */
  fixedBytes(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#buffer.set(value, this.#at);
    this.#at += value.length;
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
