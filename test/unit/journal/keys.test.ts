import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as keys from '../../../node/journal/keys.ts';

const block = fc.oneof(fc.nat(), fc.bigInt(0n, 2n ** 48n - 1n).map(Number));
const queue = fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 2 ** 31 - 1 }).map((n) => n * 2 + 1)); // prettier-ignore
const name = fc.string({ unit: 'grapheme' });
const lane = fc.record({ scope: fc.constantFrom('cluster' as const, 'peer' as const), lane: queue });

test('keys sort as their numbers do', () => {
  fc.assert(
    fc.property(queue, block, queue, block, (q1, b1, q2, b2) => {
      assert.equal(Math.sign(Buffer.compare(keys.headKey(b1), keys.headKey(b2))), Math.sign(b1 - b2));
      const order = Math.sign(q1 - q2 || b1 - b2);
      assert.equal(Math.sign(Buffer.compare(keys.entryKey(q1, b1), keys.entryKey(q2, b2))), order);
    }),
  );
});

test('keys read back as they were made', () => {
  fc.assert(
    fc.property(queue, block, name, lane, (q, b, sender, on) => {
      assert.equal(keys.blockOfHeadKey(keys.headKey(b)), b);
      assert.equal(keys.queueOfKey(keys.queueKey(q)), q);
      assert.deepEqual(keys.partsOfEntryKey(keys.entryKey(q, b)), { queue: q, block: b });
      assert.deepEqual(keys.partsOfMarkKey(keys.markKey(sender, on)), { sender, ...on });
      assert.deepEqual(keys.partsOfRoutesKey(keys.routesKey(sender, b % 256)), {
        node: sender,
        bucket: b % 256,
      });
    }),
  );
});

test('every key is in the range of its kind and in no other', () => {
  const of = (q: number, b: number, n: string): readonly (readonly [Buffer, keys.KeyRange | undefined])[] => [
    [keys.layoutKey, undefined],
    [keys.nextBlockKey, undefined],
    [keys.metaKey(n), undefined],
    [keys.blockKey(b), undefined],
    [keys.headKey(b), keys.headRange],
    [keys.queueKey(q), keys.queueRange],
    [keys.entryKey(q, b), keys.entryRange],
    [keys.markKey(n, { scope: 'peer', lane: q }), keys.markRange],
    [keys.subscriptionKey(n), keys.subscriptionRange],
    [keys.memberKey(n), keys.memberRange],
    [keys.routesKey(n, b % 256), keys.routesRange],
  ];
  const { headRange, queueRange, entryRange, markRange, subscriptionRange, memberRange, routesRange } = keys;
  const ranges = [headRange, queueRange, entryRange, markRange, subscriptionRange, memberRange, routesRange];
  fc.assert(
    fc.property(queue, block, name, (q, b, n) => {
      const made = of(q, b, n);
      assert.equal(new Set(made.map(([key]) => key.toString('hex'))).size, made.length);
      for (const [key, own] of made) {
        for (const range of ranges) assert.equal(keys.isWithin(key, range), range === own);
      }
    }),
  );
});

test('the entries of a queue are in its range and those of its neighbours are not', () => {
  for (const q of [0, 1, 255, 256, 2 ** 32 - 2, 2 ** 32 - 1]) {
    for (const b of [0, 1, 2 ** 48 - 1]) {
      assert.ok(keys.isWithin(keys.entryKey(q, b), keys.entriesOf(q)));
      if (q > 0) assert.ok(!keys.isWithin(keys.entryKey(q - 1, b), keys.entriesOf(q)));
      if (q < 2 ** 32 - 1) assert.ok(!keys.isWithin(keys.entryKey(q + 1, b), keys.entriesOf(q)));
    }
  }
});

test('numbers that do not fit are bugs, not other keys', () => {
  for (const number of [-1, 0.5, Number.NaN, 2 ** 48]) {
    assert.throws(() => keys.blockKey(number), /invariant broken/);
    assert.throws(() => keys.entryKey(number, 0), /invariant broken/);
  }
  assert.throws(() => keys.queueKey(2 ** 32), /invariant broken/);
  for (const bucket of [-1, 0.5, 256]) assert.throws(() => keys.routesKey('n', bucket), /invariant broken/);
  assert.throws(() => keys.routesKey('n'.repeat(65_536), 0), /invariant broken/);
});
