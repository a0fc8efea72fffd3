// The bodies of the messages by which meshers compare and repair their route tables. Deltas and heads are signed bytes
// of their owner (core/route-record.ts), opaque here.
//
//   version            := node:text incarnation:uint sequence:uint
//   route-heads        := answer:u8 count:uint (version digest:uint){count}
//   route-pull         := version
//   route-delta        := delta:bytes
//   route-head         := head:bytes
//   route-bucket-pull  := version count:uint bucket:uint{count}
//   route-buckets      := version count:uint (index:uint interestCount:uint interest{interestCount}){count}
//   interest           := durable:u8 filter:text group:text

import { FILTER_BYTES_MAX, HEADS_MAX } from '../core/limits.ts';
import { invariant } from '../core/errors.ts';
import type { Interest, RouteBucketPull, RouteBuckets, RouteHeads, RouteVersion } from '../core/messages.ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';

/** A record has 256 (core/route-record.ts). */
const BUCKETS_MAX = 256;
/** In one message: `limits.pullBytesMax` of them are a tenth of this; each costs three objects, for as little as 3 bytes. */
export const INTERESTS_MAX = 131_072;
/** A peer id as text has 52 bytes; other keys than Ed25519 a few more. */
export const NODE_BYTES_MAX = 128;
const HEAD_BYTES_MIN = 4;
const DIGEST_MAX = 0xffff_ffff;
const INTEREST_BYTES_MIN = 3;
const BUCKET_BYTES_MIN = 2;

export function writeVersion(writer: ByteWriter, version: RouteVersion): void {
  writer.text(version.node);
  writer.uint(version.incarnation);
  writer.uint(version.sequence);
}

export function readVersion(reader: ByteReader): RouteVersion {
  return { node: reader.text(NODE_BYTES_MAX), incarnation: reader.uint(), sequence: reader.uint() };
}

export function writeHeads(writer: ByteWriter, message: RouteHeads): void {
  invariant(message.heads.length <= HEADS_MAX, `${message.heads.length} heads in one message`);
  writer.byte(message.answer ? 1 : 0);
  writer.uint(message.heads.length);
  for (const head of message.heads) {
    writeVersion(writer, head);
    writer.uint(head.digest);
  }
}

export function readHeads(reader: ByteReader): RouteHeads {
  const answer = reader.flag();
  const heads = readMany(reader, HEADS_MAX, HEAD_BYTES_MIN, () => ({
    ...readVersion(reader),
    digest: reader.uint(DIGEST_MAX),
  }));
  return { kind: 'route-heads', answer, heads };
}

export function writeBucketPull(writer: ByteWriter, message: RouteBucketPull): void {
  invariant(message.buckets.length <= BUCKETS_MAX, `${message.buckets.length} buckets in one message`);
  writeVersion(writer, message);
  writer.uint(message.buckets.length);
  for (const bucket of message.buckets) writer.uint(bucket);
}

export function readBucketPull(reader: ByteReader): RouteBucketPull {
  const version = readVersion(reader);
  const buckets = readMany(reader, BUCKETS_MAX, 1, () => reader.uint(BUCKETS_MAX - 1));
  return { kind: 'route-bucket-pull', ...version, buckets };
}

export function writeBuckets(writer: ByteWriter, message: RouteBuckets): void {
  const interests = message.buckets.reduce((sum, bucket) => sum + bucket.interests.length, 0);
  invariant(message.buckets.length <= BUCKETS_MAX, `${message.buckets.length} buckets in one message`);
  invariant(interests <= INTERESTS_MAX, `${interests} interests in one message`);
  writeVersion(writer, message);
  writer.uint(message.buckets.length);
  for (const bucket of message.buckets) {
    writer.uint(bucket.index);
    writer.uint(bucket.interests.length);
    for (const interest of bucket.interests) writeInterest(writer, interest);
  }
}

export function readBuckets(reader: ByteReader): RouteBuckets {
  const version = readVersion(reader);
  let spare = INTERESTS_MAX;
  const buckets = readMany(reader, BUCKETS_MAX, BUCKET_BYTES_MIN, () => {
    const index = reader.uint(BUCKETS_MAX - 1);
    const interests = readMany(reader, spare, INTEREST_BYTES_MIN, () => readInterest(reader));
    spare -= interests.length;
    return { index, interests };
  });
  return { kind: 'route-buckets', ...version, buckets };
}

function writeInterest(writer: ByteWriter, interest: Interest): void {
  writer.byte(interest.durable ? 1 : 0);
  writer.text(interest.filter);
  writer.text(interest.group);
}

function readInterest(reader: ByteReader): Interest {
  const durable = reader.flag();
  return { filter: reader.text(FILTER_BYTES_MAX), group: reader.text(FILTER_BYTES_MAX), durable };
}

/** Grows as items are read, rather than to the size that was claimed. */
function readMany<T>(reader: ByteReader, max: number, bytesEach: number, read: () => T): T[] {
  const count = reader.count(max, bytesEach);
  const items: T[] = [];
  for (let i = 0; i < count; i++) items.push(read());
  return items;
}
