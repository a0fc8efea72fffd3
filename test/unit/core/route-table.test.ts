import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { NodeId } from '../../../node/core/event.ts';
import { bucketOf, interestKey, InterestSet } from '../../../node/core/interest-set.ts';
import { decodeDelta, encodeHead, type RouteOp, signDelta } from '../../../node/core/route-record.ts';
import { calibrate } from '../../support/calibrate.ts';
import { TIMING } from '../../../node/core/timing.ts';
import { hand, interest, Memory, RouteNet, type Sent, type Station } from './route-net.ts';
import { signingKeys } from './signing-keys.ts';

const adds = (...filters: string[]): RouteOp[] =>
  filters.map((filter) => ({ add: true, interest: interest(filter) }));
const removes = (...filters: string[]): RouteOp[] =>
  filters.map((filter) => ({ add: false, interest: interest(filter) }));

function assertSame(net: RouteNet, at: NodeId, of: NodeId): void {
  assert.deepEqual(net.seen(at, of), net.wanted(of), `${at}'s view of ${of}`);
  const { complete, gapped, sequence } = net.station(at).table.describe(of);
  assert.deepEqual(
    { complete, gapped, sequence },
    { complete: true, gapped: false, sequence: net.station(of).table.describe(of).sequence },
  );
}

function assertAllSame(net: RouteNet): void {
  for (const at of net.stations.keys())
    for (const of of net.stations.keys()) if (at !== of) assertSame(net, at, of);
}

function pair(): { net: RouteNet; a: Station; b: Station } {
  const net = new RouteNet();
  const a = net.add('a');
  const b = net.add('b');
  net.link('a', 'b');
  net.settle();
  return { net, a, b };
}

/** A relay, c, is linked to both; a and b have no link. */
function line(): { net: RouteNet; a: Station; b: Station; c: Station } {
  const net = new RouteNet();
  const a = net.add('a');
  const b = net.add('b');
  const c = net.add('c');
  net.link('a', 'c');
  net.link('b', 'c');
  net.settle();
  return { net, a, b, c };
}

test('a mesher is not complete before its record was seen whole, and is within a round trip of its link', () => {
  const net = new RouteNet();
  const a = net.add('a');
  const b = net.add('b');
  net.announce(a, adds('x/#', 'y'));
  assert.equal(b.table.complete('a'), false);
  net.link('a', 'b');
  net.settle();
  assertAllSame(net);
  assert.deepEqual(
    b.table.match('x/1').map((route) => [route.node, route.filter]),
    [['a', 'x/#']],
  );
});

test('changes arrive by gossip, one version after the other', () => {
  const { net, a } = pair();
  net.announce(a, adds('x', 'y'));
  net.announce(a, removes('x'));
  net.takeAllGossip();
  assertSame(net, 'b', 'a');
  assert.equal(net.station('b').counters.total('routes_applied_total', 'gossip'), 3);
});

test('a delta that comes twice or late changes nothing', () => {
  const { net, a } = pair();
  net.announce(a, adds('x'));
  const again = [...net.gossip];
  net.announce(a, removes('x'));
  net.takeAllGossip();
  net.gossip.push(...again, ...again);
  net.takeAllGossip();
  assertSame(net, 'b', 'a');
  assert.deepEqual(net.station('b').table.match('x'), []);
});

test('a missed delta marks the record gapped, and the owner sends what is missing', () => {
  const { net, a, b } = pair();
  net.announce(a, adds('lost'));
  net.gossip = [];
  net.announce(a, adds('seen'));
  net.takeAllGossip();
  assert.equal(b.table.describe('a').gapped, true);
  assert.deepEqual(b.table.match('seen'), []);
  net.settle();
  assertSame(net, 'b', 'a');
  assert.equal(net.carried.get('route-delta')?.count, 2);
  assert.equal(net.carried.has('route-buckets'), false);
});

test('what gossip lost without a trace is found by the next exchange', () => {
  const { net, a } = pair();
  net.announce(a, adds('lost'));
  net.gossip = [];
  net.run(20_000);
  assertSame(net, 'b', 'a');
});

test('whatever gossip loses, repeats and reorders, and whenever links fall, all tables equal their owners in the end', () => {
  const command = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('change' as const),
        who: fc.nat({ max: 2 }),
        filter: fc.nat({ max: 25 }),
        add: fc.boolean(),
        durable: fc.boolean(),
      }),
    },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('gossip' as const), at: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('lose' as const), at: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('repeat' as const), at: fc.nat() }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('deliver' as const), count: fc.nat({ max: 6 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('tick' as const), ms: fc.nat({ max: 8_000 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('flap' as const), who: fc.nat({ max: 2 }) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('storm' as const),
        who: fc.nat({ max: 2 }),
        from: fc.nat({ max: 20 }),
      }),
    },
  );
  const names = ['a', 'b', 'c'];
  const nameAt = (i: number): NodeId => names[i % 3] ?? 'a';
  fc.assert(
    fc.property(fc.array(command, { maxLength: 80 }), fc.nat(), (commands, seed) => {
      const net = new RouteNet(seed);
      // few deltas kept and small answers, so that every kind of repair is met
      for (const name of names) net.add(name, { limits: { deltaRingMax: 4, pullBytesMax: 200 } });
      net.linkAll();
      for (const each of commands) {
        if (each.do === 'change') {
          net.announce(net.station(nameAt(each.who)), [
            { add: each.add, interest: interest(`f/${each.filter}`, '', each.durable) },
          ]);
        } else if (each.do === 'storm') {
          const ops = Array.from({ length: 10 }, (_, i) => ({
            add: i % 3 > 0,
            interest: interest(`f/${each.from + i}`),
          }));
          net.announce(net.station(nameAt(each.who)), ops, false);
        } else if (each.do === 'gossip') net.takeGossip(each.at % Math.max(1, net.gossip.length));
        else if (each.do === 'lose') net.gossip.splice(each.at % Math.max(1, net.gossip.length), 1);
        else if (each.do === 'repeat') net.gossip.push(...net.gossip.slice(each.at % 5, (each.at % 5) + 1));
        else if (each.do === 'deliver') for (let i = 0; i < each.count; i++) net.step();
        else if (each.do === 'tick') net.tick(each.ms);
        else {
          const [one, other] = [nameAt(each.who), nameAt(each.who + 1)];
          net.unlink(one, other);
          net.link(one, other);
        }
      }
      net.run(70_000);
      assertAllSame(net);
    }),
    { numRuns: 150 },
  );
});

test('a snapshot is completed though the owner changes something in every round trip', () => {
  const net = new RouteNet();
  const a = net.add('a', { limits: { pullBytesMax: 4_000, deltaRingMax: 4 } });
  net.announce(
    a,
    Array.from({ length: 500 }, (_, i) => ({ add: true, interest: interest(`base/${i}`) })),
  );
  const b = net.add('b');
  net.link('a', 'b');
  let rounds = 0;
  while (!b.table.complete('a')) {
    const inTransit = net.wire.length;
    for (let i = 0; i < inTransit; i++) net.step();
    for (let i = 0; i < 5; i++) net.announce(a, adds(`churn/${rounds}/${i}`));
    net.gossip = [];
    rounds++;
    assert.ok(rounds < 500, 'it never becomes complete');
  }
  net.run(10_000);
  assertSame(net, 'b', 'a');
});

test('interests that old and new version share are never missing while a snapshot is fetched', () => {
  const { net, a, b } = pair();
  const filters = Array.from({ length: 300 }, (_, i) => `stay/${i}`);
  net.announce(a, adds(...filters));
  net.settle();
  net.run(10_000);
  assertSame(net, 'b', 'a');
  net.unlink('a', 'b');
  net.announce(a, adds(...Array.from({ length: 300 }, (_, i) => `new/${i}`)), false);
  for (let i = 0; i < 1_100; i++)
    net.announce(a, [{ add: true, interest: interest('flip', '', i % 2 === 0) }]);
  net.gossip = [];
  net.link('a', 'b');
  while (net.step())
    for (const filter of ['stay/0', 'stay/150', 'stay/299']) assert.equal(b.table.match(filter).length, 1);
  assertSame(net, 'b', 'a');
});

test('a delta that comes between the messages of a snapshot does not spoil it, whenever it comes', () => {
  for (let moment = 0; moment < 30; moment++) {
    const net = new RouteNet();
    const a = net.add('a', { limits: { pullBytesMax: 30, deltaRingMax: 2 } });
    const b = net.add('b');
    net.link('a', 'b');
    net.settle();
    net.announce(a, adds(...Array.from({ length: 40 }, (_, i) => `x/${i}`)));
    net.takeAllGossip();
    assertSame(net, 'b', 'a');
    // one goes and comes again, one comes and goes again: b hears of the first half late
    net.announce(a, [...removes('x/1'), ...adds('y/1')]);
    const late = net.gossip;
    net.gossip = [];
    net.announce(a, [...adds('x/1'), ...removes('y/1'), ...adds('z/1', 'z/2', 'z/3')]);
    for (let i = 0; i < 5; i++) net.announce(a, adds(`w/${i}`));
    net.takeGossip(net.gossip.length - 1);
    net.gossip = late;
    for (let i = 0; i <= moment && net.step(); i++);
    net.takeAllGossip();
    net.settle();
    assertSame(net, 'b', 'a');
    assert.equal(b.counters.total('routes_refused_total'), 0);
  }
});

test('a snapshot that breaks off leaves nothing that later deltas are applied to by mistake', () => {
  for (let moment = 0; moment < 30; moment++) {
    const net = new RouteNet();
    const a = net.add('a', { limits: { pullBytesMax: 30, deltaRingMax: 2 } });
    const b = net.add('b');
    net.link('a', 'b');
    net.settle();
    net.announce(a, adds(...Array.from({ length: 10 }, (_, i) => `x/${i}`)));
    net.takeAllGossip();
    // b is to hear of these one by one, after it has taken part of what they come to
    for (let i = 0; i < 4; i++) net.announce(a, [...removes(`x/${i}`), ...adds(`y/${i}`)]);
    for (let i = 0; i < 4; i++) net.announce(a, [...adds(`x/${i}`), ...removes(`y/${i}`)]);
    net.announce(a, [...removes('x/8', 'x/9'), ...adds('z/8', 'z/9')]);
    const deltas = net.gossip;
    net.gossip = [];
    net.takeGossip(0);
    b.table.takeDelta(deltas.at(-1)?.bytes ?? new Uint8Array(0), 'gossip', net.now);
    for (let i = 0; i <= moment && net.step(); i++);
    net.unlink('a', 'b');
    const c = net.add('c');
    net.link('b', 'c');
    net.settle();
    assert.equal(c.counters.total('routes_refused_total'), 0, 'b served what was not whole');
    net.gossip = deltas.slice(0, -1);
    net.takeAllGossip();
    const { sequence, gapped } = b.table.describe('a');
    const whole = sequence === a.table.describe('a').sequence;
    assert.ok(whole || gapped);
    if (whole) assertSame(net, 'b', 'a');
    net.link('a', 'b');
    net.settle();
    assertSame(net, 'b', 'a');
    assert.equal(b.counters.total('routes_refused_total'), 0);
  }
});

test('100,000 interests arrive in short steps, and after a reconnect only what changed travels', (t) => {
  const net = new RouteNet();
  const a = net.add('a');
  const b = net.add('b');
  const ops = Array.from({ length: 100_000 }, (_, i) => ({
    add: true,
    interest: interest(`tenant-${i % 977}/device/${i}/+`),
  }));
  net.announce(a, ops, false);
  const announceMs = net.longestMs;
  net.longestMs = 0;
  net.link('a', 'b');
  net.settle();
  assert.equal(b.table.describe('a').interests, 100_000);
  assert.equal(b.table.complete('a'), true);
  const bytes = net.carried.get('route-buckets')?.bytes ?? 0;
  t.diagnostic(
    `longest call ${net.longestMs.toFixed(0)} ms (own announcement ${announceMs.toFixed(0)} ms), ${(bytes / 2 ** 20).toFixed(1)} MiB of buckets`,
  );
  // some hundred times a fixed computation, as measured; a collection of garbage or a busy machine may make it tenfold
  const unitMs = calibrate();
  assert.ok(net.longestMs < 5_000 * unitMs, `one call took ${net.longestMs} ms; the unit is ${unitMs} ms`);
  assert.ok(announceMs < 10_000 * unitMs, `the announcement took ${announceMs} ms; the unit is ${unitMs} ms`);

  net.unlink('a', 'b');
  net.announce(a, adds('one/more'));
  net.announce(a, adds(...Array.from({ length: 513 }, () => 'one/more'))); // too many for the ring: it is a snapshot again
  net.gossip = [];
  net.carried.clear();
  net.longestMs = 0;
  net.link('a', 'b');
  net.settle();
  assert.equal(b.table.match('one/more').length, 1);
  assert.equal(b.table.describe('a').gapped, false);
  const again = net.carried.get('route-buckets');
  assert.equal(again?.count, 1);
  const total = [...net.carried.values()].reduce((sum, each) => sum + each.bytes, 0);
  t.diagnostic(`after the reconnect ${total} bytes, longest call ${net.longestMs.toFixed(0)} ms`);
  assert.ok(total < 64 * 1024, `${total} bytes for one change`);
});

test('after a reconnect a few changes come as the deltas they were', () => {
  const { net, a } = pair();
  net.unlink('a', 'b');
  for (let i = 0; i < 20; i++) net.announce(a, adds(`x/${i}`));
  net.gossip = [];
  net.carried.clear();
  net.link('a', 'b');
  net.settle();
  assertSame(net, 'b', 'a');
  assert.equal(net.carried.get('route-delta')?.count, 20);
  assert.equal(net.carried.has('route-head'), false);
});

test('deltas that do not fit into one answer are asked for in several', () => {
  const net = new RouteNet();
  const a = net.add('a', { limits: { pullBytesMax: 1_000 } });
  net.add('b');
  net.link('a', 'b');
  net.settle();
  net.unlink('a', 'b');
  for (let i = 0; i < 60; i++) net.announce(a, adds(`x/${i}`));
  net.gossip = [];
  net.carried.clear();
  net.link('a', 'b');
  net.settle();
  assertSame(net, 'b', 'a');
  assert.ok((net.carried.get('route-pull')?.count ?? 0) > 3);
  assert.equal(net.carried.get('route-delta')?.count, 60, 'each delta travelled once');
});

test('a mesher without a link to the owner gets its record from another', () => {
  const { net, a, b } = line();
  net.announce(a, adds('x/#'));
  net.settle();
  net.run(40_000);
  assertSame(net, 'b', 'a');
  assert.deepEqual(
    b.table.match('x/1').map((route) => route.node),
    ['a'],
  );
});

test('asks the peer that said it has the record, not one that has not', () => {
  const net = new RouteNet();
  const a = net.add('a');
  const b = net.add('b');
  net.add('c');
  for (let i = 0; i < 20; i++) net.add(`idle-${i}`);
  for (const node of net.stations.keys()) if (node !== 'a' && node !== 'b') net.link('b', node);
  net.link('a', 'c');
  net.announce(a, adds('x'));
  net.settle();
  net.station('c').table.tellHeads(['b']);
  net.settle();
  assert.equal(b.table.complete('a'), true);
});

test('goes on at once with the next peer when one has nothing newer', () => {
  const { net, a, b, c } = line();
  net.add('d');
  net.link('b', 'd');
  net.settle();
  net.announce(a, adds('x'));
  net.gossip = net.gossip.filter(({ to }) => to === 'b' || to === 'c');
  net.takeAllGossip();
  net.gossip = [];
  net.announce(a, adds('y'));
  net.gossip = net.gossip.filter(({ to }) => to === 'c');
  net.takeAllGossip();
  c.table.tellHeads(['b']);
  net.settle();
  assert.deepEqual(
    ['x', 'y'].map((topic) => b.table.match(topic).length),
    [1, 1],
  );
});

test('a record of nobody known is refused', () => {
  const { net, b } = pair();
  const stranger = signDelta(signingKeys('stranger'), 1, 1, new InterestSet(), []);
  b.table.takeDelta(stranger.bytes, 'gossip', net.now);
  b.table.takeHeads(
    'a',
    {
      kind: 'route-heads',
      answer: true,
      heads: [{ node: 'stranger', incarnation: 1, sequence: 1, digest: 0 }],
    },
    net.now,
  );
  assert.equal(b.counters.total('routes_refused_total', 'unknown-owner'), 2);
  assert.equal(b.table.complete('stranger'), false);
  assert.deepEqual([...b.table.routesOf('stranger')], []);
});

test('nobody tells a mesher what it wants itself', () => {
  const { net, a, b } = pair();
  a.members.add('a');
  net.announce(a, adds('mine'));
  net.takeAllGossip();
  const forged = signDelta({ ...signingKeys('b'), node: 'a' }, 9, 9, new InterestSet(), []);
  a.table.takeDelta(forged.bytes, 'gossip', net.now);
  b.table.takeDelta(forged.bytes, 'gossip', net.now);
  const own = signDelta(signingKeys('a'), 9, 9, new InterestSet(), []); // even signed: an older life of ours, or a stolen key
  a.table.takeDelta(own.bytes, 'gossip', net.now);
  a.table.takeHeads(
    'b',
    { kind: 'route-heads', answer: false, heads: [{ node: 'a', incarnation: 9, sequence: 9, digest: 1 }] },
    net.now,
  );
  net.settle();
  assert.equal(a.table.describe('a').interests, 1);
  assert.equal(a.table.describe('a').gapped, false);
  assertSame(net, 'b', 'a');
  assert.equal(a.counters.total('routes_refused_total', 'bad-signature'), 1);
});

test('a new incarnation replaces the record, whatever its sequence', () => {
  const { net, a, b } = pair();
  net.announce(a, adds('old', 'both'));
  net.announce(a, adds('older'));
  net.takeAllGossip();
  net.unlink('a', 'b');
  net.stations.delete('a');
  const reborn = net.add('a', { incarnation: 2 });
  reborn.members.add('b');
  net.announce(reborn, adds('both', 'new'));
  net.link('a', 'b');
  net.settle();
  assert.deepEqual(net.seen('b', 'a'), ['both||true', 'new||true']);
  assert.equal(b.table.describe('a').gapped, false);
});

test('a mesher that is forgotten leaves nothing, and its late gossip does not bring it back', () => {
  const { net, a, b } = pair();
  net.announce(a, adds('x'));
  net.takeAllGossip();
  net.announce(a, adds('y'));
  b.members.delete('a');
  const before = b.table.revision;
  b.table.forget('a');
  assert.ok(b.table.revision > before);
  net.takeAllGossip();
  assert.deepEqual([b.table.match('x'), b.table.match('y')], [[], []]);
  assert.equal(b.table.complete('a'), false);
});

// ─────────────────────────────────────────────────────────── what is remembered

const numbered = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${name}/${i}`);

/** b has heard of a's `x/#`, `y` (ephemeral) and `z` in group `g`, and has had the time to write it. */
function remembering(): { net: RouteNet; a: Station; b: Station } {
  const { net, a, b } = pair();
  net.announce(a, [
    ...adds('x/#'),
    { add: true, interest: interest('y', '', false) },
    { add: true, interest: interest('z', 'g') },
  ]);
  net.takeAllGossip();
  net.run(TIMING.rememberEveryMs * 2);
  return { net, a, b };
}

test('durable interests are written, and put back at a start, and nothing else is', () => {
  const { net, b } = remembering();
  assert.deepEqual(b.memory.of('a'), ['x/#||true', 'z|g|true']);
  const { writes } = b.memory;
  const reborn = net.restart('b', 2);
  assert.deepEqual(net.seen('b', 'a'), ['x/#||true', 'z|g|true']);
  assert.deepEqual(
    reborn.table.match('x/1').map(({ node, durable }) => [node, durable]),
    [['a', true]],
  );
  net.run(TIMING.rememberEveryMs * 2);
  assert.equal(reborn.memory.writes, writes, 'what was read is not written again');
});

test('changes are written every few seconds, each bucket once, and what is gone is gone', () => {
  const { net, a, b } = remembering();
  b.memory.writes = 0;
  for (let i = 0; i < 20; i++) net.announce(a, i % 2 === 0 ? removes('x/#') : adds('x/#'));
  net.announce(a, removes('x/#'));
  net.takeAllGossip();
  net.tick(TIMING.rememberEveryMs);
  assert.equal(b.memory.writes, 1);
  assert.deepEqual(b.memory.of('a'), ['z|g|true']);
  net.announce(a, [{ add: true, interest: interest('z', 'g', false) }]); // its last durable subscription went
  net.announce(a, [{ add: true, interest: interest('y') }]);
  net.takeAllGossip();
  net.tick(TIMING.rememberEveryMs - 1);
  assert.equal(b.memory.writes, 1, 'not yet');
  net.tick(1);
  assert.deepEqual(b.memory.of('a'), ['y||true']);
});

test('what is wanted by a member that one peer alone speaks of is written at once: nobody may be left who says it again', () => {
  const { net, a, b } = line();
  b.heard.set('a', 'c');
  net.tick(1);
  net.announce(a, adds('x/#'), false);
  net.settle();
  net.unlink('b', 'c');
  net.link('b', 'c');
  net.settle();
  assert.deepEqual(net.seen('b', 'a'), ['x/#||true']);
  assert.deepEqual(b.memory.of('a'), []);
  net.tick(1);
  assert.deepEqual(b.memory.of('a'), ['x/#||true']);
});

test('what is remembered is no version: it is not complete, not told of, not served, and deltas do not build on it', () => {
  const { net, a } = remembering();
  const b = net.restart('b', 2);
  const c = net.add('c');
  net.link('b', 'c');
  net.settle();
  assert.deepEqual(b.table.describe('a'), { sequence: 0, interests: 2, complete: false, gapped: false });
  assert.equal(b.table.complete('a'), false);
  assert.equal(net.carried.has('route-buckets'), false);
  assert.deepEqual(net.seen('c', 'a'), []);
  b.table.answerPull('c', { kind: 'route-pull', node: 'a', incarnation: 0, sequence: 0 });
  assert.deepEqual(
    net.wire.map(({ message }) => message),
    [{ kind: 'route-heads', answer: true, heads: [{ node: 'a', incarnation: 0, sequence: 0, digest: 0 }] }],
  );
  net.announce(a, adds('new'));
  net.takeAllGossip();
  assert.deepEqual(net.seen('b', 'a'), ['x/#||true', 'z|g|true']);
  assert.equal(b.table.describe('a').gapped, true);
  assert.equal(c.table.complete('a'), false);
});

test('a record that is pulled replaces what is remembered, fetching only the buckets that differ', () => {
  const { net, a } = remembering();
  const filters = Array.from({ length: 200 }, (_, i) => `many/${i}`);
  net.announce(a, adds(...filters));
  net.takeAllGossip();
  net.run(TIMING.rememberEveryMs * 2);
  const b = net.restart('b', 2);
  net.announce(a, [...removes('x/#', 'many/7'), ...adds('new')]);
  net.gossip = [];
  net.carried.clear();
  net.link('a', 'b');
  net.settle();
  assertSame(net, 'b', 'a');
  assert.deepEqual(b.table.match('x/1'), []);
  assert.equal(b.table.match('y').length, 1, 'its ephemeral part is there again');
  const { count, bytes } = net.carried.get('route-buckets') ?? { count: 0, bytes: Infinity };
  assert.ok(count === 1 && bytes < 200, `${count} answers of ${bytes} bytes`);
  net.run(TIMING.rememberEveryMs * 2);
  assert.deepEqual(
    b.memory.of('a'),
    net.wanted('a').filter((one) => one.endsWith('true')),
  );
});

test('a record that is all durable is complete again without a bucket fetched', () => {
  const { net, a } = pair();
  net.announce(a, adds('x', 'y'));
  net.takeAllGossip();
  net.run(TIMING.rememberEveryMs * 2);
  net.restart('b', 2);
  net.carried.clear();
  net.link('a', 'b');
  net.settle();
  assertSame(net, 'b', 'a');
  assert.equal(net.carried.has('route-buckets'), false);
});

test('a mesher that is forgotten is not remembered, and routes of nobody known are dropped at a start', () => {
  const { net, b } = remembering();
  const memory = new Memory();
  for (const [bucket, interests] of b.memory.kept.get('a') ?? []) memory.write('a', bucket, interests);
  b.table.forget('a');
  assert.deepEqual(b.memory.recovered(), []);
  const alone = new RouteNet();
  alone.add('b', { memory });
  assert.deepEqual(memory.recovered(), []);
  net.run(TIMING.rememberEveryMs * 2);
  assertSame(net, 'b', 'a');
  assert.deepEqual(b.memory.of('a'), ['x/#||true', 'z|g|true'], 'heard of again, remembered again');
});

test('no tick writes more than its share, and what changes all the time keeps nobody else from being written', () => {
  const limits = { rememberBytesMax: 10_000 };
  const net = new RouteNet();
  const a = net.add('a');
  const c = net.add('c');
  const b = net.add('b', { limits });
  net.linkAll();
  net.settle();
  const filters = numbered('a/filter/of/some/length', 5_000);
  net.announce(a, adds(...filters), false);
  net.settle();
  net.announce(c, adds('small'));
  net.takeAllGossip();
  const mostAtOnce = 10_000 / (5_000 / 256) / 50;
  for (let i = 0; i < 1_000 && b.memory.of('c').length === 0; i++) {
    const before = b.memory.writes;
    net.tick(TIMING.tickMs);
    assert.ok(b.memory.writes - before <= mostAtOnce, `${b.memory.writes - before} buckets in one tick`);
    net.announce(a, [...removes(filters[i] ?? ''), ...adds(...numbered(`again/${i}`, 20))]);
    net.takeAllGossip();
  }
  assert.deepEqual(b.memory.of('c'), ['small||true']);
  net.run(TIMING.rememberEveryMs * 60);
  assert.deepEqual(b.memory.of('a'), net.wanted('a'));
});

test('a mesher that is forgotten while it is being written is written no more', () => {
  const net = new RouteNet();
  const a = net.add('a');
  const b = net.add('b', { limits: { rememberBytesMax: 1_000 } });
  net.link('a', 'b');
  net.announce(a, adds(...numbered('x', 300)));
  net.settle();
  net.tick(TIMING.rememberEveryMs);
  net.tick(TIMING.rememberEveryMs);
  assert.ok(b.memory.of('a').length > 0 && b.memory.of('a').length < 300, 'a part of it is');
  b.members.delete('a');
  b.table.forget('a');
  for (let i = 0; i < 300; i++) net.tick(TIMING.tickMs);
  assert.deepEqual(b.memory.recovered(), []);
});

test('of a bucket that is too large to be remembered, a part is, and the rest is counted', () => {
  const { net, a, b } = pair();
  const long = 'f'.repeat(4_000);
  const inOneBucket: string[] = [];
  for (let i = 0; inOneBucket.length < 400; i++)
    if (bucketOf(interestKey(`${long}${i}`, '')) === 0) inOneBucket.push(`${long}${i}`);
  net.announce(a, adds(...inOneBucket), false);
  net.settle();
  net.run(TIMING.rememberEveryMs * 2);
  assertSame(net, 'b', 'a');
  const kept = b.memory.of('a').length;
  assert.ok(kept > 300 && kept < 400, `${kept} are remembered`);
  assert.ok(b.counters.total('routes_refused_total', 'too-much-to-remember') > 0);
});

test('whatever changes, is lost and restarts, what is remembered is the durable part of the last record seen', () => {
  const command = fc.oneof(
    fc.record({
      do: fc.constant('change' as const),
      filter: fc.nat({ max: 30 }),
      add: fc.boolean(),
      durable: fc.boolean(),
    }),
    fc.record({
      do: fc.constantFrom('gossip' as const, 'lose' as const, 'restart' as const, 'flap' as const),
    }),
    fc.record({ do: fc.constant('tick' as const), ms: fc.nat({ max: 8_000 }) }),
    fc.record({ do: fc.constant('deliver' as const), count: fc.nat({ max: 4 }) }),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), fc.nat(), (commands, seed) => {
      const net = new RouteNet(seed);
      const limits = { deltaRingMax: 2, pullBytesMax: 60, rememberBytesMax: 200 };
      const a = net.add('a', { limits });
      net.add('b', { limits });
      net.link('a', 'b');
      let incarnation = 1;
      for (const each of commands) {
        if (each.do === 'change') {
          const one = interest(`f/${each.filter}`, each.filter % 3 === 0 ? 'g' : '', each.durable);
          net.announce(a, [{ add: each.add, interest: one }]);
        } else if (each.do === 'gossip') net.takeGossip(0);
        else if (each.do === 'lose') net.gossip.shift();
        else if (each.do === 'tick') net.tick(each.ms);
        else if (each.do === 'deliver') for (let i = 0; i < each.count; i++) net.step();
        else {
          if (each.do === 'restart') net.restart('b', ++incarnation, { limits });
          else net.unlink('a', 'b');
          net.link('a', 'b');
        }
      }
      net.run(40_000);
      assertSame(net, 'b', 'a');
      const durable = net.wanted('a').filter((one) => one.endsWith('|true'));
      assert.deepEqual(net.station('b').memory.of('a'), durable);
      net.restart('b', ++incarnation);
      assert.deepEqual(net.seen('b', 'a'), durable);
    }),
    { numRuns: 150 },
  );
});

// ─────────────────────────────────────────────────────────── liars

/** The relay serves something else than the owner signed; b must refuse it, and get the truth elsewhere. */
function lyingRelay(lie: (sent: Sent) => readonly Sent[]): { net: RouteNet; b: Station } {
  const { net, a, b } = line();
  net.announce(a, adds(...Array.from({ length: 30 }, (_, i) => `x/${i}`)));
  net.gossip = net.gossip.filter(({ to }) => to === 'c');
  net.takeAllGossip();
  net.tamper = (sent) => (sent.from === 'c' && sent.to === 'b' ? lie(sent) : [sent]);
  net.run(30_000);
  return { net, b };
}

/** c goes on lying; a's link to b comes up. */
function assertOwnerRepairs(net: RouteNet): void {
  net.link('a', 'b');
  net.settle();
  assertSame(net, 'b', 'a');
}

test('a bucket that is not what the owner signed is refused, and the owner asked', () => {
  const { net, b } = lyingRelay((sent) => {
    if (sent.message.kind !== 'route-buckets') return [sent];
    const buckets = sent.message.buckets.map(({ index, interests }) => ({
      index,
      interests: [...interests, interest('everything/#')],
    }));
    return [{ ...sent, message: { ...sent.message, buckets } }];
  });
  assert.ok(b.counters.total('routes_refused_total', 'bad-digest') > 0);
  assert.deepEqual(b.table.match('everything/1'), []);
  assertOwnerRepairs(net);
});

test('interests merged into one whose text reads the same are refused', () => {
  const { net, b } = lyingRelay((sent) => {
    if (sent.message.kind !== 'route-buckets') return [sent];
    const buckets = sent.message.buckets.map(({ index, interests }) => {
      const [one, two, ...rest] = [...interests].sort((p, q) => (p.filter < q.filter ? -1 : 1));
      if (!one || !two) return { index, interests };
      return {
        index,
        interests: [{ ...two, filter: one.filter, group: `\u00001\n${two.filter}\u0000` }, ...rest],
      };
    });
    return [{ ...sent, message: { ...sent.message, buckets } }];
  });
  assertOwnerRepairs(net);
  assert.equal(b.table.match('x/7').length, 1);
});

test('a bucket under the number of another is refused', () => {
  const { net, b } = lyingRelay((sent) => {
    if (sent.message.kind !== 'route-buckets') return [sent];
    const [first, ...rest] = sent.message.buckets;
    const buckets = rest.map(({ index }) => ({ index, interests: first?.interests ?? [] }));
    return [{ ...sent, message: { ...sent.message, buckets } }];
  });
  assert.ok(b.counters.total('routes_refused_total', 'bad-digest') > 0);
  assertOwnerRepairs(net);
});

test('a head whose digests were changed, or whose signature is another’s, is refused', () => {
  for (const at of [10, 40, 120, 300, 4_000]) {
    const { net, b } = lyingRelay((sent) => {
      if (sent.message.kind !== 'route-head') return [sent];
      const head = Buffer.from(sent.message.head);
      head[at] = (head[at] ?? 0) ^ 1;
      return [{ ...sent, message: { ...sent.message, head } }];
    });
    assert.ok(b.counters.total('routes_refused_total') > 0, `byte ${at}`);
    assert.ok(b.table.describe('a').sequence <= 1);
    assertOwnerRepairs(net);
  }
});

test('while one peer lies, another one’s truth is taken', () => {
  const { net, a, b } = line();
  net.add('d');
  net.link('a', 'd');
  net.link('b', 'd');
  net.settle();
  net.announce(a, adds(...Array.from({ length: 30 }, (_, i) => `x/${i}`)));
  net.gossip = net.gossip.filter(({ to }) => to !== 'b');
  net.takeAllGossip();
  net.tamper = (sent) => {
    if (sent.from !== 'c' || sent.to !== 'b' || sent.message.kind !== 'route-buckets') return [sent];
    return [
      {
        ...sent,
        message: {
          ...sent.message,
          buckets: sent.message.buckets.map(({ index }) => ({ index, interests: [interest('lie')] })),
        },
      },
    ];
  };
  net.station('c').table.tellHeads(['b']);
  net.settle();
  assert.ok(b.counters.total('routes_refused_total', 'bad-digest') > 0, 'the liar was asked first');
  net.run(15_000);
  assertSame(net, 'b', 'a');
});

test('an owner whose count does not fit its buckets is refused, and complete again when it is honest', () => {
  const net = new RouteNet();
  const b = net.add('b');
  const owner = signingKeys('a');
  b.members.add('a');
  b.linked.add('a');
  const set = new InterestSet();
  set.set(interest('x'));
  Object.defineProperty(set, 'size', { get: () => 5, configurable: true });
  const lying = signDelta(owner, 1, 3, set, []);
  const serve = (proof: typeof lying.proof): void => {
    for (const { message } of net.wire.splice(0)) {
      if (message.kind === 'route-pull') {
        hand(
          b.table,
          { from: 'a', to: 'b', message: { kind: 'route-head', head: encodeHead(proof, set) } },
          net.now,
        );
      }
      if (message.kind === 'route-bucket-pull') {
        const buckets = message.buckets.map((index) => ({ index, interests: set.bucket(index) }));
        hand(
          b.table,
          { from: 'a', to: 'b', message: { ...message, kind: 'route-buckets', buckets } },
          net.now,
        );
      }
    }
  };
  b.table.takeDelta(lying.bytes, 'gossip', net.now);
  for (let i = 0; i < 4; i++) serve(lying.proof);
  assert.equal(b.counters.total('routes_refused_total', 'bad-count'), 1);
  assert.equal(b.table.complete('a'), false);
  Object.defineProperty(set, 'size', { get: () => 1 });
  const honest = signDelta(owner, 1, 4, set, []);
  net.now.monotonic += 60_000;
  b.table.takeDelta(honest.bytes, 'gossip', net.now);
  for (let i = 0; i < 4; i++) serve(honest.proof);
  assert.equal(b.table.complete('a'), true);
  assert.equal(b.table.match('x').length, 1);
});

test('an owner that jumps ahead in its sequence harms itself only, and is asked ever less often', () => {
  const { net, a, b } = pair();
  const honest = net.add('c');
  net.link('b', 'c');
  net.settle();
  net.tamper = (sent) => (sent.from === 'a' ? [] : [sent]); // it never answers
  const jump = signDelta(signingKeys('a'), 1, Number.MAX_SAFE_INTEGER, new InterestSet(), []);
  b.table.takeDelta(jump.bytes, 'gossip', net.now);
  net.carried.clear();
  for (let i = 0; i < 600; i++) {
    if (i % 50 === 0) net.announce(honest, adds(`x/${i}`));
    net.takeAllGossip();
    net.run(1_000);
  }
  const pulls = net.carried.get('route-pull')?.count ?? 0;
  assert.ok(pulls > 5 && pulls < 40, `${pulls} pulls in ten minutes`);
  assertSame(net, 'b', 'c');
  assert.equal(a.table.describe('a').sequence, 1);
});

test('a peer that says it has more of another’s record than there is, is not believed for long', () => {
  const { net, a, b } = line();
  const claim: Sent = {
    from: 'c',
    to: 'b',
    message: {
      kind: 'route-heads',
      answer: false,
      heads: [{ node: 'a', incarnation: 9, sequence: 9, digest: 1 }],
    },
  };
  net.run(1_000);
  assertSame(net, 'b', 'a');
  hand(b.table, claim, net.now);
  assert.equal(b.table.describe('a').gapped, true);
  net.settle();
  assert.equal(b.table.describe('a').gapped, false, 'c was asked and had nothing');
  // a real gap after that is still repaired
  net.announce(a, adds('x'));
  net.gossip = [];
  net.announce(a, adds('y'));
  hand(b.table, claim, net.now);
  net.takeAllGossip();
  net.run(90_000);
  assertSame(net, 'b', 'a');
});

test('content that differs from what its owner signed is found by its digest and repaired', () => {
  const { net, a, b } = pair();
  net.announce(a, adds('x', 'y', 'z'));
  net.takeAllGossip();
  // the owner signs one thing and tells b another, with the same count; then it is honest again
  const version = a.table.describe('a').sequence + 1;
  const truth = new InterestSet();
  for (const one of [interest('x'), interest('y'), interest('new')]) truth.set(one);
  const bad = signDelta(signingKeys('a'), 1, version, truth, [...removes('z'), ...adds('wrong')]);
  b.table.takeDelta(bad.bytes, 'gossip', net.now);
  assert.equal(b.table.match('wrong').length, 1);
  net.announce(a, [...removes('z'), ...adds('new')]);
  net.gossip = [];
  net.run(20_000);
  assertSame(net, 'b', 'a');
  assert.equal(b.counters.total('routes_gapped_total', 'digest'), 1);
});

test('a record that is being repaired is not served to others', () => {
  const { net, a, c } = line();
  net.announce(a, adds('x', 'y'));
  net.takeAllGossip();
  const truth = new InterestSet();
  const bad = signDelta(signingKeys('a'), 1, a.table.describe('a').sequence + 1, truth, removes('x')); // the count is not right
  c.table.takeDelta(bad.bytes, 'gossip', net.now);
  assert.equal(c.table.describe('a').gapped, true);
  net.wire = [];
  c.table.answerPull('b', { kind: 'route-pull', node: 'a', incarnation: 0, sequence: 0 });
  assert.deepEqual(
    net.wire.map(({ message }) => message.kind),
    ['route-heads'],
  );
  c.table.answerBucketPull('b', {
    kind: 'route-bucket-pull',
    node: 'a',
    incarnation: 1,
    sequence: 2,
    buckets: [0, 1],
  });
  assert.equal(net.wire.length, 1);
});

test('a delta of a record that would be too large is refused whole, and its mesher is sent everything until it fits', () => {
  const net = new RouteNet();
  const a = net.add('a');
  const b = net.add('b', { limits: { interestsMax: 10 } });
  net.link('a', 'b');
  net.settle();
  net.announce(a, adds(...Array.from({ length: 10 }, (_, i) => `x/${i}`)));
  net.takeAllGossip();
  assertSame(net, 'b', 'a');
  net.announce(a, adds('one/too/many'));
  net.takeAllGossip();
  net.run(20_000);
  assert.equal(b.table.describe('a').interests, 10);
  assert.ok(b.counters.total('routes_refused_total', 'too-many-interests') > 0);
  assert.equal(b.table.complete('a'), false);
  net.announce(a, removes('one/too/many'));
  net.run(90_000);
  assertSame(net, 'b', 'a');
});

test('gossip of any bytes is refused and counted, never thrown', () => {
  const { net, b } = pair();
  const good = signDelta(signingKeys('a'), 1, 2, new InterestSet(), adds('x')).bytes;
  assert.equal(decodeDelta(good, signingKeys('b'), 10).ops.length, 1);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat({ max: good.length - 1 }).map((cut) => good.subarray(0, cut)),
      ),
      (bytes) => {
        const before = b.counters.total('routes_refused_total');
        b.table.takeDelta(bytes, 'gossip', net.now);
        b.table.takeHead('a', bytes, net.now);
        assert.ok(b.counters.total('routes_refused_total') > before);
      },
    ),
  );
});
