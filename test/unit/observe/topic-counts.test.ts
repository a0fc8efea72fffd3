import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MeshError } from '../../../node/core/errors.ts';
import { TOLD_MAX } from '../../../node/observe/bounds.ts';
import { TopicCounts } from '../../../node/observe/topic-counts.ts';

const event = (topic: string) => ({ topic, expiresAt: 0, key: '', hash: 0, cloudEvent: new Uint8Array() });
const publish = (request: number, ...topics: string[]) =>
  ({ kind: 'publish', request, qos: 'durable', report: false, events: topics.map(event) }) as const;

test('what is taken is counted by topic, what is refused is not', () => {
  const counts = new TopicCounts();
  counts.stepped([publish(1, 'a', 'a', 'b', 'a')], []);
  counts.stepped(
    [{ kind: 'tick' }, publish(2, 'c'), publish(3, 'b')],
    [
      { kind: 'reply', request: 2, reply: { kind: 'failed', error: new MeshError('overloaded', 'no') } },
      { kind: 'reply', request: 3, reply: { kind: 'published', results: [] } },
    ],
  );
  counts.look(1_000);
  assert.deepEqual(
    counts.all().map(({ topic, published }) => [topic, published]),
    [
      ['a', 3],
      ['b', 2],
    ],
  );
});

test('rates are per second, and fade', () => {
  const counts = new TopicCounts();
  for (let i = 0; i < 10; i++) {
    counts.add('a', 20);
    counts.look(2_000);
  }
  const [busy] = counts.all();
  assert.ok((busy?.publishedPerSecond ?? 0) > 9.9 && (busy?.publishedPerSecond ?? 0) <= 10);
  for (let i = 0; i < 20; i++) counts.look(2_000);
  assert.equal(counts.all()[0]?.publishedPerSecond, 0);
});

test('however many topics there are the busy ones stay, the table is bounded, and how many there were is known about', () => {
  const counts = new TopicCounts();
  let made = 0;
  for (let look = 0; look < 30; look++) {
    for (let busy = 0; busy < 50; busy++) counts.add(`busy/${busy}`, 10);
    for (let rare = 0; rare < 1_000; rare++) counts.add(`rare/${made++}`, 1);
    counts.look(2_000);
    assert.ok(counts.all().length <= TOLD_MAX);
  }
  const kept = new Set(counts.all().map(({ topic }) => topic));
  for (let busy = 0; busy < 50; busy++) assert.ok(kept.has(`busy/${busy}`), `busy/${busy}`);
  assert.ok(Math.abs(counts.distinct - (made + 50)) < made / 20, `${counts.distinct} of ${made + 50}`);
  counts.forgetDistinct();
  assert.equal(counts.distinct, kept.size);
});

test('a topic that comes back after it made room is counted as new', () => {
  const counts = new TopicCounts();
  counts.add('once', 1);
  for (let rare = 0; rare < TOLD_MAX; rare++) counts.add(`other/${rare}`, 5);
  counts.look(2_000);
  assert.ok(!counts.all().some(({ topic }) => topic === 'once'));
  counts.add('once', 7);
  assert.equal(counts.all().find(({ topic }) => topic === 'once')?.published, 7);
});
