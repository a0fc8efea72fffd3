// The journal's in-memory twin, for tests and the simulator. All is synchronous (`appendNow`, `loadNow`, …) so that a
// simulation needs no promises; the port's methods only wrap that. A `MemoryDisk` outlives the journals that use it
// and forgets, on `crash`, a suffix of what was appended after the last sync, batch by batch: a torn batch is dropped
// whole. It keeps the objects it is given, which are immutable.

import { BlockList } from '../core/block-list.ts';
import { MeshError, invariant } from '../core/errors.ts';
import type { LaneName, NodeId, Position, StoredEvent } from '../core/event.ts';
import type {
  Journal,
  JournalOp,
  LoadedEntry,
  KnownMember,
  QueueEntry,
  Random,
  Recovered,
  RememberedInterest,
  Takeover,
} from '../core/ports.ts';
import type { Subscription } from '../core/subscription.ts';
import * as codec from './codec.ts';
import * as keys from './keys.ts';
import { readRangeNow } from './memory-range.ts';

/** Batches that can still be lost. Above: the oldest counts as synced, as operating systems do within a minute. */
const UNSYNCED_BATCHES_MAX = 4096;

type Mark = { readonly sender: NodeId; readonly position: Position } & LaneName;
type Remembered = readonly RememberedInterest[];
type Undo = () => void;

export class MemoryDisk {
  /** Every append fails while this is set, and leaves nothing behind. */
  full = false;
  /** Batches applied, and how many of these (and of meta values) were synced. */
  appends = 0;
  syncs = 0;
  readonly blocks = new Map<number, readonly StoredEvent[]>();
  readonly queues = new Map<number, string>();
  /** By queue, then by block. */
  readonly entries = new Map<number, ReadonlyMap<number, QueueEntry>>();
  readonly marks = new Map<string, Mark>();
  readonly subscriptions = new Map<string, Subscription>();
  readonly members = new Map<NodeId, KnownMember>();
  readonly takeovers = new Map<NodeId, Takeover>();
  /** By their keys on a disk, which say the order. */
  readonly routes = new Map<string, { readonly node: NodeId; readonly interests: Remembered }>();
  readonly meta = new Map<string, string>();
  readonly #own = new Map<'next-block', number>();
  /** How to take back each batch that is not durable yet, oldest first. */
  #unsynced: Undo[][] = [];
  #failNext: 'kept' | 'lost' | undefined;
  #user: object | undefined;

  /** One above the highest block number ever used. */
  get nextBlock(): number {
    return this.#own.get('next-block') ?? 0;
  }

  /** Keys held, meta and the next block number left out. */
  get size(): number {
    const { blocks, queues, marks, subscriptions, members, takeovers, routes } = this;
    let size = 0;
    for (const each of [blocks, queues, marks, subscriptions, members, takeovers, routes]) size += each.size;
    for (const entries of this.entries.values()) size += entries.size;
    return size;
  }

  get unsyncedBatches(): number {
    return this.#unsynced.length;
  }

  /** The next append fails; `kept`: what it wrote is on the disk all the same (until a crash says otherwise). */
  failNextAppend(kept = false): void {
    this.#failNext = kept ? 'kept' : 'lost';
  }

  /** Makes all that was appended durable: for simulators that end a write later than they begin it. */
  sync(): void {
    this.#unsynced = [];
    this.syncs += 1;
  }

  /** A backup: all that was applied, synced or not, as a disk of its own. */
  copy(): MemoryDisk {
    const made = new MemoryDisk();
    for (const [queue, entries] of this.entries) made.entries.set(queue, new Map(entries));
    copyAll(this.blocks, made.blocks);
    copyAll(this.queues, made.queues);
    copyAll(this.marks, made.marks);
    copyAll(this.subscriptions, made.subscriptions);
    copyAll(this.members, made.members);
    copyAll(this.takeovers, made.takeovers);
    copyAll(this.routes, made.routes);
    copyAll(this.meta, made.meta);
    copyAll(this.#own, made.#own);
    return made;
  }

  /** A power cut: of the batches not yet synced the last few, perhaps none, perhaps all, were never there. */
  crash(random: Random): void {
    const kept = Math.floor(random() * (this.#unsynced.length + 1));
    for (const batch of this.#unsynced.splice(kept).reverse()) takeBack(batch);
    this.#unsynced = [];
    this.#failNext = undefined;
    this.#user = undefined;
  }

  /** One user at a time, as LevelDB's lock sees to. */
  claim(user: object): void {
    if (this.#user)
      throw new MeshError(
        'invalid-config',
        'The memory disk is in use by another journal; close that first.',
      );
    this.#user = user;
  }

  release(user: object): void {
    if (this.isClaimedBy(user)) this.#user = undefined;
  }

  isClaimedBy(user: object): boolean {
    return this.#user === user;
  }

  /** Applies the batch whole; throws `storage-failed` where a failure was asked for. */
  apply(ops: readonly JournalOp[], sync: boolean): void {
    this.#write(sync, (undo) => {
      for (const op of ops) this.#change(op, undo);
    });
    this.appends += 1;
  }

  putMeta(key: string, value: string): void {
    this.#write(true, (undo) => {
      set(this.meta, key, value, undo);
    });
  }

  #write(sync: boolean, change: (undo: Undo[]) => void): void {
    const failing = this.full ? 'lost' : this.#failNext;
    this.#failNext = undefined;
    if (failing !== 'lost') {
      const undo: Undo[] = [];
      this.#unsynced.push(undo);
      change(undo);
      if (this.#unsynced.length > UNSYNCED_BATCHES_MAX) this.#unsynced.shift();
    }
    if (failing) {
      const cause = new Error(
        this.full ? 'no space left on the memory disk' : 'a failure that was asked for',
      );
      throw new MeshError('storage-failed', `Failed at writing to the memory disk: ${cause.message}`, {
        cause,
      });
    }
    if (sync) this.sync();
  }

  #change(op: JournalOp, undo: Undo[]): void {
    switch (op.op) {
      case 'block':
        set(this.blocks, op.block, op.events, undo);
        set(this.#own, 'next-block', op.block + 1, undo);
        return;
      case 'drop-block':
        drop(this.blocks, op.block, undo);
        return;
      case 'entry':
        set(this.#entriesOf(op.queue, undo), op.block, op.entry, undo);
        return;
      case 'drop-entry':
        if (this.entries.has(op.queue)) drop(this.#entriesOf(op.queue, undo), op.block, undo);
        return;
      case 'queue':
        set(this.queues, op.queue, op.name, undo);
        return;
      case 'drop-queue':
        drop(this.queues, op.queue, undo);
        drop(this.entries, op.queue, undo);
        return;
      case 'mark': {
        const { op: _, ...mark } = op;
        set(this.marks, keys.markKey(op.sender, op).toString('latin1'), mark, undo);
        return;
      }
      case 'subscription':
        set(this.subscriptions, op.subscription.name, op.subscription, undo);
        return;
      case 'drop-subscription':
        drop(this.subscriptions, op.name, undo);
        return;
      case 'member':
        set(this.members, op.member.node, op.member, undo);
        return;
      case 'drop-member':
        drop(this.members, op.node, undo);
        return;
      case 'routes': {
        const { node, bucket, interests } = op;
        const key = keys.routesKey(node, bucket).toString('latin1');
        if (interests.length === 0) drop(this.routes, key, undo);
        else set(this.routes, key, { node, interests }, undo);
        return;
      }
      case 'takeover':
        set(this.takeovers, op.takeover.owner, op.takeover, undo);
        return;
      case 'drop-routes':
        for (const [key, { node }] of this.routes) if (node === op.node) drop(this.routes, key, undo);
        return;
    }
  }

  #entriesOf(queue: number, undo: Undo[]): Map<number, QueueEntry> {
    const known = this.entries.get(queue);
    if (known) return known as Map<number, QueueEntry>; // read-only to everybody else
    const made = new Map<number, QueueEntry>();
    set(this.entries, queue, made, undo);
    return made;
  }
}

export interface MemoryJournalOptions {
  /** Every value passes through its bytes and back, and batches are checked for sense: slower, finds bugs. */
  readonly verify?: boolean;
}

export class MemoryJournal implements Journal {
  readonly #disk: MemoryDisk;
  readonly #verify: boolean;
  #status: 'opened' | 'recovered' | 'closed' = 'opened';
  #failure: unknown;

  /** Throws `invalid-config` while another journal uses the disk and neither was closed nor crashed. */
  constructor(disk: MemoryDisk, options: MemoryJournalOptions = {}) {
    this.#disk = disk;
    this.#verify = options.verify ?? false;
    disk.claim(this);
  }

  recoverNow(): Recovered {
    invariant(this.#status === 'opened', 'a journal is recovered once, before anything else');
    this.#status = 'recovered';
    const disk = this.#disk;
    const claimed = new Set<number>();
    const queues = [...disk.queues].sort(byNumber).map(([queue, name]) => {
      // of a copy that is on its way: an entry whose block is gone was settled, as on disk
      const entries = [...(disk.entries.get(queue) ?? [])]
        .filter(([block]) => disk.blocks.has(block))
        .sort(byNumber);
      for (const [block] of entries) claimed.add(block);
      const blocks = new BlockList(
        entries.map(([block, { indices, first }]) => ({ block, count: indices.length, first })),
      );
      return { queue, name, blocks };
    });
    return {
      nextBlock: disk.nextBlock,
      queues,
      unclaimedBlocks: [...disk.blocks.keys()].filter((block) => !claimed.has(block)).sort((a, b) => a - b),
      marks: [...disk.marks].sort(byBytes('latin1')).map(([, mark]) => mark),
      subscriptions: [...disk.subscriptions].sort(byBytes('utf8')).map(([, subscription]) => subscription),
      members: [...disk.members].sort(byBytes('utf8')).map(([, member]) => member),
      takeovers: [...disk.takeovers].sort(byBytes('utf8')).map(([, takeover]) => takeover),
      routes: this.#routes(),
    };
  }

  #routes(): Recovered['routes'] {
    const routes: { node: NodeId; interests: RememberedInterest[] }[] = [];
    for (const [, { node, interests }] of [...this.#disk.routes].sort(byBytes('latin1'))) {
      let last = routes.at(-1);
      if (last?.node !== node) routes.push((last = { node, interests: [] }));
      for (const interest of interests) last.interests.push(interest);
    }
    return routes;
  }

  appendNow(ops: readonly JournalOp[], sync: boolean): void {
    invariant(this.#status !== 'opened', 'a journal is recovered before it is written');
    this.#refuseUnlessUsable();
    this.#written(() => {
      this.#checkOps(ops);
      this.#disk.apply(this.#verify ? ops.map(throughBytes) : ops, sync);
      if (this.#verify) this.#checkSense(ops);
    });
  }

  loadNow(queue: number, blocks: readonly number[]): LoadedEntry[] {
    this.#refuseUnlessUsable();
    const entries = this.#disk.entries.get(queue);
    const loaded: LoadedEntry[] = [];
    for (const block of blocks) {
      const entry = entries?.get(block);
      if (!entry) continue;
      const content = this.#disk.blocks.get(block);
      const events = entry.indices.map((index) => content?.[index] ?? gone(queue, block));
      loaded.push({ block, entry, events });
    }
    return loaded;
  }

  getMetaNow(key: string): string | undefined {
    this.#refuseUnlessUsable();
    return this.#disk.meta.get(key);
  }

  putMetaNow(key: string, value: string): void {
    this.#refuseUnlessUsable();
    this.#written(() => {
      this.#disk.putMeta(key, value);
    });
  }

  closeNow(): void {
    this.#status = 'closed';
    this.#disk.release(this);
  }

  async recover(): Promise<Recovered> {
    return Promise.resolve(this.recoverNow());
  }

  async append(ops: readonly JournalOp[], sync: boolean): Promise<void> {
    this.appendNow(ops, sync);
    return Promise.resolve();
  }

  async load(queue: number, blocks: readonly number[]): Promise<LoadedEntry[]> {
    return Promise.resolve(this.loadNow(queue, blocks));
  }

  async readRange(from: string, bytesMax: number): Promise<{ to: string; content: Buffer }> {
    this.#refuseUnlessUsable();
    return Promise.resolve(readRangeNow(this.#disk, from, bytesMax));
  }

  async getMeta(key: string): Promise<string | undefined> {
    return Promise.resolve(this.getMetaNow(key));
  }

  async putMeta(key: string, value: string): Promise<void> {
    this.putMetaNow(key, value);
    return Promise.resolve();
  }

  async close(): Promise<void> {
    this.closeNow();
    return Promise.resolve();
  }

  #written(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  #refuseUnlessUsable(): void {
    if (this.#failure !== undefined) {
      const message = 'The memory journal is out of use after a failure; open another on its disk.';
      throw new MeshError('storage-failed', message, { cause: this.#failure });
    }
    if (this.#status === 'closed' || !this.#disk.isClaimedBy(this)) {
      throw new MeshError('storage-failed', 'The memory journal is closed.');
    }
  }

  /** The same rules as LevelDB's journal has. */
  #checkOps(ops: readonly JournalOp[]): void {
    let nextBlock = this.#disk.nextBlock;
    const made = new Set<number>();
    const written = new Set<number>();
    for (const op of ops) {
      if (op.op === 'block') {
        invariant(op.block >= nextBlock, `block number ${op.block} was never used (next is ${nextBlock})`);
        invariant(op.events.length > 0, 'a block holds events');
        nextBlock = op.block + 1;
      } else if (op.op === 'queue') made.add(op.queue);
      else if (op.op === 'entry') written.add(op.queue);
      else if (op.op === 'drop-queue') written.delete(op.queue);
    }
    for (const queue of written) {
      const exists = made.has(queue) || this.#disk.queues.has(queue);
      invariant(exists, `queue ${queue} exists when an entry of it is written`);
    }
  }

  /** What the core must see to and a journal on disk cannot afford to check. */
  #checkSense(ops: readonly JournalOp[]): void {
    const { blocks, entries } = this.#disk;
    for (const op of ops) {
      if (op.op === 'entry') {
        const entry = entries.get(op.queue)?.get(op.block);
        const count = blocks.get(op.block)?.length ?? 0;
        const fits = !entry || (entry.indices.at(-1) ?? 0) < count;
        invariant(fits, `queue ${op.queue} wants what block ${op.block}, of ${count} events, has`);
      } else if (op.op === 'drop-block') {
        for (const [queue, wanted] of entries) {
          invariant(
            !wanted.has(op.block),
            `block ${op.block} is dropped when queue ${queue} does not want it any more`,
          );
        }
      }
    }
  }
}

function set<K, V>(map: Map<K, V>, key: K, value: V, undo: Undo[]): void {
  const before = map.get(key);
  undo.push(before === undefined ? () => map.delete(key) : () => map.set(key, before));
  map.set(key, value);
}

function copyAll<K, V>(from: ReadonlyMap<K, V>, to: Map<K, V>): void {
  for (const [key, value] of from) to.set(key, value);
}

function drop<K, V>(map: Map<K, V>, key: K, undo: Undo[]): void {
  const before = map.get(key);
  if (before === undefined) return;
  undo.push(() => map.set(key, before));
  map.delete(key);
}

function takeBack(batch: Undo[]): void {
  for (const undo of batch.reverse()) undo();
}

function byNumber(a: readonly [number, unknown], b: readonly [number, unknown]): number {
  return a[0] - b[0];
}

/** LevelDB's order. */
function byBytes(encoding: 'latin1' | 'utf8') {
  return (a: readonly [string, unknown], b: readonly [string, unknown]): number =>
    Buffer.compare(Buffer.from(a[0], encoding), Buffer.from(b[0], encoding));
}

function gone(queue: number, block: number): never {
  const message = `Failed at reading block ${block} for queue ${queue}: the block is gone`;
  throw new MeshError('storage-failed', message, { details: { queue, block } });
}

/** The op as it would come back from a disk. */
function throughBytes(op: JournalOp): JournalOp {
  switch (op.op) {
    case 'block': {
      const key = keys.blockKey(op.block);
      const block = codec.decodeBlock(key, codec.encodeBlock(key, op.events));
      return { ...op, events: block.events(Array.from(op.events.keys())) };
    }
    case 'entry': {
      const key = keys.entryKey(op.queue, op.block);
      return { ...op, entry: codec.decodeEntry(key, codec.encodeEntry(key, op.entry)) };
    }
    case 'queue': {
      const key = keys.queueKey(op.queue);
      return { ...op, name: codec.decodeText(key, codec.encodeText(key, op.name)) };
    }
    case 'mark': {
      const key = keys.markKey(op.sender, op);
      return { ...op, position: codec.decodePosition(key, codec.encodePosition(key, op.position)) };
    }
    case 'subscription': {
      const key = keys.subscriptionKey(op.subscription.name);
      return {
        ...op,
        subscription: codec.decodeSubscription(key, codec.encodeSubscription(key, op.subscription)),
      };
    }
    case 'member': {
      const key = keys.memberKey(op.member.node);
      return { ...op, member: codec.decodeMember(key, codec.encodeMember(key, op.member)) };
    }
    case 'routes': {
      if (op.interests.length === 0) return op;
      const key = keys.routesKey(op.node, op.bucket);
      return { ...op, interests: codec.decodeRoutes(key, codec.encodeRoutes(key, op.interests)) };
    }
    case 'takeover': {
      const key = keys.takeoverKey(op.takeover.owner);
      return { ...op, takeover: codec.decodeTakeover(key, codec.encodeTakeover(key, op.takeover)) };
    }
    case 'drop-routes':
    case 'drop-block':
    case 'drop-entry':
    case 'drop-queue':
    case 'drop-subscription':
    case 'drop-member':
      return op;
  }
}
