import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { FilterTree } from '../../../node/core/filter-tree.ts';
import { matches } from '../../../node/core/topic.ts';
import { cpuMsSince } from '../../support/calibrate.ts';
import { seeded } from './signing-keys.ts';

interface Value {
  readonly filter: string;
  readonly id: number;
}

const name = fc.constantFrom('a', 'b', 'c', 'ab', '$s');
const topicArbitrary = fc.array(name, { minLength: 1, maxLength: 5 }).map((levels) => levels.join('/'));
const filterArbitrary = fc
  .tuple(fc.array(fc.oneof(name, fc.constant('+')), { maxLength: 4 }), fc.boolean())
  .map(([levels, rest]) => (rest || levels.length === 0 ? [...levels, '#'] : levels).join('/'));
/** What no mesher of ours sends, but another may: wildcards that are none, levels that are empty, `#` in the middle. */
const wireName = fc.oneof(name, fc.constantFrom('', '+', '#', 'a+', '#b', '++', 'ü', '\u{1f600}'));
const wireArbitrary = fc.array(wireName, { minLength: 1, maxLength: 6 }).map((levels) => levels.join('/'));

function ids(values: readonly Value[]): number[] {
  return values.map(({ id }) => id).sort((a, b) => a - b);
}

for (const [what, filters, topics] of [
  ['filters', filterArbitrary, topicArbitrary],
  ['filters of any text', wireArbitrary, wireArbitrary],
] as const) {
  test(`the tree finds the ${what} that match one by one`, () => {
    fc.assert(
      fc.property(
        fc.array(filters, { maxLength: 40 }),
        fc.array(topics, { minLength: 1, maxLength: 10 }),
        fc.integer(),
        (wanted, published, secret) => {
          const tree = new FilterTree<Value>(secret);
          const values = wanted.map((filter, id) => ({ filter, id }));
          for (const value of values) tree.add(value);
          for (const topic of published) {
            const expected = values.filter(({ filter }) => matches(filter, topic));
            assert.deepEqual(ids(tree.match(topic)), ids(expected), topic);
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test(`${what} that are added and removed in any order leave the others alone, and in the end nothing`, () => {
    const change = fc.record({ filter: filters, id: fc.nat({ max: 3 }), add: fc.boolean() });
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 80 }),
        fc.array(topics, { minLength: 5, maxLength: 10 }),
        (changes, published) => {
          const tree = new FilterTree<Value>(7);
          const twin = new Map<string, Value>();
          for (const { filter, id, add } of changes) {
            const key = `${filter} ${id}`;
            const known = twin.get(key);
            if (add && !known) {
              const value = { filter, id };
              tree.add(value);
              twin.set(key, value);
            } else if (!add) {
              assert.equal(tree.remove(known ?? { filter, id }), twin.delete(key));
            }
          }
          assert.equal(tree.size, twin.size);
          for (const topic of published) {
            const expected = [...twin.values()].filter(({ filter }) => matches(filter, topic));
            assert.deepEqual(ids(tree.match(topic)), ids(expected));
          }
          for (const { filter } of changes) {
            const one = tree.one(filter);
            const expected = [...twin.values()].filter((value) => value.filter === filter);
            assert.equal(one === undefined ? expected.length === 0 : expected.includes(one), true);
          }
          for (const value of twin.values()) assert.equal(tree.remove(value), true);
          assert.equal(tree.size, 0);
          for (const topic of published) assert.deepEqual(tree.match(topic), []);
        },
      ),
      { numRuns: 500 },
    );
  });
}

test('what is not there cannot be removed', () => {
  const tree = new FilterTree<Value>(1);
  const value = { filter: 'a/+/c', id: 1 };
  tree.add(value);
  for (const filter of ['a', 'a/+', 'a/b/c', 'a/+/c/#', '#', 'a/+/c/d', 'a/+/c'])
    assert.equal(tree.remove({ filter, id: 1 }), false);
  assert.deepEqual(tree.match('a/b/c'), [value]);
});

test('values of one filter are found in the order in which they came', () => {
  const tree = new FilterTree<Value>(1);
  const values = Array.from({ length: 50 }, (_, id) => ({ filter: 'a/b', id }));
  for (const value of values) tree.add(value);
  assert.deepEqual(tree.match('a/b'), values);
  for (const value of values.filter(({ id }) => id % 3 > 0)) tree.remove(value);
  assert.deepEqual(
    tree.match('a/b'),
    values.filter(({ id }) => id % 3 === 0),
  );
});

test('topics and filters of a thousand levels, with a wildcard in any, are matched like others', () => {
  const tree = new FilterTree<Value>(1);
  const topic = Array.from({ length: 1_000 }, (_, i) => `l${i % 7}`);
  topic.forEach((_, id) => tree.add({ filter: topic.with(id, '+').join('/'), id }));
  assert.deepEqual(ids(tree.match(topic.join('/'))), [...topic.keys()]);
  assert.deepEqual(ids(tree.match(topic.with(500, 'other').join('/'))), [500]);
  assert.deepEqual(ids(tree.match(`${topic.join('/')}/more`)), []);
});

test('filters that come and go in thousands leave those that stay', () => {
  const tree = new FilterTree<Value>(3);
  const random = seeded(1);
  const word = (): string =>
    ['x', 'y', '+', `n${Math.floor(random() * 500)}`][Math.floor(random() * 4)] ?? '';
  let kept: Value[] = [];
  for (const size of [5_000, 100, 8_000, 0, 3_000]) {
    while (kept.length < size) {
      const value = { filter: `${word()}/${word()}/${word()}/${word()}`, id: kept.length };
      kept.push(value);
      tree.add(value);
    }
    for (const value of kept.slice(size)) tree.remove(value);
    kept = kept.slice(0, size);
    assert.equal(tree.size, size);
    for (let i = 0; i < 50; i++) {
      const topic = `${word()}/n7/${word()}/x`.replaceAll('+', 'z');
      assert.deepEqual(ids(tree.match(topic)), ids(kept.filter(({ filter }) => matches(filter, topic))));
    }
  }
});

test('branches that are left empty are cut off, so that filters that come and go leave no memory behind', () => {
  const tree = new FilterTree<Value>(1);
  const before = heapAfterCollection();
  for (let i = 0; i < 100_000; i++) {
    const values = [`come/${i}/and/+/go/${i}/#`, `come/${i}/and/+/stay/${i}`].map((filter) => ({
      filter,
      id: i,
    }));
    for (const value of values) tree.add(value);
    for (const value of values) tree.remove(value);
  }
  assert.equal(tree.size, 0);
  const grown = heapAfterCollection() - before;
  assert.ok(grown < 4 * 1024 * 1024, `${grown} bytes are held by a tree that is empty`);
});

test('what is left when most is gone does not keep the room of what was', () => {
  const tree = new FilterTree<Value>(1);
  const before = heapAfterCollection();
  for (let i = 0; i < 100_000; i++) tree.add({ filter: `many/${i}/come/${i}`, id: i });
  const full = heapAfterCollection() - before;
  for (let i = 100; i < 100_000; i++)
    for (const value of tree.match(`many/${i}/come/${i}`)) tree.remove(value);
  assert.equal(tree.size, 100);
  assert.deepEqual(ids(tree.match('many/99/come/99')), [99]);
  const left = heapAfterCollection() - before;
  assert.ok(left < full / 20, `${left} of ${full} bytes are still held for 100 of 100,000 filters`);
});

test('names that were chosen to lie in one place of the table lie apart under another secret', () => {
  const names = crowdingNames(10_000);
  timeOf(new FilterTree<Value>(0x5eed), names); // compiles what is timed
  const crowded = timeOf(new FilterTree<Value>(0), names);
  const apart = timeOf(new FilterTree<Value>(0x5eed), names);
  assert.ok(crowded > apart * 3, `the secret makes no difference: ${crowded} and ${apart} ms`);
});

/** What adding and matching them takes, in ms; short enough that it is the table that counts. */
function timeOf(tree: FilterTree<Value>, names: readonly string[]): number {
  const used = process.threadCpuUsage();
  names.forEach((filter, id) => tree.add({ filter, id }));
  for (let i = 0; i < 10; i++) for (const filter of names) assert.equal(tree.match(filter).length, 1);
  return cpuMsSince(used);
}

/** What a hostile mesher would subscribe to if it knew that the secret is 0: all begin in the same 1/1024 of the table. */
function crowdingNames(count: number): string[] {
  const names: string[] = [];
  for (let i = 0; names.length < count; i++) {
    const each = i.toString(36);
    let hash = 0;
    for (let at = 0; at < each.length; at++) {
      hash = Math.imul(hash ^ each.charCodeAt(at), 0x01000193);
      hash ^= hash >>> 15;
    }
    const mixed = Math.imul(hash, 0x85ebca6b);
    if (((mixed ^ (mixed >>> 15)) & 1023) === 0) names.push(each);
  }
  return names;
}

function heapAfterCollection(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect(); // what typed arrays held goes with the collection after theirs
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
