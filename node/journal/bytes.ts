// The frame around every value in the journal, and the reading and writing of what is in it.
//
//   value  := version:u8 body crc:u32       crc: CRC-32 over the key, then version and body, big-endian
//   varint := `uint` of wire/byte-writer.ts
//   text   := as there
//
// The key is under the checksum too, so that a value which a damaged key has moved elsewhere is found. LevelDB has
// checksums of its own, but classic-level does not have them verified when reading (`verify_checksums` is off).

import { crc32 } from 'node:zlib';
import { ByteReader } from '../wire/byte-reader.ts';
import { ByteWriter } from '../wire/byte-writer.ts';
import { WireError } from '../wire/wire-error.ts';

const VERSION = 1;
const CHECKSUM_BYTES = 4;
const FRAME_BYTES = 1 + CHECKSUM_BYTES;

/** The one error of decoding: these bytes are not what the journal wrote. Its user maps it to `storage-failed`. */
export class CorruptionError extends Error {
  override readonly name = 'CorruptionError';
}

/** Writes version and checksum into `value`, whose body (all but its first byte and last four) stands already. */
export function seal(key: Uint8Array, value: Buffer): Buffer {
  value[0] = VERSION;
  const end = value.length - CHECKSUM_BYTES;
  value.writeUInt32BE(crc32(value.subarray(0, end), crc32(key)), end);
  return value;
}

/** Checks the frame; the body is a view of `value`. */
export function unseal(key: Uint8Array, value: Uint8Array): Reader {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (bytes.length < FRAME_BYTES) throw new CorruptionError(`cut short: ${bytes.length} bytes`);
  const end = bytes.length - CHECKSUM_BYTES;
  if (bytes.readUInt32BE(end) !== crc32(bytes.subarray(0, end), crc32(key)))
    throw new CorruptionError('the checksum is wrong');
  if (bytes[0] !== VERSION) throw new CorruptionError(`version ${bytes[0]} of this value is not known`);
  return new Reader(bytes.subarray(1, end));
}

/** Writes a value's body behind room for its version. */
export class Writer {
  readonly #bytes: ByteWriter;

  constructor(bytesExpected: number) {
    this.#bytes = new ByteWriter(bytesExpected + FRAME_BYTES);
    this.#bytes.byte(0);
  }

  u8(value: number): void {
    this.#bytes.byte(value);
  }

  varint(value: number): void {
    this.#bytes.uint(value);
  }

  text(value: string): void {
    this.#bytes.text(value);
  }

  sealed(key: Uint8Array): Buffer {
    for (let i = 0; i < CHECKSUM_BYTES; i++) this.#bytes.byte(0);
    const { buffer, byteOffset, byteLength } = this.#bytes.finish();
    return seal(key, Buffer.from(buffer, byteOffset, byteLength));
  }
}

/** Never reads beyond its bytes, never allocates more than they hold. */
export class Reader {
  readonly bytes: Buffer;
  readonly #reader: ByteReader;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#reader = new ByteReader(bytes);
  }

  get left(): number {
    return this.#reader.left;
  }

  // Written out, without a function for each: recovery reads millions of numbers.
  u8(): number {
    try {
      return this.#reader.byte();
    } catch (error) {
      throw corrupted(error);
    }
  }

  varint(): number {
    try {
      return this.#reader.uint();
    } catch (error) {
      throw corrupted(error);
    }
  }

  /** A varint from `min` to `max`. */
  count(min: number, max: number, what: string): number {
    const value = this.varint();
    if (value < min || value > max) throw new CorruptionError(`${value} ${what}`);
    return value;
  }

  text(): string {
    try {
      return this.#reader.text(this.left);
    } catch (error) {
      throw corrupted(error);
    }
  }

  end(): void {
    try {
      this.#reader.end();
    } catch (error) {
      throw corrupted(error);
    }
  }
}

function corrupted(error: unknown): unknown {
  return error instanceof WireError ? new CorruptionError(error.message, { cause: error }) : error;
}
