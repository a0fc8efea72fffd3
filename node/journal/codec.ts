// The bytes of the journal's values, each inside the frame of bytes.ts (version, checksum over key and value).
// Every decoder throws CorruptionError and nothing else, whatever the bytes.
//
//   block        := count:u32 end:u32{count} record:bytes{count}     end: where each record ends, from the first record on
//   head         := count:varint recordBytes:varint
//   entry        := count:varint lane:u8 [ incarnation:varint sequence:varint ]    when lane = 1: the position of the first
//                   runCount:varint ( gap:varint length:varint ){runCount}         indices: left out, then taken
//                   directiveCount:varint directive{directiveCount}
//   directive    := skip:varint flags:u8 texts [ meshers:varint (text texts){meshers} ] [ texts ] [ text ]
//                   flags: 1 except, 2 wanted, 4 unknown, 8 subscription
//   texts        := count:varint text{count}
//   position     := incarnation:varint sequence:varint
//   routes       := count:varint (filter:text group:text){count}
//   number       := varint
//   takeover     := text, JSON
//   name, meta   := text
//   subscription, member := text, JSON: seldom written, read once, grows new fields
//
// Runs rather than single indices: an entry is rewritten with each settlement and mostly has few gaps (1024 indices
// in a row are 3 bytes, every second one of 1024 is 1 KiB).

import { KnownHeaders, RecordError, decodeRecord } from '../core/event-record.ts';
import type { Directive, Position, StoredEvent, Wanted } from '../core/event.ts';
import { invariant } from '../core/errors.ts';
import type {
  BlockRange,
  KnownMember,
  MemberRecord,
  QueueEntry,
  RememberedInterest,
  Takeover,
} from '../core/ports.ts';
import type { DeliverySettings, Subscription } from '../core/subscription.ts';
import type { BlockContent } from './block-cache.ts';
import { CorruptionError, Reader, Writer, seal, unseal } from './bytes.ts';

/** Indices are below this: `blockEventsMax` may not be more (limits.ts). */
const BLOCK_EVENTS_MAX = 65_536;

// ───────────────────────────────────────────────────────────── blocks

/** `allocate`: where the block is written, for whoever has memory to reuse; all of it is overwritten. */
export function encodeBlock(
  key: Uint8Array,
  events: readonly StoredEvent[],
  allocate: (bytes: number) => Buffer = (bytes) => Buffer.allocUnsafe(bytes),
): Buffer {
  invariant(events.length > 0 && events.length <= BLOCK_EVENTS_MAX, `a block of ${events.length} events`);
  let length = 1 + 4 + 4 * events.length + 4;
  for (const event of events) length += event.bytes;
  const value = allocate(length);
  value.writeUInt32BE(events.length, 1);
  let end = 0;
  let ends = 5;
  const records = 5 + 4 * events.length;
  for (const event of events) {
    event.writeTo(value, records + end);
    end += event.bytes;
    ends = value.writeUInt32BE(end, ends);
  }
  return seal(key, value);
}

/** Checks checksum and offsets; the block is a view of `value`. `known`: headers of records decoded before. */
export function decodeBlock(key: Uint8Array, value: Uint8Array, known = new KnownHeaders()): Block {
  return new Block(unseal(key, value).bytes, known);
}

/** A block whose offsets were found good. */
export class Block implements BlockContent {
  readonly count: number;
  readonly #body: Buffer;
  readonly #records: Buffer;
  readonly #known: KnownHeaders;

  constructor(body: Buffer, known: KnownHeaders) {
    this.#body = body;
    this.#known = known;
    if (body.length < 4) throw new CorruptionError('a block cut short');
    this.count = body.readUInt32BE(0);
    const records = 4 + 4 * this.count;
    if (this.count === 0 || this.count > BLOCK_EVENTS_MAX || records > body.length) {
      throw new CorruptionError(`a block of ${this.count} events in ${body.length} bytes`);
    }
    this.#records = body.subarray(records);
    let end = 0;
    for (let i = 0; i < this.count; i++) {
      if (this.#end(i) < end) throw new CorruptionError(`record ${i} ends before it starts`);
      end = this.#end(i);
    }
    if (end !== this.#records.length) throw new CorruptionError('the records do not fill the block');
  }

  get bytes(): number {
    return this.#body.length;
  }

  /**
   * The events at these indices. Where they are less than half of the block they are copied out, so that a queue that
   * wants one event in a thousand does not keep the other 999 in memory.
   */
  events(indices: readonly number[]): StoredEvent[] {
    const records = indices.map((index) => this.#record(index));
    const wanted = records.reduce((sum, record) => sum + record.length, 0);
    return (wanted * 2 < this.#body.length ? copied(records, wanted) : records).map((record) =>
      decode(record, this.#known),
    );
  }

  #record(index: number): Buffer {
    if (index >= this.count) throw new CorruptionError(`event ${index} of a block of ${this.count}`);
    return this.#records.subarray(index === 0 ? 0 : this.#end(index - 1), this.#end(index));
  }

  #end(index: number): number {
    return this.#body.readUInt32BE(4 + 4 * index);
  }
}

function copied(records: readonly Buffer[], bytes: number): Buffer[] {
  const together = Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  return records.map((record) => {
    const start = at;
    at += record.copy(together, start);
    return together.subarray(start, at);
  });
}

function decode(record: Buffer, known: KnownHeaders): StoredEvent {
  try {
    return decodeRecord(record, known);
  } catch (error) {
    if (error instanceof RecordError) throw new CorruptionError(error.message, { cause: error });
    throw error;
  }
}

export function encodeHead(key: Uint8Array, count: number, recordBytes: number): Buffer {
  const writer = new Writer(10);
  writer.varint(count);
  writer.varint(recordBytes);
  return writer.sealed(key);
}

export function decodeHead(key: Uint8Array, value: Uint8Array): { count: number; recordBytes: number } {
  const reader = unseal(key, value);
  const head = { count: reader.count(1, BLOCK_EVENTS_MAX, 'events'), recordBytes: reader.varint() };
  reader.end();
  return head;
}

// ───────────────────────────────────────────────────────────── queue entries

export function encodeEntry(key: Uint8Array, entry: QueueEntry): Buffer {
  const { indices, first, directives } = entry;
  invariant(indices.length > 0, 'an entry wants something');
  const runs = runsOf(indices);
  const writer = new Writer(32 + 3 * runs.length + 16 * directives.length);
  writer.varint(indices.length);
  writer.u8(first === undefined ? 0 : 1);
  if (first !== undefined) writePosition(writer, first);
  writer.varint(runs.length / 2);
  for (const number of runs) writer.varint(number);
  writer.varint(directives.length);
  let next = 0;
  for (const { from, directive } of directives) {
    invariant(from >= next && from < indices.length, 'directives ascend within their entry');
    writer.varint(from - next);
    next = from + 1;
    writeDirective(writer, directive);
  }
  return writer.sealed(key);
}

export function decodeEntry(key: Uint8Array, value: Uint8Array): QueueEntry {
  const reader = unseal(key, value);
  const { count, first } = readEntryHead(reader);
  const indices: number[] = [];
  let next = 0;
  for (let runs = reader.count(1, count, 'runs'); runs > 0; runs--) {
    next += reader.varint();
    const length = reader.count(1, count - indices.length, 'indices in a run');
    if (next + length > BLOCK_EVENTS_MAX) throw new CorruptionError(`index ${next + length - 1}`);
    for (const end = next + length; next < end; next++) indices.push(next);
  }
  if (indices.length !== count) throw new CorruptionError(`${indices.length} indices, not ${count}`);
  const directives: QueueEntry['directives'][number][] = [];
  let from = 0;
  for (let left = reader.count(0, count, 'directives'); left > 0; left--) {
    from += reader.varint();
    if (from >= count) throw new CorruptionError(`a directive for event ${from} of ${count}`);
    directives.push({ from, directive: readDirective(reader) });
    from += 1;
  }
  reader.end();
  return { indices, first, directives };
}

/** What recovery needs of an entry, without building the rest. */
export function decodeEntryHead(
  key: Uint8Array,
  value: Uint8Array,
): { count: number; first: Position | undefined } {
  return readEntryHead(unseal(key, value));
}

function readEntryHead(reader: Reader): { count: number; first: Position | undefined } {
  const count = reader.count(1, BLOCK_EVENTS_MAX, 'indices');
  const lane = reader.u8();
  if (lane > 1) throw new CorruptionError(`lane flag ${lane}`);
  return { count, first: lane === 1 ? readPosition(reader) : undefined };
}

/** Ascending indices as left out, taken, left out, taken … */
function runsOf(indices: readonly number[]): number[] {
  const runs: number[] = [];
  let next = 0;
  for (let i = 0; i < indices.length;) {
    const start = indices[i] ?? 0;
    invariant(
      Number.isInteger(start) && start >= next && start < BLOCK_EVENTS_MAX,
      'indices ascend and fit a block',
    );
    let length = 1;
    while (indices[i + length] === start + length) length += 1;
    runs.push(start - next, length);
    next = start + length;
    i += length;
  }
  return runs;
}

function writeDirective(writer: Writer, directive: Directive): void {
  writer.u8(
    (directive.groups === 'only' ? 0 : 1) |
      (directive.wanted ? 2 : 0) |
      (directive.unknown ? 4 : 0) |
      (directive.subscription === undefined ? 0 : 8),
  );
  writeTexts(writer, directive.names);
  if (directive.wanted) {
    writer.varint(directive.wanted.length);
    for (const { node, groups } of directive.wanted) {
      writer.text(node);
      writeTexts(writer, groups);
    }
  }
  if (directive.unknown) writeTexts(writer, directive.unknown);
  if (directive.subscription !== undefined) writer.text(directive.subscription);
}

function readDirective(reader: Reader): Directive {
  const flags = reader.u8();
  if (flags > 15) throw new CorruptionError(`directive ${flags}`);
  const groups = (flags & 1) === 0 ? 'only' : 'except';
  const names = readTexts(reader, 'group names');
  const wanted: Wanted[] = [];
  for (let left = (flags & 2) === 0 ? 0 : reader.count(0, reader.left, 'meshers'); left > 0; left--) {
    wanted.push({ node: reader.text(), groups: readTexts(reader, 'groups of a mesher') });
  }
  const unknown = (flags & 4) === 0 ? undefined : readTexts(reader, 'unknown meshers');
  const subscription = (flags & 8) === 0 ? undefined : reader.text();
  return {
    groups,
    names,
    ...((flags & 2) !== 0 && { wanted }),
    ...(unknown && { unknown }),
    ...(subscription !== undefined && { subscription }),
  };
}

function writeTexts(writer: Writer, texts: readonly string[]): void {
  writer.varint(texts.length);
  for (const text of texts) writer.text(text);
}

/** Each text takes a byte at least, so that the bytes left bound them. */
function readTexts(reader: Reader, what: string): string[] {
  const texts: string[] = [];
  for (let left = reader.count(0, reader.left, what); left > 0; left--) texts.push(reader.text());
  return texts;
}

// ───────────────────────────────────────────────────────────── small values

export function encodePosition(key: Uint8Array, position: Position): Buffer {
  const writer = new Writer(16);
  writePosition(writer, position);
  return writer.sealed(key);
}

export function decodePosition(key: Uint8Array, value: Uint8Array): Position {
  const reader = unseal(key, value);
  const position = readPosition(reader);
  reader.end();
  return position;
}

function writePosition(writer: Writer, { incarnation, sequence }: Position): void {
  invariant(Number.isSafeInteger(incarnation) && incarnation >= 0, `incarnation ${incarnation}`);
  invariant(Number.isSafeInteger(sequence) && sequence >= 0, `sequence ${sequence}`);
  writer.varint(incarnation);
  writer.varint(sequence);
}

function readPosition(reader: Reader): Position {
  return { incarnation: reader.varint(), sequence: reader.varint() };
}

/** The interests of one bucket of another mesher's record. */
export function encodeRoutes(key: Uint8Array, interests: readonly RememberedInterest[]): Buffer {
  invariant(interests.length > 0, 'an empty bucket has no value');
  const writer = new Writer(8 + 64 * interests.length);
  writer.varint(interests.length);
  for (const { filter, group } of interests) {
    writer.text(filter);
    writer.text(group);
  }
  return writer.sealed(key);
}

export function decodeRoutes(key: Uint8Array, value: Uint8Array): RememberedInterest[] {
  const reader = unseal(key, value);
  const interests: RememberedInterest[] = [];
  // Each interest takes two bytes at least, so that bytes left bound them.
  for (let left = reader.count(1, reader.left / 2, 'interests'); left > 0; left--) {
    interests.push({ filter: reader.text(), group: reader.text() });
  }
  reader.end();
  return interests;
}

/** Of an encoded number: its frame and a varint of one byte to eight. */
export const NUMBER_BYTES_MIN = 6;
export const NUMBER_BYTES_MAX = 13;

export function encodeNumber(key: Uint8Array, value: number): Buffer {
  const writer = new Writer(8);
  writer.varint(value);
  return writer.sealed(key);
}

export function decodeNumber(key: Uint8Array, value: Uint8Array): number {
  const reader = unseal(key, value);
  const number = reader.varint();
  reader.end();
  return number;
}

export function encodeText(key: Uint8Array, text: string): Buffer {
  const writer = new Writer(8 + Buffer.byteLength(text));
  writer.text(text);
  return writer.sealed(key);
}

export function decodeText(key: Uint8Array, value: Uint8Array): string {
  const reader = unseal(key, value);
  const text = reader.text();
  reader.end();
  return text;
}

// ───────────────────────────────────────────────────────────── subscriptions and members

export function encodeSubscription(key: Uint8Array, subscription: Subscription): Buffer {
  return encodeText(key, JSON.stringify(subscription));
}

/** JSON leaves out what is undefined; here it comes back, so that a subscription equals itself after a restart. */
export function decodeSubscription(key: Uint8Array, value: Uint8Array): Subscription {
  const fields = parseFields(decodeText(key, value));
  const delivery = fieldsOf(fields['delivery']);
  const settings: Complete<DeliverySettings> = {
    ackTimeoutMs: number(delivery, 'ackTimeoutMs'),
    retries: number(delivery, 'retries'),
    backoffMs: number(delivery, 'backoffMs'),
    maxInFlight: number(delivery, 'maxInFlight'),
    ordered: boolean(delivery, 'ordered'),
    deadLetterTopic: optional(string, delivery, 'deadLetterTopic'),
    queueEventsMax: optional(number, delivery, 'queueEventsMax'),
    whenFull: oneOf(delivery, 'whenFull', ['drop-oldest', 'drop-newest']),
  };
  const subscription: Complete<Subscription> = {
    name: string(fields, 'name'),
    topic: string(fields, 'topic'),
    group: optional(string, fields, 'group'),
    sink: optional(string, fields, 'sink'),
    adoptedFrom: optional(string, fields, 'adoptedFrom'),
    delivery: settings,
  };
  return subscription;
}

export function encodeMember(key: Uint8Array, member: KnownMember): Buffer {
  return encodeText(key, JSON.stringify(member));
}

export function decodeMember(key: Uint8Array, value: Uint8Array): KnownMember {
  const fields = parseFields(decodeText(key, value));
  const addresses = fields['addresses'];
  if (!Array.isArray(addresses) || !addresses.every((each) => typeof each === 'string'))
    throw mistyped('addresses');
  const labels = fieldsOf(fields['labels']);
  const member: Complete<MemberRecord> = {
    federation: string(fields, 'federation'),
    cluster: string(fields, 'cluster'),
    node: string(fields, 'node'),
    incarnation: number(fields, 'incarnation'),
    addresses,
    http: string(fields, 'http'),
    labels: Object.fromEntries(Object.keys(labels).map((name) => [name, string(labels, name)])),
    version: string(fields, 'version'),
    signature: string(fields, 'signature'),
  };
  const heardFrom = optional(string, fields, 'heardFrom');
  return heardFrom === undefined ? member : { ...member, heardFrom };
}

/** Each is by one that was lost before it could say that it was done. */
const TAKEOVER_DEPTH_MAX = 32;

/** The same takeover is always the same bytes. */
export function encodeTakeover(key: Uint8Array, takeover: Takeover): Buffer {
  return encodeText(key, JSON.stringify(inOrder(takeover)));
}

function inOrder({ owner, isHeir, claims, upTo, isDone, theirs }: Takeover): Takeover {
  return { owner, isHeir, claims, upTo, isDone, theirs: theirs.map(inOrder) };
}

export function decodeTakeover(key: Uint8Array, value: Uint8Array): Takeover {
  return takeoverOf(parseFields(decodeText(key, value)), TAKEOVER_DEPTH_MAX);
}

function takeoverOf(fields: Fields, depthMax: number): Takeover {
  const theirs = fields['theirs'];
  if (!Array.isArray(theirs) || depthMax === 0) throw mistyped('theirs');
  const takeover: Complete<Takeover> = {
    owner: string(fields, 'owner'),
    isHeir: boolean(fields, 'isHeir'),
    claims: ranges(fields, 'claims'),
    upTo: number(fields, 'upTo'),
    isDone: boolean(fields, 'isDone'),
    theirs: theirs.map((each) => takeoverOf(fieldsOf(each), depthMax - 1)),
  };
  return takeover;
}

/** Every field, optional ones too: one that is added to the type and forgotten here does not compile. */
type Complete<T> = { [K in keyof Required<T>]: T[K] };
type Fields = Readonly<Record<string, unknown>>;

function parseFields(json: string): Fields {
  try {
    return fieldsOf(JSON.parse(json));
  } catch (error) {
    if (error instanceof CorruptionError) throw error;
    throw new CorruptionError('not JSON', { cause: error });
  }
}

function fieldsOf(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CorruptionError('not an object');
  return value as Fields;
}

function string(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw mistyped(name);
  return value;
}

function number(fields: Fields, name: string): number {
  const value = fields[name];
  // 1e999 is read as Infinity, which could not be written again
  if (typeof value !== 'number' || !Number.isFinite(value)) throw mistyped(name);
  return value;
}

function ranges(fields: Fields, name: string): BlockRange[] {
  const value = fields[name];
  if (!Array.isArray(value)) throw mistyped(name);
  return value.map((each) => {
    const range = fieldsOf(each);
    return { from: number(range, 'from'), upTo: number(range, 'upTo') };
  });
}

function boolean(fields: Fields, name: string): boolean {
  const value = fields[name];
  if (typeof value !== 'boolean') throw mistyped(name);
  return value;
}

function oneOf<T extends string>(fields: Fields, name: string, values: readonly T[]): T {
  const found = values.find((value) => value === fields[name]);
  if (found === undefined) throw mistyped(name);
  return found;
}

function optional<T>(read: (fields: Fields, name: string) => T, fields: Fields, name: string): T | undefined {
  return fields[name] === undefined ? undefined : read(fields, name);
}

function mistyped(name: string): CorruptionError {
  return new CorruptionError(`field ${name} is not what it should be`);
}
