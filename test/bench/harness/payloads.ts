// JSON payloads of an exact size, each different from every other, with the names, words and figures of real events: a
// filler that compresses to nothing would flatter whoever compresses. Where the file of real events is not beside the project,
// records are made up from a seed. The same seed gives the same payloads.
//
//   payload := {"n":"000000001234","records":[{…},{…},…],"note":"as many words as the size leaves"}

import { existsSync } from 'node:fs';
import { realEvents, REAL_EVENTS_FILE } from '../../support/real-events.ts';

export const SIZES = { '256 B': 256, '1 KiB': 1024, '16 KiB': 16_384 } as const;

/** Digits of the number that makes each payload unlike all others. */
const NUMBER_DIGITS = 12;
const HEAD = '{"n":"';
const NOTE = '],"note":"';
const TAIL = '"}';
export const PAYLOAD_BYTES_MIN =
  HEAD.length + NUMBER_DIGITS + '","records":['.length + NOTE.length + TAIL.length;
/** Different payloads apart from their number: beyond what any block or window of compression sees at once. */
const DISTINCT = 1024;
const RECORD_BYTES_MAX = 4096;
const MADE_UP = 2000;

export interface PayloadOptions {
  readonly bytes: number;
  readonly seed?: number;
  readonly distinct?: number;
}

export class Payloads {
  readonly bytes: number;
  readonly #rests: readonly string[];
  readonly #encoded: readonly Buffer[];

  constructor({ bytes, seed = 1, distinct = DISTINCT }: PayloadOptions) {
    if (bytes < PAYLOAD_BYTES_MIN)
      throw new RangeError(`a payload has at least ${PAYLOAD_BYTES_MIN} bytes, not ${bytes}`);
    this.bytes = bytes;
    const random = randomFrom(seed);
    const records = existsSync(REAL_EVENTS_FILE) ? realRecords() : madeUpRecords(random);
    this.#rests = Array.from({ length: distinct }, () => restOf(bytes, records, random));
    this.#encoded = this.#rests.map((_, n) => Buffer.from(this.text(n)));
  }

  /** JSON text of `bytes` bytes; ASCII only. */
  text(n: number): string {
    const rest = this.#rests[n % this.#rests.length] ?? '';
    return `${HEAD}${String(n).padStart(NUMBER_DIGITS, '0')}${rest}`;
  }

  /** The same in bytes of its own. */
  encoded(n: number): Buffer {
    const copy = Buffer.from(this.#encoded[n % this.#encoded.length] ?? []);
    copy.write(String(n).padStart(NUMBER_DIGITS, '0'), HEAD.length, 'latin1');
    return copy;
  }

  /** A whole event in the JSON format. */
  structured(n: number): string {
    return `{"specversion":"1.0","id":"${idOf(n)}","source":"${SOURCE}","type":"${TYPE}","time":"${timeOf(n)}","datacontenttype":"application/json","data":${this.text(n)}}`;
  }
}

export const SOURCE = '/bench/shop/eu';
export const TYPE = 'com.example.bench.order.created';

/** `e` and the number, always as many characters. */
export function idOf(n: number): string {
  return `e${String(n).padStart(NUMBER_DIGITS, '0')}`;
}

/** A time that moves on with the number, so that this attribute too differs. */
export function timeOf(n: number): string {
  return new Date(Date.UTC(2026, 0, 1) + n).toISOString();
}

/** For people: what payloads, and the topics that are made at scale (matching/topic-shapes.ts), come from on this machine. */
export function inputSource(): string {
  return existsSync(REAL_EVENTS_FILE)
    ? 'payloads and topic shapes from the file of real events'
    : 'payloads made up from a seed, topic shapes from GitHub webhook examples (the file of real events is absent)';
}

/** All after the number, so that the payload has `bytes` bytes. */
function restOf(bytes: number, records: readonly string[], random: () => number): string {
  let left = bytes - PAYLOAD_BYTES_MIN;
  const chosen: string[] = [];
  // A few that do not fit do not mean that none does; what is left is for the note.
  for (let misses = 0; misses < 8;) {
    const record = records[Math.floor(random() * records.length)] ?? '';
    const length = record.length + (chosen.length > 0 ? 1 : 0);
    if (length > left) misses++;
    else {
      chosen.push(record);
      left -= length;
    }
  }
  return `","records":[${chosen.join(',')}${NOTE}${noteOf(left, random)}${TAIL}`;
}

function noteOf(length: number, random: () => number): string {
  let note = '';
  while (note.length < length) {
    const word = WORDS[Math.floor(random() * WORDS.length)] ?? '';
    note += random() < 0.2 ? `${Math.floor(random() * 1e6)} ` : `${word} `;
  }
  return note.slice(0, length);
}

function realRecords(): readonly string[] {
  return realEvents()
    .lines.map((line) => JSON.stringify((JSON.parse(line) as { data: unknown }).data))
    .filter((record) => record.length <= RECORD_BYTES_MAX && /^[\x20-\x7e]*$/.test(record));
}

function madeUpRecords(random: () => number): readonly string[] {
  const pick = (): string => WORDS[Math.floor(random() * WORDS.length)] ?? '';
  const digits = (count: number): string => String(Math.floor(random() * 10 ** count)).padStart(count, '0');
  return Array.from({ length: MADE_UP }, () =>
    JSON.stringify({
      order: `${pick()}-${digits(7)}`,
      customer: { name: `${pick()} ${pick()}`, since: timeOf(Math.floor(random() * 1e10)) },
      amount: Number(`${digits(3)}.${digits(2)}`),
      express: random() < 0.3,
      lines: Array.from({ length: 1 + Math.floor(random() * 4) }, () => ({
        item: `${pick()} ${pick()}`,
        code: digits(9),
        count: 1 + Math.floor(random() * 9),
      })),
    }),
  );
}

/** Numbers in [0, 1) that follow from the seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const WORDS =
  'amber anchor arrival basket beacon berth bridge cargo carrier causeway chart coast compass container copper crane current customs delta depot dock draft estuary ferry freight gantry granite harbour haul inlet island jetty keel ledger lighthouse lock manifest mast meridian mooring oak pallet parcel pilot pine port quay receipt reef rigging river rudder sail salt sextant shipment shore signal silver spruce stern survey tide timber tonnage vessel voyage warehouse wharf yard'.split(
    ' ',
  );
