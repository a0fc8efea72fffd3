// What a mesher sends to a client (docs/streaming.md): frames ↔ bytes, both ways, no I/O.
//
//   frame    := 0x81 welcome | 0x82 accepted | 0x83 report | 0x84 refused | 0x85 deliver | 0x86 settled | 0x87 closed
//   welcome  := json                                                                                  see json.ts
//   accepted := n:uint request:id{n}
//   report   := request:id json
//   refused  := request:id json
//   deliver                                                                                  see deliver-frame.ts
//   settled  := request:id ranges                                                                   see ranges.ts
//   closed   := stream:id json
//
// Decoding throws WireError and nothing else.

import type { PublishResult } from '../../../node/core/delivery-types.ts';
import { invariant } from '../../../node/core/errors.ts';
import { ByteReader } from '../../../node/wire/byte-reader.ts';
import { ByteWriter } from '../../../node/wire/byte-writer.ts';
import { WireError } from '../../../node/wire/wire-error.ts';
import { RANGES_MAX, REQUESTS_MAX } from './bounds.ts';
import type { DeliverFrame } from './deliver-frame.ts';
import { DELIVER, readDeliver } from './deliver-frame.ts';
import { readId } from './id.ts';
import type { Welcome, WireProblem } from './json.ts';
import { readProblem, readReport, readWelcome } from './json.ts';
import type { NumberRange } from './ranges.ts';
import { readRanges, writeRanges } from './ranges.ts';

export type MesherFrame =
  | { readonly kind: 'welcome'; readonly welcome: Welcome }
  | { readonly kind: 'accepted'; readonly requests: readonly number[] }
  /** `results`: one for each event, in the order of the batch. */
  | { readonly kind: 'report'; readonly request: number; readonly results: readonly PublishResult[] }
  | { readonly kind: 'refused'; readonly request: number; readonly problem: WireProblem }
  | DeliverFrame
  /** `stale`: the deliveries that were no longer to be settled. */
  | { readonly kind: 'settled'; readonly request: number; readonly stale: readonly NumberRange[] }
  | { readonly kind: 'closed'; readonly stream: number; readonly problem: WireProblem };

const WELCOME = 0x81;
const ACCEPTED = 0x82;
const REPORT = 0x83;
const REFUSED = 0x84;
const SETTLED = 0x86;
const CLOSED = 0x87;

export function encodeWelcome(welcome: Welcome): Uint8Array {
  return encodeJson(WELCOME, undefined, welcome);
}

export function encodeAccepted(requests: readonly number[]): Uint8Array {
  invariant(requests.length <= REQUESTS_MAX, `${requests.length} requests in one frame`);
  const writer = new ByteWriter(16 + requests.length * 4);
  writer.byte(ACCEPTED);
  writer.uint(requests.length);
  for (const request of requests) writer.uint(request);
  return writer.finish();
}

export function encodeReport(request: number, results: readonly PublishResult[]): Uint8Array {
  return encodeJson(REPORT, request, results);
}

export function encodeRefused(request: number, problem: WireProblem): Uint8Array {
  return encodeJson(REFUSED, request, problem);
}

export function encodeSettled(request: number, stale: readonly NumberRange[]): Uint8Array {
  const writer = new ByteWriter(32);
  writer.byte(SETTLED);
  writer.uint(request);
  writeRanges(writer, stale);
  return writer.finish();
}

export function encodeClosed(stream: number, problem: WireProblem): Uint8Array {
  return encodeJson(CLOSED, stream, problem);
}

/** Events are views of `bytes`, which must not change afterwards. */
export function decodeMesherFrame(bytes: Uint8Array): MesherFrame {
  const reader = new ByteReader(bytes);
  const type = reader.byte();
  const frame = readBody(reader, type);
  reader.end();
  return frame;
}

function readBody(reader: ByteReader, type: number): MesherFrame {
  switch (type) {
    case WELCOME:
      return { kind: 'welcome', welcome: readWelcome(reader) };
    case ACCEPTED:
      return { kind: 'accepted', requests: readRequests(reader) };
    case REPORT:
      return { kind: 'report', request: readId(reader), results: readReport(reader) };
    case REFUSED:
      return { kind: 'refused', request: readId(reader), problem: readProblem(reader) };
    case DELIVER:
      return readDeliver(reader);
    case SETTLED:
      return { kind: 'settled', request: readId(reader), stale: readRanges(reader, RANGES_MAX) };
    case CLOSED:
      return { kind: 'closed', stream: readId(reader), problem: readProblem(reader) };
    default:
      throw new WireError('unknown-kind', `no frame of a mesher has the type ${type}`);
  }
}

function readRequests(reader: ByteReader): number[] {
  const requests: number[] = [];
  for (let left = reader.count(REQUESTS_MAX, 1); left > 0; left--) requests.push(readId(reader));
  return requests;
}

function encodeJson(type: number, id: number | undefined, value: unknown): Uint8Array {
  const json = Buffer.from(JSON.stringify(value));
  const writer = new ByteWriter(16 + json.length);
  writer.byte(type);
  if (id !== undefined) writer.uint(id);
  writer.fixedBytes(json);
  return writer.finish();
}
