// Claims on what lost meshers left: each block is claimed once, and every claim comes to an end.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claim, endClaims, withClaim, withEnd } from '../../node/claims.ts';
import type { Claim, Claims, Takeover } from '../../node/core/ports.ts';
import { MemoryRegistryHub } from '../../registry/memory.ts';

const open = (taker: string, from: number, upTo: number): Claim => ({ taker, from, upTo, isDone: false });
const done = (taker: string, from: number, upTo: number): Claim => ({ taker, from, upTo, isDone: true });

function claimed(claims: Claims, taker: string, from: number, upTo: number): Claims {
  const next = withClaim(claims, 'lost', taker, [{ from, upTo }]);
  assert(next !== 'taken-over');
  return next;
}

function takeover(upTo: number, ...claims: Takeover['claims']): Takeover {
  return { owner: 'lost', isHeir: true, claims, upTo, isDone: false, theirs: [] };
}

test('blocks are claimed once, and who comes later gets what is left', () => {
  const one = claimed({}, 'one', 5, 10);
  assert.deepEqual(one, { lost: [open('one', 5, 10)] });
  const two = claimed(one, 'two', 0, 12);
  assert.deepEqual(two, { lost: [open('one', 5, 10), open('two', 0, 5), open('two', 10, 12)] });
  assert.equal(claimed(two, 'three', 0, 12), two);
});

test('an empty copy makes an heir all the same, once', () => {
  const one = claimed({}, 'one', 0, 0);
  assert.deepEqual(one, { lost: [open('one', 0, 0)] });
  assert.equal(claimed(one, 'two', 0, 0), one);
});

test('who was taken over itself may claim nothing', () => {
  assert.equal(withClaim({ one: [open('two', 0, 3)] }, 'lost', 'one', [{ from: 0, upTo: 5 }]), 'taken-over');
});

test('what was moved is done, and what was not is free for others', () => {
  const claims = claimed({}, 'one', 0, 10);
  const ended = withEnd(claims, { taker: 'one', moved: [takeover(4, { from: 0, upTo: 10 })], keep: [] });
  assert.deepEqual(ended, { lost: [done('one', 0, 4)] });
  assert.deepEqual(claimed(ended, 'two', 0, 10), { lost: [done('one', 0, 4), open('two', 4, 10)] });
});

test('an heir that moved nothing yet stays the heir; one that never began leaves no trace', () => {
  const claims = claimed({}, 'one', 2, 10);
  const begun = withEnd(claims, { taker: 'one', moved: [takeover(0, { from: 2, upTo: 10 })], keep: [] });
  assert.deepEqual(begun, { lost: [done('one', 2, 2)] });
  assert.deepEqual(withEnd(claims, { taker: 'one', moved: [], keep: [] }), {});
});

test('a claim made since is not ended by what is known of an earlier one', () => {
  const claims: Claims = { lost: [done('one', 0, 4), open('one', 4, 10)] };
  const late = { taker: 'one', moved: [takeover(4, { from: 0, upTo: 4 })], keep: 'rest' } as const;
  assert.equal(withEnd(claims, late), claims);
});

test("others' claims, and those on meshers that are kept, stay as they are", () => {
  const claims: Claims = { lost: [open('one', 0, 4), open('two', 4, 9)], gone: [open('one', 0, 3)] };
  assert.deepEqual(withEnd(claims, { taker: 'one', moved: [], keep: ['gone'] }), {
    lost: [open('two', 4, 9)],
    gone: [open('one', 0, 3)],
  });
  assert.equal(withEnd(claims, { taker: 'three', moved: [], keep: [] }), claims);
});

test('two that claim at the same time never get the same blocks, in a registry that both write', async (test) => {
  const hub = new MemoryRegistryHub();
  const registry = hub.open({ federation: 'f', node: 'n' });
  test.after(async () => {
    await registry.close();
    hub.close();
  });
  const takers = ['one', 'two', 'three', 'four'];
  await Promise.all(
    takers.map((taker, i) => claim(registry, 'c', 'lost', taker, [{ from: i * 5, upTo: i * 5 + 10 }])),
  );
  const all = await claim(registry, 'c', 'lost', 'five', [{ from: 0, upTo: 0 }]);
  const blocks = all.flatMap(({ from, upTo }) => Array.from({ length: upTo - from }, (_, i) => from + i));
  assert.deepEqual(
    blocks.sort((a, b) => a - b),
    Array.from({ length: 25 }, (_, i) => i),
  );
  await endClaims(registry, 'c', [{ taker: 'one', moved: [], keep: [] }]);
  const left = await claim(registry, 'c', 'lost', 'five', [{ from: 0, upTo: 25 }]);
  assert(left.every(({ taker }) => taker !== 'one'));
  assert(left.some(({ taker }) => taker === 'five'));
});
