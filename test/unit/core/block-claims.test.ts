import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BlockClaims } from '../../../node/core/block-claims.ts';

test('a block is dropped when the last of those that want it releases it, also where they were recovered', () => {
  const queues = fc.oneof(fc.constant(1), fc.integer({ min: 2, max: 5 }), fc.constant(20_000));
  const claimed = fc.array(fc.record({ block: fc.nat(100), queues }), { maxLength: 30 });
  fc.assert(
    fc.property(claimed, claimed, fc.array(fc.nat(100), { minLength: 100 }), (recovered, added, picks) => {
      const claims = new BlockClaims();
      const twin = new Map<number, number>();
      for (const { block, queues: many } of recovered) {
        for (let i = 0; i < Math.min(many, 5); i++) claims.add(block);
        twin.set(block, (twin.get(block) ?? 0) + Math.min(many, 5));
      }
      for (const { block, queues: many } of added) {
        if (twin.has(1000 + block)) continue;
        claims.addNew(1000 + block, many);
        twin.set(1000 + block, many);
      }
      for (const pick of picks) {
        assert.equal(claims.size, twin.size);
        const block = twin.has(pick) ? pick : 1000 + pick;
        const left = twin.get(block);
        if (left === undefined) continue;
        assert.equal(claims.release(block), left === 1);
        if (left === 1) twin.delete(block);
        else twin.set(block, left - 1);
      }
    }),
  );
});

test('a block cannot be released more often than it is wanted, nor be new when it is there', () => {
  const claims = new BlockClaims();
  assert.throws(() => claims.release(1), /released more often/);
  claims.addNew(1, 2);
  claims.addNew(2, 1);
  assert.deepEqual([claims.release(1), claims.release(1)], [false, true]);
  assert.throws(() => claims.release(1), /released more often/);
  assert.throws(() => claims.addNew(2, 1), /is new/);
});
