// The events of one PUBLISH: some calls of `publish`, one after the other, each of which is answered with it. Events are
// encoded as they are added, into the very bytes that are sent. They are kept until the answer, since they may have to be sent again.

import { encodePublishBatch } from '../../bridge/ws/frames/client-frames.ts';
import type { Welcome } from '../../bridge/ws/frames/json.ts';
import type { PublishResult } from '../../node/core/delivery-types.ts';
import type { CloudEvent } from '../../node/core/cloud-event.ts';
import { ByteWriter } from '../../node/wire/byte-writer.ts';
import { writeCloudEvent } from '../../node/wire/cloud-event-protobuf.ts';
import { BYTES, tag } from '../../node/wire/protobuf-fields.ts';
import type { CausewayError } from './errors.ts';

/** CloudEventBatch's only field. */
const EVENT = tag(1, BYTES);
/** Of most events' lengths: 128 to 16,383 bytes. */
const LENGTH_BYTES = 2;
/** Type, flags, request, replicas and number of runs, and of each run its count and the topic's length: as long as they may be. */
const HEAD_BYTES = 16;
const TOPIC_RUN_BYTES = 6;
const NO_RESULTS: readonly PublishResult[] = [];

export interface PublishCall {
  readonly events: number;
  /** Where its bytes end in its batch. */
  readonly end: number;
  readonly topic: string;
  readonly resolve: (results: readonly PublishResult[]) => void;
  readonly reject: (error: CausewayError) => void;
}

export class OutgoingBatch {
  /** The place in the order of publishing. */
  readonly number: number;
  /** Of what is left of a batch that was split: the place among those of the same number. */
  readonly part: number;
  readonly qos: 'durable' | 'best-effort';
  readonly report: boolean;
  /** Undefined: as many as the mesher is set to. */
  readonly replicas: number | undefined;
  /** When its first call was made, monotonic ms. */
  readonly createdAt: number;
  readonly calls: PublishCall[] = [];
  events = 0;
  /** Why it was not taken when it was sent last. */
  refusal: CausewayError | undefined;
  /** It was sent, and may have been taken. */
  isDoubtful = false;
  readonly #writer: ByteWriter;
  #topicBytes = 0;
  #bytes: Uint8Array | undefined;

  constructor(
    kind: Pick<OutgoingBatch, 'number' | 'qos' | 'report' | 'replicas' | 'createdAt'>,
    writer: ByteWriter = new ByteWriter(),
    part = 0,
  ) {
    this.number = kind.number;
    this.part = part;
    this.qos = kind.qos;
    this.report = kind.report;
    this.replicas = kind.replicas;
    this.createdAt = kind.createdAt;
    this.#writer = writer;
  }

  /** Of the events alone. */
  get eventBytes(): number {
    return this.#writer.length;
  }

  /** Of the message, or a few more. */
  get bytes(): number {
    return HEAD_BYTES + this.#topicBytes + this.#writer.length;
  }

  /** How many more a call with this topic makes of it, beside its events. */
  topicBytes(topic: string): number {
    return this.calls.at(-1)?.topic === topic ? 0 : TOPIC_RUN_BYTES + Buffer.byteLength(topic);
  }

  /** Returns the event's size. */
  add(event: CloudEvent | Uint8Array): number {
    const writer = this.#writer;
    writer.byte(EVENT);
    if (event instanceof Uint8Array) {
      writer.bytes(event);
      return event.length;
    }
    const start = writer.open(LENGTH_BYTES);
    const before = writer.length;
    writeCloudEvent(writer, event);
    const size = writer.length - before;
    writer.close(start, LENGTH_BYTES);
    return size;
  }

  /** What was added since there were so many bytes is taken away again. */
  cut(bytes: number): void {
    this.#writer.cut(bytes);
  }

  /** What was added since the last call is this one's. */
  addCall(call: PublishCall): void {
    this.#topicBytes += this.topicBytes(call.topic);
    this.calls.push(call);
    this.events += call.events;
  }

  /**
   * The first time ends adding. A mesher that takes no wish for replicas keeps as many as it is set to, which is never less.
   */
  frame(request: number, { replicasMax }: Pick<Welcome, 'replicasMax'>): Uint8Array {
    this.#bytes ??= this.#writer.finish();
    const topics: { count: number; topic: string }[] = [];
    for (const { events, topic } of this.calls) {
      const last = topics.at(-1);
      if (last?.topic === topic) last.count += events;
      else topics.push({ count: events, topic });
    }
    const { qos, report } = this;
    const replicas = replicasMax > 0 ? this.replicas : undefined;
    return encodePublishBatch({ request, qos, report, replicas, topics }, this.#bytes);
  }

  /** Each call on its own, in order. */
  split(): OutgoingBatch[] {
    const bytes = this.#bytes ?? this.#writer.finish();
    let start = 0;
    return this.calls.map((call, part) => {
      const writer = new ByteWriter(call.end - start);
      writer.fixedBytes(bytes.subarray(start, call.end));
      start = call.end;
      const alone = new OutgoingBatch(this, writer, part);
      alone.isDoubtful = this.isDoubtful;
      alone.addCall({ ...call, end: writer.length });
      return alone;
    });
  }

  /** `results`: one for each event, where they were asked for. */
  taken(results: readonly PublishResult[] | undefined): void {
    let at = 0;
    for (const call of this.calls) {
      call.resolve(results?.slice(at, at + call.events) ?? NO_RESULTS);
      at += call.events;
    }
  }

  failed(error: CausewayError): void {
    for (const call of this.calls) call.reject(error);
  }
}

/** In the order of publishing. */
export function inOrder(a: OutgoingBatch, b: OutgoingBatch): number {
  return a.number - b.number || a.part - b.part;
}
