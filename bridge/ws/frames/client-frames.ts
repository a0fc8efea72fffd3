// What a client sends (docs/streaming.md): frames ↔ bytes, both ways, no I/O.
//
//   frame       := 1 publish | 2 open | 3 credit | 4 settle | 5 close            the type is one byte
//   publish     := flags:u8 request:id [replicas:id] runs:uint (count:uint topic:text){runs} batch    the rest, see batch.ts
//   open        := stream:id kind:u8 credit:uint subject:text group:text
//   credit      := stream:id count:uint
//   settle      := stream:id request:id settlement*
//   settlement  := 0 ranges | 1 delay:uint ranges | 2 reason:text ranges                                  see ranges.ts
//   close       := stream:id
//   flags       := 1 best-effort, 2 report, 4 replicas follow;  kind := 0 durable, 1 ephemeral;  delay := 0 back-off, else ms + 1
//   id          := uint, from 1
//
// Primitives are in byte-writer.ts. Decoding checks shape and bounds, never whether it makes sense: that is for whoever knows
// the connection. It throws WireError and nothing else.

import { invariant } from '../../../node/core/errors.ts';
import { ByteReader } from '../../../node/wire/byte-reader.ts';
import { ByteWriter } from '../../../node/wire/byte-writer.ts';
import { WireError } from '../../../node/wire/wire-error.ts';
import { eventBytes, writeEvent } from './batch.ts';
import { FRAME_EVENTS_MAX, RANGES_MAX, SETTLED_MAX, TEXT_BYTES_MAX } from './bounds.ts';
import { readId } from './id.ts';
import type { NumberRange } from './ranges.ts';
import { readRanges, writeRanges } from './ranges.ts';

/** The next `count` events have this topic; '' stands for each one's type with `.` as `/`. */
export interface TopicRun {
  readonly count: number;
  readonly topic: string;
}

interface PublishHead {
  readonly request: number;
  readonly qos: 'durable' | 'best-effort';
  /** Whether REPORT is wanted rather than ACCEPTED. */
  readonly report: boolean;
  /** Meshers that are to have the events on disk, where fewer will do than the mesher is set to. */
  readonly replicas?: number | undefined;
  readonly topics: readonly TopicRun[];
}

export interface PublishFrame extends PublishHead {
  readonly kind: 'publish';
  /** io.cloudevents.v1.CloudEventBatch: a view of what was decoded. Whether its events are as many as the topics is not checked. */
  readonly batch: Uint8Array;
}

export interface OpenFrame {
  readonly kind: 'open';
  readonly stream: number;
  readonly source: 'durable' | 'ephemeral';
  readonly credit: number;
  /** Durable: the subscription's name. Ephemeral: a topic filter. */
  readonly subject: string;
  /** Ephemeral: members of a group share the events; '' for none. */
  readonly group: string;
}

export interface CreditFrame {
  readonly kind: 'credit';
  readonly stream: number;
  readonly count: number;
}

export interface SettleFrame {
  readonly kind: 'settle';
  readonly stream: number;
  readonly request: number;
  readonly settlements: readonly RangeSettlement[];
}

/** What became of deliveries, by their numbers. */
export type RangeSettlement =
  | { readonly kind: 'ack'; readonly ranges: readonly NumberRange[] }
  /** `delayMs` undefined: the subscription's back-off. */
  | { readonly kind: 'retry'; readonly delayMs: number | undefined; readonly ranges: readonly NumberRange[] }
  | { readonly kind: 'reject'; readonly reason: string; readonly ranges: readonly NumberRange[] };

export interface CloseFrame {
  readonly kind: 'close';
  readonly stream: number;
}

export type ClientFrame = PublishFrame | OpenFrame | CreditFrame | SettleFrame | CloseFrame;

const PUBLISH = 0x01;
const OPEN = 0x02;
const CREDIT = 0x03;
const SETTLE = 0x04;
const CLOSE = 0x05;

const NAMES: readonly (string | undefined)[] = [undefined, 'PUBLISH', 'OPEN', 'CREDIT', 'SETTLE', 'CLOSE'];

const BEST_EFFORT = 1;
const REPORT = 2;
const REPLICAS = 4;
const ACK = 0;
const RETRY = 1;
const REJECT = 2;

const TOPIC_RUN_BYTES_MIN = 2;

/** For people, of bytes that may be none. */
export function frameName(bytes: Uint8Array): string {
  return NAMES[bytes[0] ?? 0] ?? 'a frame';
}

/** One PUBLISH in one buffer, each event copied once. `events` are Protobuf bytes of CloudEvents, as many as the topics say. */
export function encodePublish(head: PublishHead, events: readonly Uint8Array[]): Uint8Array {
  let bytes = 0;
  for (const event of events) bytes += eventBytes(event);
  const { writer, count } = beginPublish(head, bytes);
  invariant(count === events.length, `topics for ${count} of ${events.length} events`);
  for (const event of events) writeEvent(writer, event);
  return writer.finish();
}

/** The same, of events that are a batch already (see batch.ts). That they are as many as the topics say is not looked at. */
export function encodePublishBatch(head: PublishHead, batch: Uint8Array): Uint8Array {
  const { writer } = beginPublish(head, batch.length);
  writer.fixedBytes(batch);
  return writer.finish();
}

/** All before the batch; `count`: the events that the topics stand for. */
function beginPublish(head: PublishHead, batchBytes: number): { writer: ByteWriter; count: number } {
  let bytes = 32 + batchBytes;
  for (const { topic } of head.topics) bytes += 8 + topic.length * 3; // UTF-8 has at most three bytes for a UTF-16 unit
  const writer = new ByteWriter(bytes);
  writer.byte(PUBLISH);
  const { qos, report, replicas } = head;
  writer.byte(
    (qos === 'best-effort' ? BEST_EFFORT : 0) |
      (report ? REPORT : 0) |
      (replicas === undefined ? 0 : REPLICAS),
  );
  writer.uint(head.request);
  if (replicas !== undefined) writer.uint(replicas);
  writer.uint(head.topics.length);
  let count = 0;
  for (const run of head.topics) {
    writer.uint(run.count);
    writer.text(run.topic);
    count += run.count;
  }
  invariant(count <= FRAME_EVENTS_MAX, `${count} events in one frame`);
  return { writer, count };
}

export function encodeOpen(frame: Omit<OpenFrame, 'kind'>): Uint8Array {
  const writer = new ByteWriter();
  writer.byte(OPEN);
  writer.uint(frame.stream);
  writer.byte(frame.source === 'durable' ? 0 : 1);
  writer.uint(frame.credit);
  writer.text(frame.subject);
  writer.text(frame.group);
  return writer.finish();
}

export function encodeCredit(stream: number, count: number): Uint8Array {
  const writer = new ByteWriter(32);
  writer.byte(CREDIT);
  writer.uint(stream);
  writer.uint(count);
  return writer.finish();
}

export function encodeSettle(
  stream: number,
  request: number,
  settlements: readonly RangeSettlement[],
): Uint8Array {
  const writer = new ByteWriter();
  writer.byte(SETTLE);
  writer.uint(stream);
  writer.uint(request);
  for (const settlement of settlements) {
    if (settlement.kind === 'ack') writer.byte(ACK);
    else if (settlement.kind === 'retry') {
      writer.byte(RETRY);
      writer.uint(settlement.delayMs === undefined ? 0 : settlement.delayMs + 1);
    } else {
      writer.byte(REJECT);
      writer.text(settlement.reason);
    }
    writeRanges(writer, settlement.ranges);
  }
  return writer.finish();
}

export function encodeClose(stream: number): Uint8Array {
  const writer = new ByteWriter(16);
  writer.byte(CLOSE);
  writer.uint(stream);
  return writer.finish();
}

/** The batch is a view of `bytes`, which must not change afterwards. */
export function decodeClientFrame(bytes: Uint8Array): ClientFrame {
  const reader = new ByteReader(bytes);
  const type = reader.byte();
  if (type === PUBLISH) return readPublish(reader);
  if (type === SETTLE) return readSettle(reader);
  const frame = readSmall(reader, type);
  reader.end();
  return frame;
}

function readSmall(reader: ByteReader, type: number): OpenFrame | CreditFrame | CloseFrame {
  if (type === CREDIT) return { kind: 'credit', stream: readId(reader), count: reader.uint() };
  if (type === CLOSE) return { kind: 'close', stream: readId(reader) };
  if (type !== OPEN) throw new WireError('unknown-kind', `no frame of a client has the type ${type}`);
  return {
    kind: 'open',
    stream: readId(reader),
    source: reader.flag() ? 'ephemeral' : 'durable',
    credit: reader.uint(),
    subject: reader.text(TEXT_BYTES_MAX),
    group: reader.text(TEXT_BYTES_MAX),
  };
}

function readPublish(reader: ByteReader): PublishFrame {
  const flags = reader.byte();
  if (flags > (BEST_EFFORT | REPORT | REPLICAS))
    throw new WireError('bad-value', `flags ${flags} in a PUBLISH`);
  const request = readId(reader);
  const replicas = (flags & REPLICAS) === 0 ? undefined : readId(reader);
  const topics: TopicRun[] = [];
  let events = 0;
  for (let left = reader.count(FRAME_EVENTS_MAX, TOPIC_RUN_BYTES_MIN); left > 0; left--) {
    const count = reader.uint(FRAME_EVENTS_MAX - events);
    if (count === 0) throw new WireError('bad-value', 'a topic for no events');
    events += count;
    topics.push({ count, topic: reader.text(TEXT_BYTES_MAX) });
  }
  return {
    kind: 'publish',
    request,
    qos: (flags & BEST_EFFORT) === 0 ? 'durable' : 'best-effort',
    report: (flags & REPORT) !== 0,
    ...(replicas !== undefined && { replicas }),
    topics,
    batch: reader.fixedBytes(reader.left),
  };
}

function readSettle(reader: ByteReader): SettleFrame {
  const stream = readId(reader);
  const request = readId(reader);
  const settlements: RangeSettlement[] = [];
  let rangesLeft = RANGES_MAX;
  let deliveries = 0;
  while (reader.left > 0) {
    const settlement = readSettlement(reader, rangesLeft);
    rangesLeft -= settlement.ranges.length;
    for (const { count } of settlement.ranges) deliveries += count;
    if (deliveries > SETTLED_MAX) throw new WireError('too-many', `more than ${SETTLED_MAX} deliveries`);
    settlements.push(settlement);
  }
  return { kind: 'settle', stream, request, settlements };
}

function readSettlement(reader: ByteReader, rangesMax: number): RangeSettlement {
  const kind = reader.byte();
  if (kind === ACK) return { kind: 'ack', ranges: readSome(reader, rangesMax) };
  if (kind === RETRY) {
    const delay = reader.uint();
    const delayMs = delay === 0 ? undefined : delay - 1;
    return { kind: 'retry', delayMs, ranges: readSome(reader, rangesMax) };
  }
  if (kind !== REJECT) throw new WireError('unknown-kind', `no settlement has the type ${kind}`);
  const reason = reader.text(TEXT_BYTES_MAX);
  return { kind: 'reject', reason, ranges: readSome(reader, rangesMax) };
}

/** A settlement of nothing would cost an object, and count as none. */
function readSome(reader: ByteReader, rangesMax: number): NumberRange[] {
  const ranges = readRanges(reader, rangesMax);
  if (ranges.length === 0) throw new WireError('bad-value', 'a settlement of no deliveries');
  return ranges;
}
