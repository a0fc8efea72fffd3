// The in-memory twin of the copies on disk (level-copies.ts), for tests and the simulator. What passes between a memory journal and
// a copy are the same bytes as between journals on disk.

import type { NodeId } from '../core/event.ts';
import { COPY_NAMED } from '../core/messages.ts';
import type { CopyChange as CopyWrite, CopyHead, JournalOp, RecoveredCopy } from '../core/ports.ts';
import * as codec from './codec.ts';
import { type CopyChange, decodeContent } from './copy-content.ts';
import { rangesBetween } from './copy-order.ts';
import * as keys from './keys.ts';
import { MemoryDisk } from './memory-journal.ts';
import { putsOf } from './memory-range.ts';

export class MemoryCopies {
  readonly #copies = new Map<NodeId, { readonly disk: MemoryDisk; head: CopyHead; parts: JournalOp[] }>();

  recover(): RecoveredCopy[] {
    return [...this.#copies].map(([owner, { head }]) => ({ owner, head }));
  }

  diskOf(owner: NodeId): MemoryDisk | undefined {
    return this.#copies.get(owner)?.disk;
  }

  /** A backup: what is whole, on disks of its own. */
  copy(): MemoryCopies {
    const made = new MemoryCopies();
    for (const [owner, { disk, head }] of this.#copies)
      made.#copies.set(owner, { disk: disk.copy(), head, parts: [] });
    return made;
  }

  writeNow(owner: NodeId, head: CopyHead, change: CopyWrite | undefined): void {
    let copy = this.#copies.get(owner);
    if (!copy) this.#copies.set(owner, (copy = { disk: new MemoryDisk(), head, parts: [] }));
    const { disk } = copy;
    const gone = change ? outdated(disk, change) : [];
    const isNaming = change?.range !== undefined || head.cursor < COPY_NAMED;
    const given = change ? decodeContent(change.content).flatMap(opsOfChange) : [];
    const ops = [
      ...gone.flatMap((key) => opsOfChange({ type: 'del', key })),
      // its owner has used a number again: the entries are those of the old one
      ...given.flatMap((op): JournalOp[] =>
        isNaming && op.op === 'queue' && (disk.queues.get(op.queue) ?? op.name) !== op.name
          ? [{ op: 'drop-queue', queue: op.queue }]
          : [],
      ),
      ...given,
    ];
    if (change?.isPart === true) {
      copy.parts.push(...ops);
      return;
    }
    disk.apply([...copy.parts, ...ops], true);
    // no journal ever drops these: there are no ops for it
    for (const key of gone) {
      disk.marks.delete(key.toString('latin1'));
      if (keys.isWithin(key, keys.takeoverRange)) disk.takeovers.delete(key.toString('utf8', 1));
    }
    copy.parts = [];
    copy.head = head;
  }

  /** What came of a batch that is not whole is forgotten with the process. */
  crash(): void {
    for (const copy of this.#copies.values()) copy.parts = [];
  }

  drop(owner: NodeId): void {
    this.#copies.delete(owner);
  }

  /** A journal becomes a copy, as it is. */
  put(owner: NodeId, disk: MemoryDisk, head: CopyHead): void {
    this.#copies.set(owner, { disk, head, parts: [] });
  }

  clear(): void {
    this.#copies.clear();
  }
}

/** What the copy has in the range and the owner has not. */
function outdated(disk: MemoryDisk, { content, range }: CopyWrite): Buffer[] {
  if (!range) return [];
  const there = new Set<string>();
  for (const change of decodeContent(content))
    if (change.type === 'put') there.add(change.key.toString('latin1'));
  const ranges = rangesBetween(range.from, range.to);
  return putsOf(disk)
    .map(([key]) => key)
    .filter((key) =>
      ranges.some(({ gt, lte }) => Buffer.compare(key, gt) > 0 && Buffer.compare(key, lte) <= 0),
    )
    .filter((key) => !there.has(key.toString('latin1')));
}

/** Empty for what a memory disk has no key of: heads of blocks, which it counts itself. */
function opsOfChange(change: CopyChange): JournalOp[] {
  if (change.type === 'drop-queue') return [{ op: 'drop-queue', queue: change.queue }];
  const { key } = change;
  const value = change.type === 'put' ? change.value : undefined;
  const block = keys.blockOfKey(key);
  if (block !== undefined) {
    if (!value) return [{ op: 'drop-block', block }];
    const content = codec.decodeBlock(key, value);
    return [
      { op: 'block', block, events: content.events(Array.from({ length: content.count }, (_, i) => i)) },
    ];
  }
  if (keys.isWithin(key, keys.queueRange)) {
    const queue = keys.queueOfKey(key) ?? meaningless(key);
    return [value ? { op: 'queue', queue, name: codec.decodeText(key, value) } : { op: 'drop-queue', queue }];
  }
  if (keys.isWithin(key, keys.entryRange)) {
    const parts = keys.partsOfEntryKey(key) ?? meaningless(key);
    return [
      value
        ? { op: 'entry', ...parts, entry: codec.decodeEntry(key, value) }
        : { op: 'drop-entry', ...parts },
    ];
  }
  if (keys.isWithin(key, keys.markRange)) {
    const parts = keys.partsOfMarkKey(key) ?? meaningless(key);
    return value ? [{ op: 'mark', ...parts, position: codec.decodePosition(key, value) }] : [];
  }
  if (keys.isWithin(key, keys.subscriptionRange)) {
    return [
      value
        ? { op: 'subscription', subscription: codec.decodeSubscription(key, value) }
        : { op: 'drop-subscription', name: key.toString('utf8', 1) },
    ];
  }
  if (value && keys.isWithin(key, keys.takeoverRange))
    return [{ op: 'takeover', takeover: codec.decodeTakeover(key, value) }];
  return [];
}

function meaningless(key: Buffer): never {
  throw new Error(`a key ${key.toString('hex')} that means nothing`);
}
