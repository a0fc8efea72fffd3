// What a memory disk holds as the keys and values of a journal on disk, and ranges of it for copies.

import { COPY_COMPLETE, COPY_NAMED } from '../core/messages.ts';
import type { JournalOp } from '../core/ports.ts';
import { changesOfOp, encodePuts } from './copy-content.ts';
import { cursorAt, rangesBetween } from './copy-order.ts';
import type { MemoryDisk } from './memory-journal.ts';

/** As `LevelJournal.readRange`, of what the disk holds now. */
export function readRangeNow(
  disk: MemoryDisk,
  from: string,
  bytesMax: number,
): { to: string; content: Buffer } {
  const puts: [Buffer, Buffer][] = [];
  let bytes = 0;
  const all = putsOf(disk);
  for (const { rank, gt, lte } of rangesBetween(from, COPY_COMPLETE)) {
    if (rank === COPY_NAMED && from < COPY_NAMED) return { to: COPY_NAMED, content: encodePuts(puts) };
    for (const [key, value] of all) {
      if (Buffer.compare(key, gt) <= 0 || Buffer.compare(key, lte) > 0) continue;
      puts.push([key, value]);
      bytes += key.length + value.length;
      if (bytes >= bytesMax) return { to: cursorAt(rank, key), content: encodePuts(puts) };
    }
  }
  return { to: COPY_COMPLETE, content: encodePuts(puts) };
}

/** In the order of their keys. */
export function putsOf(disk: MemoryDisk): [Buffer, Buffer][] {
  const ops: JournalOp[] = [];
  for (const [queue, name] of disk.queues) ops.push({ op: 'queue', queue, name });
  for (const mark of disk.marks.values()) ops.push({ op: 'mark', ...mark });
  for (const subscription of disk.subscriptions.values()) ops.push({ op: 'subscription', subscription });
  for (const takeover of disk.takeovers.values()) ops.push({ op: 'takeover', takeover });
  for (const [block, events] of disk.blocks) ops.push({ op: 'block', block, events });
  for (const [queue, entries] of disk.entries)
    for (const [block, entry] of entries) ops.push({ op: 'entry', queue, block, entry });
  const puts: [Buffer, Buffer][] = [];
  for (const op of ops)
    for (const change of changesOfOp(op)) if (change.type === 'put') puts.push([change.key, change.value]);
  return puts.sort(([a], [b]) => Buffer.compare(a, b));
}
