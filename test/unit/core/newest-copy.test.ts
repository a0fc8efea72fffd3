// Who may claim first: whoever has the newest copy, as far as all others have answered, or have been silent for long enough.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Copies, NO_COPY } from '../../../node/core/copies.ts';
import { Counters } from '../../../node/core/counters.ts';
import { COPY_COMPLETE, COPY_NAMED, type CopyHeld } from '../../../node/core/messages.ts';
import { NewestCopy } from '../../../node/core/newest-copy.ts';
import type { CopyHead } from '../../../node/core/ports.ts';
import type { Effect } from '../../../node/core/steps.ts';
import { TIMING } from '../../../node/core/timing.ts';

const OWNER = 'lost';
const { pullTimeoutMs, deadAfterMs } = TIMING;
const OURS: CopyHead = { ...NO_COPY, incarnation: 2, batch: 10, cursor: COPY_COMPLETE, nextBlock: 5 };

function held(parts: Partial<CopyHeld>): CopyHeld {
  const { incarnation, batch, cursor } = OURS;
  return {
    kind: 'copy-held',
    owner: OWNER,
    answer: true,
    incarnation,
    batch,
    cursor,
    hasPast: false,
    ...parts,
  };
}

class Bench {
  readonly effects: Effect[] = [];
  readonly neighbours: { node: string; isLinked: boolean }[];
  readonly newest: NewestCopy;
  #now = 1_000;

  constructor(...others: readonly string[]) {
    this.neighbours = others.map((node) => ({ node, isLinked: true }));
    const emit = (effect: Effect): void => void this.effects.push(effect);
    const copies = new Copies({ cluster: 'c', counters: new Counters(), emit, clusterOf: () => 'c' });
    copies.recover([{ owner: OWNER, head: OURS }]);
    const neighbours = (): Bench['neighbours'] => this.neighbours;
    this.newest = new NewestCopy({ timing: TIMING, copies, emit, neighbours });
  }

  /** After so many ms. */
  isOurs(ms: number, head = OURS): boolean {
    this.#now += ms;
    return this.newest.isOurs(OWNER, head, { wall: 0, monotonic: this.#now });
  }

  /** Whom it has asked or told since the last look. */
  told(): unknown[] {
    return this.effects.splice(0).map((effect) => {
      assert(effect.kind === 'control' && effect.message.kind === 'copy-held');
      return [effect.peer, effect.message.answer ? 'answered' : 'asked', effect.message.batch];
    });
  }
}

for (const { theirs, what, isOurs } of [
  { what: 'an older batch', theirs: { batch: 9 }, isOurs: true },
  { what: 'the same, of two that are equally new', theirs: {}, isOurs: true },
  { what: 'a newer batch', theirs: { batch: 11 }, isOurs: false },
  { what: 'an older incarnation, whatever the batch', theirs: { incarnation: 1, batch: 99 }, isOurs: true },
  { what: 'a newer incarnation, whatever the batch', theirs: { incarnation: 3, batch: 0 }, isOurs: false },
  {
    what: 'a newer batch without the names of the past',
    theirs: { incarnation: 3, cursor: '', hasPast: false },
    isOurs: true,
  },
  { what: 'a newer batch that has all names', theirs: { batch: 11, cursor: COPY_NAMED }, isOurs: false },
  {
    what: 'a newer batch over a copy that was whole once',
    theirs: { batch: 11, cursor: '', hasPast: true },
    isOurs: false,
  },
  { what: 'nothing', theirs: { incarnation: 0, batch: 0, cursor: '' }, isOurs: true },
]) {
  test(`another has ${what}: ${isOurs ? 'ours is the newest' : 'theirs is'}`, () => {
    const bench = new Bench('b');
    assert.equal(bench.isOurs(0), false, 'it is asked first');
    assert.deepEqual(bench.told(), [['b', 'asked', 10]]);
    bench.newest.held('b', held(theirs));
    assert.equal(bench.isOurs(pullTimeoutMs), isOurs);
  });
}

test('whoever has said nothing is waited for, and asked again, but not for ever', () => {
  const bench = new Bench('b', 'c');
  bench.isOurs(0);
  bench.told();
  bench.newest.held('b', held({ batch: 1 }));
  let waited = 0;
  for (; !bench.isOurs(pullTimeoutMs); waited += pullTimeoutMs) {
    assert.deepEqual(bench.told(), [
      ['b', 'asked', 10],
      ['c', 'asked', 10],
    ]);
    bench.newest.held('b', held({ batch: 1 }));
    assert.ok(waited < 10 * deadAfterMs, 'for ever');
  }
  assert.ok(waited >= 3 * deadAfterMs, `only ${waited} ms`);
});

test('whoever is not linked is not asked, and waited for as well; the owner itself is neither', () => {
  const bench = new Bench('b', OWNER);
  const [b] = bench.neighbours;
  assert(b);
  b.isLinked = false;
  assert.equal(bench.isOurs(0), false);
  assert.deepEqual(bench.told(), []);
  assert.equal(bench.isOurs(pullTimeoutMs), false);
  assert.equal(bench.isOurs(5 * deadAfterMs), false, 'what was answered is old: all are asked anew');
  assert.equal(bench.isOurs(pullTimeoutMs), true);
});

test('answers are good for a while: then whoever was newest may have claimed, and all are asked anew', () => {
  const bench = new Bench('b');
  bench.isOurs(0);
  bench.newest.held('b', held({ batch: 1 }));
  assert.equal(bench.isOurs(pullTimeoutMs), true);
  bench.told();
  assert.equal(bench.isOurs(10 * pullTimeoutMs), false);
  assert.deepEqual(bench.told(), [['b', 'asked', 10]]);
  bench.newest.held('b', held({ batch: 11 }));
  assert.equal(bench.isOurs(pullTimeoutMs), false, 'what it said before counts no more');
  bench.newest.held('b', held({ batch: 2 }));
  assert.equal(bench.isOurs(pullTimeoutMs), true);
  bench.newest.forget(OWNER);
  assert.equal(bench.isOurs(pullTimeoutMs), false, 'who was there again in between is another case');
});

test('a question is answered with what is held, also where that is nothing; an answer is not', () => {
  const bench = new Bench('b');
  bench.newest.held('b', held({ answer: false }));
  bench.newest.held('b', held({ answer: false, owner: 'another' }));
  bench.newest.held('b', held({ answer: true }));
  assert.deepEqual(bench.told(), [
    ['b', 'answered', 10],
    ['b', 'answered', 0],
  ]);
});
