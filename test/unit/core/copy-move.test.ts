// What moves of a lost mesher's copy: which blocks, in which order, and where to.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlockList } from '../../../node/core/block-list.ts';
import { CopyMove, type AdoptedWant, type CopyMoveTask } from '../../../node/core/copy-move.ts';
import { Counters } from '../../../node/core/counters.ts';
import { NO_GROUPS, type Directive } from '../../../node/core/event.ts';
import type { BlockRange, QueuedEntry, Recovered, Takeover } from '../../../node/core/ports.ts';
import { DEAD_LETTERS, type Subscription } from '../../../node/core/subscription.ts';
import { storedEvents } from '../../support/events.ts';
import { NOTHING } from '../../support/lone-core.ts';
import { SUBSCRIPTION } from './takeover-bench.ts';

const OWNER = 'lost';
const EVENTS = storedEvents(4);

class Bench {
  /** What came of it, in order. */
  readonly log: string[] = [];
  readonly wants: (readonly [sequence: number, wants: readonly AdoptedWant[]])[] = [];
  readonly marks: unknown[] = [];
  readonly counters = new Counters();
  readonly move: CopyMove;
  isBusy = false;
  #whenDurable: (() => void)[] = [];

  constructor(task: Partial<CopyMoveTask>, adoptedAs = (name: string): string | undefined => name) {
    this.move = new CopyMove(
      {
        counters: this.counters,
        emit: (effect) => {
          this.log.push(
            effect.kind === 'load-copy' ? `load ${effect.block} for ${effect.queues.join(' ')}` : effect.kind,
          );
        },
        isBusy: () => this.isBusy,
        adoptSubscription: ({ name, adoptedFrom }) => {
          this.log.push(`adopt ${name} of ${adoptedFrom}`);
          return `${name}~`;
        },
        adoptedAs: ({ name }) => adoptedAs(name),
        adoptMark: (sender, name, position) => this.marks.push({ sender, ...name, ...position }),
        adoptEvent: (_owner, { sequence }, wants) => this.wants.push([sequence, wants]),
        whenDurable: (then) => this.#whenDurable.push(then),
      },
      {
        owner: OWNER,
        isHeir: true,
        adopts: false,
        isElsewhere: () => false,
        claims: [{ from: 0, upTo: 100 }],
        upTo: 0,
        progress: (upTo, theirs) => this.log.push(`note ${upTo}${theirs.length > 0 ? ' and theirs' : ''}`),
        moved: () => this.log.push('moved'),
        ...task,
      },
    );
  }

  /** What is staged is on disk. */
  durable(): void {
    for (const then of this.#whenDurable.splice(0)) then();
  }

  /** Since the last look. */
  said(): string[] {
    return this.log.splice(0);
  }
}

function content(
  queues: Readonly<Record<string, readonly number[]>>,
  rest: Partial<Recovered> = {},
): Recovered {
  return {
    ...NOTHING,
    queues: Object.entries(queues).map(([name, blocks], i) => ({
      queue: i + 1,
      name,
      blocks: new BlockList(blocks.map((block) => ({ block, count: 1, first: undefined }))),
    })),
    ...rest,
  };
}

function wanted(
  queue: number,
  indices: readonly number[],
  parts: Partial<QueuedEntry['entry']> = {},
): QueuedEntry {
  const entry = { indices, first: undefined, directives: [], ...parts };
  return { queue, block: 1, entry, events: indices.flatMap((i) => EVENTS[i] ?? []) };
}

function named(name: string, parts: Partial<Subscription> = {}): Subscription {
  return { ...SUBSCRIPTION, name, ...parts };
}

/** The blocks that move, of queues that want these. */
function movedBlocks(
  blocks: readonly (readonly number[])[],
  claims: readonly BlockRange[],
  upTo: number,
): number[] {
  const bench = new Bench({ claims, upTo });
  bench.move.read(content(Object.fromEntries(blocks.map((each, i) => [`c:us:${i}`, each]))));
  const moved: number[] = [];
  for (;;) {
    const load = bench.said().find((each) => each.startsWith('load'));
    if (load === undefined) break;
    const block = Number(load.split(' ')[1]);
    moved.push(block);
    bench.move.loaded(block, []);
    bench.durable();
  }
  bench.durable();
  assert.deepEqual(bench.said(), ['moved']);
  return moved;
}

for (const { what, blocks, claims, upTo = 0, moved } of [
  { what: 'all that is claimed', blocks: [[1, 2, 9]], claims: [[0, 10]], moved: [1, 2, 9] },
  { what: 'nothing that is not', blocks: [[1, 2, 9]], claims: [[2, 9]], moved: [2] },
  { what: 'nothing at all where nothing is', blocks: [[1, 2, 9]], claims: [], moved: [] },
  { what: 'oldest first, however claims came', blocks: [[1, 5, 9]], claims: [[8, 10], [0, 6]], moved: [1, 5, 9] }, // prettier-ignore
  { what: 'a block of several queues once', blocks: [[1, 3], [2, 3], [3]], claims: [[0, 10]], moved: [1, 2, 3] }, // prettier-ignore
  { what: 'no block a second time', blocks: [[1, 5, 9]], claims: [[0, 10]], upTo: 6, moved: [9] },
  { what: 'from within the second claim', blocks: [[1, 5, 9]], claims: [[0, 2], [4, 10]], upTo: 6, moved: [9] }, // prettier-ignore
  { what: 'nothing where all has moved', blocks: [[1, 5, 9]], claims: [[0, 10]], upTo: 10, moved: [] },
] as const) {
  test(`moves ${what}`, () => {
    const ranges = claims.map(([from, upTo]) => ({ from, upTo }));
    assert.deepEqual(movedBlocks(blocks, ranges, upTo), moved);
  });
}

test('goes on to the next block when the last is on disk with the note of it, and while there is room', () => {
  const bench = new Bench({ upTo: 0 });
  bench.move.goOn();
  assert.deepEqual(bench.said(), ['read-copy'], 'nothing is known yet');
  bench.move.read(content({ 'c:us:0': [1, 2, 3], 's:orders': [2] }));
  assert.deepEqual(bench.said(), ['note 0', 'load 1 for 1']);
  bench.move.goOn();
  bench.move.read(content({ 'c:us:0': [7] }));
  assert.deepEqual(bench.said(), [], 'one at a time; a copy is read once');
  bench.move.loaded(1, [wanted(1, [0, 2])]);
  assert.deepEqual(bench.said(), ['note 2']);
  assert.deepEqual(
    bench.wants.map(([sequence]) => sequence),
    [1, 3],
  );
  bench.isBusy = true;
  bench.durable();
  assert.deepEqual(bench.said(), [], 'too much is on its way to the disk');
  bench.isBusy = false;
  bench.move.goOn();
  assert.deepEqual(bench.said(), ['load 2 for 1 2']);
  assert.equal(bench.counters.total('events_taken_over_total'), 2);
});

const directive: Directive = { ...NO_GROUPS, subscription: 'x' };

for (const { what, task = {}, queue, subscriptions = [], entry = {}, wants, said = [] } of [
  {
    what: 'a lane to a cluster: there, at its position, as was decided',
    queue: 'c:us:3',
    entry: { first: { incarnation: 7, sequence: 20 }, directives: [{ from: 1, directive }] },
    wants: [
      { kind: 'lane', to: { scope: 'cluster', cluster: 'us', lane: 3 }, position: { incarnation: 7, sequence: 20 }, directive: NO_GROUPS }, // prettier-ignore
      { kind: 'lane', to: { scope: 'cluster', cluster: 'us', lane: 3 }, position: { incarnation: 7, sequence: 21 }, directive }, // prettier-ignore
    ],
  },
  {
    what: 'a mesher of the cluster: there',
    queue: 'p:b',
    wants: Array<AdoptedWant>(2).fill({ kind: 'lane', to: { scope: 'peer', node: 'b' }, position: undefined, directive: NO_GROUPS }), // prettier-ignore
  },
  {
    what: 'a subscription, at the heir: it is adopted, under whatever name',
    task: { adopts: true },
    queue: 's:orders',
    subscriptions: [named('orders')],
    wants: Array<AdoptedWant>(2).fill({ kind: 'subscription', name: 'orders~' }),
    said: ['adopt orders of lost'],
  },
  {
    what: 'a subscription that the lost mesher had adopted itself: it stays that of the one before',
    task: { adopts: true },
    queue: 's:orders',
    subscriptions: [named('orders', { adoptedFrom: 'earlier' })],
    wants: Array<AdoptedWant>(2).fill({ kind: 'subscription', name: 'orders~' }),
    said: ['adopt orders of earlier'],
  },
  {
    what: 'a subscription, at the heir after a restart: what it is called now',
    queue: 's:orders',
    subscriptions: [named('orders')],
    wants: Array<AdoptedWant>(2).fill({ kind: 'subscription', name: 'orders' }),
  },
  {
    what: 'a subscription that was deleted at the heir: nowhere, and it is said',
    queue: 's:deleted',
    subscriptions: [named('deleted')],
    wants: Array<AdoptedWant>(2).fill({ kind: 'deleted', name: 'deleted' }),
  },
  {
    what: 'a subscription that the lost mesher had adopted since the copy with which others came: whoever has it now',
    task: { isElsewhere: (from: string) => from === 'earlier' },
    queue: 's:orders',
    subscriptions: [named('orders', { adoptedFrom: 'earlier' })],
    wants: Array<AdoptedWant>(2).fill({ kind: 'heir', of: 'earlier', name: 'orders' }),
  },
  {
    what: 'a subscription, at a helper: the heir has it',
    task: { isHeir: false },
    queue: 's:orders',
    subscriptions: [named('orders')],
    wants: Array<AdoptedWant>(2).fill({ kind: 'heir', of: OWNER, name: 'orders' }),
  },
  {
    what: 'dead letters: those of whoever moves them',
    task: { isHeir: false },
    queue: `s:${DEAD_LETTERS}`,
    subscriptions: [named(DEAD_LETTERS)],
    wants: Array<AdoptedWant>(2).fill({ kind: 'subscription', name: DEAD_LETTERS }),
  },
  {
    what: 'a queue whose subscription did not come along: dead letters, where somebody may look for it',
    queue: 's:ghost',
    wants: Array<AdoptedWant>(2).fill({ kind: 'subscription', name: DEAD_LETTERS }),
  },
] as const) {
  test(`where events go that waited for ${what}`, () => {
    const bench = new Bench(task, (name) => (name === 'deleted' ? undefined : name));
    bench.move.read(content({ [queue]: [1] }, { subscriptions }));
    assert.deepEqual(
      bench.said().filter((each) => each.startsWith('adopt')),
      said,
    );
    bench.move.loaded(1, [wanted(1, [0, 1], entry)]);
    assert.deepEqual(
      bench.wants.flatMap(([, each]) => each),
      wants,
    );
  });
}

test('an event that several queues want moves once, for all of them', () => {
  const bench = new Bench({});
  bench.move.read(content({ 'p:b': [1], 's:orders': [1] }, { subscriptions: [named('orders')] }));
  bench.move.loaded(1, [wanted(1, [2, 3]), wanted(2, [0, 2])]);
  assert.deepEqual(
    bench.wants.map(([sequence, wants]) => [sequence, wants.map(({ kind }) => kind)]),
    [
      [1, ['subscription']],
      [3, ['lane', 'subscription']],
      [4, ['lane']],
    ],
  );
});

test('how far it had received from other meshers is adopted when that is asked for, under its own name', () => {
  const bench = new Bench({});
  const position = { incarnation: 3, sequence: 9 };
  bench.move.read(
    content(
      {},
      {
        marks: [
          { sender: 'b', scope: 'peer', lane: 0, position },
          { sender: 'b', scope: 'peer', lane: 0, of: 'earlier', position },
          { sender: 'far', scope: 'cluster', lane: 5, position },
        ],
      },
    ),
  );
  assert.deepEqual(bench.marks, []);
  bench.move.adoptMarks();
  assert.deepEqual(bench.marks, [
    { sender: 'b', scope: 'peer', lane: 0, of: OWNER, ...position },
    { sender: 'b', scope: 'peer', lane: 0, of: 'earlier', ...position },
  ]);
});

test('what the lost mesher had taken over itself is noted with each block', () => {
  const theirs: Takeover = { owner: 'earlier', isHeir: true, claims: [], upTo: 0, isDone: true, theirs: [] };
  const bench = new Bench({});
  bench.move.read(content({ 'p:b': [1] }, { takeovers: [theirs] }));
  bench.move.loaded(1, [wanted(1, [0])]);
  assert.deepEqual(bench.said(), ['read-copy', 'note 0 and theirs', 'load 1 for 1', 'note 2 and theirs']);
});

test('however many subscriptions there are, each is looked at a few times', () => {
  const MANY = 2_000;
  let looks = 0;
  const subscriptions = Array.from({ length: MANY }, (_, i) => ({
    ...SUBSCRIPTION,
    get name(): string {
      looks++;
      return `n${i}`;
    },
  }));
  const bench = new Bench({});
  bench.move.read(
    content(Object.fromEntries(subscriptions.map((_, i) => [`s:n${i}`, [1]])), { subscriptions }),
  );
  assert.ok(looks < 20 * MANY, `${looks} looks at ${MANY} subscriptions`);
  assert.deepEqual(bench.said(), ['read-copy', 'note 0'], 'a step with thousands of queues is enough');
  bench.move.goOn();
  assert.match(bench.said().join(), /^load 1 for 1 2 3 /);
});
