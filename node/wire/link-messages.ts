// The bytes of every message that meshers send each other over a link (core/messages.ts says what they mean).
//
//   message     := kind:u8 body                    the numbers of `KINDS`; never reused for something else. Which versions of a link
//                                                  have which kinds is said in core/wire-version.ts
//   hello       := federation:text cluster:text incarnation:uint
//   lane-open   := lane base:position
//   lane-ready  := lane mark:position credit:uint
//   data        := lane previous:position first:position doubt:u8 events          (forwarded-events.ts)
//   ack         := lane upTo:position credit:uint
//   gap         := lane last:position
//   best-effort := scope:u8 events
//   ping, pong  := sentAt:f64
//   route-…                                                                       (route-messages.ts)
//   copy-…                                                                        (copy-messages.ts)
//   members-away                                                                  (away-messages.ts)
//   lane        := scope:u8(0 cluster, 1 peer, 2 peer of another) lane:uint [ of:text ]
//   position    := incarnation:uint sequence:uint
//
// Primitives are in byte-writer.ts. Decoding checks shape and bounds, not whether it makes sense: that is the core's.

import type { LaneName, Position } from '../core/event.ts';
import { invariant } from '../core/errors.ts';
import { KnownHeaders } from '../core/event-record.ts';
import type { LinkMessage } from '../core/messages.ts';
import { speaks, WIRE_VERSION } from '../core/wire-version.ts';
import { estimateAway, readAway, writeAway } from './away-messages.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { estimateEvents, readEvents, writeEvents } from './forwarded-events.ts';
import * as copies from './copy-messages.ts';
import * as routes from './route-messages.ts';
import { WireError } from './wire-error.ts';

/** Federation and cluster names are DNS-like labels; a longer one is none of ours. */
const NAME_BYTES_MAX = 255;
/** A receiver keeps state for each lane of each sender. */
const LANE_MAX = 1023;
const PEER_OF = 2;

const KINDS = [
  'hello',
  'lane-open',
  'lane-ready',
  'data',
  'ack',
  'gap',
  'best-effort',
  'ping',
  'pong',
  'route-heads',
  'route-pull',
  'route-delta',
  'route-head',
  'route-bucket-pull',
  'route-buckets',
  'copy-open',
  'copy-ready',
  'copy-start',
  'copy-batch',
  'copy-range',
  'copy-ack',
  'copy-drop',
  'copy-held',
  'members-away',
] as const satisfies readonly LinkMessage['kind'][];

const KIND_BYTES = new Map<LinkMessage['kind'], number>(KINDS.map((kind, index) => [kind, index + 1]));

/** A message that breaks a bound of this file is a bug of the sender (invariant), not a refusal of the receiver. */
export function encodeMessage(message: LinkMessage): Uint8Array {
  const writer = new ByteWriter(estimateMessage(message));
  writeMessage(writer, message);
  return writer.finish();
}

/** The same, behind what was written before. */
export function writeMessage(writer: ByteWriter, message: LinkMessage): void {
  const kind = KIND_BYTES.get(message.kind);
  invariant(kind !== undefined, `no message kind ${message.kind}`);
  writer.byte(kind);
  writeBody(writer, message);
}

/**
 * Events, deltas and heads are views of `bytes`, which must not change afterwards. `known`: to be given again with the
 * messages that come after this one from the same peer. `version`: of the link. Throws WireError only.
 */
export function decodeMessage(
  bytes: Uint8Array,
  known = new KnownHeaders(),
  version: number = WIRE_VERSION,
): LinkMessage {
  const reader = new ByteReader(bytes);
  const number = reader.byte();
  const kind = KINDS[number - 1];
  if (kind === undefined || !speaks(version, kind))
    throw new WireError('unknown-kind', `no message of version ${version} has the kind ${number}`);
  const message = readBody(reader, kind, known);
  reader.end();
  return message;
}

/** Bytes that it takes, roughly, and rather more than less. */
export function estimateMessage(message: LinkMessage): number {
  if (message.kind === 'data' || message.kind === 'best-effort') return estimateEvents(message.events);
  if (message.kind === 'copy-batch' || message.kind === 'copy-range') return message.content.length + 256;
  if (message.kind === 'route-delta') return message.delta.length + 16;
  if (message.kind === 'route-head') return message.head.length + 16;
  if (message.kind === 'members-away') return estimateAway(message);
  return 128;
}

function writeBody(writer: ByteWriter, message: LinkMessage): void {
  switch (message.kind) {
    case 'hello':
      writer.text(message.federation);
      writer.text(message.cluster);
      return writer.uint(message.incarnation);
    case 'lane-open':
      writeLane(writer, message);
      return writePosition(writer, message.base);
    case 'lane-ready':
      writeLane(writer, message);
      writePosition(writer, message.mark);
      return writer.uint(message.credit);
    case 'data':
      writeLane(writer, message);
      writePosition(writer, message.previous);
      writePosition(writer, message.first);
      writer.byte(message.doubt ? 1 : 0);
      return writeEvents(writer, message.events);
    case 'ack':
      writeLane(writer, message);
      writePosition(writer, message.upTo);
      return writer.uint(message.credit);
    case 'gap':
      writeLane(writer, message);
      return writePosition(writer, message.last);
    case 'best-effort':
      writeScope(writer, message.scope);
      return writeEvents(writer, message.events);
    case 'ping':
    case 'pong':
      return writer.f64(message.sentAt);
    case 'route-heads':
      return routes.writeHeads(writer, message);
    case 'route-pull':
      return routes.writeVersion(writer, message);
    case 'route-delta':
      return writer.bytes(message.delta);
    case 'route-head':
      return writer.bytes(message.head);
    case 'route-bucket-pull':
      return routes.writeBucketPull(writer, message);
    case 'route-buckets':
      return routes.writeBuckets(writer, message);
    case 'copy-open':
      return writer.uint(message.incarnation);
    case 'copy-ready':
    case 'copy-ack':
      return copies.writePlace(writer, message);
    case 'copy-start':
      return copies.writeStart(writer, message);
    case 'copy-batch':
      return copies.writeBatch(writer, message);
    case 'copy-range':
      return copies.writeRange(writer, message);
    case 'copy-drop':
      return;
    case 'copy-held':
      return copies.writeHeld(writer, message);
    case 'members-away':
      return writeAway(writer, message);
  }
}

function readBody(reader: ByteReader, kind: LinkMessage['kind'], known: KnownHeaders): LinkMessage {
  switch (kind) {
    case 'hello':
      return {
        kind,
        federation: reader.text(NAME_BYTES_MAX),
        cluster: reader.text(NAME_BYTES_MAX),
        incarnation: reader.uint(),
      };
    case 'lane-open':
      return { kind, ...readLane(reader), base: readPosition(reader) };
    case 'lane-ready':
      return { kind, ...readLane(reader), mark: readPosition(reader), credit: reader.uint() };
    case 'data':
      return {
        kind,
        ...readLane(reader),
        previous: readPosition(reader),
        first: readPosition(reader),
        doubt: reader.flag(),
        events: readEvents(reader, known),
      };
    case 'ack':
      return { kind, ...readLane(reader), upTo: readPosition(reader), credit: reader.uint() };
    case 'gap':
      return { kind, ...readLane(reader), last: readPosition(reader) };
    case 'best-effort':
      return { kind, scope: readScope(reader), events: readEvents(reader, known) };
    case 'ping':
    case 'pong':
      return { kind, sentAt: reader.f64() };
    case 'route-heads':
      return routes.readHeads(reader);
    case 'route-pull':
      return { kind, ...routes.readVersion(reader) };
    case 'route-delta':
      return { kind, delta: reader.bytes() };
    case 'route-head':
      return { kind, head: reader.bytes() };
    case 'route-bucket-pull':
      return routes.readBucketPull(reader);
    case 'route-buckets':
      return routes.readBuckets(reader);
    case 'copy-open':
      return { kind, incarnation: reader.uint() };
    case 'copy-ready':
    case 'copy-ack':
      return { kind, ...copies.readPlace(reader) };
    case 'copy-start':
      return copies.readStart(reader);
    case 'copy-batch':
      return copies.readBatch(reader);
    case 'copy-range':
      return copies.readRange(reader);
    case 'copy-drop':
      return { kind };
    case 'copy-held':
      return copies.readHeld(reader);
    case 'members-away':
      return readAway(reader);
  }
}

function writeScope(writer: ByteWriter, scope: LaneName['scope']): void {
  writer.byte(scope === 'cluster' ? 0 : 1);
}

function readScope(reader: ByteReader): LaneName['scope'] {
  return reader.flag() ? 'peer' : 'cluster';
}

function writeLane(writer: ByteWriter, name: LaneName): void {
  invariant(name.lane <= LANE_MAX, `lane ${name.lane}`);
  if (name.of === undefined) writeScope(writer, name.scope);
  else writer.byte(PEER_OF);
  writer.uint(name.lane);
  if (name.of !== undefined) writer.text(name.of);
}

function readLane(reader: ByteReader): LaneName {
  const scope = reader.byte();
  if (scope > PEER_OF) throw new WireError('bad-value', `scope ${scope}`);
  const lane = reader.uint(LANE_MAX);
  if (scope === PEER_OF) return { scope: 'peer', lane, of: reader.text(routes.NODE_BYTES_MAX) };
  return { scope: scope === 0 ? 'cluster' : 'peer', lane };
}

function writePosition(writer: ByteWriter, position: Position): void {
  writer.uint(position.incarnation);
  writer.uint(position.sequence);
}

function readPosition(reader: ByteReader): Position {
  return { incarnation: reader.uint(), sequence: reader.uint() };
}
