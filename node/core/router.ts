// Decides where an event goes. Local subscriptions first; then each other mesher of this cluster that wants it; then each
// remote cluster with somebody who wants it, once; and for each group exactly one member's mesher: local, else in
// this cluster, else in the nearest cluster by measured round trip. Pure over what it is handed.

import { hash32, directiveBytes, type Directive, type NodeId, NO_GROUPS, type Wanted } from './event.ts';
import { FilterTree } from './filter-tree.ts';
import type { Route, RouteTable } from './route-table.ts';
import { DIRECTIVE_BYTES_MAX, DIRECTIVE_NAMES_MAX } from './limits.ts';
import type { Member, Membership } from './membership.ts';
import { interestKey } from './interest-set.ts';
import { isNamed } from './subscription.ts';

/** A subscription of this mesher as the router sees it. */
export interface LocalTarget {
  readonly name: string;
  readonly filter: string;
  /** '' for none. */
  readonly group: string;
  readonly durable: boolean;
  /** The lost mesher on which it was made: what its events are sent under. */
  readonly adoptedFrom?: NodeId | undefined;
}

export interface Decision<T extends LocalTarget> {
  readonly local: readonly T[];
  /** Other meshers of this cluster. */
  readonly peers: ReadonlyMap<NodeId, Directive>;
  readonly clusters: ReadonlyMap<string, Directive>;
  /** Groups that the sender left to us, of which no member is known here any more. */
  readonly orphanGroups: readonly string[];
  /** How many groups are more than one event can be sent to. */
  readonly crowdedGroups: number;
}

/**
 * How far this mesher may send an event: `anywhere` where it was published; `cluster` where it landed for the
 * cluster; `here` where it was handed on inside the cluster.
 */
export type Reach = 'anywhere' | 'cluster' | 'here';

/** A decision before what each destination is told of groups is put into words. */
interface Undirected<T extends LocalTarget> {
  readonly local: readonly T[];
  readonly peers: ReadonlyMap<NodeId, ReadonlySet<string>>;
  /** By cluster, then by mesher: the groups it was chosen for. */
  readonly clusters: ReadonlyMap<string, ReadonlyMap<NodeId, ReadonlySet<string>>>;
  readonly decided: readonly string[];
  readonly orphanGroups: readonly string[];
  /** Groups given to a dead mesher by what is remembered of it: whoever is unknown may serve them, too. */
  readonly remembered: readonly string[];
  readonly reach: Reach;
  readonly directive: Directive;
}

interface Matched<T extends LocalTarget> {
  readonly revision: number;
  readonly plainLocal: readonly T[];
  readonly groupsLocal: ReadonlyMap<string, readonly T[]>;
  readonly plainRemote: readonly Route[];
  readonly groupsRemote: ReadonlyMap<string, readonly Route[]>;
  /** Where no group is concerned, nothing is chosen: the decision is the same for every event until something changes. */
  readonly decisions: Known<T>[];
}

interface Known<T extends LocalTarget> {
  readonly of: NodeId | undefined;
  readonly reach: Reach;
  readonly directive: Directive;
  readonly decision: Decision<T>;
}

/** Of another mesher's directive: larger ones, which name a hundred meshers, are not kept beyond their frame. */
const KEPT_DIRECTIVE_BYTES_MAX = 8 * 1024;

/** Decisions kept for one topic: of what is published here, and of what lands from a few clusters. */
const DECISIONS_MAX = 8;

/** Of a mesher whose round trip is not known: farther than any that is. */
const FAR = 1_000;
/** Steps by which a round trip must have left its distance before that is changed: half would be none. */
const HYSTERESIS = 0.8;

export class Router<T extends LocalTarget> {
  readonly #self: NodeId;
  readonly #cluster: string;
  readonly #table: RouteTable;
  readonly #members: Membership;
  readonly #roundTrip: (node: NodeId) => number | undefined;
  readonly #isGuest: (node: NodeId) => boolean;
  readonly #locals: FilterTree<T>;
  readonly #cache = new Map<string, Matched<T>>();
  readonly #directives = new Map<string, Directive>();
  /** Last distance of each mesher, for hysteresis. */
  readonly #distances = new Map<NodeId, number>();
  readonly #cacheMax: number;
  #localRevision = 0;
  #turn = 0;

  constructor(options: {
    self: NodeId;
    cluster: string;
    table: RouteTable;
    members: Membership;
    roundTrip: (node: NodeId) => number | undefined;
    /** Whether this mesher is the heir of that one. */
    isGuest: (node: NodeId) => boolean;
    cacheMax: number;
  }) {
    this.#self = options.self;
    this.#cluster = options.cluster;
    this.#table = options.table;
    this.#locals = new FilterTree(options.table.secret);
    this.#members = options.members;
    this.#roundTrip = options.roundTrip;
    this.#isGuest = options.isGuest;
    this.#cacheMax = options.cacheMax;
  }

  addLocal(target: T): void {
    this.#locals.add(target);
    this.#localRevision++;
  }

  removeLocal(target: T): void {
    this.#locals.remove(target);
    this.#localRevision++;
  }

  /**
   * The decision is not to be changed: it may be given again. `hash` chooses among equals, so that events of one key keep to one member.
   * `keyed`: an ordering key was given. `of`: what was handed on is for the subscriptions that were made on that mesher alone.
   */
  decide(
    topic: string,
    hash: number,
    keyed: boolean,
    reach: Reach,
    directive: Directive,
    of?: NodeId,
  ): Decision<T> {
    const matched = this.#match(topic);
    const { decisions, groupsLocal, groupsRemote } = matched;
    for (const known of decisions)
      if (known.directive === directive && known.reach === reach && known.of === of) return known.decision;
    const decision =
      directive.subscription === undefined
        ? this.#decide(matched, hash, keyed, reach, directive, of)
        : this.#forOne(matched, directive.subscription, of);
    if (
      directive.names.length === 0 &&
      directive.subscription === undefined &&
      groupsLocal.size === 0 &&
      groupsRemote.size === 0 &&
      directiveBytes(directive) <= KEPT_DIRECTIVE_BYTES_MAX
    ) {
      if (decisions.length >= DECISIONS_MAX) decisions.length = 0;
      decisions.push({ of, reach, directive, decision });
    }
    return decision;
  }

  #decide(
    matched: Matched<T>,
    hash: number,
    keyed: boolean,
    reach: Reach,
    directive: Directive,
    of: NodeId | undefined,
  ): Decision<T> {
    // handed on, an event is for one mesher's subscriptions: ours, or those of a guest
    const local =
      reach === 'here'
        ? matched.plainLocal.filter(({ adoptedFrom }) => adoptedFrom === of)
        : [...matched.plainLocal];
    const peers = new Map<NodeId, Set<string>>();
    const clusters = new Map<string, Map<NodeId, Set<string>>>();
    const decided: string[] = directive.groups === 'except' ? [...directive.names] : [];

    if (reach !== 'here') {
      for (const route of matched.plainRemote) this.#add(route, reach, peers, clusters);
    }

    let orphanGroups: string[] = [];
    const remembered: string[] = [];
    const { served, crowdedGroups } = this.#fitting(this.#groupsToServe(matched, directive));
    for (const key of served) {
      const members = matched.groupsLocal.get(key);
      if (members && members.length > 0) {
        const chosen = keyed
          ? rendezvous(members, hash, (one) => one.name)
          : members[this.#turn++ % members.length];
        if (chosen) local.push(chosen);
        decided.push(key);
        continue;
      }
      const route =
        reach === 'here'
          ? undefined
          : this.#chooseMember(matched.groupsRemote.get(key) ?? [], hash, keyed, reach);
      if (!route) {
        if (directive.groups === 'only') orphanGroups.push(key);
        continue;
      }
      this.#add(route, reach, peers, clusters).add(key);
      (this.#table.complete(this.#memberOf(route)?.record.node ?? route.node) ? decided : remembered).push(
        key,
      );
    }
    if (reach === 'cluster') orphanGroups = this.#addWanted(directive, matched, orphanGroups, peers);
    return {
      ...this.#withUnknown({ local, peers, clusters, decided, orphanGroups, remembered, reach, directive }),
      crowdedGroups,
    };
  }

  /** An event that had been queued for this subscription elsewhere: nobody else here gets it. */
  #forOne({ plainLocal, groupsLocal }: Matched<T>, name: string, of: NodeId | undefined): Decision<T> {
    const all = [...plainLocal, ...[...groupsLocal.values()].flat()];
    const one = all.filter((target) => target.adoptedFrom === of && isNamed(target.name, name, of));
    return { local: one, peers: new Map(), clusters: new Map(), orphanGroups: [], crowdedGroups: 0 };
  }

  /** As `decide`, without taking a turn in any group. */
  preview(topic: string, hash: number, reach: Reach, directive: Directive): Decision<T> {
    const turn = this.#turn;
    const decision = this.decide(topic, hash, false, reach, directive);
    this.#turn = turn;
    return decision;
  }

  #match(topic: string): Matched<T> {
    const revision = this.#table.revision + this.#localRevision + this.#members.changes;
    const cached = this.#cache.get(topic);
    if (cached?.revision === revision) return cached;
    const locals = this.#locals.match(topic);
    const remotes = this.#table.match(topic);
    const matched: Matched<T> = {
      revision,
      plainLocal: locals.filter((one) => one.group === ''),
      groupsLocal: byGroup(locals),
      plainRemote: remotes.filter((one) => one.group === ''),
      groupsRemote: byGroup(remotes),
      decisions: [],
    };
    if (this.#cache.size >= this.#cacheMax) this.#cache.clear();
    this.#cache.set(topic, matched);
    return matched;
  }

  /** As many groups as a directive may name: a frame must hold it. */
  #fitting(groups: readonly string[]): { served: readonly string[]; crowdedGroups: number } {
    let bytes = 0;
    let fit = 0;
    for (const key of groups) {
      bytes += key.length * 3 + 3;
      if (fit >= DIRECTIVE_NAMES_MAX || bytes > DIRECTIVE_BYTES_MAX) break;
      fit++;
    }
    if (fit === groups.length) return { served: groups, crowdedGroups: 0 };
    return { served: groups.slice(0, fit), crowdedGroups: groups.length - fit };
  }

  #groupsToServe(matched: Matched<T>, directive: Directive): readonly string[] {
    if (directive.groups === 'only') return directive.names;
    const done = new Set(directive.names);
    return [...new Set([...matched.groupsLocal.keys(), ...matched.groupsRemote.keys()])].filter(
      (key) => !done.has(key),
    );
  }

  /** The dead keep a claim only for what is durable. */
  #wants(route: Route): boolean {
    const member = this.#memberOf(route);
    return member !== undefined && (route.durable || member.status !== 'dead');
  }

  /** The mesher, or who is in its place. */
  #inPlaceOf(node: NodeId): Member | undefined {
    return this.#members.get(this.#table.heirs.of(node) ?? node);
  }

  /** Whose the route is. What somebody who is away says of another counts only where nobody else speaks for that one. */
  #memberOf({ node, by }: Route): Member | undefined {
    if (by === undefined) return this.#inPlaceOf(node);
    return this.#members.isAdmitted(node) || this.#table.heirs.has(node) ? undefined : this.#members.get(by);
  }

  #add(
    route: Route,
    reach: Reach,
    peers: Map<NodeId, Set<string>>,
    clusters: Map<string, Map<NodeId, Set<string>>>,
  ): Set<string> {
    const cluster = this.#memberOf(route)?.record.cluster;
    const none = new Set<string>();
    if (cluster === undefined || !this.#wants(route)) return none;
    if (cluster === this.#cluster) return slot(peers, route.node);
    if (reach !== 'anywhere') return none;
    let meshers = clusters.get(cluster);
    if (!meshers) {
      meshers = new Map();
      clusters.set(cluster, meshers);
    }
    return slot(meshers, route.node);
  }

  /**
   * Meshers of this cluster that the sender knows to want the event: our own knowledge of them may be older. Where the sender
   * chose a mesher for a group that we do not know to have a member, and we know another, one of us is behind, and
   * nobody can say who: both get it. Returns the groups that are left without anybody.
   */
  #addWanted(
    directive: Directive,
    matched: Matched<T>,
    orphanGroups: readonly string[],
    peers: Map<NodeId, Set<string>>,
  ): string[] {
    const orphans = new Set(orphanGroups);
    for (const { node, groups } of directive.wanted ?? []) {
      const cluster = this.#inPlaceOf(node)?.record.cluster;
      if (node === this.#self || this.#isGuest(node)) continue;
      if (cluster !== undefined && cluster !== this.#cluster) continue;
      const given = slot(peers, node);
      for (const key of groups) {
        const isServedHere = matched.groupsLocal.has(key);
        const isKnown = matched.groupsRemote.get(key)?.some((route) => route.node === node) ?? false;
        if (orphans.delete(key) || (!isServedHere && !isKnown)) given.add(key);
      }
    }
    return [...orphans];
  }

  #chooseMember(routes: readonly Route[], hash: number, keyed: boolean, reach: Reach): Route | undefined {
    let best: Route[] = [];
    let bestRank = Infinity;
    for (const route of routes) {
      const member = this.#memberOf(route);
      if (!member || !this.#wants(route)) continue;
      const known = this.#table.complete(member.record.node);
      if (!known && member.status !== 'dead') continue; // it is sent everything, and decides itself
      const here = member.record.cluster === this.#cluster;
      if (!here && reach !== 'anywhere') continue;
      // The known before the remembered, the living before the suspect, this cluster before others, then the nearest; among
      // remote clusters the ordering key decides where there is one, for round trips change and would part the events of a key.
      const absent = (member.status === 'alive' ? 0 : 1_000_000) + (known ? 0 : 2_000_000);
      const rank = absent + (here ? 0 : 1 + (keyed ? 0 : this.#distance(member)));
      if (rank < bestRank) {
        best = [];
        bestRank = rank;
      }
      if (rank === bestRank) best.push(route);
    }
    return rendezvous(best, hash, (one) => one.node);
  }

  /**
   * Round trips within the same power of √2 count as equal, and one that swings about the border between two keeps the
   * one it had: a choice does not flap with noise.
   */
  #distance({ linked, record: { node } }: Member): number {
    const roundTripMs = linked ? this.#roundTrip(node) : undefined;
    if (roundTripMs === undefined) return FAR;
    const exact = 2 * Math.log2(Math.max(1, roundTripMs));
    let distance = this.#distances.get(node);
    if (distance === undefined || Math.abs(exact - distance) > HYSTERESIS) {
      if (this.#distances.size >= this.#cacheMax) this.#distances.clear();
      distance = Math.round(exact);
      this.#distances.set(node, distance);
    }
    return distance;
  }

  /**
   * A mesher of which nothing whole was ever seen gets every event, unless it is dead: of those only what is remembered
   * counts, or their queues would fill the disk. Of the groups it serves those that nobody else was
   * given; where our sender named the groups, only those of them that nobody known here has.
   */
  #withUnknown({
    local,
    peers: peerSets,
    clusters: clusterSets,
    decided,
    orphanGroups,
    remembered,
    reach,
    directive,
  }: Undirected<T>): Omit<Decision<T>, 'crowdedGroups'> {
    const named = directive.groups === 'only' ? [...orphanGroups, ...remembered] : undefined;
    const forUnknown = (given: ReadonlySet<string> | undefined): Directive =>
      named
        ? this.#directive('only', [...(given ?? []), ...named])
        : this.#directive('except', without(decided, [...(given ?? [])]));
    let asked = false;
    const peers = new Map<NodeId, Directive>();
    const unknownOf = new Map<string, NodeId[]>();
    for (const [node, groups] of peerSets) peers.set(node, this.#directive('only', [...groups]));
    for (const { node, cluster } of reach === 'here' ? [] : this.#unknown(directive)) {
      if (cluster === this.#cluster) peers.set(node, forUnknown(peerSets.get(node)));
      else if (reach === 'anywhere') unknownOf.set(cluster, [...(unknownOf.get(cluster) ?? []), node]);
      else continue;
      asked = true;
    }
    const clusters = new Map<string, Directive>();
    for (const cluster of new Set([...clusterSets.keys(), ...unknownOf.keys()])) {
      const meshers = clusterSets.get(cluster) ?? new Map<NodeId, Set<string>>();
      const wanted = [...meshers].map(([node, groups]) => ({ node, groups: [...groups] }));
      const unknown = unknownOf.get(cluster);
      const given = groupsOf(meshers);
      clusters.set(
        cluster,
        unknown
          ? this.#directive('except', without(decided, given), wanted, unknown)
          : this.#directive('only', given, wanted),
      );
    }
    return { local, peers, clusters, orphanGroups: asked ? [] : orphanGroups };
  }

  /** Meshers of which nothing whole is known here, or was to our sender. */
  *#unknown({ unknown = [] }: Directive): Iterable<{ readonly node: NodeId; readonly cluster: string }> {
    for (const member of this.#members.all()) {
      const { node } = member.record;
      if (unknown.includes(node) || (member.status !== 'dead' && !this.#table.complete(node)))
        yield member.record;
    }
    for (const node of unknown) {
      const isOther = node !== this.#self && !this.#isGuest(node) && !this.#members.get(node);
      if (isOther) yield { node, cluster: this.#cluster };
    }
  }

  /** The one object for directives that say the same, as those of other meshers do frame after frame. */
  intern(directive: Directive): Directive {
    const { groups, names, wanted, unknown, subscription } = directive;
    return subscription !== undefined || directiveBytes(directive) > KEPT_DIRECTIVE_BYTES_MAX
      ? directive
      : this.#directive(groups, names, wanted, unknown);
  }

  /** Equal directives are one object, so that queue entries and frames can hold them as runs. */
  #directive(
    groups: Directive['groups'],
    names: readonly string[],
    wanted: readonly Wanted[] = [],
    unknown: readonly NodeId[] = [],
  ): Directive {
    if (groups === 'only' && names.length + wanted.length + unknown.length === 0) return NO_GROUPS;
    const key = JSON.stringify([groups, names, wanted, unknown]); // no name, whatever is in it, makes two of them alike
    let directive = this.#directives.get(key);
    if (!directive) {
      if (this.#directives.size >= this.#cacheMax) this.#directives.clear();
      directive = {
        groups,
        names,
        ...(wanted.length > 0 && { wanted }),
        ...(unknown.length > 0 && { unknown }),
      };
      this.#directives.set(key, directive);
    }
    return directive;
  }
}

function without(names: readonly string[], given: readonly string[]): readonly string[] {
  return given.length === 0 ? names : names.filter((name) => !given.includes(name));
}

function groupsOf(meshers: ReadonlyMap<NodeId, ReadonlySet<string>>): string[] {
  return [...meshers.values()].flatMap((groups) => [...groups]);
}

function slot<K>(map: Map<K, Set<string>>, key: K): Set<string> {
  let groups = map.get(key);
  if (!groups) {
    groups = new Set();
    map.set(key, groups);
  }
  return groups;
}

function byGroup<R extends { filter: string; group: string }>(routes: readonly R[]): Map<string, R[]> {
  const groups = new Map<string, R[]>();
  for (const route of routes) {
    if (route.group === '') continue;
    const key = interestKey(route.filter, route.group);
    const members = groups.get(key);
    if (members) members.push(route);
    else groups.set(key, [route]);
  }
  return groups;
}

/** Highest random weight: each hash keeps its choice as long as that choice is there. */
export function rendezvous<R>(
  candidates: readonly R[],
  hash: number,
  name: (one: R) => string,
): R | undefined {
  let best: R | undefined;
  let bestWeight = -1;
  for (const candidate of candidates) {
    const weight = hash32(name(candidate), hash ^ 0x9e3779b9);
    if (weight > bestWeight) {
      best = candidate;
      bestWeight = weight;
    }
  }
  return best;
}
