import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BlockSet } from '../../../node/core/block-set.ts';

const block = fc.oneof(fc.nat(100), fc.integer({ min: 2 ** 47, max: 2 ** 47 + 70 }));

test('a block set is a set of numbers', () => {
  const change = fc.record({ kind: fc.constantFrom('add' as const, 'delete' as const), block });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 100 }), fc.array(block), (changes, asked) => {
      const set = new BlockSet();
      const twin = new Set<number>();
      for (const { kind, block: one } of changes) {
        assert.equal(set[kind](one), (kind === 'add') !== twin.has(one));
        twin[kind](one);
        assert.equal(set.size, twin.size);
      }
      for (const one of asked) assert.equal(set.has(one), twin.has(one));
      assert.deepEqual(
        [...set].sort((a, b) => a - b),
        [...twin].sort((a, b) => a - b),
      );
    }),
  );
});

test('a block set lists what was added in ascending order in ascending order', () => {
  const blocks = [0, 31, 32, 33, 2 ** 40, 2 ** 48 - 1];
  const set = new BlockSet();
  for (const one of blocks) set.add(one);
  assert.deepEqual([...set], blocks);
});
