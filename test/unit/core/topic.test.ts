import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { MeshError } from '../../../node/core/errors.ts';
import { FilterTree } from '../../../node/core/filter-tree.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import { checkFilter, checkTopic, matches, topicOfType } from '../../../node/core/topic.ts';

// [MQTT-4.7]: the specification's own examples, without those that have empty levels.
const TABLE: readonly (readonly [filter: string, topic: string, matches: boolean])[] = [
  ['sport/tennis/player1/#', 'sport/tennis/player1', true],
  ['sport/tennis/player1/#', 'sport/tennis/player1/ranking', true],
  ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
  ['sport/#', 'sport', true],
  ['#', 'sport/tennis', true],
  ['sport/tennis/#', 'sport/tennis2', false],
  ['sport/tennis/+', 'sport/tennis/player1', true],
  ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
  ['sport/+', 'sport', false],
  ['+', 'finance', true],
  ['+/+', 'sport/finance', true],
  ['+/+', 'finance', false],
  ['+/tennis/#', 'sport/tennis', true],
  ['sport/+/player1', 'sport/tennis/player1', true],
  ['sport/+/player1', 'sport/tennis/player2', false],
  ['ACCOUNTS', 'Accounts', false],
  ['a/b', 'a', false],
  ['a', 'a/b', false],
  // [MQTT-4.7.2-1]
  ['#', '$SYS/monitor/Clients', false],
  ['+/monitor/Clients', '$SYS/monitor/Clients', false],
  ['$SYS/#', '$SYS/monitor/Clients', true],
  ['$SYS/monitor/+', '$SYS/monitor/Clients', true],
  ['$SYS/#', '$SYS', true],
];

for (const [filter, topic, expected] of TABLE) {
  test(`the filter ${filter} ${expected ? 'matches' : 'does not match'} ${topic}`, () => {
    const tree = new FilterTree<string>();
    tree.add(filter, filter);
    assert.equal(matches(filter, topic), expected);
    assert.deepEqual(tree.match(topic), expected ? [filter] : []);
  });
}

function refusalOf(check: () => unknown): { code: string; position: unknown } {
  try {
    check();
  } catch (error) {
    if (error instanceof MeshError) return { code: error.code, position: error.details['position'] };
    throw error;
  }
  return { code: 'none', position: 0 };
}

const BAD_TOPICS: readonly (readonly [topic: string, position: number, why: string])[] = [
  ['', 1, 'is empty'],
  ['/a', 1, 'has an empty first level'],
  ['a//b', 3, 'has an empty level'],
  ['a/', 3, 'has an empty last level'],
  ['$SYS/a', 1, 'is internal'],
  ['a/+/b', 3, 'has a wildcard'],
  ['a/b#', 4, 'has a wildcard within a level'],
  ['a/\u0000', 3, 'has a null character'],
  ['a\nb', 2, 'has a line break'],
  ['a/\ud800', 3, 'has the first half of a character only'],
  ['a/x\udc00', 4, 'has the second half of a character only'],
  [`${'a/'.repeat(64)}a`, 1, 'has too many levels'],
  ['ä'.repeat(513), 1025, 'has too many bytes'],
];

for (const [topic, position, why] of BAD_TOPICS) {
  test(`a topic that ${why} is refused, with the place`, () => {
    assert.deepEqual(
      refusalOf(() => checkTopic(topic, LIMITS)),
      { code: 'invalid-topic', position },
    );
  });
}

const BAD_FILTERS: readonly (readonly [filter: string, position: number])[] = [
  ['a/b+', 4],
  ['+a/b', 1],
  ['a/#/b', 3],
  ['a#', 2],
  ['#/a', 1],
  ['a/##', 3],
  ['$share/group/a', 1],
  ['a//#', 3],
];

for (const [filter, position] of BAD_FILTERS) {
  test(`the filter ${filter} is refused, with the place`, () => {
    assert.deepEqual(
      refusalOf(() => checkFilter(filter, LIMITS)),
      { code: 'invalid-filter', position },
    );
  });
}

test('topics and filters up to the limits are taken as they are', () => {
  for (const topic of ['a', 'a b/c', 'ä/日本/😀', `${'a/'.repeat(63)}a`, 'x'.repeat(1024)]) {
    assert.equal(checkTopic(topic, LIMITS), topic);
    assert.equal(checkFilter(topic, LIMITS), topic);
  }
  for (const filter of ['#', '+', '+/+/#', 'a/+/b', 'a/#']) assert.equal(checkFilter(filter, LIMITS), filter);
});

test('a type becomes a topic, level by level', () => {
  assert.equal(topicOfType('com.github.push'), 'com/github/push');
  assert.equal(topicOfType('io.fabric.$order+v1#x'), 'io/fabric/_order_v1_x');
  assert.equal(topicOfType('..a..b..'), 'a/b');
  assert.equal(topicOfType('a/b c'), 'a_b_c');
  assert.equal(topicOfType('a.\ud800'), 'a/_');
  assert.equal(topicOfType('...'), '');
});

test('whatever the type, its topic is valid, or nothing is left of it', () => {
  const type = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.string({
      unit: fc.constantFrom('.', '$', '+', '#', '/', ' ', '\u0085', '\ud83d', '\ude00', 'a'),
      maxLength: 20,
    }),
  );
  fc.assert(
    fc.property(type, (each) => {
      const topic = topicOfType(each);
      if (topic !== '') checkTopic(topic, LIMITS);
      else assert.match(each, /^\.*$/);
    }),
    { numRuns: 2_000 },
  );
});

const name = fc.constantFrom('a', 'b', 'c', '$s');
const topicArbitrary = fc.array(name, { minLength: 1, maxLength: 5 }).map((levels) => levels.join('/'));
const filterArbitrary = fc
  .tuple(fc.array(fc.oneof(name, fc.constant('+')), { maxLength: 4 }), fc.boolean())
  .map(([levels, rest]) => (rest || levels.length === 0 ? [...levels, '#'] : levels).join('/'));

test('the tree finds the filters that match one by one', () => {
  fc.assert(
    fc.property(
      fc.array(filterArbitrary, { maxLength: 40 }),
      fc.array(topicArbitrary, { minLength: 1, maxLength: 10 }),
      (filters, topics) => {
        const tree = new FilterTree<number>();
        filters.forEach((filter, i) => {
          tree.add(filter, i);
        });
        for (const topic of topics) {
          const expected = filters.flatMap((filter, i) => (matches(filter, topic) ? [i] : []));
          assert.deepEqual(
            tree.match(topic).sort((a, b) => a - b),
            expected,
          );
        }
      },
    ),
    { numRuns: 1_000 },
  );
});

test('what is added and removed in any order leaves the others alone, and in the end nothing', () => {
  const change = fc.record({ filter: filterArbitrary, value: fc.nat({ max: 3 }), add: fc.boolean() });
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 80 }),
      fc.array(topicArbitrary, { minLength: 5, maxLength: 10 }),
      (changes, topics) => {
        const tree = new FilterTree<number>();
        const twin = new Map<string, { filter: string; value: number }>();
        for (const { filter, value, add } of changes) {
          const key = `${filter} ${value}`;
          if (add && !twin.has(key)) {
            tree.add(filter, value);
            twin.set(key, { filter, value });
          } else if (!add) {
            assert.equal(tree.remove(filter, value), twin.delete(key));
          }
        }
        assert.equal(tree.size, twin.size);
        for (const topic of topics) {
          const expected = [...twin.values()]
            .filter((each) => matches(each.filter, topic))
            .map((each) => each.value);
          assert.deepEqual(tree.match(topic).sort(ascending), expected.sort(ascending));
        }
        for (const { filter, value } of twin.values()) assert.equal(tree.remove(filter, value), true);
        assert.equal(tree.size, 0);
        for (const topic of topics) assert.deepEqual(tree.match(topic), []);
      },
    ),
    { numRuns: 500 },
  );
});

test('what is not there cannot be removed', () => {
  const tree = new FilterTree<string>();
  tree.add('a/+/c', 'one');
  for (const filter of ['a', 'a/+', 'a/b/c', 'a/+/c/#', '#', 'a/+/c/d'])
    assert.equal(tree.remove(filter, 'one'), false);
  assert.equal(tree.remove('a/+/c', 'two'), false);
  assert.deepEqual(tree.match('a/b/c'), ['one']);
});

test('branches that are left empty are cut off, so that filters that come and go leave no memory behind', () => {
  const tree = new FilterTree<number>();
  const before = heapAfterCollection();
  for (let i = 0; i < 20_000; i++) {
    const filter = `come/${i}/and/+/go/${i}/#`;
    tree.add(filter, i);
    tree.remove(filter, i);
  }
  assert.equal(tree.size, 0);
  const grown = heapAfterCollection() - before;
  assert.ok(grown < 4 * 1024 * 1024, `${grown} bytes are held by a tree that is empty`);
});

function heapAfterCollection(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

function ascending(a: number, b: number): number {
  return a - b;
}
