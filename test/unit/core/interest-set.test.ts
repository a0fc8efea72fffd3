import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareNames, DIGEST_BYTES } from '../../../node/core/interest-lines.ts';
import {
  bucketDigest,
  bucketOf,
  BUCKETS,
  interestKey,
  InterestSet,
} from '../../../node/core/interest-set.ts';
import type { Interest } from '../../../node/core/messages.ts';
import { cpuMsSince } from '../../support/calibrate.ts';
import { seeded } from './signing-keys.ts';

const text = fc
  .oneof(fc.string({ unit: 'binary', maxLength: 12 }), fc.string({ minLength: 95, maxLength: 105 }))
  .map((each) => each.toWellFormed());
const interestArbitrary: fc.Arbitrary<Interest> = fc.record(
  { filter: text, group: text, durable: fc.boolean() },
  { noNullPrototype: true },
);
const someInterests = fc.uniqueArray(interestArbitrary, {
  selector: (one) => interestKey(one.filter, one.group),
  maxLength: 12,
});

function interest(filter: string, group = '', durable = false): Interest {
  return { filter, group, durable };
}

function setOf(interests: readonly Interest[]): InterestSet {
  const set = new InterestSet();
  for (const one of interests) set.set(one);
  return set;
}

/** Of different lengths, since that comes first in their order. */
const IN_ONE_BUCKET = Array.from({ length: 6_000 }, (_, i) => `t/${i * 7}/#`).filter(
  (filter) => bucketOf(interestKey(filter, '')) === 3,
);

/** The digest as its definition reads. */
function plainDigest(interests: readonly Interest[]): Buffer {
  if (interests.length === 0) return Buffer.alloc(DIGEST_BYTES);
  const lines = interests.map(
    ({ filter, group, durable }) => `${filter.length}:${filter}${group.length}:${group}${durable ? 1 : 0}`,
  );
  return hash('sha256', Buffer.from(lines.sort().join('')), 'buffer').subarray(0, DIGEST_BYTES);
}

test('a bucket’s digest is that of its sorted lines, in whatever order the interests come', () => {
  fc.assert(
    fc.property(someInterests, fc.nat(), (interests, seed) => {
      const random = seeded(seed);
      const shuffled = interests
        .map((one) => ({ one, at: random() }))
        .sort((a, b) => a.at - b.at)
        .map(({ one }) => one);
      assert.deepEqual(Buffer.from(bucketDigest(shuffled)), plainDigest(interests));
    }),
    { numRuns: 500 },
  );
});

test('no other interests have the digest of a bucket, also where names hold what parts them', () => {
  const pairs: readonly (readonly [Interest[], Interest[]])[] = [
    [[interest('a', '', true), interest('b')], [interest('a', '\u00001\nb\u0000')]],
    [[interest('ab')], [interest('a', 'b')]],
    [[interest('a', '1')], [interest('a', '', true)]],
    [[interest('a')], [interest('a', '', true)]],
    [[interest('a'), interest('b')], [interest('a')]],
    [[interest('1:a')], [interest('1', ':a')]],
  ];
  for (const [one, other] of pairs)
    assert.notDeepEqual(Buffer.from(bucketDigest(one)), Buffer.from(bucketDigest(other)));
});

test('what is kept with its digests equals what is made from nothing', () => {
  const change = fc.record({
    add: fc.boolean(),
    which: fc.nat({ max: IN_ONE_BUCKET.length - 1 }),
    durable: fc.boolean(),
    look: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), fc.boolean(), (changes, keepsLines) => {
      const kept = new InterestSet(keepsLines);
      const twin = new Map<string, Interest>();
      for (const { add, which, durable, look } of changes) {
        const one = interest(IN_ONE_BUCKET[which] ?? '', '', durable);
        const key = interestKey(one.filter, one.group);
        assert.deepEqual(kept.get(one.filter, one.group), twin.get(key));
        if (add) assert.deepEqual(kept.set(one), twin.get(key));
        else assert.deepEqual(kept.delete(one.filter, one.group), twin.get(key));
        if (add) twin.set(key, one);
        else twin.delete(key);
        if (look) kept.root();
      }
      assert.equal(kept.size, twin.size);
      assert.deepEqual(Buffer.from(kept.root()), Buffer.from(setOf([...twin.values()]).root()));
      for (let i = 0; i < BUCKETS; i++) {
        const bucket = [...twin].filter(([key]) => bucketOf(key) === i).map(([, one]) => one);
        const digest = kept.digests().subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES);
        assert.deepEqual(Buffer.from(digest), plainDigest(bucket));
        assert.deepEqual(new Set(kept.bucket(i)), new Set(bucket));
      }
      assert.equal([...kept.all()].length, kept.size);
    }),
    { numRuns: 200 },
  );
});

test('a bucket that is set as a whole equals one made interest by interest', () => {
  fc.assert(
    fc.property(someInterests, someInterests, (before, after) => {
      const set = setOf(before);
      const sorted = after.toSorted(compareNames);
      for (let index = 0; index < BUCKETS; index++)
        set.setBucket(
          index,
          sorted.filter(({ filter, group }) => bucketOf(interestKey(filter, group)) === index),
        );
      const other = setOf(after);
      assert.equal(set.size, other.size);
      assert.deepEqual([...set.all()], [...other.all()]);
      assert.deepEqual(Buffer.from(set.root()), Buffer.from(other.root()));
    }),
  );
});

test('a bucket that was given out stays as it was', () => {
  const set = setOf([interest('a'), interest('b')]);
  const before = bucketOf(interestKey('a', ''));
  const given = set.bucket(before);
  const was = [...given];
  set.set(interest('a', '', true));
  set.delete('a', '');
  assert.deepEqual(given, was);
});

test('a version of a large record costs little more than one of a small record', () => {
  const set = new InterestSet(true);
  const versionsMs = (name: string): number => {
    const used = process.threadCpuUsage();
    for (let i = 0; i < 2_000; i++) {
      set.set(interest(`${name}/${i}`));
      set.root();
    }
    return cpuMsSince(used);
  };
  const small = versionsMs('before/the/others');
  for (let i = 0; i < 60_000; i++) set.set(interest(`a/filter/of/usual/length/${i}`));
  set.root();
  const large = versionsMs('after/the/others');
  assert.ok(large < 4 * small, `2,000 versions took ${small} ms, and ${large} ms with 60,000 interests`);
});
