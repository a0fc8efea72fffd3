// Taking over, told step by step: whatever goes wrong in between, each block of a lost mesher's journal that somebody has a copy of moves
// once, one holder becomes the heir, and claims and copies come to an end.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BenchCopy, latest, TakeoverCluster, whole } from './takeover-bench.ts';

const blocks = (from: number, upTo: number): number[] =>
  Array.from({ length: upTo - from }, (_, i) => from + i);
const copyOf = (owner: string, head: BenchCopy['head']): BenchCopy => ({ owner, head });

interface Case {
  readonly what: string;
  readonly holders: Readonly<Record<string, readonly BenchCopy[]>>;
  /** What goes wrong. */
  readonly upset?: (cluster: TakeoverCluster) => void;
  /** Blocks of `lost` by who has them in the end. */
  readonly moved: Readonly<Record<string, readonly number[]>>;
  readonly heir: string;
  readonly claims: readonly string[];
}

/** Once, when this block is about to move. */
function before(block: number, cluster: TakeoverCluster, then: (node: string) => void): void {
  let isOver = false;
  cluster.whenLoading(({ node }, loading) => {
    if (isOver || loading !== block) return;
    isOver = true;
    then(node);
  });
}

const CASES: readonly Case[] = [
  {
    what: 'the only holder takes all',
    holders: { a: [copyOf('lost', whole(10))] },
    moved: { a: blocks(0, 10) },
    heir: 'a',
    claims: ['a 0-10 done'],
  },
  {
    what: 'of two holders with equally new copies one takes all',
    holders: { a: [copyOf('lost', whole(10))], b: [copyOf('lost', whole(10))] },
    moved: { a: blocks(0, 10) },
    heir: 'a',
    claims: ['a 0-10 done'],
  },
  {
    what: 'the holder of the newest copy takes all, and the other nothing',
    holders: { a: [copyOf('lost', whole(8))], b: [copyOf('lost', whole(10))] },
    moved: { b: blocks(0, 10) },
    heir: 'b',
    claims: ['b 0-10 done'],
  },
  {
    what: 'claims that partly overlap: what the newest copy lacks comes from the older one',
    holders: {
      a: [copyOf('lost', whole(8))],
      b: [copyOf('lost', latest(5, 10))],
    },
    moved: { a: blocks(0, 5), b: blocks(5, 10) },
    heir: 'b',
    claims: ['b 5-10 done', 'a 0-5 done'],
  },
  {
    what: 'an answer that comes when the next was asked for',
    holders: { a: [copyOf('lost', whole(10))] },
    upset: (cluster) => cluster.answers('a', { afterMs: 7_000 }, { afterMs: 7_000 }),
    moved: { a: blocks(0, 10) },
    heir: 'a',
    claims: ['a 0-10 done'],
  },
  {
    what: 'an answer that comes when all was asked anew, and the claim freed',
    holders: { a: [copyOf('lost', whole(10))] },
    upset: (cluster) => cluster.answers('a', { afterMs: 40_000 }),
    moved: { a: blocks(0, 10) },
    heir: 'a',
    claims: ['a 0-10 done'],
  },
  {
    what: 'answers that never come, to a claim and to its end',
    holders: { a: [copyOf('lost', whole(10))] },
    upset: (cluster) => cluster.answers('a', 'never', 'never', 'at once', 'never', 'never'),
    moved: { a: blocks(0, 10) },
    heir: 'a',
    claims: ['a 0-10 done'],
  },
  {
    what: 'whoever hears nothing of its claim frees it, and waits for nobody: another takes all',
    holders: { a: [copyOf('lost', whole(10))], b: [copyOf('lost', whole(10))] },
    upset: (cluster) => cluster.answers('a', 'never', 'never', 'never', 'never', 'never', 'never'),
    moved: { b: blocks(0, 10) },
    heir: 'b',
    claims: ['b 0-10 done'],
  },
  {
    what: 'a claimant that restarts in the middle goes on where it was',
    holders: { a: [copyOf('lost', whole(10))], b: [copyOf('lost', whole(10))] },
    upset: (cluster) => before(4, cluster, (node) => cluster.restart(node)),
    moved: { a: blocks(0, 10) },
    heir: 'a',
    claims: ['a 0-10 done'],
  },
  {
    what: 'a claimant that restarts before it has noted that it claimed',
    holders: { a: [copyOf('lost', whole(10))], b: [] },
    upset: (cluster) => {
      cluster.answers('a', 'never');
      cluster.run(() => cluster.claimsOn('lost').length > 0);
      cluster.restart('a');
    },
    moved: { a: blocks(0, 10) },
    heir: 'a',
    claims: ['a 0-10 done'],
  },
  {
    what: 'a copy that is lost midway: another takes what has not moved, and the heir stays so',
    holders: { a: [copyOf('lost', whole(10))], b: [copyOf('lost', whole(10))] },
    upset: (cluster) => before(4, cluster, (node) => cluster.restart(node, ['lost'])),
    moved: { a: blocks(0, 4), b: blocks(4, 10) },
    heir: 'a',
    claims: ['a 0-4 done', 'b 4-10 done'],
  },
  {
    what: 'a copy that is lost midway, of claims that partly overlap',
    holders: { a: [copyOf('lost', whole(8))], b: [copyOf('lost', latest(5, 10))] },
    upset: (cluster) => before(7, cluster, (node) => cluster.restart(node, ['lost'])),
    moved: { a: blocks(0, 5).concat(7), b: blocks(5, 7) },
    heir: 'b',
    claims: ['b 5-7 done', 'a 0-5 done', 'a 7-8 done'],
  },
];

for (const { what, holders, upset, moved, heir, claims } of CASES) {
  test(what, () => {
    const cluster = new TakeoverCluster(holders);
    upset?.(cluster);
    cluster.run();
    assert.deepEqual(cluster.moved('lost'), moved);
    assert.deepEqual(cluster.claimsOn('lost'), claims);
    for (const node of Object.keys(holders)) {
      const { journal, takeovers } = cluster.holder(node);
      assert.deepEqual([node, takeovers.isGuest('lost')], [node, node === heir]);
      assert.deepEqual(journal.adopted, node === heir ? ['lost'] : [], 'subscriptions are adopted once');
      assert.deepEqual([...journal.copies.keys()], [], 'the copy is needed no more');
    }
  });
}

test('a newer copy that comes later tells an heir of nobody else: their subscriptions did not come', () => {
  const cluster = new TakeoverCluster({ lost: [], a: [copyOf('lost', whole(8))] });
  cluster.holder('lost').die();
  cluster.run();
  const earlier = { owner: 'earlier', isHeir: true, claims: [], upTo: 0, isDone: true, theirs: [] };
  cluster.holder('lost').journal.takeovers.set('earlier', earlier);
  cluster.holder('a').journal.copies.set('lost', whole(10));
  cluster.restart('a');
  cluster.run();
  assert.deepEqual(cluster.moved('lost'), { a: blocks(0, 10) });
  assert.deepEqual(cluster.holder('a').takeovers.guests(), ['lost']);
});

test('who wakes waits for others anew: time that was slept is no time in which they kept silent', () => {
  const cluster = new TakeoverCluster({
    a: [copyOf('lost', whole(8))],
    b: [copyOf('lost', whole(10))],
  });
  const pass = (ms: number): void => {
    let steps = 0;
    cluster.run(() => steps++ * 1_000 >= ms);
  };
  cluster.asleep.add('b');
  pass(5_000); // a has asked, and waits
  cluster.asleep.add('a');
  pass(200_000);
  cluster.asleep.delete('a');
  pass(10_000);
  cluster.asleep.delete('b');
  cluster.run();
  assert.deepEqual(cluster.claimsOn('lost'), ['b 0-10 done']);
});

test('what the lost mesher was taking over has one heir, whichever of the claims on both ends first', () => {
  // `lost` has moved half of what `earlier` left; a is the heir of `lost`, and dies in the middle; b takes a over, and moves the rest of `lost`
  const cluster = new TakeoverCluster({
    lost: [],
    a: [copyOf('lost', whole(10))],
    b: [copyOf('lost', whole(12, 9)), copyOf('a', whole(3))],
    c: [copyOf('earlier', whole(6))],
  });
  const half = { owner: 'earlier', isHeir: true, claims: [{ from: 0, upTo: 6 }], upTo: 3, isDone: false };
  cluster.holder('lost').journal.takeovers.set('earlier', { ...half, theirs: [] });
  cluster.claims = { earlier: [{ taker: 'lost', from: 0, upTo: 6, isDone: false }] };
  cluster.holder('lost').die();
  before(4, cluster, () => cluster.holder('a').die());
  cluster.loseFirstEnd('b', 'a');
  const b = cluster.holder('b');
  const loaded = b.takeovers.loaded.bind(b.takeovers);
  const slow: (() => void)[] = [];
  b.takeovers.loaded = (owner, ...block) => {
    if (owner === 'lost') slow.push(() => loaded(owner, ...block));
    else loaded(owner, ...block);
  };
  cluster.run(() => {
    while (b.takeovers.isGuest('lost') && slow.length > 0) {
      slow.shift()?.();
      b.settle();
    }
    return false;
  });
  assert.deepEqual(
    ['b', 'c'].filter((node) => cluster.holder(node).takeovers.isGuest('earlier')),
    ['b'],
  );
  assert.deepEqual(cluster.claimsOn('earlier'), ['lost 0-3 done', 'c 3-6 done']);
});

test('what has not moved of a copy that is lost is counted, and said with its blocks', () => {
  const cluster = new TakeoverCluster({ a: [copyOf('lost', whole(10))] });
  before(4, cluster, (node) => cluster.restart(node, ['lost']));
  cluster.run();
  const { cutShort, counters } = cluster.holder('a');
  assert.deepEqual(cutShort, [{ kind: 'takeover-cut-short', owner: 'lost', left: [{ from: 4, upTo: 10 }] }]);
  assert.equal(counters.total('takeovers_cut_short_total', 'heir'), 1);
  const done = new TakeoverCluster({ a: [copyOf('lost', whole(10))] });
  done.run();
  done.restart('a');
  done.run();
  assert.deepEqual(done.holder('a').cutShort, [], 'nothing is left of what has moved');
});

test('whoever takes over from an heir ends its claims: what that had not moved is taken from another copy', () => {
  // a is lost itself when it has moved half of it; b has copies of both
  const cluster = new TakeoverCluster({
    a: [copyOf('lost', whole(10))],
    b: [copyOf('lost', whole(9)), copyOf('a', whole(3))],
  });
  before(4, cluster, () => cluster.holder('a').die());
  cluster.run();
  assert.deepEqual(cluster.moved('lost'), { a: blocks(0, 4), b: blocks(4, 9) });
  assert.deepEqual(cluster.moved('a'), { b: blocks(0, 3) }, 'what a had moved is in its own journal');
  assert.deepEqual(cluster.claimsOn('lost'), ['a 0-4 done', 'b 4-9 done']);
  assert.deepEqual(cluster.claimsOn('a'), ['b 0-3 done']);
  assert.deepEqual(
    ['lost', 'a'].map((node) => cluster.holder('b').takeovers.isGuest(node)),
    [true, true],
    'it serves what a was about to',
  );
  assert.deepEqual([...cluster.holder('b').journal.copies.keys()], []);
});

test('an heir that is lost before it has moved anything leaves its claim to be freed', () => {
  const cluster = new TakeoverCluster({
    a: [copyOf('lost', whole(10))],
    b: [copyOf('lost', whole(10)), copyOf('a', whole(3))],
  });
  cluster.answers('a', 'never');
  cluster.run(() => cluster.claimsOn('lost').length > 0);
  cluster.holder('a').die();
  cluster.run();
  assert.deepEqual(cluster.moved('lost'), { b: blocks(0, 10) });
  assert.deepEqual(cluster.claimsOn('lost'), ['b 0-10 done']);
});
