import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TraceHop } from '../../../../node/core/overview.ts';
import { orderHops } from '../../../../node/observe/history/hop-order.ts';

function hop(mesher: string, at: number, what: TraceHop['what'], peer = ''): TraceHop {
  return { at, mesher, cluster: '', what, peer, subscription: '', reason: '', attempt: 0 };
}

test('a clock that is an hour behind puts nothing before what it came from', () => {
  const a = [
    hop('a', 1_000, 'published'),
    hop('a', 1_001, 'committed'),
    hop('a', 1_002, 'forwarded', 'b'),
    hop('a', 1_040, 'forward-acked', 'b'),
  ];
  const hour = 3_600_000;
  const b = [
    hop('b', 1_010 - hour, 'landed', 'a'),
    hop('b', 1_011 - hour, 'committed'),
    hop('b', 1_012 - hour, 'acked'),
  ];
  const texts = (hops: readonly TraceHop[]): string[] => hops.map(({ mesher, what }) => `${mesher} ${what}`);
  const wanted = [
    'a published',
    'a committed',
    'a forwarded',
    'b landed',
    'b committed',
    'b acked',
    'a forward-acked',
  ];
  assert.deepEqual(texts(orderHops([a, b])), wanted);
  assert.deepEqual(texts(orderHops([b, a])), wanted);
});

test('whatever is told, and be it lies, each hop comes once, and each mesher keeps its order', () => {
  const kinds = ['published', 'forwarded', 'landed', 'forward-acked', 'acked'] as const;
  const told = fc
    .array(
      fc.array(fc.tuple(fc.nat(20), fc.constantFrom(...kinds), fc.constantFrom('0', '1', '2', 'x')), {
        maxLength: 6,
      }),
      { maxLength: 3 },
    )
    .map((all) => all.map((hops, i) => hops.map(([at, what, peer]) => hop(String(i), at, what, peer))));
  fc.assert(
    fc.property(told, (all) => {
      const ordered = orderHops(all);
      for (const [i, hops] of all.entries())
        assert.deepEqual(
          ordered.filter(({ mesher }) => mesher === String(i)),
          hops,
        );
      assert.equal(ordered.length, all.flat().length);
    }),
  );
});
