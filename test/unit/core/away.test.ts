// Members that others say are away: whom a mesher believes, for how long, and what it keeps for them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { awayMessages, memberText, readMember } from '../../../node/core/away.ts';
import type { NodeId } from '../../../node/core/event.ts';
import { announcedFilter, heirFilter } from '../../../node/core/heirs.ts';
import { InterestSet } from '../../../node/core/interest-set.ts';
import { AWAY_FROM_PEER_MAX, LIMITS, MEMBER_BYTES_MAX } from '../../../node/core/limits.ts';
import { signMember } from '../../../node/core/membership.ts';
import { MesherCore } from '../../../node/core/mesher-core.ts';
import { COPY_COMPLETE, type LinkMessage } from '../../../node/core/messages.ts';
import type { JournalOp, MemberRecord, RecoveredMesher } from '../../../node/core/ports.ts';
import { encodeHead, signDelta } from '../../../node/core/route-record.ts';
import type { Effect, Input } from '../../../node/core/steps.ts';
import { TIMING } from '../../../node/core/timing.ts';
import { NOTHING } from '../../support/lone-core.ts';
import { signingKeys } from './signing-keys.ts';

const { forgetAfterMs, deadAfterMs } = TIMING;
const HOUR = 3_600_000;

function recordOf(node: NodeId, cluster = 'us', incarnation = 1): MemberRecord {
  return signMember(signingKeys(node), {
    federation: 'acme',
    cluster,
    node,
    incarnation,
    addresses: [`/dns4/${node}/tcp/7401`],
    http: '',
    labels: { zone: 'z', area: 'a' },
    version: '1',
  });
}

function saying(records: readonly MemberRecord[], awayMs = 0): LinkMessage[] {
  return awayMessages(records.map((record) => ({ record, awayMs })));
}

/** The core of `a` in `eu`, which joined with the peers `b` and `c` of `us`, and has links with both. */
class Newcomer {
  readonly core: MesherCore;
  readonly ops: JournalOp[] = [];
  effects: Effect[] = [];
  #now = 1_000_000;
  #revision = 0;

  constructor(found: Partial<RecoveredMesher> = {}, version = 2) {
    const self = recordOf('a', 'eu');
    const keys = signingKeys('a');
    const options = { self, limits: LIMITS, timing: TIMING, keys, random: () => 0.5, replicas: 1 };
    this.core = new MesherCore({ ...options, rejoining: false }, { ...NOTHING, ...found }, this.#time());
    this.list('b', 'c');
    for (const peer of ['b', 'c'])
      this.step({ kind: 'link-up', peer, cluster: 'us', incarnation: 1, version });
  }

  #time() {
    return { wall: this.#now, monotonic: this.#now };
  }

  step(...inputs: Input[]): readonly Effect[] {
    const effects = this.core.step(inputs, this.#time());
    this.effects.push(...effects);
    for (const effect of effects) {
      if (effect.kind === 'end-claims') this.step({ kind: 'claims-ended', owner: effect.owner });
      if (effect.kind !== 'append') continue;
      this.ops.push(...effect.ops);
      this.step({ kind: 'appended', batch: effect.batch });
    }
    return effects;
  }

  list(...nodes: NodeId[]): readonly Effect[] {
    const members = [recordOf('a', 'eu'), ...nodes.map((node) => recordOf(node))];
    return this.step({ kind: 'members', list: { revision: ++this.#revision, members } });
  }

  say(peer: NodeId, ...messages: LinkMessage[]): readonly Effect[] {
    return this.step({ kind: 'messages', peer, messages });
  }

  wait(ms: number): void {
    this.#now += ms;
    this.step({ kind: 'tick' });
  }

  status(node: NodeId): string {
    return this.core.members.get(node)?.status ?? 'unknown';
  }

  /** Times that it asked the registry for blocks of somebody who is lost. */
  claims(): number {
    return this.effects.filter(({ kind }) => kind === 'claim').length;
  }

  refused(reason: string): number {
    const family = [...this.core.counters.families()].find(({ name }) => name === 'members_refused_total');
    return family?.samples.find(({ labels }) => labels['reason'] === reason)?.value ?? 0;
  }

  /** `peer` serves the record of `node`, whose interests are these. */
  serve(peer: NodeId, node: NodeId, filters: readonly string[]): void {
    const interests = new InterestSet();
    for (const filter of filters) interests.set({ filter, group: '', durable: true });
    const { proof } = signDelta(signingKeys(node), 1, 1, interests, []);
    const version = { node, incarnation: 1, sequence: 1 };
    this.say(peer, { kind: 'route-heads', answer: true, heads: [{ ...version, digest: 0 }] });
    this.say(peer, { kind: 'route-head', head: encodeHead(proof, interests) });
    const all = Array.from({ length: 256 }, (_, index) => ({ index, interests: interests.bucket(index) }));
    this.say(peer, { kind: 'route-buckets', ...version, buckets: all });
  }

  /** Where an event that is published now is queued. */
  destinationsOf(topic: string): readonly string[] {
    return [
      ...this.core.router.preview(topic, 1, 'anywhere', { groups: 'except', names: [] }).clusters.keys(),
    ];
  }

  /** Who there is to have it, as far as is known. */
  wantedIn(cluster: string, topic: string): readonly NodeId[] {
    const decision = this.core.router.preview(topic, 1, 'anywhere', { groups: 'except', names: [] });
    return decision.clusters.get(cluster)?.wanted?.map(({ node }) => node) ?? [];
  }

  /** For whom of its own cluster an event that is published now is queued. */
  peersFor(topic: string): readonly string[] {
    return [...this.core.router.preview(topic, 1, 'anywhere', { groups: 'except', names: [] }).peers.keys()];
  }

  told(peer: NodeId): string[] {
    return this.effects.flatMap((effect) =>
      effect.kind === 'control' && effect.peer === peer && effect.message.kind === 'members-away'
        ? effect.message.members.map(({ signed }) => readMember(signed, '')?.node ?? '')
        : [],
    );
  }

  allowed(): ReadonlySet<NodeId> {
    const allows = this.effects.flatMap((effect) => (effect.kind === 'allow' ? [effect.peers] : []));
    return allows.at(-1) ?? new Set();
  }
}

void test('a record is read as it was signed, and nothing else is', () => {
  const record = recordOf('x');
  assert.deepEqual(readMember(memberText(record), record.signature), record);
  for (const text of [
    '',
    '{}',
    '[]',
    'null',
    ` ${memberText(record)}`,
    memberText(record).replace('1', '"1"'),
  ])
    assert.equal(readMember(text, record.signature), undefined, text);
});

void test('many members take several messages, and one that is too large is not told', () => {
  const large = recordOf('l'.repeat(MEMBER_BYTES_MAX));
  const records = [large, ...Array.from({ length: 1_000 }, (_, i) => recordOf(`n${i}`))];
  const messages = awayMessages(records.map((record) => ({ record, awayMs: 1.5 })));
  assert(messages.length > 1);
  const nodes = messages.flatMap(({ members }) => members.map(({ signed }) => readMember(signed, '')?.node));
  assert.deepEqual(
    nodes,
    records.slice(1).map(({ node }) => node),
  );
  assert.equal(messages[0]?.members[0]?.awayMs, 1);
});

void test('keeps events for the durable interests of a member that was away before it joined', () => {
  const a = new Newcomer();
  assert.deepEqual(a.destinationsOf('orders/eu'), ['us'], 'nothing whole is known of b and c');
  a.serve('b', 'b', []);
  a.serve('c', 'c', []);
  assert.deepEqual(a.destinationsOf('orders/eu'), []);
  a.say('b', ...saying([recordOf('x', 'far')]));
  assert.equal(a.status('x'), 'dead');
  a.serve('b', 'x', ['orders/#']);
  assert.deepEqual(a.destinationsOf('orders/eu'), ['far']);
  assert.deepEqual(a.destinationsOf('bills/eu'), []);
});

void test('neither dials nor lets in who is known by hearsay, until the registry lists it', () => {
  const a = new Newcomer();
  a.effects = [];
  a.say('b', ...saying([recordOf('x')]));
  a.list('b', 'c');
  assert.deepEqual(
    a.effects.filter(({ kind }) => kind === 'connect'),
    [],
  );
  assert.deepEqual([...a.allowed()].sort(), ['b', 'c']);
  const effects = a.list('b', 'c', 'x');
  assert.equal(a.status('x'), 'alive');
  assert(effects.some((effect) => effect.kind === 'connect' && effect.peer === 'x'));
  assert.deepEqual([...a.allowed()].sort(), ['b', 'c', 'x']);
});

void test('who is listed cannot be said to be away', () => {
  const a = new Newcomer();
  a.say('b', ...saying([recordOf('c', 'us', 2), recordOf('a', 'eu', 9)]));
  assert.equal(a.status('c'), 'alive');
  assert.equal(a.core.members.get('c')?.record.incarnation, 1);
});

void test('forged records, and those of other federations, are refused', () => {
  const a = new Newcomer();
  const forged = { ...recordOf('x'), cluster: 'eu' };
  const foreign = signMember(signingKeys('y'), { ...recordOf('y'), federation: 'other' });
  a.say('b', ...saying([forged, foreign]));
  a.say('b', { kind: 'members-away', members: [{ signed: 'no', signature: '', awayMs: 0 }] });
  assert.deepEqual([a.status('x'), a.status('y')], ['unknown', 'unknown']);
  for (const reason of ['bad-signature', 'other-federation', 'malformed']) assert.equal(a.refused(reason), 1);
});

void test('the age counts, and nobody can make it younger than when it was first heard', () => {
  const a = new Newcomer();
  a.say('b', ...saying([recordOf('x')], forgetAfterMs - HOUR));
  a.say('c', ...saying([recordOf('x')], forgetAfterMs - 3 * HOUR));
  a.wait(2 * HOUR);
  assert.equal(a.status('x'), 'dead', 'who says that it went later is believed');
  const y = [recordOf('y')];
  a.say('b', ...saying(y));
  for (let day = 0; day < 6; day++) {
    a.wait(24 * HOUR);
    a.say('b', ...saying(y));
  }
  assert.equal(a.status('y'), 'dead');
  a.wait(24 * HOUR + 1);
  assert.equal(a.status('y'), 'unknown');
  a.say('b', ...saying(y));
  assert.equal(a.status('y'), 'unknown', 'what was forgotten stays so');
  a.list('b', 'c', 'y');
  assert.equal(a.status('y'), 'alive', 'unless the registry lists it');
});

void test('a lie about the age does not keep honest words out', () => {
  const a = new Newcomer();
  a.say('b', ...saying([recordOf('x')], forgetAfterMs - 1));
  a.wait(1_000);
  assert.equal(a.status('x'), 'unknown');
  a.say('c', ...saying([recordOf('x')], HOUR));
  assert.equal(a.status('x'), 'dead');
  a.say(
    'c',
    ...saying([recordOf('z')], forgetAfterMs + 1),
    ...saying([recordOf('z')], Number.MAX_SAFE_INTEGER),
  );
  assert.equal(a.status('z'), 'unknown');
});

void test('who was known at first hand, and is forgotten, is not revived', () => {
  const a = new Newcomer();
  a.list('b');
  a.step({ kind: 'link-down', peer: 'c', reason: 'test' });
  a.wait(deadAfterMs + 1);
  a.wait(forgetAfterMs);
  assert.equal(a.status('c'), 'unknown');
  a.say('b', ...saying([recordOf('c')]));
  assert.equal(a.status('c'), 'unknown');
});

void test('one peer cannot fill the table of members, nor keep others from telling', () => {
  const a = new Newcomer();
  a.say('b', ...saying(Array.from({ length: AWAY_FROM_PEER_MAX + 10 }, (_, i) => recordOf(`ghost${i}`))));
  assert.equal([...a.core.members.all()].length, AWAY_FROM_PEER_MAX + 2);
  assert.equal(a.refused('too-many-away'), 10);
  a.say('c', ...saying([recordOf('x')]));
  assert.equal(a.status('x'), 'dead');
});

void test('what one peer tells of has no more interests in all than one member', () => {
  const a = new Newcomer();
  a.say('b', ...saying([recordOf('x'), recordOf('y')]));
  a.say('c', ...saying([recordOf('z')]));
  const filters = Array.from({ length: 3 }, (_, i) => `t${i}`);
  const many = LIMITS.interestsMax - 1;
  a.serve('b', 'x', filters);
  const { proof } = signDelta(signingKeys('y'), 1, 1, new Counted(many), []);
  a.say('b', {
    kind: 'route-heads',
    answer: true,
    heads: [{ node: 'y', incarnation: 1, sequence: 1, digest: 0 }],
  });
  a.effects = [];
  a.say('b', { kind: 'route-head', head: encodeHead(proof, new Counted(many)) });
  const pulled = (): boolean =>
    a.effects.some(({ kind, ...rest }) => kind === 'control' && JSON.stringify(rest).includes('bucket-pull'));
  assert.equal(pulled(), false);
  a.serve('c', 'z', filters);
  assert.equal(a.core.table.complete('z'), true);
});

/** Says to hold so many. */
class Counted extends InterestSet {
  readonly #size: number;

  constructor(size: number) {
    super();
    this.#size = size;
    this.set({ filter: 't', group: '', durable: true });
  }

  override get size(): number {
    return this.#size;
  }
}

void test('nobody who is known by hearsay is an heir, until the registry lists it', () => {
  const a = new Newcomer();
  a.say('b', ...saying([recordOf('ghost')]));
  a.serve('b', 'ghost', [heirFilter('c')]);
  assert.equal(a.core.table.complete('ghost'), true);
  assert.equal(a.status('c'), 'alive');
  assert.equal(a.core.table.heirs.has('c'), false);
  a.list('b', 'c', 'ghost');
  assert.equal(a.core.table.heirs.of('c'), 'ghost');
});

void test('what is wanted under the name of one who is lost is kept for that one, though who says so is away by hearsay', () => {
  const a = new Newcomer();
  a.say('b', ...saying([recordOf('heir', 'eu')]));
  a.serve('b', 'heir', [heirFilter('lost'), announcedFilter('orders', 'lost')]);
  assert.deepEqual(a.peersFor('orders'), ['lost']);
  assert.equal(a.core.table.heirs.has('lost'), false, 'it may have been invented');
  const b = new Newcomer();
  b.say('b', ...saying([recordOf('heir')]));
  b.serve('b', 'heir', [heirFilter('lost'), announcedFilter('orders', 'lost')]);
  assert.deepEqual(
    b.wantedIn('us', 'orders'),
    ['lost'],
    'in another cluster it is named to whoever lands it',
  );
  a.list('b', 'c', 'lost');
  assert.deepEqual(a.peersFor('orders'), [], 'that one is there, and speaks for itself');
});

void test('what is kept for one who is lost goes to its heir as soon as there is one that the registry lists', () => {
  const a = new Newcomer();
  a.say('b', ...saying([recordOf('heir', 'eu')]));
  a.serve('b', 'heir', [heirFilter('lost'), announcedFilter('orders', 'lost')]);
  const event = { topic: 'orders', expiresAt: 0, key: '', hash: 1, cloudEvent: new Uint8Array([1]) };
  a.step({ kind: 'publish', request: 1, qos: 'durable', report: false, events: [event] });
  const members = [recordOf('a', 'eu'), recordOf('b'), recordOf('c'), recordOf('next', 'eu')];
  a.step({ kind: 'members', list: { revision: 9, members } });
  a.step({ kind: 'link-up', peer: 'next', cluster: 'eu', incarnation: 1, version: 2 });
  a.effects = [];
  const filters = [heirFilter('heir'), heirFilter('lost'), announcedFilter('orders', 'lost')];
  a.serve('next', 'next', filters);
  a.wait(1_000);
  const opened = a.effects.flatMap((effect) =>
    effect.kind === 'control' && effect.peer === 'next' && effect.message.kind === 'lane-open'
      ? [effect.message.of]
      : [],
  );
  assert.deepEqual(opened, ['lost']);
});

void test('who is away speaks for no member, and those who are for no more than are believed', () => {
  const a = new Newcomer();
  a.say('b', ...saying([recordOf('ghost', 'eu')]));
  const lost = Array.from({ length: AWAY_FROM_PEER_MAX + 10 }, (_, i) => `lost-${i}`);
  const filters = lost.map((node) => announcedFilter('orders', node));
  a.serve('b', 'ghost', filters);
  assert.equal(a.peersFor('orders').length, AWAY_FROM_PEER_MAX);
  a.say('c', ...saying([recordOf('heir', 'eu')]));
  a.serve('c', 'heir', [announcedFilter('orders', 'really lost')]);
  assert.ok(a.peersFor('orders').includes('really lost'), 'who lies leaves no other teller with less');
  a.list('b', 'c', 'ghost', 'heir');
  assert.deepEqual(a.peersFor('orders'), [], 'its record has no $heir: it never was one');
  const b = new Newcomer();
  b.say('b', ...saying([recordOf('ghost', 'eu')]));
  b.serve('b', 'ghost', [announcedFilter('orders', 'a'), announcedFilter('orders', 'b')]);
  assert.deepEqual([b.peersFor('orders'), b.wantedIn('us', 'orders')], [[], []]);
});

/** A copy of `x`, whole. */
const COPY_OF_X = {
  owner: 'x',
  head: { incarnation: 1, batch: 1, cursor: COPY_COMPLETE, startBlock: 0, nextBlock: 2, pastBlock: 1 },
};

void test('hearsay alone is no proof of death for those who hold copies', () => {
  const a = new Newcomer({ copies: [COPY_OF_X] });
  a.say('b', ...saying([recordOf('x', 'eu')]));
  for (let i = 0; i < 5; i++) a.wait(10_000);
  assert.equal(a.status('x'), 'dead');
  assert.equal(a.claims(), 0);
  for (let i = 0; i < 5; i++) a.wait(10_000);
  assert(a.claims() > 0, 'it was looked for in vain for as long as the grace');
});

void test('who is away by hearsay may hold a newer copy than the own, and is waited for like any who is away', () => {
  const graces = (from: NodeId): number => {
    const a = new Newcomer({ copies: [COPY_OF_X] });
    a.say('b', ...saying([recordOf('y', from)]));
    let waited = 0;
    for (; a.claims() === 0 && waited < HOUR; waited += 10_000) a.wait(10_000);
    return waited / deadAfterMs;
  };
  assert(graces('eu') > 4, 'the newer copy came too late to be the heir');
  assert(graces('eu') < 8, 'one that was invented holds up a takeover for a while, and no longer');
  assert(graces('us') < 2, 'those of other clusters hold no copies');
});

void test('is kept in the journal, as hearsay', () => {
  const a = new Newcomer();
  a.say('b', ...saying([recordOf('x')]));
  a.wait(25);
  const members = a.ops.flatMap((op) => (op.op === 'member' ? [op.member] : []));
  assert.deepEqual(
    members.find(({ node }) => node === 'x'),
    { ...recordOf('x'), heardFrom: 'b' },
  );
  const again = new Newcomer({ members });
  assert.equal(again.status('x'), 'dead');
  assert.deepEqual([...again.allowed()].sort(), ['b', 'c']);
  again.list('b', 'c', 'x');
  again.wait(25);
  const kept = again.ops.filter((op) => op.op === 'member' && op.member.node === 'x').at(-1);
  assert.deepEqual(kept, { op: 'member', member: recordOf('x') });
});

void test('tells who is away when a link comes up, and when somebody leaves the list; hearsay goes no further', () => {
  const a = new Newcomer();
  a.say('b', ...saying([recordOf('x')]));
  a.list('b');
  assert.deepEqual(a.told('b'), ['c']);
  a.effects = [];
  a.list('b', 'd');
  a.step({ kind: 'link-up', peer: 'd', cluster: 'us', incarnation: 1, version: 2 });
  assert.deepEqual(a.told('d'), ['c']);
  const kinds = a.effects.flatMap((effect) =>
    effect.kind === 'control' && effect.peer === 'd' ? [effect.message.kind] : [],
  );
  assert(kinds.indexOf('members-away') < kinds.indexOf('route-heads'), 'before the versions of their routes');
});

void test('says nothing of it on links of the version before', () => {
  const a = new Newcomer({}, 1);
  a.list('b');
  assert.deepEqual(a.told('b'), []);
});
