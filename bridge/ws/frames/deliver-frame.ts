// DELIVER, the frame that carries events to a client: encoder and decoder, no I/O.
//
//   deliver    := 0x85 stream:id first:uint count:uint topics origins details batch         the rest, see batch.ts
//   topics     := n:uint topic:text{n}
//   origins    := n:uint (node:text incarnation:uint m:uint cluster:text{m}){n}
//   details    := (topic:uint origin:uint sequence:uint acceptedAt:uint attempt:uint [deadLetter]){count}
//   deadLetter := subscription:text reason:text attempts:uint topic:text               where the lowest bit of `attempt` is 1
//
// Both ways cost well under 1 µs per event beside the copy of its bytes, at hundreds of events per frame: the encoder writes into
// one buffer of the right size, the decoder gives columns, and neither makes an object per event.

import type { Delivery } from '../../../node/core/delivery-types.ts';
import type { DeadLetter, StoredEvent } from '../../../node/core/event.ts';
import { invariant } from '../../../node/core/errors.ts';
import type { ByteReader } from '../../../node/wire/byte-reader.ts';
import { ByteWriter, uintBytes } from '../../../node/wire/byte-writer.ts';
import { WireError } from '../../../node/wire/wire-error.ts';
import { eventBytes, writeEvent } from './batch.ts';
import { ATTEMPT_MAX, CLUSTERS_MAX, FRAME_EVENTS_MAX, TEXT_BYTES_MAX } from './bounds.ts';
import { readId } from './id.ts';

export const DELIVER = 0x85;

/** Where events of a frame come from. */
export interface EventOrigin {
  /** The mesher that took the event, and its incarnation then. */
  readonly node: string;
  readonly incarnation: number;
  /** Clusters visited, this mesher's first. */
  readonly path: readonly string[];
}

/** The deliveries `first` … `first + count - 1` of a stream; each array has one member for each. */
export interface DeliverFrame {
  readonly kind: 'deliver';
  readonly stream: number;
  readonly first: number;
  readonly count: number;
  readonly topics: readonly string[];
  /** Places in `topics`. */
  readonly topicOf: Uint32Array;
  readonly origins: readonly EventOrigin[];
  /** Places in `origins`. */
  readonly originOf: Uint32Array;
  readonly sequences: Float64Array;
  /** Milliseconds since 1970, by the origin's clock. */
  readonly acceptedAts: Float64Array;
  readonly attempts: Uint32Array;
  /** By place in the frame, of those that have one. */
  readonly deadLetters: ReadonlyMap<number, DeadLetter>;
  /** io.cloudevents.v1.CloudEventBatch: a view of what was decoded. Whether its events are `count` is not checked. */
  readonly batch: Uint8Array;
}

/** A reader's estimate of one event's details, and of what a frame begins with. */
const DETAIL_BYTES = 24;
const HEAD_BYTES = 256;
/** Type, stream, first, count. */
const HEAD_BYTES_MAX = 32;
const ORIGIN_BYTES_MIN = 3;
const DETAIL_BYTES_MIN = 5;

/** What the event of a delivery takes in a frame, at most: to choose how many go into one. */
export function deliveryBytesMax({ event }: Pick<Delivery, 'event'>): number {
  return event.bytes + DETAIL_BYTES;
}

/** The deliveries from index `from` to before `to`, of which the first one gets the number `first`. */
export function encodeDeliver(
  stream: number,
  first: number,
  deliveries: readonly Pick<Delivery, 'event' | 'attempt'>[],
  from = 0,
  to = deliveries.length,
): Uint8Array {
  invariant(to - from <= FRAME_EVENTS_MAX, `${to - from} deliveries in one frame`);
  const topics = new Topics();
  const origins = new Origins();
  const cloudEvents: Uint8Array[] = []; // of each, once: it is a view that is made when it is asked for
  let bytes = HEAD_BYTES + (to - from) * DETAIL_BYTES;
  for (let i = from; i < to; i++) {
    const event = deliveries[i]?.event;
    if (event === undefined) continue; // `to` is within the array
    topics.add(event.topic);
    origins.add(event);
    const { cloudEvent } = event;
    cloudEvents.push(cloudEvent);
    bytes += eventBytes(cloudEvent);
  }
  const writer = new ByteWriter(bytes);
  writeHead(writer, stream, first, to - from);
  topics.write(writer);
  origins.write(writer);
  for (let i = from; i < to; i++) {
    const delivery = deliveries[i];
    if (delivery === undefined) continue;
    writer.uint(topics.places[i - from] ?? 0);
    writer.uint(origins.places[i - from] ?? 0);
    writeDetails(writer, delivery);
  }
  for (const cloudEvent of cloudEvents) writeEvent(writer, cloudEvent);
  return writer.finish();
}

function writeHead(writer: ByteWriter, stream: number, first: number, count: number): void {
  writer.byte(DELIVER);
  writer.uint(stream);
  writer.uint(first);
  writer.uint(count);
}

/**
 * Encodes as `encodeDeliver` does. Where the same events go to one stream after another within a turn, all that follows the head
 * of their frames is encoded once: at 1,000 streams that was a half of what a delivery cost. One body is kept, so this is for what fits
 * into one frame.
 */
export class SharedDeliveries {
  /** What `#body` holds are those of them from `#from` to before `#to`. */
  #deliveries: readonly Pick<Delivery, 'event' | 'attempt'>[] = [];
  #from = 0;
  #to = 0;
  #body: Uint8Array | undefined;

  /** One frame in one part, or in two. */
  encode(
    stream: number,
    first: number,
    deliveries: readonly Pick<Delivery, 'event' | 'attempt'>[],
    from: number,
    to: number,
  ): readonly Uint8Array[] {
    const count = to - from;
    if (this.#body && this.#holds(deliveries, from, to)) {
      const head = new ByteWriter(HEAD_BYTES_MAX);
      writeHead(head, stream, first, count);
      return [head.finish(), this.#body];
    }
    const frame = encodeDeliver(stream, first, deliveries, from, to);
    if (this.#body === undefined) queueMicrotask(this.#forget);
    const headBytes = 1 + uintBytes(stream) + uintBytes(first) + uintBytes(count);
    [this.#deliveries, this.#from, this.#to] = [deliveries, from, to];
    this.#body = frame.subarray(headBytes);
    return [frame];
  }

  #holds(deliveries: readonly Pick<Delivery, 'event' | 'attempt'>[], from: number, to: number): boolean {
    if (to - from !== this.#to - this.#from) return false;
    const shift = this.#from - from;
    for (let i = from; i < to; i++) {
      const [asked, held] = [deliveries[i], this.#deliveries[i + shift]];
      if (asked?.event !== held?.event || asked?.attempt !== held?.attempt) return false;
    }
    return true;
  }

  /** Nothing is kept in memory for frames that may not come. */
  readonly #forget = (): void => {
    this.#deliveries = [];
    this.#body = undefined;
  };
}

function writeDetails(writer: ByteWriter, { event, attempt }: Pick<Delivery, 'event' | 'attempt'>): void {
  const { sequence, acceptedAt, deadLetter } = event;
  writer.uint(Math.floor(sequence)); // a hostile member's record may hold any number
  writer.uint(Math.floor(acceptedAt));
  writer.uint(Math.min(attempt, ATTEMPT_MAX) * 2 + (deadLetter === undefined ? 0 : 1));
  if (deadLetter === undefined) return;
  writer.text(deadLetter.subscription);
  writer.text(deadLetter.reason);
  writer.uint(deadLetter.attempts);
  writer.text(deadLetter.topic);
}

/** The distinct topics of a frame's events, in the order of their first events. */
class Topics {
  /** Of each event, where its topic is. */
  readonly places: number[] = [];
  readonly #topics: string[] = [];
  readonly #placeOf = new Map<string, number>();
  #last = -1;

  add(topic: string): void {
    if (this.#topics[this.#last] !== topic) this.#last = this.#placeOf.get(topic) ?? this.#append(topic);
    this.places.push(this.#last);
  }

  #append(topic: string): number {
    const place = this.#topics.push(topic) - 1;
    this.#placeOf.set(topic, place);
    return place;
  }

  write(writer: ByteWriter): void {
    writer.uint(this.#topics.length);
    for (const topic of this.#topics) writer.text(topic);
  }
}

/** The same of their origins: mesher, incarnation and path. */
class Origins {
  readonly places: number[] = [];
  /** One event of each. */
  readonly #events: StoredEvent[] = [];
  /** The last place with this mesher, and of each place the one before it with the same, or -1. */
  readonly #lastOfNode = new Map<string, number>();
  readonly #before: number[] = [];
  #last = -1;

  add(event: StoredEvent): void {
    const last = this.#events[this.#last];
    if (last === undefined || !isSameOrigin(last, event)) this.#last = this.#find(event);
    this.places.push(this.#last);
  }

  #find(event: StoredEvent): number {
    const newest = this.#lastOfNode.get(event.origin) ?? -1;
    for (let place = newest; place >= 0; place = this.#before[place] ?? -1) {
      const known = this.#events[place];
      if (known !== undefined && isSameOrigin(known, event)) return place;
    }
    const place = this.#events.push(event) - 1;
    this.#before.push(newest);
    this.#lastOfNode.set(event.origin, place);
    return place;
  }

  write(writer: ByteWriter): void {
    writer.uint(this.#events.length);
    for (const { origin, incarnation, path } of this.#events) {
      writer.text(origin);
      writer.uint(Math.floor(incarnation));
      writer.uint(path.length);
      for (const cluster of path) writer.text(cluster);
    }
  }
}

function isSameOrigin(a: StoredEvent, b: StoredEvent): boolean {
  if (a.origin !== b.origin || a.incarnation !== b.incarnation || a.path.length !== b.path.length)
    return false;
  for (let i = 0; i < a.path.length; i++) if (a.path[i] !== b.path[i]) return false;
  return true;
}

/** What follows the type. Throws WireError. */
export function readDeliver(reader: ByteReader): DeliverFrame {
  const stream = readId(reader);
  const first = readId(reader);
  const count = reader.count(FRAME_EVENTS_MAX, DETAIL_BYTES_MIN);
  if (first + count > Number.MAX_SAFE_INTEGER)
    throw new WireError('bad-number', 'numbers of more than 53 bits');
  const topics: string[] = [];
  for (let left = reader.count(count, 1); left > 0; left--) topics.push(reader.text(TEXT_BYTES_MAX));
  const origins = readOrigins(reader, count);
  const topicOf = new Uint32Array(count);
  const originOf = new Uint32Array(count);
  const sequences = new Float64Array(count);
  const acceptedAts = new Float64Array(count);
  const attempts = new Uint32Array(count);
  const deadLetters = new Map<number, DeadLetter>();
  for (let i = 0; i < count; i++) {
    topicOf[i] = readPlace(reader, topics.length);
    originOf[i] = readPlace(reader, origins.length);
    sequences[i] = reader.uint();
    acceptedAts[i] = reader.uint();
    const attempt = reader.uint(ATTEMPT_MAX * 2 + 1);
    attempts[i] = attempt >>> 1;
    if ((attempt & 1) !== 0) deadLetters.set(i, readDeadLetter(reader));
  }
  const batch = reader.fixedBytes(reader.left);
  const columns = { topicOf, originOf, sequences, acceptedAts, attempts, deadLetters };
  return { kind: 'deliver', stream, first, count, topics, origins, ...columns, batch };
}

function readOrigins(reader: ByteReader, eventCount: number): EventOrigin[] {
  const origins: EventOrigin[] = [];
  for (let left = reader.count(eventCount, ORIGIN_BYTES_MIN); left > 0; left--) {
    const node = reader.text(TEXT_BYTES_MAX);
    const incarnation = reader.uint();
    const path: string[] = [];
    for (let clusters = reader.count(CLUSTERS_MAX, 1); clusters > 0; clusters--)
      path.push(reader.text(TEXT_BYTES_MAX));
    origins.push({ node, incarnation, path });
  }
  return origins;
}

function readPlace(reader: ByteReader, length: number): number {
  const place = reader.uint();
  if (place >= length) throw new WireError('bad-value', `place ${place} of ${length}`);
  return place;
}

function readDeadLetter(reader: ByteReader): DeadLetter {
  return {
    subscription: reader.text(TEXT_BYTES_MAX),
    reason: reader.text(TEXT_BYTES_MAX),
    attempts: reader.uint(),
    topic: reader.text(TEXT_BYTES_MAX),
  };
}
