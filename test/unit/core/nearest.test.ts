import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { editDistance, nearest } from '../../../node/core/nearest.ts';

test('finds the word that a slip of the finger hides', () => {
  const known = ['topic', 'group', 'sink', 'delivery'];
  for (const [word, meant] of [
    ['topci', 'topic'],
    ['Topic', 'topic'],
    ['deliverry', 'delivery'],
    ['snk', 'sink'],
  ] as const)
    assert.equal(nearest(word, known), meant);
});

test('names nothing that is not near', () => {
  assert.equal(nearest('colour', ['topic', 'group', 'sink', 'delivery']), undefined);
  assert.equal(nearest('x'.repeat(1_000_000), ['topic']), undefined);
  const commands = ['node', 'registry', 'up', 'start', 'publish', 'subscribe', 'status', 'routes'];
  for (const word of ['foo', 'ls', 'x', '', 'help-me', 'run'])
    assert.equal(nearest(word, commands), undefined, word);
  assert.equal(nearest('u', commands), 'up');
  assert.equal(nearest('route', commands), 'routes');
});

test('finds a dotted name by its last part alone', () => {
  const keys = ['http.listen', 'registry.address', 'log.level'];
  for (const [word, meant] of [
    ['listen', 'http.listen'],
    ['adress', 'registry.address'],
    ['registry.level', 'log.level'],
  ] as const)
    assert.equal(nearest(word, keys), meant);
  assert.equal(nearest('http.colour', keys), undefined);
});

test('distance is symmetric, and zero for equals only', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      assert.equal(editDistance(a, b), editDistance(b, a));
      assert.equal(editDistance(a, b) === 0, a === b);
    }),
  );
});
