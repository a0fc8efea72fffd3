import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoredEvent } from '../../node/core/event.ts';
import { MemoryDisk } from '../../node/journal/memory-journal.ts';
import { storedEvent } from '../support/events.ts';
import { dutiesLost, dutiesOn, type Duties, waysTo } from './duties.ts';

const cloudEvent = Buffer.from('e1 and what it carries');
const EVENT = storedEvent({ cloudEvent });
const DEAD_LETTER = storedEvent({
  cloudEvent,
  deadLetter: { subscription: 'other', reason: 'no', attempts: 3, topic: 'orders/paid' },
});

/** One queue, of `billing`, that wants these. */
function disk(...events: readonly StoredEvent[]): MemoryDisk {
  const made = new MemoryDisk();
  made.queues.set(1, 's:billing');
  made.blocks.set(1, events);
  const entry = { indices: [...events.keys()], first: undefined, directives: [] };
  made.entries.set(1, new Map([[1, entry]]));
  return made;
}

function lost(before: MemoryDisk, after: MemoryDisk): Duties {
  return dutiesLost(dutiesOn(before), dutiesOn(after));
}

function isLostTo(duties: Duties, name: string): boolean {
  return waysTo(name, 'a0', 'a').some((way) => duties.get('e1')?.has(way) === true);
}

test('an event is lost with a disk though a dead letter of it is on the older one', () => {
  assert.equal(isLostTo(lost(disk(EVENT, DEAD_LETTER), disk(DEAD_LETTER)), 'billing'), true);
});

test('an event is not lost with a disk that had its dead letter alone, or where the older one has it, too', () => {
  assert.equal(isLostTo(lost(disk(DEAD_LETTER), disk()), 'billing'), false);
  assert.equal(isLostTo(lost(disk(EVENT, DEAD_LETTER), disk(EVENT)), 'billing'), false);
  assert.equal(isLostTo(lost(disk(EVENT), disk(EVENT)), 'billing'), false);
  assert.equal(isLostTo(lost(disk(EVENT), disk()), 'another'), false);
});
