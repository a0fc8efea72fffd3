import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Deque } from '../../../node/core/deque.ts';

test('does what an array does', () => {
  const command = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('push' as const), count: fc.nat({ max: 100 }) }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('pop' as const), count: fc.nat({ max: 100 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('front' as const), count: fc.nat({ max: 5 }) }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('all-front' as const), count: fc.nat({ max: 80 }) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('take' as const), count: fc.nat({ max: 400 }) }) },
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
      const deque = new Deque<number>();
      let twin: number[] = [];
      let next = 0;
      for (const { do: what, count } of commands) {
        if (what === 'take') {
          const wanted = (item: number): boolean => item >= count;
          const at = twin.findIndex(wanted);
          assert.equal(deque.take(wanted), at < 0 ? undefined : twin.splice(at, 1)[0]);
        } else if (what === 'all-front') {
          const items = Array.from({ length: count }, () => next++);
          deque.pushAllFront(items);
          twin = [...items, ...twin];
        } else {
          for (let i = 0; i < count; i++) {
            if (what === 'push') {
              deque.pushBack(next);
              twin.push(next++);
            } else if (what === 'front') {
              deque.pushFront(next);
              twin.unshift(next++);
            } else assert.equal(deque.popFront(), twin.shift());
          }
        }
        assert.equal(deque.size, twin.length);
        assert.equal(deque.front(), twin[0]);
        assert.deepEqual([...deque], twin);
      }
    }),
  );
});
