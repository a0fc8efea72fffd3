// The frame around every value in the journal, and the reading and writing of what is in it.
//
//   value  := version:u8 body crc:u32       crc: CRC-32 over the key, then version and body, big-endian
//   varint := little-endian groups of 7 bits, at most 8 of them, below 2^53
//   text   := length:varint utf8:bytes{length}
//
// The key is under the checksum too, so that a value which a damaged key has moved elsewhere is found. LevelDB has
// checksums of its own, but classic-level does not have them verified when reading (`verify_checksums` is off).

import { crc32 } from 'node:zlib';

const VERSION = 1;
const FRAME_BYTES = 5;
const VARINT_BYTES_MAX = 8;

/** The one error of decoding: these bytes are not what the journal wrote. Its user maps it to `storage-failed`. */
export class CorruptionError extends Error {
  override readonly name = 'CorruptionError';
}

/** Writes version and checksum into `value`, whose body (all but its first byte and last four) stands already. */
export function seal(key: Uint8Array, value: Buffer): Buffer {
  value[0] = VERSION;
  const end = value.length - 4;
  value.writeUInt32BE(crc32(value.subarray(0, end), crc32(key)), end);
  return value;
}

/** Checks the frame; the body is a view of `value`. */
export function unseal(key: Uint8Array, value: Uint8Array): Reader {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (bytes.length < FRAME_BYTES) throw new CorruptionError(`cut short: ${bytes.length} bytes`);
  const end = bytes.length - 4;
  if (bytes.readUInt32BE(end) !== crc32(bytes.subarray(0, end), crc32(key)))
    throw new CorruptionError('the checksum is wrong');
  if (bytes[0] !== VERSION) throw new CorruptionError(`version ${bytes[0]} of this value is not known`);
  return new Reader(bytes.subarray(1, end));
}

export class Writer {
  #bytes: Buffer;
  #at = 1;

  constructor(bytesExpected: number) {
    this.#bytes = Buffer.allocUnsafe(bytesExpected + FRAME_BYTES);
  }

  u8(value: number): void {
    const at = this.#room(1); // first, since it may move the bytes
    this.#bytes[at] = value;
  }

  varint(value: number): void {
    let at = this.#room(VARINT_BYTES_MAX);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80); // no shift: it would cut at 32 bits
    }
    this.#bytes[at++] = rest;
    this.#at = at;
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    this.varint(length);
    const at = this.#room(length);
    this.#bytes.write(value, at, 'utf8');
  }

  sealed(key: Uint8Array): Buffer {
    this.#room(4);
    return seal(key, this.#bytes.subarray(0, this.#at));
  }

  #room(count: number): number {
    const start = this.#at;
    this.#at += count;
    if (this.#at > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(this.#at * 2);
      this.#bytes.copy(larger, 0, 0, start);
      this.#bytes = larger;
    }
    return start;
  }
}

/** Never reads beyond its bytes, never allocates more than they hold. */
export class Reader {
  readonly bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.#at;
  }

  u8(): number {
    return this.bytes.readUInt8(this.#need(1));
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < VARINT_BYTES_MAX; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value <= Number.MAX_SAFE_INTEGER ? value : fail('a number is too large');
      scale *= 0x80;
    }
    return fail('a number is too long');
  }

  /** A varint from `min` to `max`. */
  count(min: number, max: number, what: string): number {
    const value = this.varint();
    return value >= min && value <= max ? value : fail(`${value} ${what}`);
  }

  text(): string {
    const length = this.varint();
    const start = this.#need(length);
    return this.bytes.toString('utf8', start, start + length);
  }

  end(): void {
    if (this.left > 0) fail(`${this.left} bytes too many`);
  }

  #need(count: number): number {
    const start = this.#at;
    if (count > this.left) fail('cut short');
    this.#at += count;
    return start;
  }
}

function fail(why: string): never {
  throw new CorruptionError(why);
}
