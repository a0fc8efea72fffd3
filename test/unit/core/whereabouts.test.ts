import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MeshError } from '../../../node/core/errors.ts';
import { Heirs } from '../../../node/core/heirs.ts';
import type { MesherCore } from '../../../node/core/mesher-core.ts';
import { adoptedName, DEAD_LETTERS } from '../../../node/core/subscription.ts';
import { nameHere, neighboursOf } from '../../../node/core/whereabouts.ts';
import { NOW } from '../../support/lone-core.ts';

interface Given {
  /** Name → where it was made; undefined: here. */
  readonly subscriptions?: Readonly<Record<string, string | undefined>>;
  readonly guests?: readonly string[];
  /** Lost mesher → its heir. */
  readonly heirs?: Readonly<Record<string, string>>;
  readonly members?: Readonly<Record<string, 'alive' | 'suspect' | 'dead'>>;
  readonly joined?: boolean;
}

/** What is asked of a core here, of the mesher `self`. */
function core(given: Given): MesherCore {
  const {
    subscriptions = {},
    guests = [],
    heirs: claims = {},
    members: statuses = {},
    joined = true,
  } = given;
  const heirs = new Heirs();
  for (const [node, heir] of Object.entries(claims)) heirs.add(node, heir);
  const members = new Map(
    Object.entries(statuses).map(([node, status]) => [
      node,
      { status, record: { node, cluster: node.startsWith('far') ? 'us' : 'eu', http: `http://${node}` } },
    ]),
  );
  const parts = {
    node: 'self',
    cluster: 'eu',
    subscriptions: {
      get: (name: string) =>
        name in subscriptions ? { subscription: { name, adoptedFrom: subscriptions[name] } } : undefined,
    },
    takeovers: { isGuest: (node: string) => guests.includes(node) },
    table: { heirs, complete: () => true },
    members: {
      get: (node: string) => members.get(node),
      all: () => members.values(),
      registry: { state: 'up' },
      joined,
    },
    options: { rejoining: false },
    diskFull: false,
  };
  return parts as unknown as MesherCore;
}

function elsewhere(given: Given, madeOn: string, name = 'orders'): Record<string, unknown> {
  try {
    return { here: nameHere(core(given), name, madeOn, NOW) };
  } catch (error) {
    assert.ok(error instanceof MeshError);
    const { node, http, memberStatus } = error.details;
    return { code: error.code, node, http, memberStatus };
  }
}

const RENAMED = adoptedName('orders', 'lost');

test('it is where it was made, as long as that mesher is a member, whatever is here by that name', () => {
  const given: Given = { members: { other: 'alive' }, subscriptions: { orders: undefined } };
  const there = {
    code: 'subscription-elsewhere',
    node: 'other',
    http: 'http://other',
    memberStatus: 'alive',
  };
  assert.deepEqual(elsewhere(given, 'other'), there);
  assert.deepEqual(elsewhere({ members: { other: 'dead' } }, 'other'), { ...there, memberStatus: 'dead' });
  assert.deepEqual(elsewhere(given, 'self'), { here: 'orders' });
});

test('an heir has it under the name that it gave it', () => {
  const guests = ['lost'];
  assert.deepEqual(elsewhere({ guests, subscriptions: { orders: 'lost' } }, 'lost'), { here: 'orders' });
  const both: Given = { guests, subscriptions: { orders: undefined, [RENAMED]: 'lost' } };
  assert.deepEqual(elsewhere(both, 'lost'), { here: RENAMED });
  assert.deepEqual(elsewhere(both, 'self'), { here: 'orders' }, 'its own is another');
  assert.deepEqual(elsewhere(both, 'lost', RENAMED), { here: RENAMED }, 'asked for by its new name');
  const moving: Given = { members: { lost: 'dead' }, subscriptions: { orders: 'lost' } };
  assert.deepEqual(elsewhere(moving, 'lost'), { here: 'orders' }, 'while it is being moved, too');
});

test('one that was deleted at the heir is none, and its name does not stand for another', () => {
  const guests = ['lost'];
  assert.deepEqual(elsewhere({ guests }, 'lost'), { here: 'orders' });
  assert.deepEqual(elsewhere({ guests, subscriptions: { orders: undefined } }, 'lost'), { here: RENAMED });
  const dead = { [DEAD_LETTERS]: undefined };
  assert.deepEqual(elsewhere({ guests, subscriptions: dead }, 'lost', DEAD_LETTERS), { here: DEAD_LETTERS });
});

test('others name the heir, and the heir of that one', () => {
  const given: Given = { heirs: { lost: 'first', first: 'second' }, members: { second: 'alive' } };
  assert.equal(elsewhere(given, 'lost')['node'], 'second');
  assert.equal(elsewhere(given, 'first')['node'], 'second');
});

test('a mesher that does not know yet who is whose heir says so; one that knows, and has never heard of it, is as ever', () => {
  assert.equal(elsewhere({ joined: false }, 'unheard')['code'], 'not-ready');
  assert.equal(elsewhere({ heirs: { lost: 'unheard' } }, 'lost')['code'], 'not-ready');
  assert.deepEqual(elsewhere({}, 'unheard'), { here: 'orders' });
});

test('neighbours are the live meshers of the cluster, some of them', () => {
  const members = { b: 'alive', c: 'dead', far: 'alive', d: 'suspect' } as const;
  assert.deepEqual(neighboursOf(core({ members })), [{ node: 'b', http: 'http://b' }]);
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`m${n}`, 'alive'] as const));
  assert.equal(neighboursOf(core({ members: many })).length, 16);
});
