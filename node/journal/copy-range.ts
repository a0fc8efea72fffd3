// One range of a journal's keys: read for a copy, and put into the place of what the copy has there.

import { COPY_COMPLETE, COPY_NAMED } from '../core/messages.ts';
import { type CopyChange, encodePuts } from './copy-content.ts';
import { cursorAt, rangesBetween } from './copy-order.ts';
import * as keys from './keys.ts';
import { type Change, del } from './level-changes.ts';
import { type Database, scan } from './level-recovery.ts';
import { checkValue } from './suspicion.ts';

/** All that there is behind `from`, up to `bytesMax` or a little more. Throws CorruptionError. */
export async function readRange(
  db: Database,
  from: string,
  bytesMax: number,
): Promise<{ to: string; content: Buffer }> {
  const puts: [Buffer, Buffer][] = [];
  let bytes = 0;
  for (const { rank, gt, lte } of rangesBetween(from, COPY_COMPLETE)) {
    if (rank === COPY_NAMED && from < COPY_NAMED) return { to: COPY_NAMED, content: encodePuts(puts) };
    for await (const [key, value] of db.iterator({ gt, lte, fillCache: false })) {
      checkValue(key, value); // damage must not replace what a copy still has whole
      puts.push([key, value]);
      bytes += key.length + value.length;
      if (bytes >= bytesMax) return { to: cursorAt(rank, key), content: encodePuts(puts) };
    }
  }
  return { to: COPY_COMPLETE, content: encodePuts(puts) };
}

/**
 * Deletes what the copy has in the range and the owner has not, and at once what was there for its sake, though ranges that are still to come
 * would: a copy that comes no further is read as it is.
 */
export async function outdated(
  db: Database,
  { from, to }: { readonly from: string; readonly to: string },
  given: readonly CopyChange[],
): Promise<Change[]> {
  const there = new Set<string>();
  for (const change of given) if (change.type === 'put') there.add(change.key.toString('latin1'));
  const changes: Change[] = [];
  for (const { gt, lte } of rangesBetween(from, to)) {
    for await (const key of db.keys({ gt, lte })) {
      if (there.has(key.toString('latin1'))) continue;
      changes.push(del(key));
      const block = keys.blockOfKey(key);
      if (block !== undefined) changes.push(del(keys.headKey(block))); // so that all entries of it count as settled
      const queue = keys.isWithin(key, keys.queueRange) ? keys.queueOfKey(key) : undefined;
      if (queue !== undefined) await scan(db, keys.entriesOf(queue), (entry) => changes.push(del(entry)));
    }
  }
  return changes;
}

/**
 * Deletes the entries of queues that have other names from now on: their owner has used a number again, and they are those of the old one.
 * Only as long as names are on their way: from then on the copy hears of each queue that goes.
 */
export async function renamed(db: Database, given: readonly CopyChange[]): Promise<Change[]> {
  const changes: Change[] = [];
  const named = given.flatMap((change) =>
    change.type === 'put' && keys.isWithin(change.key, keys.queueRange) ? [change] : [],
  );
  const before = await db.getMany(named.map(({ key }) => key));
  for (const [i, { key, value }] of named.entries()) {
    const queue = keys.queueOfKey(key);
    const known: Buffer | undefined = before[i];
    if (queue === undefined || !known || known.equals(value)) continue;
    await scan(db, keys.entriesOf(queue), (entry) => changes.push(del(entry)));
  }
  return changes;
}
