// What an event must be to be let in, whoever brings it: checks it against the specification and the limits, and makes of it what the
// core takes. Holds nothing of a mesher: `causeway publish --dry-run` asks the same.

import { checkCloudEvent, checkCloudEvents, invalidEvent } from './core/cloud-event-check.ts';
import type { CloudEvent } from './core/cloud-event.ts';
import { MeshError } from './core/errors.ts';
import { hash32, hash32Ascii, type NewEvent } from './core/event.ts';
import type { Limits } from './core/limits.ts';
import type { EncodedBatch } from './core/ports.ts';
import { checkTopic, topicOfType } from './core/topic.ts';
import { type Named, namesIn } from './wire/event-names.ts';
import { eventsOfBatch } from './wire/cloud-event-batch.ts';
import { decodeCloudEvent, encodeCloudEvent } from './wire/cloud-event-protobuf.ts';
import { CloudEventScanner } from './wire/cloud-event-scan.ts';
import { WireError } from './wire/wire-error.ts';

/** Of one batch. */
const NAMES_MAX = 1_000;

export class Admission {
  readonly #limits: Limits;
  readonly #scanner = new CloudEventScanner();
  /** Most events have the type of the one before. */
  #lastType = { type: '', topic: '' };

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** All of a request; throws for the first that is wrong. `topic`: of all; undefined: each one's type makes it. */
  admit(events: readonly CloudEvent[], topic: string | undefined): NewEvent[] {
    this.#checkCount(events.length);
    checkCloudEvents(events);
    if (topic !== undefined) checkTopic(topic, this.#limits);
    const encoded = events.map((event, index) =>
      this.#newEvent(event, encodeCloudEvent(event), topic, events.length > 1 ? index : undefined),
    );
    this.#checkBytes(encoded.reduce((sum, event) => sum + event.cloudEvent.length, 0));
    return encoded;
  }

  /** As `admit`; the bytes of each event are taken as they are. */
  admitEncoded({ bytes, topics }: EncodedBatch): NewEvent[] {
    this.#checkBytes(bytes.length);
    const places = readBatch(bytes);
    this.#checkCount(places.length / 2);
    return this.#scanAll(bytes, places, topics);
  }

  /** One event as its bytes. */
  admitOne(bytes: Uint8Array, topic: string | undefined): NewEvent {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#checkBytes(bytes.length);
    return this.#scan(
      buffer,
      0,
      bytes.length,
      topic === undefined ? '' : checkTopic(topic, this.#limits),
      undefined,
    );
  }

  #scanAll(batch: Uint8Array, places: readonly number[], topics: EncodedBatch['topics']): NewEvent[] {
    const buffer = Buffer.from(batch.buffer, batch.byteOffset, batch.byteLength);
    const events: NewEvent[] = [];
    let place = 0;
    for (const { count, topic } of topics) {
      if (topic !== '') checkTopic(topic, this.#limits);
      for (let i = 0; i < count && place < places.length; i++, place += 2) {
        const index = places.length > 2 ? place / 2 : undefined;
        events.push(this.#scan(buffer, places[place] ?? 0, places[place + 1] ?? 0, topic, index));
      }
      if (events.length > places.length / 2) break;
    }
    const named = topics.reduce((sum, { count }) => sum + count, 0);
    if (named !== places.length / 2)
      throw new MeshError(
        'invalid-request',
        `topics for ${named} events were given with ${places.length / 2}`,
      );
    return events;
  }

  #scan(buffer: Buffer, start: number, end: number, topic: string, index: number | undefined): NewEvent {
    const scanner = this.#scanner;
    const cloudEvent = buffer.subarray(start, end);
    if (!scanner.scan(buffer, start, end)) {
      const event = decodeOrRefuse(cloudEvent, index);
      checkCloudEvent(event, index);
      return this.#newEvent(event, cloudEvent, topic === '' ? undefined : topic, index);
    }
    const { key, expiresAt, hasTraceContext, idStart, idEnd } = scanner;
    this.#checkEvent(cloudEvent.length, key, index);
    return {
      topic: topic === '' ? this.#topicOf(scanner.type, index) : topic,
      expiresAt,
      key,
      hash: key === '' ? hash32Ascii(buffer, idStart, idEnd) : hash32(key),
      cloudEvent,
      noTraceContext: !hasTraceContext,
    };
  }

  #checkCount(events: number): void {
    const { batchEventsMax } = this.#limits;
    if (events <= batchEventsMax) return;
    throw new MeshError(
      'batch-too-large',
      `the batch has ${events} events, the limit is ${batchEventsMax}; send it in parts`,
      { details: { limit: batchEventsMax } },
    );
  }

  #checkBytes(bytes: number): void {
    const { batchBytesMax } = this.#limits;
    if (bytes <= batchBytesMax) return;
    throw new MeshError(
      'batch-too-large',
      `the batch has ${bytes} bytes, the limit is ${batchBytesMax}; send it in parts`,
      { details: { limit: batchBytesMax } },
    );
  }

  #checkEvent(bytes: number, key: string, index: number | undefined): void {
    const { eventBytesMax, keyBytesMax } = this.#limits;
    if (bytes > eventBytesMax) {
      throw new MeshError(
        'event-too-large',
        `${nameOf(index)} has ${bytes} bytes, the limit is ${eventBytesMax}`,
        { details: { limit: eventBytesMax, ...(index === undefined ? {} : { index }) } },
      );
    }
    if (key.length * 3 <= keyBytesMax || Buffer.byteLength(key) <= keyBytesMax) return;
    throw invalidEvent(
      'partitionkey',
      `it has ${Buffer.byteLength(key)} bytes, the limit is ${keyBytesMax}`,
      index,
    );
  }

  #newEvent(
    event: CloudEvent,
    cloudEvent: Uint8Array,
    topic: string | undefined,
    index: number | undefined,
  ): NewEvent {
    const key = textAttribute(event, 'partitionkey');
    this.#checkEvent(cloudEvent.length, key, index);
    const expiry = Date.parse(textAttribute(event, 'expirytime'));
    return {
      topic: topic ?? this.#topicOf(event.type, index),
      expiresAt: Number.isNaN(expiry) ? 0 : Math.max(1, expiry),
      key,
      hash: hash32(key === '' ? event.id : key),
      cloudEvent,
      noTraceContext: !event.attributes.has('traceparent') && !event.attributes.has('sw8'),
    };
  }

  #topicOf(type: string, index: number | undefined): string {
    if (type === this.#lastType.type) return this.#lastType.topic;
    try {
      const topic = checkTopic(topicOfType(type), this.#limits);
      this.#lastType = { type, topic };
      return topic;
    } catch (cause) {
      const why = cause instanceof MeshError ? cause.message : String(cause);
      throw new MeshError(
        'invalid-topic',
        `${nameOf(index)} names no topic, and its type ${JSON.stringify(type.slice(0, 80))} makes none (${why}); name one with ?topic=`,
        { cause },
      );
    }
  }
}

/** Of the first events of a batch that was refused, whatever it is: '' for what has none. */
export function namesInBatch(bytes: Uint8Array): Named[] {
  let places: readonly number[];
  try {
    places = eventsOfBatch(bytes).slice(0, 2 * NAMES_MAX);
  } catch (error) {
    if (error instanceof WireError) return []; // nobody can say what is in it
    throw error;
  }
  const names: Named[] = [];
  for (let at = 0; at < places.length; at += 2) names.push(namesIn(bytes, places[at], places[at + 1]));
  return names;
}

function nameOf(index: number | undefined): string {
  return index === undefined ? 'the event' : `event ${index}`;
}

function readBatch(bytes: Uint8Array): readonly number[] {
  try {
    return eventsOfBatch(bytes);
  } catch (cause) {
    if (!(cause instanceof WireError)) throw cause;
    throw new MeshError('invalid-event', `the batch is no CloudEventBatch: ${cause.message}`, { cause });
  }
}

function decodeOrRefuse(bytes: Uint8Array, index: number | undefined): CloudEvent {
  try {
    return decodeCloudEvent(bytes);
  } catch (cause) {
    if (!(cause instanceof WireError)) throw cause;
    throw invalidEvent('', `it is no CloudEvent in the Protobuf format: ${cause.message}`, index, cause);
  }
}

/** An attribute that is text, or ''. */
function textAttribute(event: CloudEvent, name: string): string {
  const attribute = event.attributes.get(name);
  return attribute && typeof attribute.value === 'string' ? attribute.value : '';
}
