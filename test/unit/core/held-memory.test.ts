import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Commits } from '../../../node/core/commits.ts';
import { encodeRecord } from '../../../node/core/event-record.ts';
import type { StoredEvent } from '../../../node/core/event.ts';
import { boundMemory } from '../../../node/core/held-memory.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import { Queue } from '../../../node/core/queue.ts';

/** Events that lie in one batch of `batchBytes`, as they do when a client sends many at once. */
function ofBatch(batchBytes: number, count: number): StoredEvent[] {
  const batch = Buffer.allocUnsafeSlow(batchBytes).fill(7);
  return Array.from({ length: count }, (_, i) =>
    encodeRecord(
      { topic: 't', expiresAt: 0, key: '', hash: 0, cloudEvent: batch.subarray(i * 100, i * 100 + 100) },
      { origin: 'o', incarnation: 1, sequence: i + 1, acceptedAt: 1, path: ['c'], deadLetter: undefined },
    ),
  );
}

function heldBytes(events: readonly StoredEvent[]): number {
  return [...new Set(events.map(({ memory }) => memory))].reduce(
    (sum, { byteLength }) => sum + byteLength,
    0,
  );
}

test('a few events of a large batch let it go; all of one keep it, uncopied', () => {
  const few = ofBatch(4_000_000, 3);
  const before = few.map(({ record }) => Buffer.from(record));
  const fresh = ofBatch(4_000_000, 3);
  boundMemory(fresh, 4);
  assert.ok(heldBytes(fresh) <= 2 * Buffer.poolSize, `${heldBytes(fresh)} bytes`);
  assert.deepEqual(
    fresh.map(({ record }) => Buffer.from(record)),
    before,
    'the bytes are the same',
  );
  const all = ofBatch(100_000, 1_000);
  const batch = all[0]?.memory;
  boundMemory(all, 4);
  assert.ok(all.every(({ memory }) => memory === batch));
});

test('a queue that wants one event of each batch does not keep the batches', () => {
  const commits = new Commits(1, LIMITS, () => undefined);
  const [one, rest] = [1, 2].map((id) => new Queue(id, `s:${String(id)}`, LIMITS, commits));
  assert.ok(one && rest);
  const kept: StoredEvent[] = [];
  for (let batch = 1; batch <= 20; batch++) {
    for (const [i, event] of ofBatch(200_000, 2_000).entries()) {
      commits.offer(event);
      commits.want(i === 5 ? one : rest);
      if (i === 5) kept.push(event);
    }
    commits.flush(true);
    commits.appended(batch);
  }
  assert.equal(one.depth, 20);
  assert.ok(heldBytes(kept) <= 20 * Buffer.poolSize, `${heldBytes(kept)} bytes are held`);
});
