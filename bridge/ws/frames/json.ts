// The JSON that some frames end with: what a mesher says of itself, problems, reports. Members that are not known are kept
// out of sight: there will be more of them in time.
//
//   json := UTF-8, the rest of the frame

import { isUtf8 } from 'node:buffer';
import type { PublishResult } from '../../../node/core/delivery-types.ts';
import type { ByteReader } from '../../../node/wire/byte-reader.ts';
import { WireError } from '../../../node/wire/wire-error.ts';
import type { Neighbour } from '../../../node/core/views.ts';
import { NEIGHBOURS_MAX } from './bounds.ts';

/** Who the client is connected with, and what may be asked of it. */
export interface Welcome {
  readonly node: string;
  readonly cluster: string;
  readonly federation: string;
  readonly version: string;
  readonly eventBytesMax: number;
  readonly batchEventsMax: number;
  readonly batchBytesMax: number;
  readonly messageBytesMax: number;
  readonly publishWindowBytes: number;
  readonly streamsMax: number;
  /** What PUBLISH may ask for; 0: it is not to ask, since the mesher is of a version that knows no such flag. */
  readonly replicasMax: number;
  /** Other meshers of its cluster. One of them is its heir, should it be lost for good. */
  readonly neighbours: readonly Neighbour[];
}

/** RFC 9457 §3.1, as the HTTP API answers; `code` is from core/errors.ts, or of a mesher that knows more of them. */
export interface WireProblem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly retryable: boolean;
  /** Why the mesher ended a stream: `deleted`, `replaced`, `shutting-down`. */
  readonly reason?: string;
}

type Members = Readonly<Record<string, unknown>>;

export function readWelcome(reader: ByteReader): Welcome {
  const members = readObject(reader);
  return {
    node: textOf(members, 'node'),
    cluster: textOf(members, 'cluster'),
    federation: textOf(members, 'federation'),
    version: textOf(members, 'version'),
    eventBytesMax: countOf(members, 'eventBytesMax'),
    batchEventsMax: countOf(members, 'batchEventsMax'),
    batchBytesMax: countOf(members, 'batchBytesMax'),
    messageBytesMax: countOf(members, 'messageBytesMax'),
    publishWindowBytes: countOf(members, 'publishWindowBytes'),
    streamsMax: countOf(members, 'streamsMax'),
    replicasMax: members['replicasMax'] === undefined ? 0 : countOf(members, 'replicasMax'),
    neighbours: neighboursOf(members),
  };
}

/** Older meshers name none. */
function neighboursOf({ neighbours = [] }: Members): Neighbour[] {
  if (!Array.isArray(neighbours)) throw wrong('neighbours', 'an array');
  return neighbours.slice(0, NEIGHBOURS_MAX).map((each: unknown) => {
    const members = objectOf(each);
    return { node: textOf(members, 'node'), http: textOf(members, 'http') };
  });
}

export function readProblem(reader: ByteReader): WireProblem {
  const members = readObject(reader);
  const { reason, retryable } = members;
  if (typeof retryable !== 'boolean') throw wrong('retryable', 'true or false');
  return {
    type: textOf(members, 'type'),
    title: textOf(members, 'title'),
    status: countOf(members, 'status'),
    code: textOf(members, 'code'),
    detail: textOf(members, 'detail'),
    retryable,
    ...(typeof reason === 'string' && { reason }),
  };
}

export function readReport(reader: ByteReader): PublishResult[] {
  const value = readJson(reader);
  if (!Array.isArray(value)) throw wrong('a report', 'an array');
  return value.map((each: unknown) => {
    const members = objectOf(each);
    const destinations = objectOf(members['destinations']);
    return {
      source: textOf(members, 'source'),
      id: textOf(members, 'id'),
      origin: textOf(members, 'origin'),
      sequence: countOf(members, 'sequence'),
      destinations: {
        subscriptions: countOf(destinations, 'subscriptions'),
        meshers: textsOf(destinations, 'meshers'),
        clusters: textsOf(destinations, 'clusters'),
      },
    };
  });
}

function readObject(reader: ByteReader): Members {
  return objectOf(readJson(reader));
}

function readJson(reader: ByteReader): unknown {
  const bytes = reader.fixedBytes(reader.left);
  if (!isUtf8(bytes)) throw new WireError('bad-text', 'JSON that is not UTF-8');
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch (cause) {
    throw new WireError('bad-value', 'what should be JSON is none', cause);
  }
}

function objectOf(value: unknown): Members {
  if (typeof value !== 'object' || value === null) throw wrong('JSON', 'an object');
  return { ...value };
}

function textOf(members: Members, name: string): string {
  const value = members[name];
  if (typeof value !== 'string') throw wrong(name, 'a text');
  return value;
}

function countOf(members: Members, name: string): number {
  const value = members[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw wrong(name, 'a count');
  return value;
}

function textsOf(members: Members, name: string): string[] {
  const value = members[name];
  if (!Array.isArray(value)) throw wrong(name, 'an array of texts');
  return value.map((each: unknown) => {
    if (typeof each !== 'string') throw wrong(name, 'an array of texts');
    return each;
  });
}

function wrong(what: string, wanted: string): WireError {
  return new WireError('bad-value', `${what} is not ${wanted}`);
}
