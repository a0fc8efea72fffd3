// What a lost mesher had on its way to whoever takes it over: it comes as it would have come over the link, or ends with a reason.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlockList } from '../../../node/core/block-list.ts';
import type { StoredEvent } from '../../../node/core/event.ts';
import { interestKey } from '../../../node/core/interest-set.ts';
import { COPY_COMPLETE } from '../../../node/core/messages.ts';
import type { MesherCore } from '../../../node/core/mesher-core.ts';
import type { QueuedEntry, Recovered } from '../../../node/core/ports.ts';
import type { Effect } from '../../../node/core/steps.ts';
import { DELIVERY_DEFAULTS, type Subscription } from '../../../node/core/subscription.ts';
import { storedEvent } from '../../support/events.ts';
import { loneCore, NOTHING, NOW } from '../../support/lone-core.ts';

const OWNER = 'lost';
const BLOCK = 3;
const QUEUE = 2;
const NEXT_BLOCK = 10;
const WORKERS = interestKey('orders/#', 'workers');

/** In the middle of taking `lost` over: its copy is about to be read. */
function taker(subscriptions: readonly Subscription[] = []): MesherCore {
  const claims = [{ from: 0, upTo: NEXT_BLOCK }];
  const head = {
    incarnation: 1,
    batch: 5,
    cursor: COPY_COMPLETE,
    pastBlock: 0,
    startBlock: 0,
    nextBlock: NEXT_BLOCK,
  };
  return loneCore({
    ...NOTHING,
    subscriptions,
    queues: subscriptions.map(({ name }, i) => ({
      queue: i + 1,
      name: `s:${name}`,
      blocks: new BlockList([]),
    })),
    takeovers: [{ owner: OWNER, isHeir: true, claims, upTo: 0, isDone: false, theirs: [] }],
    copies: [{ owner: OWNER, head }],
  });
}

/** All that comes of an event that the lost mesher had in its lane to this one, for itself and these groups. */
function adopt(core: MesherCore, event: StoredEvent, groups: readonly string[] = []): Effect[] {
  return adoptFrom(core, event, ['p:a'], groups);
}

/** The same where it had it in these queues. `content`: what else its copy holds. */
function adoptFrom(
  core: MesherCore,
  event: StoredEvent,
  names: readonly string[],
  groups: readonly string[],
  content: Partial<Recovered> = {},
): Effect[] {
  const first = { incarnation: 1, sequence: 1 };
  const directives = [{ from: 0, directive: { groups: 'only', names: groups } as const }];
  const entry = { indices: [0], first, directives };
  const entries = names.map((_, i): QueuedEntry => ({
    queue: QUEUE + i,
    block: BLOCK,
    entry,
    events: [event],
  }));
  const blocks = () => new BlockList([{ block: BLOCK, count: 1, first }]);
  const recovered = {
    ...NOTHING,
    nextBlock: NEXT_BLOCK,
    queues: names.map((name, i) => ({ queue: QUEUE + i, name, blocks: blocks() })),
    ...content,
  };
  const effects = [
    ...core.step([{ kind: 'tick' }], NOW),
    ...core.step([{ kind: 'appended', batch: 1 }], NOW),
    ...core.step([{ kind: 'copy-read', owner: OWNER, recovered }], NOW),
    ...core.step([{ kind: 'copy-loaded', owner: OWNER, block: BLOCK, entries }], NOW),
  ];
  assert.deepEqual(
    effects.flatMap((effect) => (effect.kind === 'load-copy' ? [effect.block] : [])),
    [BLOCK],
  );
  return effects;
}

const fatesIn = (effects: readonly Effect[]) =>
  effects.flatMap((effect) =>
    effect.kind === 'fate' ? [{ what: effect.what, reason: effect.reason, to: effect.to }] : [],
  );

const subscription = (name: string, delivery: Partial<Subscription['delivery']> = {}): Subscription => ({
  name,
  topic: 'orders/#',
  group: undefined,
  sink: undefined,
  adoptedFrom: undefined,
  delivery: { ...DELIVERY_DEFAULTS, ...delivery },
});

test('what a lost mesher had for a group that has no member any more is dropped, and says so', () => {
  const core = taker();
  assert.deepEqual(fatesIn(adopt(core, storedEvent(), [WORKERS])), [
    { what: 'dropped', reason: 'stale-route', to: OWNER },
    { what: 'not-wanted', reason: 'link', to: '' },
  ]);
  assert.equal(core.counters.total('events_dropped_total', 'stale-route'), 1);
  assert.equal(core.counters.total('events_unwanted_total', 'link'), 1);
});

test('what a lost mesher had for a subscription that is gone says so', () => {
  assert.deepEqual(fatesIn(adopt(taker(), storedEvent())), [{ what: 'not-wanted', reason: 'link', to: '' }]);
});

test('what a lost mesher had for a subscription of its own that was deleted at the heir says so', () => {
  // the note of the takeover is from before a restart: its subscriptions have come, and this one is no more
  const content = { subscriptions: [subscription('billing')] };
  assert.deepEqual(fatesIn(adoptFrom(taker(), storedEvent(), ['s:billing'], [], content)), [
    { what: 'dropped', reason: 'subscription-deleted', to: 'billing' },
  ]);
});

test('what a lost mesher had for subscriptions that are there comes into their queues', () => {
  const core = taker([subscription('billing'), { ...subscription('worker'), group: 'workers' }]);
  assert.deepEqual(fatesIn(adopt(core, storedEvent(), [WORKERS])), []);
  for (const name of ['billing', 'worker']) assert.equal(core.subscriptions.get(name)?.queue.staged, 1, name);
});

test('what a lost mesher had on its way keeps to the limit of a queue', () => {
  const core = taker([subscription('full', { queueEventsMax: 0, whenFull: 'drop-newest' })]);
  assert.deepEqual(fatesIn(adopt(core, storedEvent())), [
    { what: 'dropped', reason: 'queue-limit', to: 'full' },
  ]);
});

test('what a lost mesher had on its way is handed to whoever listens', () => {
  const core = taker();
  core.step([{ kind: 'attach-ephemeral', session: 1, filter: 'orders/#', group: '', credit: 10 }], NOW);
  const effects = adopt(core, storedEvent());
  assert.deepEqual(fatesIn(effects), []);
  const delivered = effects.flatMap((effect) => (effect.kind === 'deliver' ? effect.deliveries : []));
  assert.equal(delivered.length, 1);
});

test('what a lost mesher had for a subscription of its own and on its way to its heir is stored once', () => {
  const core = taker([subscription('billing')]);
  const own = { ...subscription('theirs'), adoptedFrom: undefined };
  const content = { subscriptions: [own] };
  core.subscriptions.adopt({ ...own, adoptedFrom: OWNER });
  const effects = [
    ...adoptFrom(core, storedEvent(), ['s:theirs', 'p:a'], [], content),
    ...core.step([{ kind: 'appended', batch: 2 }], NOW),
    ...core.step([{ kind: 'appended', batch: 3 }], NOW),
  ];
  const ops = effects.flatMap((effect) => (effect.kind === 'append' ? effect.ops : []));
  const stored = ops.flatMap((op) => (op.op === 'block' ? op.events : []));
  assert.equal(stored.length, 1);
  const queues = ops.flatMap((op) => (op.op === 'entry' ? [op.queue] : []));
  assert.equal(new Set(queues).size, 2, 'both subscriptions have it');
});
