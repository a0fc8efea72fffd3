import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Counters } from '../../../node/core/counters.ts';
import { hash32, NO_GROUPS, type Directive, type NodeId } from '../../../node/core/event.ts';
import { DIRECTIVE_NAMES_MAX, LIMITS } from '../../../node/core/limits.ts';
import { Membership, signMember } from '../../../node/core/membership.ts';
import type { MemberRecord } from '../../../node/core/ports.ts';
import { interestKey } from '../../../node/core/interest-set.ts';
import {
  rendezvous,
  Router,
  type Decision,
  type LocalTarget,
  type Reach,
} from '../../../node/core/router.ts';
import type { RouteTable } from '../../../node/core/route-table.ts';
import { TIMING } from '../../../node/core/timing.ts';
import { matches } from '../../../node/core/topic.ts';
import { RouteNet } from './route-net.ts';
import { signingKeys } from './signing-keys.ts';

const EVERY_GROUP: Directive = { groups: 'except', names: [] };

interface Site {
  readonly node: NodeId;
  readonly cluster: string;
  readonly members: Membership;
  readonly router: Router<LocalTarget>;
  readonly roundTrips: Map<NodeId, number>;
  readonly subscriptions: LocalTarget[];
}

function recordOf(node: NodeId, cluster: string): MemberRecord {
  const keys = signingKeys(node);
  return signMember(keys, {
    federation: 'test',
    cluster,
    node,
    incarnation: 1,
    addresses: [],
    http: '',
    labels: {},
    version: '0',
  });
}

function routerOf(
  node: NodeId,
  cluster: string,
  table: RouteTable,
  members: Membership,
  roundTrips: ReadonlyMap<NodeId, number>,
): Router<LocalTarget> {
  return new Router<LocalTarget>({
    self: node,
    cluster,
    table,
    members,
    roundTrip: (peer) => roundTrips.get(peer),
    isGuest: () => false,
    cacheMax: LIMITS.routeCacheMax,
  });
}

/** Meshers with routes, members and routers, whose links lose nothing. */
class Federation {
  readonly net = new RouteNet();
  readonly sites = new Map<NodeId, Site>();
  readonly #records: MemberRecord[] = [];
  readonly #absent = new Set<NodeId>();
  #revision = 0;

  /** Node `x/1` is of cluster `x`. */
  constructor(nodes: readonly NodeId[]) {
    for (const node of nodes) {
      const cluster = node.split('/')[0] ?? '';
      const record = recordOf(node, cluster);
      this.#records.push(record);
      const station = this.net.add(node);
      const members = new Membership(
        {
          keys: signingKeys(node),
          federation: 'test',
          limits: LIMITS,
          timing: TIMING,
          random: () => 0.5,
          counters: new Counters(),
        },
        record,
        {
          remember: () => undefined,
          forget: () => undefined,
          isReplaced: () => false,
          wentAway: () => undefined,
          admitted: () => undefined,
          statusChanged: () => undefined,
        },
        () => undefined,
      );
      const roundTrips = new Map<NodeId, number>();
      const router = routerOf(node, cluster, station.table, members, roundTrips);
      this.sites.set(node, { node, cluster, members, router, roundTrips, subscriptions: [] });
    }
    this.list(nodes);
    this.net.linkAll();
    for (const site of this.sites.values()) for (const node of nodes) site.members.linkUp(node, this.net.now);
    this.net.settle();
  }

  site(node: NodeId): Site {
    const site = this.sites.get(node);
    assert.ok(site);
    return site;
  }

  /** The registry says that these are there. */
  list(nodes: readonly NodeId[]): void {
    const members = this.#records.filter(({ node }) => nodes.includes(node));
    this.#revision++;
    for (const { members: known } of this.sites.values())
      known.takeList({ revision: this.#revision, members }, this.net.now);
  }

  subscribe(node: NodeId, filter: string, group = '', durable = true): LocalTarget {
    const site = this.site(node);
    const target = { name: `${node}#${site.subscriptions.length}`, filter, group, durable };
    site.subscriptions.push(target);
    site.router.addLocal(target);
    this.net.announce(this.net.station(node), [{ add: true, interest: { filter, group, durable } }]);
    this.net.takeAllGossip();
    this.net.settle();
    return target;
  }

  /** Its links are down, and of routes it has what was written. */
  restart(node: NodeId): void {
    const site = this.site(node);
    const { table } = this.net.restart(node, 2);
    for (const peer of this.sites.keys()) site.members.linkDown(peer, this.net.now);
    const router = routerOf(node, site.cluster, table, site.members, site.roundTrips);
    this.sites.set(node, { ...site, router });
  }

  suspect(node: NodeId): void {
    this.#absent.add(node);
    this.list([...this.sites.keys()].filter((other) => !this.#absent.has(other)));
  }

  kill(node: NodeId): void {
    this.suspect(node);
    for (const { members } of this.sites.values()) members.linkDown(node, this.net.now);
    this.net.now.monotonic += TIMING.deadAfterMs + 1;
    for (const { members } of this.sites.values()) members.tick(this.net.now);
  }

  decide(
    node: NodeId,
    topic: string,
    hash = 1,
    options: { keyed?: boolean; reach?: Reach; directive?: Directive } = {},
  ): Decision<LocalTarget> {
    const { keyed = false, reach = 'anywhere', directive = EVERY_GROUP } = options;
    return this.site(node).router.decide(topic, hash, keyed, reach, directive);
  }

  /** Who gets an event published at `node`, by way of all hops; `land` chooses where clusters take it in. */
  publish(
    node: NodeId,
    topic: string,
    hash: number,
    keyed: boolean,
    land: (cluster: string) => NodeId,
  ): { got: LocalTarget[]; orphans: string[] } {
    const got: LocalTarget[] = [];
    const orphans: string[] = [];
    const carryOut = (decision: Decision<LocalTarget>): void => {
      got.push(...decision.local);
      orphans.push(...decision.orphanGroups);
      for (const [peer, directive] of decision.peers)
        carryOut(this.decide(peer, topic, hash, { keyed, reach: 'here', directive }));
      for (const [cluster, directive] of decision.clusters) {
        carryOut(this.decide(land(cluster), topic, hash, { keyed, reach: 'cluster', directive }));
      }
    };
    carryOut(this.decide(node, topic, hash, { keyed }));
    return { got, orphans };
  }
}

function names(decision: Decision<LocalTarget>): { local: string[]; peers: string[]; clusters: string[] } {
  return {
    local: decision.local.map((one) => one.name).sort(),
    peers: [...decision.peers.keys()].sort(),
    clusters: [...decision.clusters.keys()].sort(),
  };
}

test('an event goes to local subscriptions, to peers and clusters that want it, and to nobody else', () => {
  const federation = new Federation(['eu/1', 'eu/2', 'eu/3', 'us/1', 'us/2', 'ap/1']);
  federation.subscribe('eu/1', 'a/#');
  federation.subscribe('eu/2', 'a/b');
  federation.subscribe('eu/3', 'x');
  federation.subscribe('us/1', '+/b');
  federation.subscribe('us/2', 'a/b');
  federation.subscribe('ap/1', 'x');
  assert.deepEqual(names(federation.decide('eu/1', 'a/b')), {
    local: ['eu/1#0'],
    peers: ['eu/2'],
    clusters: ['us'],
  });
  assert.deepEqual(names(federation.decide('eu/1', 'nobody')), { local: [], peers: [], clusters: [] });
});

test('an event that landed is handed on within its cluster only, and from there not at all', () => {
  const federation = new Federation(['eu/1', 'eu/2', 'us/1']);
  for (const node of federation.sites.keys()) federation.subscribe(node, 'a');
  assert.deepEqual(names(federation.decide('eu/1', 'a', 1, { reach: 'cluster', directive: NO_GROUPS })), {
    local: ['eu/1#0'],
    peers: ['eu/2'],
    clusters: [],
  });
  assert.deepEqual(names(federation.decide('eu/1', 'a', 1, { reach: 'here', directive: NO_GROUPS })), {
    local: ['eu/1#0'],
    peers: [],
    clusters: [],
  });
});

test('a group is served here before this cluster, and in this cluster before others', () => {
  const federation = new Federation(['eu/1', 'eu/2', 'us/1', 'us/2']);
  const key = interestKey('a', 'g');
  federation.subscribe('us/1', 'a', 'g');
  federation.subscribe('us/2', 'a', 'g');
  let decision = federation.decide('eu/1', 'a');
  assert.deepEqual(names(decision), { local: [], peers: [], clusters: ['us'] });
  const { wanted, ...directive } = decision.clusters.get('us') ?? { wanted: undefined };
  assert.deepEqual(directive, { groups: 'only', names: [key] });
  assert.equal(wanted?.length, 1);
  assert.deepEqual(wanted[0]?.groups, [key]);
  federation.subscribe('eu/2', 'a', 'g');
  decision = federation.decide('eu/1', 'a');
  assert.deepEqual(names(decision), { local: [], peers: ['eu/2'], clusters: [] });
  assert.deepEqual(decision.peers.get('eu/2'), { groups: 'only', names: [key] });
  federation.subscribe('eu/1', 'a', 'g');
  assert.deepEqual(names(federation.decide('eu/1', 'a')), { local: ['eu/1#0'], peers: [], clusters: [] });
});

test('the same group name on another filter is another group', () => {
  const federation = new Federation(['eu/1', 'us/1']);
  federation.subscribe('eu/1', 'a/+', 'g');
  federation.subscribe('us/1', 'a/#', 'g');
  assert.deepEqual(names(federation.decide('eu/1', 'a/b')), {
    local: ['eu/1#0'],
    peers: [],
    clusters: ['us'],
  });
});

const federationArbitrary = fc.record({
  sizes: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
  subscriptions: fc.array(
    fc.record({
      at: fc.nat(),
      filter: fc.constantFrom('a/b', 'a/+', 'a/#', '#', '+/b', 'x'),
      group: fc.constantFrom('', '', 'g', 'h'),
      durable: fc.boolean(),
    }),
    { maxLength: 14 },
  ),
  events: fc.array(fc.record({ from: fc.nat(), hash: fc.nat(), keyed: fc.boolean(), landing: fc.nat() }), {
    minLength: 1,
    maxLength: 6,
  }),
  unknown: fc.array(fc.record({ at: fc.nat(), of: fc.nat() }), { maxLength: 6 }),
  roundTrips: fc.array(fc.nat({ max: 300 }), { minLength: 9, maxLength: 9 }),
});

function built(drawn: {
  sizes: readonly number[];
  subscriptions: readonly { at: number; filter: string; group: string; durable: boolean }[];
  roundTrips: readonly number[];
}): {
  federation: Federation;
  nodes: NodeId[];
} {
  const nodes = drawn.sizes.flatMap((size, cluster) =>
    Array.from({ length: size }, (_, i) => `c${cluster}/${i}`),
  );
  const federation = new Federation(nodes);
  for (const { at, filter, group, durable } of drawn.subscriptions) {
    federation.subscribe(nodes[at % nodes.length] ?? '', filter, group, durable);
  }
  for (const { roundTrips } of federation.sites.values()) {
    nodes.forEach((node, i) => roundTrips.set(node, drawn.roundTrips[i] ?? 1));
  }
  return { federation, nodes };
}

function servings(
  federation: Federation,
  topic: string,
  got: readonly LocalTarget[],
): { plain: Map<string, number>; groups: Map<string, number> } {
  const plain = new Map<string, number>();
  const groups = new Map<string, number>();
  for (const site of federation.sites.values()) {
    for (const target of site.subscriptions) {
      if (!matches(target.filter, topic)) continue;
      if (target.group === '') plain.set(target.name, 0);
      else groups.set(interestKey(target.filter, target.group), 0);
    }
  }
  for (const target of got) {
    const [counts, key] =
      target.group === '' ? [plain, target.name] : [groups, interestKey(target.filter, target.group)];
    counts.set(key, (counts.get(key) ?? NaN) + 1);
  }
  return { plain, groups };
}

test('over all hops each subscription gets an event once, and each group once in all', () => {
  fc.assert(
    fc.property(federationArbitrary, (drawn) => {
      const { federation, nodes } = built(drawn);
      for (const { from, hash, keyed, landing } of drawn.events) {
        const land = (cluster: string): NodeId => {
          const there = nodes.filter((node) => node.startsWith(`${cluster}/`));
          return there[landing % there.length] ?? '';
        };
        const { got, orphans } = federation.publish(
          nodes[from % nodes.length] ?? '',
          'a/b',
          hash,
          keyed,
          land,
        );
        const { plain, groups } = servings(federation, 'a/b', got);
        for (const [name, times] of plain) assert.equal(times, 1, `subscription ${name}`);
        for (const [group, times] of groups) assert.equal(times, 1, `group ${group}`);
        assert.deepEqual(orphans, []);
      }
    }),
    { numRuns: 200 },
  );
});

test('while some records are unknown to some, plain subscriptions still get it once, and groups at least once', () => {
  fc.assert(
    fc.property(federationArbitrary, (drawn) => {
      const { federation, nodes } = built(drawn);
      for (const { at, of } of drawn.unknown) {
        federation.net.station(nodes[at % nodes.length] ?? '').table.forget(nodes[of % nodes.length] ?? '');
      }
      for (const { from, hash, keyed, landing } of drawn.events) {
        const land = (cluster: string): NodeId => {
          const there = nodes.filter((node) => node.startsWith(`${cluster}/`));
          return there[landing % there.length] ?? '';
        };
        const { got, orphans } = federation.publish(
          nodes[from % nodes.length] ?? '',
          'a/b',
          hash,
          keyed,
          land,
        );
        const { plain, groups } = servings(federation, 'a/b', got);
        for (const [name, times] of plain) assert.equal(times, 1, `subscription ${name}`);
        for (const [group, times] of groups) assert.ok(times >= 1, `group ${group}`);
        for (const group of orphans) assert.ok((groups.get(group) ?? 1) > 0, `group ${group} was given up`);
      }
    }),
    { numRuns: 300 },
  );
});

test('an unknown mesher of the landing cluster is given only the groups that the sender named', () => {
  const federation = new Federation(['eu/1', 'us/1', 'us/2']);
  federation.subscribe('us/2', 'a', 'mine');
  federation.subscribe('us/2', 'a', 'elsewhere');
  federation.net.station('us/1').table.forget('us/2');
  const directive: Directive = { groups: 'only', names: [interestKey('a', 'mine')] };
  const decision = federation.decide('us/1', 'a', 1, { reach: 'cluster', directive });
  assert.deepEqual(decision.peers.get('us/2'), directive);
  assert.deepEqual(decision.orphanGroups, []);
});

test('a group of which no member is left where the sender thought one is, is named an orphan', () => {
  const federation = new Federation(['eu/1', 'us/1']);
  const directive: Directive = { groups: 'only', names: [interestKey('a', 'gone')] };
  assert.deepEqual(
    federation.decide('us/1', 'a', 1, { reach: 'cluster', directive }).orphanGroups,
    directive.names,
  );
  assert.deepEqual(
    federation.decide('us/1', 'a', 1, { reach: 'here', directive }).orphanGroups,
    directive.names,
  );
  assert.deepEqual(federation.decide('us/1', 'a').orphanGroups, []);
});

test('a mesher that was never seen whole is sent everything', () => {
  const federation = new Federation(['eu/1', 'eu/2', 'us/1']);
  for (const node of ['eu/2', 'us/1']) federation.net.station('eu/1').table.forget(node);
  const decision = federation.decide('eu/1', 'whatever');
  assert.deepEqual(names(decision), { local: [], peers: ['eu/2'], clusters: ['us'] });
  assert.deepEqual(
    [...decision.peers.values(), ...decision.clusters.values()],
    [EVERY_GROUP, { ...EVERY_GROUP, unknown: ['us/1'] }],
  );
});

test('a mesher that the sender did not know is sent everything by the one the event lands on, which does', () => {
  const federation = new Federation(['eu/1', 'us/1', 'us/2', 'us/3']);
  const directive: Directive = { ...EVERY_GROUP, unknown: ['us/1', 'us/2', 'us/9'] };
  const decision = federation.decide('us/1', 'whatever', 1, { reach: 'cluster', directive });
  assert.deepEqual(names(decision), { local: [], peers: ['us/2', 'us/9'], clusters: [] });
});

test('an unknown mesher is told which groups others were given, and may serve those that its own cluster was', () => {
  const federation = new Federation(['eu/1', 'eu/2', 'eu/3', 'us/1', 'us/2']);
  federation.subscribe('eu/1', 'a', 'here');
  federation.subscribe('eu/3', 'a', 'near');
  federation.subscribe('us/1', 'a', 'far');
  for (const node of ['eu/2', 'us/2']) federation.net.station('eu/1').table.forget(node);
  const decision = federation.decide('eu/1', 'a');
  const [here, near, far] = ['here', 'near', 'far'].map((group) => interestKey('a', group));
  const named = (directive: Directive | undefined): unknown => ({
    groups: directive?.groups,
    names: new Set(directive?.names),
  });
  assert.deepEqual(named(decision.peers.get('eu/2')), {
    groups: 'except',
    names: new Set([here, near, far]),
  });
  assert.deepEqual(named(decision.peers.get('eu/3')), { groups: 'only', names: new Set([near]) });
  assert.deepEqual(named(decision.clusters.get('us')), { groups: 'except', names: new Set([here, near]) });
});

test('the nearest cluster by round trip serves a group', () => {
  const federation = new Federation(['eu/1', 'us/1', 'ap/1', 'sa/1']);
  for (const node of ['us/1', 'ap/1', 'sa/1']) federation.subscribe(node, 'a', 'g');
  const { roundTrips } = federation.site('eu/1');
  roundTrips.set('us/1', 80).set('ap/1', 200);
  for (let hash = 0; hash < 50; hash++)
    assert.deepEqual(names(federation.decide('eu/1', 'a', hash)).clusters, ['us']);
  roundTrips.set('ap/1', 20);
  for (let hash = 0; hash < 50; hash++)
    assert.deepEqual(names(federation.decide('eu/1', 'a', hash)).clusters, ['ap']);
});

test('round trips that swing by a twelfth do not move a group, wherever they lie', () => {
  for (const middle of [2, 5.6, 11.3, 19, 38, 76, 90, 152]) {
    const federation = new Federation(['eu/1', 'us/1', 'ap/1']);
    for (const node of ['us/1', 'ap/1']) federation.subscribe(node, 'a', 'g');
    const { roundTrips } = federation.site('eu/1');
    const chosen = new Set<string>();
    for (let i = 0; i < 40; i++) {
      roundTrips
        .set('us/1', middle * (1 + (1 / 12) * Math.sin(i)))
        .set('ap/1', middle * (1 + (1 / 12) * Math.cos(i * 1.7)));
      chosen.add(names(federation.decide('eu/1', 'a', 7)).clusters.join());
    }
    assert.equal(chosen.size, 1, `about ${middle} ms`);
  }
});

test('the events of one key keep to their cluster, whatever the round trips do', () => {
  const federation = new Federation(['eu/1', 'us/1', 'ap/1']);
  for (const node of ['us/1', 'ap/1']) federation.subscribe(node, 'a', 'g');
  const { roundTrips } = federation.site('eu/1');
  for (let hash = 0; hash < 20; hash++) {
    const chosen = [
      [1, 500],
      [500, 1],
    ].map(([us = 0, ap = 0]) => {
      roundTrips.set('us/1', us).set('ap/1', ap);
      return names(federation.decide('eu/1', 'a', hash, { keyed: true })).clusters.join();
    });
    assert.equal(chosen[0], chosen[1]);
  }
});

test('the events of one key keep to one member; those without are shared', () => {
  const federation = new Federation(['eu/1', 'eu/2', 'eu/3']);
  for (let i = 0; i < 4; i++) federation.subscribe('eu/1', 'a', 'g');
  for (const node of ['eu/2', 'eu/3']) federation.subscribe(node, 'b', 'g');
  const used = new Set<string>();
  for (let key = 0; key < 100; key++) {
    const hash = hash32(`key-${key}`);
    const first = names(federation.decide('eu/1', 'a', hash, { keyed: true })).local;
    for (let i = 0; i < 5; i++)
      assert.deepEqual(names(federation.decide('eu/1', 'a', hash, { keyed: true })).local, first);
    used.add(first.join());
  }
  assert.equal(used.size, 4);
  const unkeyed = Array.from({ length: 8 }, () => names(federation.decide('eu/1', 'a', 5)).local.join());
  assert.equal(new Set(unkeyed).size, 4, 'all members take turns');
  const remote = new Set(
    Array.from({ length: 50 }, (_, i) =>
      names(federation.decide('eu/1', 'b', hash32(`id-${i}`))).peers.join(),
    ),
  );
  assert.deepEqual([...remote].sort(), ['eu/2', 'eu/3']);
});

test('when a member goes only its own keys move', () => {
  const members = ['a', 'b', 'c', 'd', 'e'];
  let moved = 0;
  for (let i = 0; i < 2_000; i++) {
    const hash = hash32(`key-${i}`);
    const before = rendezvous(members, hash, (name) => name);
    const after = rendezvous(members.slice(1), hash, (name) => name);
    if (before !== after) {
      assert.equal(before, 'a');
      moved++;
    }
  }
  assert.ok(moved > 300 && moved < 500, `${moved} of 2000 moved`);
  assert.equal(rendezvous([], 1, String), undefined);
});

test('a suspect serves a group only where nobody alive does', () => {
  const federation = new Federation(['eu/1', 'eu/2', 'us/1']);
  federation.subscribe('eu/2', 'a', 'g');
  federation.subscribe('us/1', 'a', 'g');
  federation.suspect('eu/2');
  assert.deepEqual(names(federation.decide('eu/1', 'a')), { local: [], peers: [], clusters: ['us'] });
  federation.list(['eu/1']);
  assert.deepEqual(names(federation.decide('eu/1', 'a')), { local: [], peers: ['eu/2'], clusters: [] });
});

test('of the dead, what is durable keeps its claim, and what is not goes', () => {
  const federation = new Federation(['eu/1', 'eu/2', 'us/1', 'us/2']);
  federation.subscribe('eu/2', 'durable');
  federation.subscribe('eu/2', 'ephemeral', '', false);
  federation.subscribe('us/1', 'durable');
  federation.subscribe('us/1', 'ephemeral', '', false);
  federation.subscribe('us/1', 'grouped', 'g', false);
  federation.subscribe('us/1', 'kept', 'g');
  for (const node of ['eu/2', 'us/1'])
    assert.equal(federation.decide('eu/1', 'ephemeral').peers.size, 1, node);
  federation.kill('eu/2');
  federation.kill('us/1');
  assert.deepEqual(names(federation.decide('eu/1', 'durable')), {
    local: [],
    peers: ['eu/2'],
    clusters: ['us'],
  });
  assert.deepEqual(names(federation.decide('eu/1', 'ephemeral')), { local: [], peers: [], clusters: [] });
  assert.deepEqual(names(federation.decide('eu/1', 'grouped')), { local: [], peers: [], clusters: [] });
  assert.deepEqual(names(federation.decide('eu/1', 'kept')), { local: [], peers: [], clusters: ['us'] });
});

test('the dead that were never seen whole are not sent everything for ever', () => {
  const federation = new Federation(['eu/1', 'us/1']);
  federation.net.station('eu/1').table.forget('us/1');
  federation.kill('us/1');
  assert.deepEqual(names(federation.decide('eu/1', 'a')), { local: [], peers: [], clusters: [] });
});

test('after any change the next decision knows of it, though the topic was decided before', () => {
  const federation = new Federation(['eu/1', 'eu/2', 'us/1']);
  const look = (): { local: string[]; peers: string[]; clusters: string[] } =>
    names(federation.decide('eu/1', 'a'));
  const none = { local: [], peers: [], clusters: [] };
  assert.deepEqual(look(), none);
  const own = federation.subscribe('eu/1', 'a');
  assert.deepEqual(look(), { ...none, local: ['eu/1#0'] });
  federation.subscribe('eu/2', '#');
  assert.deepEqual(look(), { ...none, local: ['eu/1#0'], peers: ['eu/2'] });
  federation.site('eu/1').router.removeLocal(own);
  assert.deepEqual(look(), { ...none, peers: ['eu/2'] });
  federation.net.announce(federation.net.station('eu/2'), [
    { add: false, interest: { filter: '#', group: '', durable: true } },
  ]);
  federation.net.takeAllGossip();
  assert.deepEqual(look(), none);
  federation.subscribe('us/1', 'a', '', false);
  assert.deepEqual(look(), { ...none, clusters: ['us'] });
  federation.kill('us/1');
  assert.deepEqual(look(), none);
  federation.list(['eu/1', 'eu/2', 'us/1']);
  assert.deepEqual(look(), { ...none, clusters: ['us'] });
  federation.net.station('eu/1').table.forget('us/1');
  assert.deepEqual(look(), { ...none, clusters: ['us'] }, 'unknown now: it is sent everything');
  federation.net.unlink('eu/1', 'us/1');
  federation.net.link('eu/1', 'us/1');
  federation.net.settle();
  assert.deepEqual(names(federation.decide('eu/1', 'b')), none, 'known again: it is not');
});

// ─────────────────────────────────────────────────────────── remembered

/** eu/1 was restarted, and has no links: of the others it has what it remembered. Those named are dead. */
function restarted(federation: Federation, dead: readonly NodeId[]): void {
  federation.net.run(TIMING.rememberEveryMs * 2);
  federation.restart('eu/1');
  for (const node of dead) federation.kill(node);
}

function named(directive: Directive | undefined): unknown {
  return directive && [directive.groups, ...directive.names];
}

test('a dead mesher of which there is only what is remembered gets its durable events, and no others', () => {
  const federation = new Federation(['eu/1', 'eu/2', 'us/1', 'ap/1']);
  federation.subscribe('eu/2', 'a/#');
  federation.subscribe('us/1', 'a/b');
  federation.subscribe('us/1', 'live', '', false);
  federation.subscribe('us/1', 'a/b', 'g');
  restarted(federation, []);
  const everything = { local: [], peers: ['eu/2'], clusters: ['ap', 'us'] };
  assert.deepEqual(
    names(federation.decide('eu/1', 'b')),
    everything,
    'whoever is not dead is sent everything',
  );
  for (const node of ['eu/2', 'us/1', 'ap/1']) federation.kill(node);
  assert.deepEqual(names(federation.decide('eu/1', 'b')), { local: [], peers: [], clusters: [] });
  assert.deepEqual(names(federation.decide('eu/1', 'live')), { local: [], peers: [], clusters: [] });
  const decision = federation.decide('eu/1', 'a/b');
  assert.deepEqual(names(decision), { local: [], peers: ['eu/2'], clusters: ['us'] });
  assert.deepEqual(named(decision.clusters.get('us')), ['only', interestKey('a/b', 'g')]);
});

test('of a group, who is known is chosen before who is remembered', () => {
  const federation = new Federation(['eu/1', 'eu/2', 'us/1']);
  const key = interestKey('a', 'g');
  federation.subscribe('eu/2', 'a', 'g');
  federation.subscribe('us/1', 'a', 'g');
  restarted(federation, ['eu/2']);
  federation.net.station('us/1').table.forget('eu/2'); // or it would tell
  federation.net.link('eu/1', 'us/1');
  federation.net.settle();
  federation.suspect('us/1');
  const decision = federation.decide('eu/1', 'a');
  assert.deepEqual(names(decision), { local: [], peers: [], clusters: ['us'] });
  assert.deepEqual(named(decision.clusters.get('us')), ['only', key]);
});

test('what is remembered of the dead decides no group for the unknown: they may have members nobody here has heard of', () => {
  const federation = new Federation(['eu/1', 'us/1', 'ap/1', 'sa/1']);
  const key = interestKey('a', 'g');
  federation.subscribe('us/1', 'a', 'g');
  federation.subscribe('ap/1', 'a', 'g');
  restarted(federation, ['us/1']);
  const decision = federation.decide('eu/1', 'a');
  assert.deepEqual(named(decision.clusters.get('us')), ['only', key]);
  for (const unknown of ['ap', 'sa']) assert.deepEqual(named(decision.clusters.get(unknown)), ['except']);
});

test('a group that the sender named goes to the dead one that is remembered, and to whoever is unknown', () => {
  const federation = new Federation(['eu/1', 'eu/2', 'eu/3']);
  const directive: Directive = { groups: 'only', names: [interestKey('a', 'g')] };
  federation.subscribe('eu/2', 'a', 'g');
  restarted(federation, ['eu/2']);
  const decision = federation.decide('eu/1', 'a', 1, { reach: 'cluster', directive });
  assert.deepEqual(decision.peers.get('eu/2'), directive);
  assert.deepEqual(decision.peers.get('eu/3'), directive);
  assert.deepEqual(decision.orphanGroups, []);
});

test('equal directives are one object, so that a queue can keep them as runs', () => {
  const federation = new Federation(['eu/1', 'us/1']);
  federation.subscribe('us/1', 'a', 'g');
  federation.subscribe('us/1', 'plain');
  const first = federation.decide('eu/1', 'a', 1).clusters.get('us');
  assert.equal(federation.decide('eu/1', 'a', 2).clusters.get('us'), first);
  const plain = federation.decide('eu/1', 'plain').clusters.get('us');
  assert.deepEqual(plain, { ...NO_GROUPS, wanted: [{ node: 'us/1', groups: [] }] });
  assert.equal(federation.decide('eu/1', 'plain').clusters.get('us'), plain);
});

test('a landing mesher hands on to whom its sender knows to want the event, though it knows less itself', () => {
  const federation = new Federation(['eu/1', 'us/1', 'us/2']);
  const key = interestKey('a', 'g');
  const directive: Directive = {
    groups: 'only',
    names: [key],
    wanted: [
      { node: 'us/1', groups: [] },
      { node: 'us/2', groups: [key] },
      { node: 'us/3', groups: [] }, // not even heard of here
      { node: 'eu/1', groups: [] }, // of another cluster: a sender's error, or a lie
    ],
  };
  const decision = federation.decide('us/1', 'a', 1, { reach: 'cluster', directive });
  assert.deepEqual(names(decision), { local: [], peers: ['us/2', 'us/3'], clusters: [] });
  assert.deepEqual(decision.peers.get('us/2'), { groups: 'only', names: [key] });
  assert.deepEqual(decision.orphanGroups, []);
});

test('of more groups than a frame can name, some are served and the others are counted', () => {
  const federation = new Federation(['eu/1', 'us/1']);
  for (let i = 0; i < DIRECTIVE_NAMES_MAX + 5; i++) federation.subscribe('us/1', 'a', `g${i}`);
  const decision = federation.decide('eu/1', 'a');
  assert.equal(decision.crowdedGroups, 5);
  assert.equal(decision.clusters.get('us')?.names.length, DIRECTIVE_NAMES_MAX);
});
