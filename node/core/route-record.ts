// One mesher's interests as everybody keeps them, and the signed bytes that carry changes of them.
//
// Interests lie in 256 buckets by hash of their key; each bucket has a digest, the record's root is the digest of
// those. The owner signs, for every version, (node, incarnation, sequence, count, root, digest of the change). So
// whoever holds a version can prove it to others, and who lacks it fetches only the buckets that differ.
//
//   proof  := version:u8(=1) node:text16 incarnation:f64 sequence:f64 count:u32 root:16 change:16   (what is signed)
//   delta  := proof signature:64 op*          op := flags:u8 filter:text16 group:text16   flags: 1 add, 2 durable
//   head   := proof signature:64 digest:16{256}
//   text16 := length:u16 utf8                 all numbers big-endian
//
// `change` is the digest of the delta's ops: a head repeats it, so that one signature serves for both.

import type { NodeId } from './event.ts';
import { DIGEST_BYTES, digestOf } from './interest-lines.ts';
import { BUCKETS, type InterestSet } from './interest-set.ts';
import { FILTER_BYTES_MAX, isWireTopic } from './limits.ts';
import type { Interest } from './messages.ts';
import type { RouteRefusal } from './metric-catalogue.ts';
import type { Keys } from './ports.ts';

const SIGNATURE_BYTES = 64;
const VERSION = 1;

/** Bytes that are no delta, head or bucket of ours. `reason` labels the counter of refusals. */
export class RouteError extends Error {
  override readonly name = 'RouteError';
  readonly reason: RouteRefusal;
  /** Whose record is too large for us, where that is proven. */
  readonly owner: NodeId | undefined;
  constructor(reason: RouteRefusal, message: string, owner?: NodeId) {
    super(message);
    this.reason = reason;
    this.owner = owner;
  }
}

export interface RouteOp {
  readonly add: boolean;
  readonly interest: Interest;
}

export interface Proof {
  readonly node: NodeId;
  readonly incarnation: number;
  readonly sequence: number;
  readonly count: number;
  readonly root: Uint8Array;
  readonly change: Uint8Array;
  readonly signature: Uint8Array;
}

export interface Delta {
  readonly proof: Proof;
  readonly ops: readonly RouteOp[];
}

export interface Head {
  readonly proof: Proof;
  /** Of all buckets, one after the other. */
  readonly digests: Uint8Array;
}

/** Signs what `interests` holds after `ops` as version (incarnation, sequence). */
export function signDelta(
  keys: Keys,
  incarnation: number,
  sequence: number,
  interests: InterestSet,
  ops: readonly RouteOp[],
): { proof: Proof; bytes: Uint8Array } {
  const opBytes = encodeOps(ops);
  const unsigned = {
    node: keys.node,
    incarnation,
    sequence,
    count: interests.size,
    root: interests.root(),
    change: digestOf(opBytes),
  };
  const proofBytes = encodeProof(unsigned);
  const proof: Proof = { ...unsigned, signature: keys.sign(proofBytes) };
  return { proof, bytes: Buffer.concat([proofBytes, proof.signature, opBytes]) };
}

export function encodeHead(proof: Proof, interests: InterestSet): Uint8Array {
  return Buffer.concat([encodeProof(proof), proof.signature, interests.digests()]);
}

/** Checks shape and signature. */
export function decodeDelta(bytes: Uint8Array, keys: Keys, opsMax: number): Delta {
  const { proof, rest } = decodeProof(bytes, keys);
  if (!same(digestOf(rest), proof.change))
    throw new RouteError('bad-digest', 'the changes are not the ones signed');
  return { proof, ops: decodeOps(rest, opsMax) };
}

/** Checks shape, signature and that the digests are the ones signed. */
export function decodeHead(bytes: Uint8Array, keys: Keys, interestsMax: number): Head {
  const { proof, rest } = decodeProof(bytes, keys);
  if (rest.length !== BUCKETS * DIGEST_BYTES) throw new RouteError('malformed', 'a head needs 256 digests');
  if (!same(digestOf(rest), proof.root))
    throw new RouteError('bad-digest', 'the digests are not the ones signed');
  if (proof.count > interestsMax)
    throw new RouteError(
      'too-many-interests',
      `${proof.count} interests, the limit is ${interestsMax}`,
      proof.node,
    );
  return { proof, digests: rest };
}

function encodeProof(proof: Omit<Proof, 'signature'>): Buffer {
  const node = Buffer.from(proof.node);
  const bytes = Buffer.alloc(1 + 2 + node.length + 8 + 8 + 4 + DIGEST_BYTES * 2);
  bytes[0] = VERSION;
  bytes.writeUInt16BE(node.length, 1);
  node.copy(bytes, 3);
  let at = 3 + node.length;
  at = bytes.writeDoubleBE(proof.incarnation, at);
  at = bytes.writeDoubleBE(proof.sequence, at);
  at = bytes.writeUInt32BE(proof.count, at);
  bytes.set(proof.root, at);
  bytes.set(proof.change, at + DIGEST_BYTES);
  return bytes;
}

function decodeProof(input: Uint8Array, keys: Keys): { proof: Proof; rest: Buffer } {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  if (bytes.length < 3 || bytes[0] !== VERSION)
    throw new RouteError('malformed', 'not a route message of version 1');
  const nodeEnd = 3 + bytes.readUInt16BE(1);
  const signed = nodeEnd + 20 + DIGEST_BYTES * 2;
  if (bytes.length < signed + SIGNATURE_BYTES) throw new RouteError('malformed', 'cut short');
  const proof: Proof = {
    node: bytes.toString('utf8', 3, nodeEnd),
    incarnation: integer(bytes.readDoubleBE(nodeEnd)),
    sequence: integer(bytes.readDoubleBE(nodeEnd + 8)),
    count: bytes.readUInt32BE(nodeEnd + 16),
    // copied: a proof is kept long after the message it came in
    root: Uint8Array.from(bytes.subarray(nodeEnd + 20, nodeEnd + 20 + DIGEST_BYTES)),
    change: Uint8Array.from(bytes.subarray(nodeEnd + 20 + DIGEST_BYTES, signed)),
    signature: Uint8Array.from(bytes.subarray(signed, signed + SIGNATURE_BYTES)),
  };
  if (!keys.verify(proof.node, bytes.subarray(0, signed), proof.signature)) {
    throw new RouteError('bad-signature', `not signed by ${proof.node}`);
  }
  return { proof, rest: bytes.subarray(signed + SIGNATURE_BYTES) };
}

function encodeOps(ops: readonly RouteOp[]): Buffer {
  const parts: Buffer[] = [];
  for (const { add, interest } of ops) {
    const filter = Buffer.from(interest.filter);
    const group = Buffer.from(interest.group);
    const head = Buffer.alloc(3);
    head[0] = (add ? 1 : 0) | (interest.durable ? 2 : 0);
    head.writeUInt16BE(filter.length, 1);
    const groupHead = Buffer.alloc(2);
    groupHead.writeUInt16BE(group.length);
    parts.push(head, filter, groupHead, group);
  }
  return Buffer.concat(parts);
}

function decodeOps(bytes: Buffer, opsMax: number): RouteOp[] {
  const ops: RouteOp[] = [];
  let at = 0;
  const text16 = (): string => {
    if (at + 2 > bytes.length) throw new RouteError('malformed', 'cut short');
    const start = at + 2;
    at = start + bytes.readUInt16BE(at);
    if (at > bytes.length) throw new RouteError('malformed', 'cut short');
    if (at - start > FILTER_BYTES_MAX) throw new RouteError('malformed', `a text of ${at - start} bytes`);
    return bytes.toString('utf8', start, at);
  };
  while (at < bytes.length) {
    if (ops.length >= opsMax)
      throw new RouteError('too-many-ops', `more than ${opsMax} changes in one delta`);
    const flags = bytes[at++] ?? 0;
    if (flags > 3) throw new RouteError('malformed', `unknown flags ${flags}`);
    const filter = text16();
    const group = text16();
    if (!isWireTopic(filter)) throw new RouteError('malformed', 'a filter of too many levels');
    ops.push({ add: (flags & 1) !== 0, interest: { filter, group, durable: (flags & 2) !== 0 } });
  }
  return ops;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function integer(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RouteError('malformed', 'a number out of range');
  return value;
}
