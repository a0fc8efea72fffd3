// Reads back what the core needs of the past, in bounded pieces, each kind in key order. Blocks are listed by their
// heads: their events are read when a queue asks for them.

import type { Level } from 'level';
import { BlockList } from '../core/block-list.ts';
import { BlockSet } from '../core/block-set.ts';
import type { NodeId } from '../core/event.ts';
import type { Recovered, RememberedInterest } from '../core/ports.ts';
import { CorruptionError } from './bytes.ts';
import * as codec from './codec.ts';
import * as keys from './keys.ts';
import { del } from './level-changes.ts';
import type { Change } from './level-changes.ts';
import { located } from './storage-error.ts';

/** With what a Level has on Node, where it is a ClassicLevel, and its types do not say. */
export type Database = Level<Buffer, Buffer> & {
  /** Bytes of tables, from `start` up to and with `end`, about. */
  approximateSize(start: Buffer, end: Buffer): Promise<number>;
  /** Merges these tables into one level: what is deleted is gone from the disk then. */
  compactRange(start: Buffer, end: Buffer): Promise<void>;
};

type Queues = Map<number, { readonly queue: number; readonly name: string; readonly blocks: BlockList }>;

/** Entries and bytes that a scan takes from LevelDB at a time, before the event loop gets its turn. */
const SCAN_ENTRIES = 1000;
const SCAN_BYTES = 256 * 1024;

/** `copy`: what it was read from may have been ahead of what was sent, so an entry may come before its queue. */
export async function recoverLevel(db: Database, of: 'journal' | 'copy'): Promise<Recovered> {
  const { heads, nextBlock } = await recoverHeads(db);
  const queues: Queues = new Map();
  await scan(db, keys.queueRange, (key, value) => {
    const queue = keys.queueOfKey(key) ?? badKey(key);
    queues.set(queue, { queue, name: codec.decodeText(key, value), blocks: new BlockList() });
  });
  const unclaimedBlocks = await recoverEntries(db, heads, queues, of);
  const marks: Recovered['marks'][number][] = [];
  await scan(db, keys.markRange, (key, value) => {
    marks.push({ ...(keys.partsOfMarkKey(key) ?? badKey(key)), position: codec.decodePosition(key, value) });
  });
  const subscriptions: Recovered['subscriptions'][number][] = [];
  await scan(db, keys.subscriptionRange, (key, value) =>
    subscriptions.push(codec.decodeSubscription(key, value)),
  );
  const members: Recovered['members'][number][] = [];
  await scan(db, keys.memberRange, (key, value) => members.push(codec.decodeMember(key, value)));
  const takeovers: Recovered['takeovers'][number][] = [];
  await scan(db, keys.takeoverRange, (key, value) => takeovers.push(codec.decodeTakeover(key, value)));
  const routes = await recoverRoutes(db);
  return {
    nextBlock,
    queues: [...queues.values()],
    unclaimedBlocks,
    marks,
    subscriptions,
    members,
    takeovers,
    routes,
  };
}

async function recoverRoutes(db: Database): Promise<Recovered['routes']> {
  const routes: { node: NodeId; interests: RememberedInterest[] }[] = [];
  await scan(db, keys.routesRange, (key, value) => {
    const { node } = keys.partsOfRoutesKey(key) ?? badKey(key);
    let last = routes.at(-1);
    if (last?.node !== node) routes.push((last = { node, interests: [] }));
    for (const interest of codec.decodeRoutes(key, value)) last.interests.push(interest);
  });
  return routes;
}

async function recoverHeads(db: Database): Promise<{ heads: BlockSet; nextBlock: number }> {
  const value = await read(db, keys.nextBlockKey);
  let nextBlock = value ? codec.decodeNumber(keys.nextBlockKey, value) : 0;
  const heads = new BlockSet();
  await scan(db, keys.headRange, (key, head) => {
    const block = keys.blockOfHeadKey(key) ?? badKey(key);
    codec.decodeHead(key, head);
    heads.add(block);
    nextBlock = Math.max(nextBlock, block + 1);
  });
  return { heads, nextBlock };
}

/** Fills the queues' blocks; returns the blocks that none of them wants. */
async function recoverEntries(
  db: Database,
  heads: BlockSet,
  queues: Queues,
  of: 'journal' | 'copy',
): Promise<number[]> {
  const claimed = new BlockSet();
  const settled: Change[] = [];
  await scan(db, keys.entryRange, (key, value) => {
    const { queue, block } = keys.partsOfEntryKey(key) ?? badKey(key);
    const head = located(queue, block, () => codec.decodeEntryHead(key, value));
    if (!heads.has(block)) {
      settled.push(del(key)); // see the top: its drop was lost, its block's was not
      return;
    }
    const owner = queues.get(queue);
    if (!owner && of === 'copy') return; // nobody was told yet that the copy has it
    if (!owner) throw new CorruptionError(`block ${block} is wanted by queue ${queue}, which does not exist`);
    claimed.add(block);
    owner.blocks.push({ block, ...head });
  });
  if (settled.length > 0) await db.batch(settled);
  const unclaimed: number[] = [];
  for (const block of heads) if (!claimed.has(block)) unclaimed.push(block);
  return unclaimed;
}

/** Visits a range in key order, in bounded pieces. */
export async function scan(
  db: Database,
  range: keys.KeyRange,
  visit: (key: Buffer, value: Buffer) => unknown,
): Promise<void> {
  const iterator = db.iterator({ ...range, fillCache: false, highWaterMarkBytes: SCAN_BYTES });
  try {
    for (let reading = iterator.nextv(SCAN_ENTRIES); ;) {
      const piece = await reading;
      if (piece.length === 0) return;
      reading = iterator.nextv(SCAN_ENTRIES); // while this piece is visited
      reading.catch(() => undefined); // a visit that throws leaves nobody to wait for it
      for (const [key, value] of piece) visit(key, value);
    }
  } finally {
    await iterator.close();
  }
}

/** The types of `level` say that there always is a value. */
export async function read(db: Database, key: Buffer): Promise<Buffer | undefined> {
  return db.get(key);
}

function badKey(key: Buffer): never {
  throw new CorruptionError(`a key ${key.toString('hex')} that means nothing`);
}
