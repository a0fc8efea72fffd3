// What every mesher wants, as known here: one record for each owner, written by its owner only, and the tree that
// finds who wants a topic. Gossip brings deltas, each good for exactly the version before it; whatever else arrives
// marks the record *gapped*, and a pull from the owner (or from anyone: records are signed) repairs it.
//
// Invariants. A record's version is that of a proof whose content it holds whole. Buckets fetched on the way to a newer one
// are applied one by one, each checked against a signed head, so an interest is never missing that was in both versions;
// meanwhile the record is `diverged`: deltas are not applied to it, and it is not served to others. A record
// never seen whole is `complete: false`, and its mesher is sent everything. Only signatures prove that a version is
// there: what a peer merely says it has is forgotten when a pull shows nothing of it.
//
// Durable interests are *remembered*: written bucket by bucket, and put back at a start. That is not a version, nor
// complete, nor served to others; buckets of a pull replace it where they differ. It is for the dead, who cannot be asked.

import type { Counters } from './counters.ts';
import { comparePositions, type NodeId } from './event.ts';
import { FilterTree } from './filter-tree.ts';
import { Heirs, tagOf } from './heirs.ts';
import { compareNames, DIGEST_BYTES } from './interest-lines.ts';
import { bucketDigest, bucketOf, BUCKETS, interestKey, InterestSet } from './interest-set.ts';
import { AWAY_FROM_PEER_MAX, isWireTopic, type Limits, REMEMBERED_BUCKET_BYTES_MAX } from './limits.ts';
import type {
  ControlMessage,
  Interest,
  RouteBucketPull,
  RouteBuckets,
  RouteHeads,
  RoutePull,
} from './messages.ts';
import type { Keys, Random, Recovered, RememberedInterest } from './ports.ts';
import {
  decodeDelta,
  decodeHead,
  encodeHead,
  type Head,
  type Proof,
  RouteError,
  type RouteOp,
  signDelta,
} from './route-record.ts';
import type { Emit, Now } from './steps.ts';
import type { Timing } from './timing.ts';

/** What many interests of one mesher have in common. */
interface Claim {
  readonly node: NodeId;
  readonly group: string;
  readonly durable: boolean;
  /** Who says so of another, and is known by hearsay: believed where nobody else speaks for that one (router.ts). */
  readonly by?: NodeId | undefined;
}

/**
 * One interest of one other mesher, as its record and the tree hold it: a mesher may hold a million, so this is all there is
 * for each, and what is the same for many is held once.
 */
export class Route implements Interest {
  readonly filter: string;
  readonly #claim: Claim;

  constructor(filter: string, claim: Claim) {
    this.filter = filter;
    this.#claim = claim;
  }

  get node(): NodeId {
    return this.#claim.node;
  }

  get group(): string {
    return this.#claim.group;
  }

  get durable(): boolean {
    return this.#claim.durable;
  }

  get by(): NodeId | undefined {
    return this.#claim.by;
  }
}

interface Version {
  readonly incarnation: number;
  readonly sequence: number;
}

/** Of a bucket without interests, to whoever writes it. */
const BUCKET_BYTES = 64;

/** What is signed for `secret`: no proof and no member record begins so. */
const SECRET = Buffer.from('secret of filter trees');

const NEVER: Version = { incarnation: 0, sequence: 0 };

interface Pull {
  readonly from: NodeId;
  progressAt: number;
  /** Some of the answer has come, as deltas. */
  progressed: boolean;
  /** Once the head has come: what it names, and the buckets still to be fetched. */
  head: Head | undefined;
  missing: Set<number>;
}

interface Owned {
  readonly node: NodeId;
  version: Version;
  complete: boolean;
  /** The content is not what the owner signed for this version: only a head and its buckets can repair it. */
  diverged: boolean;
  /** For each bucket, the sequence at which it was last seen to change. */
  readonly changedAt: Float64Array;
  proof: Proof | undefined;
  readonly interests: InterestSet<Route>;
  /** What its interests have in common, to be found; nothing rests on one being here. */
  readonly claims: Map<string, Claim>;
  /** Buckets whose durable interests are not the ones that were written last. */
  unwritten: Set<number>;
  /** Highest version heard of. Above `version`: gapped. */
  wanted: Version;
  /** Highest version seen signed. */
  proven: Version;
  /** Who said last that it has more than is held here. */
  hint: NodeId | undefined;
  pull: Pull | undefined;
  /** The last pull failed with this one: others are asked first. */
  failedWith: NodeId | undefined;
  /** Not before this is the next pull tried; grows while pulls fail. */
  pullAfter: number;
  failures: number;
}

export interface RouteTableOptions {
  readonly keys: Keys;
  readonly incarnation: number;
  readonly limits: Limits;
  readonly timing: Timing;
  readonly random: Random;
  readonly counters: Counters;
}

/** What the table asks of membership. */
export interface RoutePeers {
  /** Whether `claimant` may be believed to be the heir of `node`: they are, or were, of one cluster. */
  mayInherit(claimant: NodeId, node: NodeId): boolean;
  /** A mesher was found to have an heir: what was known of its own record is forgotten already. */
  inherited(node: NodeId): void;
  /** What its heir says in its place is written: nothing of it need be kept any more. */
  outlived(node: NodeId): void;
  isMember(node: NodeId): boolean;
  /** The peer that alone says that `node` is a member, and away; undefined: the registry said so. */
  heardFrom(node: NodeId): NodeId | undefined;
  /** Meshers with a link that is up. */
  linked(): readonly NodeId[];
}

/**
 * Keeps durable interests across restarts. Without fsync: what a crash takes (the last `rememberEveryMs`; in a power cut also
 * what the system had not written yet, some 30 s) is as if it had never been heard of, and whoever is unknown is sent
 * everything until it is dead (`deadAfterMs`). So nothing is kept only for an interest that was announced in the last
 * seconds before the crash by a mesher that is neither linked nor in the registry from then until it counts as dead. What is
 * known by hearsay alone is written as soon as it is whole.
 */
export interface RouteMemory {
  /** All durable interests of the bucket; none: nothing is to be kept of it. */
  write(node: NodeId, bucket: number, interests: readonly RememberedInterest[]): void;
  drop(node: NodeId): void;
}

export class RouteTable {
  readonly #options: RouteTableOptions;
  readonly #peers: RoutePeers;
  readonly #memory: RouteMemory;
  readonly #emit: Emit;
  readonly #own: Owned;
  /** The owner's last deltas, by sequence, for peers that missed a few. */
  readonly #ring = new Map<number, Uint8Array>();
  readonly #records = new Map<NodeId, Owned>();
  readonly #tree: FilterTree<Route>;
  readonly heirs = new Heirs();
  /** Meshers with an heir whose remembered interests are still written, until those of the heir are. */
  readonly #outlived = new Map<NodeId, NodeId>();
  /** What stands for interests that are announced under a lost mesher's name, in the tree; `from`: who alone knows who says so. */
  readonly #guests = new Map<Route, { readonly guest: Route; readonly from: NodeId | undefined }>();
  /** By who told of those who speak for them: lost meshers, with the number of their interests. */
  readonly #spokenFor = new Map<NodeId, Map<NodeId, number>>();
  #exchangeAt = 0;
  /** What this round of writing has still to write. A bucket that changes meanwhile waits for the next round. */
  #toWrite: { readonly record: Owned; readonly buckets: Set<number> }[] = [];
  #rememberAt: number | undefined;
  /** Goes up with every change of what `match` may answer. */
  revision = 0;
  /** For trees of filters that others choose: it follows from the key, and is told to nobody. */
  readonly secret: number;

  constructor(options: RouteTableOptions, peers: RoutePeers, memory: RouteMemory, emit: Emit) {
    this.#options = options;
    this.#peers = peers;
    this.#memory = memory;
    this.#emit = emit;
    this.secret = Buffer.from(options.keys.sign(SECRET)).readInt32BE();
    this.#tree = new FilterTree(this.secret);
    this.#own = newRecord(options.keys.node, new InterestSet(true));
    this.#own.complete = true;
  }

  /** Puts back what was written. Once, before anything else. */
  recover(routes: Recovered['routes']): void {
    for (const { node, interests } of routes) {
      const record = this.#peers.isMember(node) ? this.#ownerOf(node) : undefined;
      if (!record) {
        if (!this.heirs.has(node)) this.#memory.drop(node); // its member record was dropped, or lost in a power cut
        continue;
      }
      try {
        for (const { filter, group } of interests)
          this.#apply(record, { filter, group, durable: true }, true);
      } catch (error) {
        this.#refuse(error);
      }
      record.unwritten.clear();
    }
  }

  /** Interests of other meshers that match, one for each filter. */
  match(topic: string): Route[] {
    return this.#tree.match(topic);
  }

  complete(node: NodeId): boolean {
    return this.#records.get(node)?.complete ?? false;
  }

  describe(node: NodeId): { sequence: number; interests: number; complete: boolean; gapped: boolean } {
    const record = node === this.#own.node ? this.#own : this.#records.get(node);
    if (!record) return { sequence: 0, interests: 0, complete: false, gapped: false };
    return {
      sequence: record.version.sequence,
      interests: record.interests.size,
      complete: record.complete,
      gapped: isGapped(record),
    };
  }

  /** Routes of one node, for the dry run and for dropping those of the dead. */
  routesOf(node: NodeId): Iterable<Route> {
    return this.#records.get(node)?.interests.all() ?? [];
  }

  versions(): ReadonlyMap<NodeId, Version> {
    return new Map([this.#own, ...this.#records.values()].map((record) => [record.node, record.version]));
  }

  // ─────────────────────────────────────────────────────────── own record

  /** The next version of the own record: signed, kept for stragglers and, where small enough, gossiped. */
  announce(ops: readonly RouteOp[], gossip: boolean): void {
    const { keys, incarnation, limits } = this.#options;
    const own = this.#own;
    const sequence = own.version.sequence + 1;
    for (const { add, interest } of ops) {
      const { filter, group } = interest;
      if (add) own.interests.set(new Route(filter, claimOf(own, interest)));
      else own.interests.delete(filter, group);
      own.changedAt[bucketOf(interestKey(filter, group))] = sequence;
    }
    const small = ops.length <= limits.deltaOpsMax; // others are never sent as a delta: their bytes are not needed
    const { proof, bytes } = signDelta(keys, incarnation, sequence, own.interests, small ? ops : []);
    own.version = { incarnation, sequence };
    own.wanted = own.version;
    own.proof = proof;
    if (small && bytes.length <= limits.gossipBytesMax) {
      this.#ring.set(sequence, bytes);
      this.#ring.delete(sequence - limits.deltaRingMax);
      if (gossip) this.#emit({ kind: 'gossip', bytes });
    } else {
      this.#ring.clear(); // a change too large to send as one: peers fetch the buckets that differ
      this.tellHeads(this.#peers.linked());
    }
  }

  // ─────────────────────────────────────────────────────────── deltas

  /** From gossip or from a link; both carry the same bytes. */
  takeDelta(bytes: Uint8Array, by: 'gossip' | 'exchange', now: Now): void {
    try {
      const { proof, ops } = decodeDelta(bytes, this.#options.keys, this.#options.limits.deltaOpsMax);
      const record = this.#ownerOf(proof.node);
      if (!record || !newer(proof, record.version)) return;
      if (newer(proof, record.proven)) record.proven = versionOf(proof);
      const next =
        proof.incarnation === record.version.incarnation && proof.sequence === record.version.sequence + 1;
      // while a head's buckets are on their way, a change between here and there would undo part of them
      if (!next || !record.complete || record.diverged || record.pull?.head) {
        this.#want(record, proof, by, now);
        return;
      }
      if (!this.#applyDelta(record, proof, ops)) {
        record.pull = undefined; // an answer in deltas could not be used
        this.#want(record, proof, by, now);
        return;
      }
      this.#advance(record, proof, now);
      this.#options.counters.add('routes_applied_total', ops.length, by);
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** False: the content is not what the owner signed. */
  #applyDelta(record: Owned, proof: Proof, ops: readonly RouteOp[]): boolean {
    record.diverged = true; // until all of them are in
    this.#checkCount(record, proof);
    for (const { add, interest } of ops) {
      this.#apply(record, interest, add);
      record.changedAt[bucketOf(interestKey(interest.filter, interest.group))] = proof.sequence;
    }
    record.diverged = record.interests.size !== proof.count;
    return !record.diverged;
  }

  #ownerOf(node: NodeId): Owned | undefined {
    if (node === this.#own.node) return undefined; // nobody tells us what we want
    if (this.heirs.has(node)) return undefined; // its heir says what it wants
    const known = this.#records.get(node);
    if (known) return known;
    if (!this.#peers.isMember(node)) {
      this.#options.counters.add('routes_refused_total', 1, 'unknown-owner');
      return undefined;
    }
    const record = newRecord(node);
    this.#records.set(node, record);
    return record;
  }

  #want(record: Owned, version: Version, by: 'gossip' | 'exchange', now: Now): void {
    if (newer(version, record.wanted)) {
      if (!isGapped(record)) this.#options.counters.add('routes_gapped_total', 1, by);
      record.wanted = versionOf(version);
    }
    this.#pullIfDue(record, now);
  }

  #advance(record: Owned, proof: Proof, now: Now): void {
    if (proof.incarnation !== record.version.incarnation) record.changedAt.fill(0);
    record.version = versionOf(proof);
    record.proof = proof;
    if (newer(record.version, record.wanted)) record.wanted = record.version;
    record.failures = 0;
    record.failedWith = undefined;
    if (record.pull && !record.pull.head) {
      // it is being answered with deltas
      record.pull.progressAt = now.monotonic;
      record.pull.progressed = true;
      if (!isGapped(record)) record.pull = undefined;
    }
    this.revision++;
  }

  #apply(record: Owned, interest: Interest, add: boolean): void {
    const { filter, group, durable } = interest;
    const known = record.interests.get(filter, group);
    if (known ? add && known.durable === durable : !add) return;
    if (add && !known) this.#checkRoom(record, 1);
    if (known) this.#unplant(known);
    if (add) {
      const route = this.#routeFor(record, interest);
      record.interests.set(route);
      this.#plant(route);
    } else record.interests.delete(filter, group);
    if (known?.durable === true || (add && durable))
      record.unwritten.add(bucketOf(interestKey(filter, group)));
    this.revision++;
  }

  /** Twice what a record may have: between two versions it may hold what is in either. */
  #checkRoom({ node, interests }: Owned, more: number): void {
    if (interests.size + more > 2 * this.#options.limits.interestsMax)
      throw new RouteError('too-many-interests', 'record too large', node);
  }

  /** All members that are known of one peer alone may have as many as one other: that peer may have invented them. */
  #checkCount({ node }: Owned, { count }: Proof): void {
    const from = this.#peers.heardFrom(node);
    let sum = count;
    if (from !== undefined)
      for (const other of this.#records.values())
        if (other.node !== node && this.#peers.heardFrom(other.node) === from)
          sum += Math.max(other.interests.size, other.pull?.head?.proof.count ?? 0);
    if (sum > this.#options.limits.interestsMax)
      throw new RouteError('too-many-interests', 'record too large', node);
  }

  #routeFor(record: Owned, interest: Interest): Route {
    const same = this.#tree.one(interest.filter);
    return new Route(same?.filter ?? interest.filter, claimOf(record, interest));
  }

  #plant(route: Route): void {
    const tag = route.filter.startsWith('$') ? tagOf(route.filter) : undefined;
    if (tag === undefined) {
      this.#tree.add(route);
      return;
    }
    const { node, durable, group } = route;
    // whoever is away may have been invented: it is nobody's heir, and takes nothing from anybody
    const from = this.#peers.heardFrom(node);
    const by = from === undefined ? undefined : node;
    if (tag.node === this.#own.node || (by === undefined && !this.#peers.mayInherit(node, tag.node))) return;
    if (tag.kind === 'of') {
      if (from !== undefined && !this.#speakFor(from, tag.node)) return;
      const guest = new Route(tag.filter, { node: tag.node, group, durable, by });
      this.#guests.set(route, { guest, from });
      this.#tree.add(guest);
      return;
    }
    if (from !== undefined) return;
    this.heirs.add(tag.node, node);
    this.#uproot(tag.node);
    this.#outlived.set(tag.node, node);
    this.#peers.inherited(tag.node);
  }

  #unplant(route: Route): void {
    const tag = route.filter.startsWith('$') ? tagOf(route.filter) : undefined;
    if (tag === undefined) {
      this.#tree.remove(route);
      return;
    }
    if (tag.kind === 'heir') this.heirs.remove(tag.node, route.node);
    const planted = this.#guests.get(route);
    if (!planted) return;
    const { guest, from } = planted;
    this.#guests.delete(route);
    this.#tree.remove(guest);
    const told = from === undefined ? undefined : this.#spokenFor.get(from);
    if (from === undefined || told === undefined) return;
    const left = (told.get(guest.node) ?? 1) - 1;
    if (left > 0) told.set(guest.node, left);
    else told.delete(guest.node);
    if (told.size === 0) this.#spokenFor.delete(from);
  }

  /**
   * False: those of whom `from` alone told speak for as many others as are believed. Each has a queue of its own for what it wants; who
   * lies leaves no other teller with less.
   */
  #speakFor(from: NodeId, node: NodeId): boolean {
    const told = this.#spokenFor.get(from) ?? new Map<NodeId, number>();
    const count = told.get(node) ?? 0;
    if (count === 0 && told.size >= AWAY_FROM_PEER_MAX) return false;
    this.#spokenFor.set(from, told.set(node, count + 1));
    return true;
  }

  // ─────────────────────────────────────────────────────────── pulls

  #pullIfDue(record: Owned, now: Now): void {
    if (record.pull || now.monotonic < record.pullAfter || !isGapped(record)) return;
    const from = this.#chooseSource(record);
    if (from === undefined) return;
    record.pull = { from, progressAt: now.monotonic, progressed: false, head: undefined, missing: new Set() };
    const have = record.complete && !record.diverged ? record.version : NEVER;
    this.#send(from, { kind: 'route-pull', node: record.node, ...have });
  }

  /** The owner; else who said that it has more; else anyone. One that failed last is asked only where there is no other. */
  #chooseSource(record: Owned): NodeId | undefined {
    const linked = this.#peers.linked();
    const others = linked.length > 1 ? linked.filter((peer) => peer !== record.failedWith) : linked;
    if (others.includes(record.node)) return record.node;
    if (record.hint !== undefined && others.includes(record.hint)) return record.hint;
    return others[Math.floor(this.#options.random() * others.length)];
  }

  /** What is held whole of this record, and so may be served; undefined: nothing. */
  #whole(node: NodeId): (Owned & { readonly proof: Proof }) | undefined {
    const record = node === this.#own.node ? this.#own : this.#records.get(node);
    return record && isWhole(record) ? record : undefined;
  }

  /** A peer asks for what is newer than it has: a few deltas where we own and still have them, else the head. */
  answerPull(peer: NodeId, pull: RoutePull): void {
    const record = this.#whole(pull.node);
    if (!record || !newer(record.version, pull)) {
      const held = record ? headOf(record) : { node: pull.node, ...NEVER, digest: 0 };
      this.#send(peer, { kind: 'route-heads', answer: true, heads: [held] }); // so that it asks somebody else at once
      return;
    }
    if (
      record === this.#own &&
      pull.incarnation === record.version.incarnation &&
      this.#ring.has(pull.sequence + 1)
    ) {
      let bytes = 0;
      for (let next = pull.sequence + 1; bytes < this.#options.limits.pullBytesMax; next++) {
        const delta = this.#ring.get(next);
        if (!delta) break;
        bytes += delta.length;
        this.#send(peer, { kind: 'route-delta', delta });
      }
      // what did not fit is heard of here, and pulled next
      this.tellHeads([peer]);
      return;
    }
    this.#send(peer, { kind: 'route-head', head: encodeHead(record.proof, record.interests) });
  }

  /**
   * Where the record moved on meanwhile, its new head goes first, and the buckets that changed go with those asked for:
   * a puller gets on with each answer, however often the owner changes something.
   */
  answerBucketPull(peer: NodeId, pull: RouteBucketPull): void {
    const record = this.#whole(pull.node);
    if (!record || newer(pull, record.version)) return;
    const wanted = new Set(pull.buckets);
    if (newer(record.version, pull)) {
      this.#send(peer, { kind: 'route-head', head: encodeHead(record.proof, record.interests) });
      if (record.version.incarnation === pull.incarnation) {
        for (const [index, at] of record.changedAt.entries()) if (at > pull.sequence) wanted.add(index);
      }
    }
    const buckets: { index: number; interests: readonly Interest[] }[] = [];
    let bytes = 0;
    for (const index of wanted) {
      const interests = record.interests.bucket(index);
      for (const one of interests) bytes += sizeOf(one);
      if (buckets.length > 0 && bytes > this.#options.limits.pullBytesMax) break;
      buckets.push({ index, interests });
    }
    this.#send(peer, { kind: 'route-buckets', node: pull.node, ...record.version, buckets });
  }

  takeHead(peer: NodeId, bytes: Uint8Array, now: Now): void {
    try {
      const head = decodeHead(bytes, this.#options.keys, this.#options.limits.interestsMax);
      const record = this.#ownerOf(head.proof.node);
      const pull = record?.pull;
      if (!record || !pull || pull.from !== peer || newer(record.version, head.proof)) return;
      if (!record.diverged && !newer(head.proof, record.version)) return;
      this.#checkCount(record, head.proof);
      const first = !pull.head;
      pull.head = head;
      pull.progressAt = now.monotonic;
      if (newer(head.proof, record.proven)) record.proven = versionOf(head.proof);
      if (newer(head.proof, record.wanted)) record.wanted = versionOf(head.proof);
      pull.missing = differing(record.interests.digests(), head.digests);
      if (first || pull.missing.size === 0) this.#continuePull(record, pull, now);
      // else buckets follow it: it is part of the answer to a bucket pull
    } catch (error) {
      this.#refuse(error);
    }
  }

  takeBuckets(peer: NodeId, message: RouteBuckets, now: Now): void {
    const record = this.#records.get(message.node);
    const pull = record?.pull;
    if (!record || !pull?.head || pull.from !== peer || comparePositions(pull.head.proof, message) !== 0)
      return;
    try {
      for (const { index, interests } of message.buckets) {
        if (!pull.missing.has(index)) continue;
        this.#checkBucket(pull.head, index, interests);
        record.diverged = true;
        this.#replaceBucket(record, index, interests);
        record.changedAt[index] = message.sequence;
        pull.missing.delete(index);
        pull.progressAt = now.monotonic;
      }
      this.#continuePull(record, pull, now);
    } catch (error) {
      this.#refuse(error);
      this.#failPull(record, now);
    }
  }

  #checkBucket(head: Head, index: number, interests: readonly Interest[]): void {
    if (Buffer.compare(digestAt(head.digests, index), bucketDigest(interests)) !== 0) {
      throw new RouteError('bad-digest', `bucket ${index} is not what its owner signed`);
    }
    for (const one of interests) {
      if (!isWireTopic(one.filter)) throw new RouteError('malformed', 'a filter of too many levels');
      if (bucketOf(interestKey(one.filter, one.group)) !== index)
        throw new RouteError('bad-bucket', `an interest in the wrong bucket`);
    }
  }

  /**
   * In one pass: whoever owns the record may have put all its interests into one bucket. Adds before it removes, so that what
   * both versions hold is never missing.
   */
  #replaceBucket(record: Owned, index: number, interests: readonly Interest[]): void {
    this.#checkRoom(record, interests.length);
    const before = record.interests.bucket(index);
    const routes: Route[] = [];
    const gone: Route[] = [];
    const changed: Route[] = [];
    let at = 0;
    for (const interest of distinct(interests.toSorted(compareNames))) {
      for (let next = before[at]; next && compareNames(next, interest) < 0; next = before[++at])
        gone.push(next);
      let known = before[at];
      if (known && compareNames(known, interest) === 0) at++;
      else known = undefined;
      if (known?.durable === interest.durable) {
        routes.push(known);
        continue;
      }
      if (known) {
        this.#unplant(known);
        changed.push(known);
      }
      const route = this.#routeFor(record, interest);
      this.#plant(route);
      routes.push(route);
      changed.push(route);
    }
    for (const route of before.slice(at)) gone.push(route);
    record.interests.setBucket(index, routes);
    for (const route of gone) this.#unplant(route);
    if (gone.some(({ durable }) => durable) || changed.some(({ durable }) => durable))
      record.unwritten.add(index);
    this.revision += gone.length + changed.length;
    this.#options.counters.add('routes_applied_total', interests.length, 'snapshot');
  }

  #continuePull(record: Owned, pull: Pull, now: Now): void {
    const { head } = pull;
    if (!head) return;
    if (pull.missing.size > 0) {
      const { node, incarnation, sequence } = head.proof;
      this.#send(pull.from, {
        kind: 'route-bucket-pull',
        node,
        incarnation,
        sequence,
        buckets: [...pull.missing],
      });
      return;
    }
    if (record.interests.size !== head.proof.count) {
      this.#options.counters.add('routes_refused_total', 1, 'bad-count');
      this.#failPull(record, now);
      return;
    }
    record.complete = true;
    record.diverged = false;
    record.pull = undefined;
    this.#advance(record, head.proof, now);
    // Nobody lists it, so nobody may be left who says it again after a crash of this whole cluster: not seconds later.
    if (record.unwritten.size > 0 && this.#peers.heardFrom(record.node) !== undefined)
      this.#rememberAt = now.monotonic;
    this.#pullIfDue(record, now);
  }

  #failPull(record: Owned, now: Now): void {
    record.failedWith = record.pull?.from;
    record.pull = undefined;
    record.wanted = newer(record.version, record.proven) ? record.version : record.proven;
    record.failures++;
    record.pullAfter =
      now.monotonic + Math.min(60_000, this.#options.timing.exchangeEveryMs * record.failures);
  }

  // ─────────────────────────────────────────────────────────── exchange

  /** Tells peers which versions are held here; they answer with what they know better, and pull what they lack. */
  tellHeads(peers: readonly NodeId[]): void {
    if (peers.length === 0) return;
    const heads = this.#heads(() => true);
    for (const peer of peers) this.#send(peer, { kind: 'route-heads', answer: false, heads });
  }

  #heads(which: (record: Owned) => boolean): RouteHeads['heads'] {
    const heads: RouteHeads['heads'][number][] = [];
    for (const record of [this.#own, ...this.#records.values()]) {
      if (isWhole(record) && which(record)) heads.push(headOf(record));
    }
    return heads;
  }

  takeHeads(peer: NodeId, message: RouteHeads, now: Now): void {
    const theirs = new Map<NodeId, Version>();
    for (const head of message.heads) {
      theirs.set(head.node, head);
      const record = this.#ownerOf(head.node);
      if (!record) continue;
      const asked = record.pull?.from === peer && !record.pull.head;
      if (newer(head, record.version)) {
        if (asked && record.pull?.progressed) record.pull = undefined; // what it sent before this was all that fitted in
        if (peer !== record.failedWith) record.pullAfter = 0;
        record.hint = peer;
        this.#want(record, head, 'exchange', now);
      } else if (asked && message.answer) {
        if (peer === record.node) record.proven = record.wanted = record.version; // the owner knows best that there is no more
        if (isGapped(record)) this.#failPull(record, now);
        else record.pull = undefined;
      } else if (record.complete && comparePositions(head, record.version) === 0) {
        this.#compareContent(record, head, peer, now);
      }
    }
    if (message.answer) return;
    const better = this.#heads(
      (record) => record.node !== peer && newer(record.version, theirs.get(record.node) ?? NEVER),
    );
    if (better.length > 0) this.#send(peer, { kind: 'route-heads', answer: true, heads: better });
  }

  /** Same version, other content: ours is wrong if it is not what the owner signed. Fetch it anew. */
  #compareContent(record: Owned, head: RouteHeads['heads'][number], peer: NodeId, now: Now): void {
    const root = record.interests.root();
    if (record.diverged || head.digest === Buffer.from(root).readUInt32BE(0)) return;
    if (record.proof && Buffer.compare(root, record.proof.root) === 0) return; // ours is what was signed: theirs is wrong
    this.#options.counters.add('routes_gapped_total', 1, 'digest');
    record.diverged = true;
    record.hint = peer;
    this.#pullIfDue(record, now);
  }

  /** A link came up: exchange at once, that routes are whole within a round trip. */
  linkUp(peer: NodeId, now: Now): void {
    const record = this.#records.get(peer);
    if (record) {
      record.pullAfter = 0;
      if (record.failedWith === peer) record.failedWith = undefined;
      if (!record.pull?.head) record.pull = undefined; // whoever was asked has said nothing of use yet: the owner will
      this.#pullIfDue(record, now);
    }
    this.tellHeads([peer]);
  }

  linkDown(peer: NodeId): void {
    for (const record of this.#records.values()) if (record.pull?.from === peer) record.pull = undefined;
  }

  tick(now: Now): void {
    for (const record of this.#records.values()) {
      if (record.pull && now.monotonic - record.pull.progressAt > this.#options.timing.pullTimeoutMs)
        this.#failPull(record, now);
      this.#pullIfDue(record, now);
    }
    this.#remember(now);
    if (this.#outlived.size > 0) this.#forgetOutlived();
    if (now.monotonic < this.#exchangeAt) return;
    const every = this.#options.timing.exchangeEveryMs;
    this.#exchangeAt = now.monotonic + every * (0.5 + this.#options.random());
    const linked = this.#peers.linked();
    const peer = linked[Math.floor(this.#options.random() * linked.length)];
    if (peer !== undefined) this.tellHeads([peer]);
  }

  // ─────────────────────────────────────────────────────────── memory

  #remember(now: Now): void {
    const { limits, timing } = this.#options;
    this.#rememberAt ??= now.monotonic + timing.rememberEveryMs;
    if (this.#toWrite.length === 0) {
      if (now.monotonic < this.#rememberAt) return;
      this.#rememberAt = now.monotonic + timing.rememberEveryMs;
      for (const record of this.#records.values()) {
        if (record.unwritten.size === 0) continue;
        this.#toWrite.push({ record, buckets: record.unwritten });
        record.unwritten = new Set();
      }
    }
    let bytes = 0;
    for (let next = this.#toWrite[0]; next; next = this.#toWrite[0]) {
      const { record, buckets } = next;
      if (this.#records.get(record.node) === record) {
        for (const bucket of buckets) {
          if (bytes >= limits.rememberBytesMax) return;
          buckets.delete(bucket);
          bytes += this.#write(record, bucket);
        }
      }
      this.#toWrite.shift();
    }
  }

  #write({ node, interests }: Owned, bucket: number): number {
    let bytes = BUCKET_BYTES;
    const durable: RememberedInterest[] = [];
    for (const one of interests.bucket(bucket)) {
      if (!one.durable) continue;
      bytes += sizeOf(one);
      if (bytes > REMEMBERED_BUCKET_BYTES_MAX) {
        this.#options.counters.add('routes_refused_total', 1, 'too-much-to-remember');
        break;
      }
      durable.push({ filter: one.filter, group: one.group });
    }
    this.#memory.write(node, bucket, durable);
    return bytes;
  }

  /** Writes the interests of meshers that have an heir out of memory, once those of the heir are written. */
  #forgetOutlived(): void {
    for (const [node, heir] of this.#outlived) {
      const record = this.#records.get(heir);
      if (record && (record.unwritten.size > 0 || this.#toWrite.length > 0)) continue;
      this.#outlived.delete(node);
      if (!record) continue; // it was a mistake, or has an heir itself
      this.#memory.drop(node);
      this.#peers.outlived(node);
    }
  }

  /** Its mesher was known by hearsay, and is listed now: it may be an heir. */
  admitted(node: NodeId): void {
    const tagged = [...this.routesOf(node)].filter(({ filter }) => filter.startsWith('$'));
    for (const route of tagged) {
      this.#unplant(route);
      this.#plant(route);
      this.revision++;
    }
  }

  /** The mesher is forgotten, or has left. */
  forget(node: NodeId): void {
    if (this.#uproot(node)) this.#memory.drop(node);
  }

  /** False: nothing was known of it. */
  #uproot(node: NodeId): boolean {
    const record = this.#records.get(node);
    if (!record) return false;
    for (const route of record.interests.all()) this.#unplant(route);
    this.#records.delete(node);
    this.revision++;
    return true;
  }

  #send(peer: NodeId, message: ControlMessage): void {
    this.#emit({ kind: 'control', peer, message });
  }

  #refuse(error: unknown): void {
    if (!(error instanceof RouteError)) throw error;
    this.#options.counters.add('routes_refused_total', 1, error.reason);
    const record = error.owner === undefined ? undefined : this.#records.get(error.owner);
    if (!record) return;
    record.complete = false; // more than is kept here: it is sent everything, rather than too little
    this.revision++;
  }
}

function newRecord(node: NodeId, interests = new InterestSet<Route>()): Owned {
  return {
    node,
    version: NEVER,
    complete: false,
    diverged: false,
    changedAt: new Float64Array(BUCKETS),
    proof: undefined,
    interests,
    claims: new Map(),
    unwritten: new Set(),
    wanted: NEVER,
    proven: NEVER,
    hint: undefined,
    pull: undefined,
    failedWith: undefined,
    pullAfter: 0,
    failures: 0,
  };
}

/** Groups that come and go leave their claims here until they are many; then the map begins anew. */
function claimOf({ node, claims, interests }: Owned, { group, durable }: Interest): Claim {
  const key = `${durable ? 1 : 0}${group}`;
  let claim = claims.get(key);
  if (!claim) {
    if (claims.size > interests.size) claims.clear();
    claim = { node, group, durable };
    claims.set(key, claim);
  }
  return claim;
}

function digestAt(digests: Uint8Array, index: number): Uint8Array {
  return digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
}

/** Of those that are the same but for `durable` the last. */
function* distinct(sorted: readonly Interest[]): Iterable<Interest> {
  for (const [i, interest] of sorted.entries()) {
    const next = sorted[i + 1];
    if (!next || compareNames(interest, next) !== 0) yield interest;
  }
}

/** The buckets whose digests are not the same. */
function differing(ours: Uint8Array, theirs: Uint8Array): Set<number> {
  const indices = new Set<number>();
  for (let at = 0; at < BUCKETS * DIGEST_BYTES; at++)
    if (ours[at] !== theirs[at]) indices.add(Math.floor(at / DIGEST_BYTES));
  return indices;
}

function isGapped(record: Owned): boolean {
  return record.diverged || newer(record.wanted, record.version);
}

function isWhole(record: Owned): record is Owned & { readonly proof: Proof } {
  return record.complete && !record.diverged && record.proof !== undefined;
}

function headOf(record: Owned): RouteHeads['heads'][number] {
  return {
    node: record.node,
    ...record.version,
    digest: Buffer.from(record.interests.root()).readUInt32BE(0),
  };
}

/** Bytes of an interest, a few more rather than less. */
function sizeOf({ filter, group }: Interest): number {
  return (filter.length + group.length) * 3 + 16;
}

function versionOf({ incarnation, sequence }: Version): Version {
  return { incarnation, sequence };
}

function newer(a: Version, b: Version): boolean {
  return comparePositions(a, b) > 0;
}
