import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matches } from '../../../node/core/topic.ts';
import { type Found, HOLDERS } from '../../bench/matching/holders.ts';
import {
  distinctTopics,
  meshersFor,
  placedInterests,
  realShapes,
} from '../../bench/matching/topic-shapes.ts';

const INTERESTS = 2_000;
const shapes = realShapes();

test('topics differ from each other, have the levels of real events, and are the same for the same seed', () => {
  const topics = distinctTopics(shapes, 5_000, INTERESTS, 1);
  assert.equal(new Set(topics).size, 5_000);
  assert.deepEqual(distinctTopics(shapes, 5_000, INTERESTS, 1), topics);
  assert.notDeepEqual(distinctTopics(shapes, 5_000, INTERESTS, 2), topics);
  const real = new Set(shapes.topics.map(({ topic }) => topic));
  for (const topic of topics) assert.ok(real.has(topic.replace(/-\d+$/, '')), topic);
});

test('as many interests as asked for, no two alike, are spread over the meshers in the mix that the notes state', () => {
  const placed = placedInterests(shapes, INTERESTS, 1);
  assert.equal(placed.size, meshersFor(INTERESTS));
  const all = [...placed].flatMap(([node, interests]) => interests.map((one) => ({ node, ...one })));
  assert.equal(new Set(all.map(({ node, filter, group }) => `${node} ${filter} ${group}`)).size, INTERESTS);
  const share = (of: (one: (typeof all)[number]) => boolean): number => all.filter(of).length / INTERESTS;
  const near = (value: number, wanted: number): void =>
    assert.ok(Math.abs(value - wanted) < 0.06, `${value} instead of ${wanted}`);
  near(
    share(({ filter }) => !/[+#]/.test(filter)),
    0.6,
  );
  near(
    share(({ filter }) => filter.endsWith('/#')),
    0.2,
  );
  near(
    share(({ group }) => group !== ''),
    0.2,
  );
  near(
    share(({ durable }) => durable),
    0.7,
  );
});

for (const [name, make] of Object.entries(HOLDERS)) {
  test(`${name} finds what matches one by one, and nothing of a mesher that was dropped`, () => {
    const holder = make();
    const placed = placedInterests(shapes, INTERESTS, 1);
    for (const [node, interests] of placed) holder.add(node, interests);
    const topics = distinctTopics(shapes, 100, INTERESTS, 2);
    const text = ({ node, filter, group }: Found): string => `${node} ${filter} ${group}`;
    const check = (): void => {
      for (const topic of topics) {
        const expected = [...placed].flatMap(([node, interests]) =>
          interests
            .filter(({ filter }) => matches(filter, topic))
            .map(({ filter, group }) => text({ node, filter, group })),
        );
        assert.deepEqual(holder.match(topic).map(text).sort(), expected.sort());
      }
    };
    check();
    const [first = ''] = placed.keys();
    holder.drop(first);
    placed.delete(first);
    check();
  });
}
