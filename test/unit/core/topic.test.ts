import assert from 'node:assert/strict';
import { test } from 'node:test';
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
    const tree = new FilterTree(1);
    tree.add({ filter });
    assert.equal(matches(filter, topic), expected);
    assert.deepEqual(tree.match(topic), expected ? [{ filter }] : []);
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
