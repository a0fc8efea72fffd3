// What a fuzz target is: one parser (or one small machine behind a parser) with the promises that hold for any input.
//
// `run` gives true where the input was taken and false where it was refused with the error that the parser documents.
// Whatever else it throws is a finding: another error, or a promise that does not hold (`assert`). The fuzzer adds the
// promises that are the same for all: no input takes more work or memory than its length pays for, and each one ends.

import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import type { Chance } from '../simulation/chance.ts';

export interface Target {
  readonly name: string;
  /** What inputs are made of: how they are changed beside their single bytes. */
  readonly shape: 'bytes' | 'protobuf' | 'text' | 'json';
  /** The longest input that is tried. */
  readonly bytesMax: number;
  /** Pieces that mean something to the parser. */
  readonly dictionary: readonly (string | Uint8Array)[];
  /** A valid input, by the project's own encoders: the first corpus, and fresh ones now and then. */
  readonly sample: (chance: Chance) => Uint8Array;
  readonly run: (input: Uint8Array) => boolean | Promise<boolean>;
  /** Executions in `npm test`: a second or two. */
  readonly quick: number;
  /** Blocks of code that an input may execute for each of its bytes, where it is not the usual. */
  readonly operationsPerByte?: number;
  /** The same, whatever its length: what is set up for each input. */
  readonly operationsFree?: number;
  /** Bytes of memory that any input may take. */
  readonly memoryFree?: number;
}

/** Runs `parse`; undefined where it throws one of the documented errors. All other errors pass through. */
export function unlessRefused<T>(
  documented: readonly (new (...args: never[]) => Error)[],
  parse: () => T,
): { readonly value: T } | undefined {
  try {
    return { value: parse() };
  } catch (error) {
    if (documented.some((type) => error instanceof type)) return undefined;
    throw error;
  }
}

/** A sampler of an arbitrary: the same draw for the same chance. */
export function sampled<T>(arbitrary: fc.Arbitrary<T>, encode: (value: T) => Uint8Array) {
  return (chance: Chance): Uint8Array => {
    const [value] = fc.sample(arbitrary, { seed: chance.below(2 ** 31), numRuns: 1 });
    assert(value !== undefined, 'fast-check draws a value');
    return encode(value);
  };
}

/** For comparing: views as hex, maps as entries, so that which buffer a view lies in makes no difference; and no -0. */
export function plain(value: unknown): unknown {
  if (value === 0) return 0;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (value instanceof Map) return [...value].map(plain);
  if (ArrayBuffer.isView(value)) return Array.from(value as Float64Array);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
}

/** Reads choices out of an input: what a machine is to be told, byte by byte. Reads zeros after the end. */
export class Choices {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(input: Uint8Array) {
    this.#bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  }

  get left(): number {
    return Math.max(0, this.#bytes.length - this.#at);
  }

  byte(): number {
    return this.#bytes[this.#at++] ?? 0;
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.byte() % items.length] ?? items[0];
  }

  /** Up to `length` bytes. */
  bytes(length: number): Buffer {
    const start = Math.min(this.#at, this.#bytes.length);
    this.#at += length;
    return this.#bytes.subarray(start, Math.min(this.#at, this.#bytes.length));
  }

  /** Bytes with their length, of two bytes, before them: `piece` writes such. */
  piece(): Buffer {
    return this.bytes(this.byte() * 256 + this.byte());
  }

  rest(): Buffer {
    return this.bytes(this.left);
  }
}

/** What `Choices.piece` reads. */
export function piece(bytes: Uint8Array | string): Buffer {
  const content = Buffer.from(bytes);
  assert(content.length < 65_536, 'a piece is below 64 KiB');
  return Buffer.concat([Buffer.of(content.length >> 8, content.length & 0xff), content]);
}
