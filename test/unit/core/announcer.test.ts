import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Announcer } from '../../../node/core/announcer.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import type { Interest } from '../../../node/core/messages.ts';
import type { RouteOp } from '../../../node/core/route-record.ts';
import { TIMING } from '../../../node/core/timing.ts';

class Bench {
  readonly told: { ops: readonly RouteOp[]; gossip: boolean }[] = [];
  readonly announcer = new Announcer(LIMITS, TIMING, (ops, gossip) => void this.told.push({ ops, gossip }));
  readonly now = { wall: 0, monotonic: 1_000 };

  /** Time passes; what was announced meanwhile, as `+filter` and `-filter`, durable ones with `!`. */
  after(ms: number): string[] {
    this.now.monotonic += ms;
    this.announcer.flush(this.now);
    return this.take();
  }

  take(): string[] {
    return this.told
      .splice(0)
      .flatMap(({ ops }) =>
        ops.map(({ add, interest }) => `${add ? '+' : '-'}${interest.filter}${interest.durable ? '!' : ''}`),
      );
  }

  add(filter: string, durable = true): void {
    this.announcer.add(filter, '', durable);
  }

  remove(filter: string, durable = true): void {
    this.announcer.remove(filter, '', durable, this.now);
  }
}

test('only the first subscription to a filter and the end of the last are announced', () => {
  const bench = new Bench();
  bench.add('a');
  bench.add('a');
  assert.deepEqual(bench.after(10), ['+a!']);
  bench.add('a');
  assert.deepEqual(bench.after(10), []);
  for (let i = 0; i < 3; i++) bench.remove('a');
  assert.deepEqual(bench.after(TIMING.removalDelayMs - 1), []);
  assert.deepEqual(bench.after(1), ['-a!']);
  assert.equal(bench.announcer.size, 0);
});

test('a filter that is wanted again within the delay is never taken back', () => {
  const bench = new Bench();
  bench.add('a');
  bench.after(10);
  for (let i = 0; i < 10; i++) {
    bench.remove('a');
    assert.deepEqual(bench.after(TIMING.removalDelayMs - 1), []);
    bench.add('a');
    assert.deepEqual(bench.after(1), []);
  }
  assert.deepEqual(bench.after(TIMING.removalDelayMs * 2), []);
  bench.remove('a');
  assert.deepEqual(bench.after(TIMING.removalDelayMs), ['-a!'], 'the delay begins anew');
});

test('a filter that is given up again does not hold up others that were given up before', () => {
  const bench = new Bench();
  for (const filter of ['a', 'b']) bench.add(filter);
  bench.after(10);
  bench.remove('a');
  bench.after(1_000);
  bench.remove('b');
  bench.add('a');
  bench.after(1_000);
  bench.remove('a');
  assert.deepEqual(bench.after(TIMING.removalDelayMs - 1_000), ['-b!']);
});

test('a filter that came and went before anybody was told is never told', () => {
  const bench = new Bench();
  bench.add('a');
  bench.remove('a');
  assert.deepEqual(bench.after(TIMING.removalDelayMs), []);
  assert.equal(bench.announcer.size, 0);
});

test('a filter becomes durable with its first durable subscription and ephemeral again with its last', () => {
  const bench = new Bench();
  bench.add('a', false);
  assert.deepEqual(bench.after(10), ['+a']);
  bench.add('a', true);
  assert.deepEqual(bench.after(10), ['+a!']);
  bench.add('a', true);
  bench.remove('a', true);
  assert.deepEqual(bench.after(10), []);
  bench.remove('a', true);
  assert.deepEqual(bench.after(10), ['+a']);
  bench.remove('a', false);
  assert.deepEqual(bench.after(TIMING.removalDelayMs), ['-a']);
});

test('the same filter in another group is another interest', () => {
  const bench = new Bench();
  bench.announcer.add('a', 'g', true);
  bench.announcer.add('a', '', true);
  assert.deepEqual(bench.after(10), ['+a!', '+a!']);
  bench.announcer.remove('a', 'g', true, bench.now);
  assert.deepEqual(bench.after(TIMING.removalDelayMs), ['-a!']);
});

test('changes close in time travel together', () => {
  const bench = new Bench();
  bench.add('a');
  assert.deepEqual(bench.after(0), ['+a!']);
  for (const filter of ['b', 'c', 'd']) {
    bench.add(filter);
    assert.deepEqual(bench.after(1), []);
  }
  bench.now.monotonic += TIMING.announceEveryMs;
  bench.announcer.flush(bench.now);
  assert.equal(bench.told.length, 1);
  assert.deepEqual(bench.take(), ['+b!', '+c!', '+d!']);
});

test('the first record is announced even if nothing is wanted, and whole if much is', () => {
  const empty = new Bench();
  empty.announcer.flush(empty.now, true);
  assert.deepEqual(empty.told, [{ ops: [], gossip: true }]);
  const full = new Bench();
  for (let i = 0; i < LIMITS.deltaOpsMax + 1; i++) full.add(`f/${i}`);
  full.announcer.flush(full.now, true);
  assert.deepEqual(
    full.told.map(({ ops, gossip }) => [ops.length, gossip]),
    [
      [LIMITS.deltaOpsMax, true],
      [1, true],
    ],
  );
});

test('a storm is one version, which others fetch', () => {
  const bench = new Bench();
  for (let i = 0; i < 20_000; i++) bench.add(`f/${i}`);
  bench.announcer.flush(bench.now);
  assert.deepEqual(
    bench.told.map(({ ops, gossip }) => [ops.length, gossip]),
    [[20_000, false]],
  );
});

test('whatever is added and removed, what was announced equals what is wanted once the delay is over', () => {
  const command = fc.record(
    {
      filter: fc.constantFrom('a', 'b', 'c'),
      durable: fc.boolean(),
      add: fc.boolean(),
      ms: fc.constantFrom(0, 0, 5, 20, 1_000, 4_000),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const bench = new Bench();
      const wanted = new Map<string, [ephemeral: number, durable: number]>();
      const record = new Map<string, Interest>();
      const read = (): void => {
        for (const { add, interest } of bench.told.splice(0).flatMap(({ ops }) => ops)) {
          if (add) {
            assert.notDeepEqual(record.get(interest.filter), interest, 'nothing new was announced');
            record.set(interest.filter, interest);
          } else assert.ok(record.delete(interest.filter), 'taken back without having been announced');
        }
      };
      for (const { filter, durable, add, ms } of commands) {
        const counts = wanted.get(filter) ?? [0, 0];
        wanted.set(filter, counts);
        if (add) {
          counts[durable ? 1 : 0]++;
          bench.add(filter, durable);
        } else if (counts[durable ? 1 : 0] > 0) {
          counts[durable ? 1 : 0]--;
          bench.remove(filter, durable);
        }
        bench.now.monotonic += ms;
        bench.announcer.flush(bench.now);
        read();
      }
      bench.now.monotonic += TIMING.removalDelayMs + TIMING.announceEveryMs;
      bench.announcer.flush(bench.now);
      read();
      const expected = [...wanted]
        .filter(([, [ephemeral, durable]]) => ephemeral + durable > 0)
        .map(([filter, [, durable]]) => [filter, durable > 0]);
      assert.deepEqual(
        new Map([...record.values()].map(({ filter, durable }) => [filter, durable])),
        new Map(expected as [string, boolean][]),
      );
      assert.equal(bench.announcer.size, expected.length);
    }),
    { numRuns: 500 },
  );
});
