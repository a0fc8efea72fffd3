import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JournalOp } from '../../../node/core/ports.ts';
import { MemoryDisk, MemoryJournal } from '../../../node/journal/memory-journal.ts';
import { inFull, member, subscription, wants } from '../../contracts/journal-contract.ts';
import { storedEvents } from '../../support/events.ts';

const OPS: readonly JournalOp[] = [
  { op: 'block', block: 3, events: storedEvents(2) },
  { op: 'queue', queue: 1, name: 's:billing' },
  { op: 'entry', queue: 1, block: 3, entry: wants(0, 1) },
  { op: 'mark', sender: 'b', scope: 'peer', lane: 0, position: { incarnation: 1, sequence: 7 } },
  { op: 'subscription', subscription: subscription('billing') },
  { op: 'member', member: member('b') },
  { op: 'routes', node: 'b', bucket: 9, interests: [{ filter: 'orders/#', group: '' }] },
  {
    op: 'takeover',
    takeover: { owner: 'lost', isHeir: true, claims: [], upTo: 10, isDone: true, theirs: [] },
  },
];

test('a backup of a disk holds all that the disk does, and nothing that comes later', () => {
  const disk = new MemoryDisk();
  disk.apply(OPS, true);
  const backup = disk.copy();
  const held = inFull(new MemoryJournal(disk).recoverNow());
  for (const [what, all] of Object.entries(held))
    if (Array.isArray(all) && what !== 'unclaimedBlocks') assert.notEqual(all.length, 0, what);
  disk.apply([{ op: 'drop-subscription', name: 'billing' }], true);
  assert.deepEqual(inFull(new MemoryJournal(backup).recoverNow()), held);
});
