// Where everything lies in the journal's key space. One byte says the kind; numbers are big-endian, so that keys sort
// as the numbers do. A prefix that was ever used is never given to another kind: a retired one stays in the table.
//
//   prefix  key after the prefix                  value (see codec.ts)
//   ------  ------------------------------------  --------------------------------------------------------
//   0x00    name                                  the journal's own: `layout` (and `next-block` in layout 1)
//   0x01    name:utf8                             meta: small values kept for the mesher
//   0x02    block:u48                             block: its events' records
//   0x03    block:u48                             block head: its size; recovery lists blocks without reading them
//   0x04    queue:u32                             queue: its name
//   0x05    queue:u32 block:u48                   entry: what the queue has still to get of the block
//   0x06    scope:u8 lane:u32 sender:utf8 [0 of:utf8]   mark: how far a sender's lane has been received
//   0x07    name:utf8                             subscription
//   0x08    node:utf8                             member
//   0x09    length:u16 node:utf8 bucket:u8        routes: the mesher's durable interests in one bucket of its record
//   0x0a                                          next block: one above the highest number ever used
//   0x0b    owner:utf8                            takeover: what was taken over of a mesher that is gone
//   0x0c    0x00                                  synced: the number of the last synced batch, written as its last
//
// The next block is written with every block, and so is in every table of LevelDB; so is the synced number. A table that began with it, before all
// blocks, would span all those of a backlog: they would be merged with each new table, again and again (twice the CPU
// of publishing on top of a million events).
//
// u48: at 10,000 blocks a second the numbers last for 890 years.

import { invariant } from '../core/errors.ts';
import type { LaneName, NodeId } from '../core/event.ts';
import { BUCKETS } from '../core/interest-set.ts';

const OWN = 0x00;
const META = 0x01;
const BLOCK = 0x02;
const HEAD = 0x03;
const QUEUE = 0x04;
const ENTRY = 0x05;
const MARK = 0x06;
const SUBSCRIPTION = 0x07;
const MEMBER = 0x08;
const ROUTES = 0x09;
const NEXT_BLOCK = 0x0a;
const TAKEOVER = 0x0b;
const SYNCED = 0x0c;

/** Scope of a mark: a peer lane that was for another mesher. */
const PEER_OF = 2;
const BLOCK_MAX = 2 ** 48 - 1;
const U32_MAX = 2 ** 32 - 1;
const NODE_BYTES_MAX = 2 ** 16 - 1;

/** Both bounds, always: an open range would run into the next kind. */
export interface KeyRange {
  readonly gte: Buffer;
  readonly lt: Buffer;
}

export const layoutKey = named(OWN, 'layout');
export const nextBlockKey = Buffer.of(NEXT_BLOCK);
/** Not the prefix alone: that ends the range of takeovers, and copies are given ranges up to and with their ends (copy-order.ts). */
export const syncedKey = Buffer.of(SYNCED, 0);
export const nextBlockKeyOfLayout1 = named(OWN, 'next-block');

export const blockRange = kindRange(BLOCK);
export const headRange = kindRange(HEAD);
export const queueRange = kindRange(QUEUE);
export const entryRange = kindRange(ENTRY);
export const markRange = kindRange(MARK);
export const subscriptionRange = kindRange(SUBSCRIPTION);
export const memberRange = kindRange(MEMBER);
export const routesRange = kindRange(ROUTES);
export const takeoverRange = kindRange(TAKEOVER);

/** Everything that a journal holds. */
export const wholeRange: KeyRange = { gte: Buffer.of(OWN), lt: Buffer.of(SYNCED + 1) };

export const metaKey = (name: string): Buffer => named(META, name);
export const blockKey = (block: number): Buffer => numbered(BLOCK, block);
export const headKey = (block: number): Buffer => numbered(HEAD, block);
export const subscriptionKey = (name: string): Buffer => named(SUBSCRIPTION, name);
export const takeoverKey = (owner: NodeId): Buffer => named(TAKEOVER, owner);
export const memberKey = (node: NodeId): Buffer => named(MEMBER, node);

export function queueKey(queue: number): Buffer {
  const key = Buffer.allocUnsafe(5);
  key[0] = QUEUE;
  key.writeUInt32BE(checkU32(queue), 1);
  return key;
}

export function entryKey(queue: number, block: number): Buffer {
  const key = Buffer.allocUnsafe(11);
  key[0] = ENTRY;
  key.writeUInt32BE(checkU32(queue), 1);
  key.writeUIntBE(checkBlock(block), 5, 6);
  return key;
}

export function isWithin(key: Buffer, { gte, lt }: KeyRange): boolean {
  return Buffer.compare(key, gte) >= 0 && Buffer.compare(key, lt) < 0;
}

/** All entries of one queue. */
export function entriesOf(queue: number): KeyRange {
  const lt = queue < U32_MAX ? entryKey(queue + 1, 0) : entryRange.lt;
  return { gte: entryKey(queue, 0), lt };
}

export function markKey(sender: NodeId, lane: LaneName): Buffer {
  const name = lane.of === undefined ? sender : `${sender}\u0000${lane.of}`;
  const key = Buffer.allocUnsafe(6 + Buffer.byteLength(name));
  key[0] = MARK;
  key[1] = lane.scope === 'cluster' ? 0 : lane.of === undefined ? 1 : PEER_OF;
  key.writeUInt32BE(checkU32(lane.lane), 2);
  key.write(name, 6, 'utf8');
  return key;
}

/** The length goes first, so that no node's keys are among those of another. */
export function routesKey(node: NodeId, bucket: number): Buffer {
  const length = Buffer.byteLength(node);
  invariant(length <= NODE_BYTES_MAX, `a node id of ${length} bytes`);
  invariant(Number.isInteger(bucket) && bucket >= 0 && bucket < BUCKETS, `bucket ${bucket}`);
  const key = Buffer.allocUnsafe(4 + length);
  key[0] = ROUTES;
  key.writeUInt16BE(length, 1);
  key.write(node, 3, 'utf8');
  key[3 + length] = bucket;
  return key;
}

/** These read keys back that came out of the range of their kind; undefined: not such a key. */
export function blockOfHeadKey(key: Buffer): number | undefined {
  return key.length === 7 ? key.readUIntBE(1, 6) : undefined;
}

export function blockOfKey(key: Buffer): number | undefined {
  return key[0] === BLOCK ? blockOfHeadKey(key) : undefined;
}

export function queueOfKey(key: Buffer): number | undefined {
  return key.length === 5 ? key.readUInt32BE(1) : undefined;
}

export function partsOfEntryKey(key: Buffer): { queue: number; block: number } | undefined {
  return key.length === 11 ? { queue: key.readUInt32BE(1), block: key.readUIntBE(5, 6) } : undefined;
}

export function partsOfMarkKey(key: Buffer): ({ sender: NodeId } & LaneName) | undefined {
  if (key.length < 6 || key.readUInt8(1) > PEER_OF) return undefined;
  const name = key.toString('utf8', 6);
  const lane = key.readUInt32BE(2);
  if (key[1] !== PEER_OF) return { sender: name, scope: key[1] === 0 ? 'cluster' : 'peer', lane };
  const at = name.indexOf('\u0000');
  if (at < 0) return undefined;
  return { sender: name.slice(0, at), scope: 'peer', lane, of: name.slice(at + 1) };
}

export function partsOfRoutesKey(key: Buffer): { node: NodeId; bucket: number } | undefined {
  if (key.length < 4 || key.length !== 4 + key.readUInt16BE(1)) return undefined;
  return { node: key.toString('utf8', 3, key.length - 1), bucket: key.readUInt8(key.length - 1) };
}

function named(kind: number, name: string): Buffer {
  const key = Buffer.allocUnsafe(1 + Buffer.byteLength(name));
  key[0] = kind;
  key.write(name, 1, 'utf8');
  return key;
}

function numbered(kind: number, block: number): Buffer {
  const key = Buffer.allocUnsafe(7);
  key[0] = kind;
  key.writeUIntBE(checkBlock(block), 1, 6);
  return key;
}

function kindRange(kind: number): KeyRange {
  return { gte: Buffer.of(kind), lt: Buffer.of(kind + 1) };
}

function checkBlock(block: number): number {
  invariant(
    Number.isInteger(block) && block >= 0 && block <= BLOCK_MAX,
    `block number ${block} fits 48 bits`,
  );
  return block;
}

function checkU32(number: number): number {
  invariant(Number.isInteger(number) && number >= 0 && number <= U32_MAX, `${number} fits 32 bits`);
  return number;
}
