// Small texts that clients write: topics, filters, delivery tokens, subscriptions. A filter that is taken and the tree that
// routes by it agree with the plain matcher; a token that is taken is written as one that reads the same.

import assert from 'node:assert/strict';
import { formatToken, parseToken } from '../../../node/core/delivery-token.ts';
import { MeshError } from '../../../node/core/errors.ts';
import { FilterTree } from '../../../node/core/filter-tree.ts';
import { isWireTopic, LIMITS } from '../../../node/core/limits.ts';
import { parseSubscription } from '../../../node/core/subscription.ts';
import { checkFilter, checkTopic, matches, topicOfType } from '../../../node/core/topic.ts';
import { Choices, piece, type Target, unlessRefused } from '../target.ts';

const FILTERS = ['#', '+', 'orders/#', 'orders/+/created', 'a/b/c', '+/+'];
const TOPICS = ['orders/eu/created', 'a/b/c', 'a', 'com.example.order.created'];
const TOKENS = ['2.0.0.1', '2.0.0.1.4', '1._.0.1', 'zzzzzzzzzz.zzzzzzzzzzz.zzzzzzzzzz.zzzzzzzzzz.zzzzzz'];
const BODIES = [
  '{"topic":"orders/#"}',
  '{"topic":"a","group":"g","sink":"https://example.com/x","delivery":{"retries":5,"deadLetterTopic":"dead/a"}}',
  '{"topic":"a","delivery":{"ackTimeoutMs":100,"maxInFlight":10,"ordered":true,"whenFull":"drop-newest","queueEventsMax":5}}',
];

export const target: Target = {
  name: 'topics-and-tokens',
  shape: 'text',
  bytesMax: 4_096,
  dictionary: [
    '/',
    '+',
    '#',
    '$',
    '$share/',
    '//',
    '.',
    '_',
    '"delivery":{',
    '"sink":"http://',
    'user:pass@',
    ...TOKENS,
  ],
  sample: (chance) =>
    Buffer.concat([
      piece(`${chance.pick(FILTERS)}\n${chance.pick(FILTERS)}`),
      piece(chance.pick(TOPICS)),
      piece(chance.pick(TOKENS)),
      piece(chance.pick(['billing', 'a~b', '$dead-letters'])),
      Buffer.from(chance.pick(BODIES)),
    ]),
  quick: 20_000,
  run: (input) => {
    const choices = new Choices(input);
    const [filters, topic, token, name] = Array.from({ length: 4 }, () => choices.piece().toString());
    checkMatching((filters ?? '').split('\n'), topic ?? '');
    checkToken(token ?? '');
    const body = unlessRefused([SyntaxError], () => JSON.parse(choices.rest().toString()) as unknown);
    if (!body) return false;
    const subscription = unlessRefused([MeshError], () => parseSubscription(name ?? '', body.value, LIMITS));
    if (!subscription) return false;
    const { name: _, adoptedFrom: __, ...described } = subscription.value;
    assert.deepEqual(parseSubscription(subscription.value.name, described, LIMITS), subscription.value);
    return true;
  },
};

function checkMatching(filters: readonly string[], topic: string): void {
  unlessRefused([MeshError], () => checkTopic(topicOfType(topic), LIMITS));
  const goodTopic = unlessRefused([MeshError], () => checkTopic(topic, LIMITS));
  if (goodTopic) assert(isWireTopic(topic), 'what we take, peers take');
  const tree = new FilterTree<{ readonly filter: string }>(7);
  // Peers may send what we would not take, within the bounds of the wire.
  const wanted = filters.filter((filter) => {
    const good = unlessRefused([MeshError], () => checkFilter(filter, LIMITS));
    if (good) assert(isWireTopic(filter), 'what we take, peers take');
    return isWireTopic(filter);
  });
  const values = wanted.map((filter) => ({ filter }));
  for (const value of values) tree.add(value);
  if (isWireTopic(topic)) {
    const found = new Set(tree.match(topic));
    for (const value of values)
      assert.equal(found.has(value), matches(value.filter, topic), `${value.filter} and ${topic}`);
  }
  for (const value of values) tree.remove(value);
  assert.equal(tree.size, 0);
}

function checkToken(text: string): void {
  const token = parseToken(text);
  if (!token) return;
  assert.deepEqual(parseToken(formatToken(token)), token);
}
