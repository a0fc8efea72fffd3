// Route tables wired to each other in memory: links that keep the order of their messages, gossip that keeps nothing, and
// a clock that stands until it is moved.

import { Counters } from '../../../node/core/counters.ts';
import type { NodeId } from '../../../node/core/event.ts';
import { LIMITS, type Limits } from '../../../node/core/limits.ts';
import type { ControlMessage, Interest } from '../../../node/core/messages.ts';
import type { Recovered, RememberedInterest } from '../../../node/core/ports.ts';
import type { RouteOp } from '../../../node/core/route-record.ts';
import { type RouteMemory, RouteTable } from '../../../node/core/route-table.ts';
import type { Now } from '../../../node/core/steps.ts';
import { TIMING } from '../../../node/core/timing.ts';
import { encodeMessage } from '../../../node/wire/link-messages.ts';
import { cpuMsSince } from '../../support/calibrate.ts';
import { seeded, signingKeys } from './signing-keys.ts';

export interface Sent {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly message: ControlMessage;
}

export interface Station {
  readonly node: NodeId;
  readonly table: RouteTable;
  readonly counters: Counters;
  readonly linked: Set<NodeId>;
  readonly members: Set<NodeId>;
  /** Members that one peer alone speaks of, and that peer. */
  readonly heard: Map<NodeId, NodeId>;
  /** What its own record should say. */
  readonly wants: Map<string, Interest>;
  readonly memory: Memory;
}

/** What a route table has written, by mesher and bucket. */
export class Memory implements RouteMemory {
  readonly kept = new Map<NodeId, Map<number, readonly RememberedInterest[]>>();
  writes = 0;

  write(node: NodeId, bucket: number, interests: readonly RememberedInterest[]): void {
    this.writes++;
    const buckets = this.kept.get(node) ?? new Map<number, readonly RememberedInterest[]>();
    if (interests.length > 0) buckets.set(bucket, interests);
    else buckets.delete(bucket);
    this.kept.set(node, buckets);
  }

  drop(node: NodeId): void {
    this.kept.delete(node);
  }

  recovered(): Recovered['routes'] {
    return [...this.kept].map(([node, buckets]) => ({ node, interests: [...buckets.values()].flat() }));
  }

  of(node: NodeId): string[] {
    const interests = [...(this.kept.get(node)?.values() ?? [])].flat();
    return interests.map(({ filter, group }) => `${filter}|${group}|true`).sort();
  }
}

export function interest(filter: string, group = '', durable = true): Interest {
  return { filter, group, durable };
}

export class RouteNet {
  readonly stations = new Map<NodeId, Station>();
  /** Sent over links and not delivered yet, in order. */
  wire: Sent[] = [];
  /** Gossiped and not delivered yet. */
  gossip: { from: NodeId; to: NodeId; bytes: Uint8Array }[] = [];
  /** Looks at, changes or takes away what is sent over links. */
  tamper: (sent: Sent) => readonly Sent[] = (sent) => [sent];
  /** What travelled over links so far, by kind. */
  readonly carried = new Map<string, { count: number; bytes: number }>();
  /** Longest that one call into a table computed, ms. */
  longestMs = 0;
  readonly now: { wall: number; monotonic: number } = { wall: 1_000_000, monotonic: 1_000 };
  readonly #random: () => number;

  constructor(seed = 1) {
    this.#random = seeded(seed);
  }

  add(
    node: NodeId,
    options: { incarnation?: number; limits?: Partial<Limits>; memory?: Memory } = {},
  ): Station {
    const memory = options.memory ?? new Memory();
    const counters = new Counters();
    const linked = new Set<NodeId>();
    const members = new Set<NodeId>();
    const heard = new Map<NodeId, NodeId>();
    const table = new RouteTable(
      {
        keys: signingKeys(node),
        incarnation: options.incarnation ?? 1,
        limits: { ...LIMITS, ...options.limits },
        timing: TIMING,
        random: this.#random,
        counters,
      },
      {
        isMember: (peer) => members.has(peer),
        heardFrom: (peer) => heard.get(peer),
        mayInherit: () => true,
        inherited: () => undefined,
        outlived: () => undefined,
        linked: () => [...linked],
      },
      memory,
      (effect) => {
        if (effect.kind === 'control') this.#send({ from: node, to: effect.peer, message: effect.message });
        if (effect.kind === 'gossip') {
          for (const to of this.stations.keys())
            if (to !== node) this.gossip.push({ from: node, to, bytes: effect.bytes });
        }
      },
    );
    for (const other of this.stations.values()) {
      other.members.add(node);
      members.add(other.node);
    }
    const station: Station = { node, table, counters, linked, members, heard, wants: new Map(), memory };
    this.stations.set(node, station);
    table.recover(memory.recovered());
    this.announce(station, []);
    return station;
  }

  #send(sent: Sent): void {
    if (this.station(sent.from).linked.has(sent.to)) this.wire.push(...this.tamper(sent));
  }

  station(node: NodeId): Station {
    const station = this.stations.get(node);
    if (!station) throw new Error(`no station ${node}`);
    return station;
  }

  announce(station: Station, ops: readonly RouteOp[], gossip = true): void {
    for (const { add, interest: one } of ops) {
      const key = `${one.filter}\n${one.group}`;
      if (add) station.wants.set(key, one);
      else station.wants.delete(key);
    }
    this.timed(() => {
      station.table.announce(ops, gossip);
    });
  }

  timed(call: () => void): void {
    const before = process.threadCpuUsage();
    call();
    this.longestMs = Math.max(this.longestMs, cpuMsSince(before));
  }

  /** Its process ends, and another begins with what was written. What it wants itself is not known here: announce it. */
  restart(node: NodeId, incarnation: number, options: { limits?: Partial<Limits> } = {}): Station {
    const { memory, linked, members } = this.station(node);
    for (const peer of linked) this.unlink(node, peer);
    this.stations.delete(node);
    const station = this.add(node, { ...options, incarnation, memory });
    for (const peer of members) station.members.add(peer);
    return station;
  }

  link(a: NodeId, b: NodeId): void {
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      this.station(one).linked.add(other);
    }
    this.station(a).table.linkUp(b, this.now);
    this.station(b).table.linkUp(a, this.now);
  }

  unlink(a: NodeId, b: NodeId): void {
    this.wire = this.wire.filter(({ from, to }) => !((from === a && to === b) || (from === b && to === a)));
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      this.station(one).linked.delete(other);
      this.station(one).table.linkDown(other);
    }
  }

  linkAll(): void {
    const nodes = [...this.stations.keys()];
    nodes.forEach((a, i) => {
      for (const b of nodes.slice(i + 1)) this.link(a, b);
    });
  }

  /** Delivers the oldest message; false: there is none. */
  step(): boolean {
    const sent = this.wire.shift();
    if (!sent) return false;
    const bytes = encodeMessage(sent.message).length;
    const kind = this.carried.get(sent.message.kind) ?? { count: 0, bytes: 0 };
    this.carried.set(sent.message.kind, { count: kind.count + 1, bytes: kind.bytes + bytes });
    this.timed(() => {
      hand(this.station(sent.to).table, sent, this.now);
    });
    return true;
  }

  /** Delivers all there is over links, and what comes of it. */
  settle(most = 100_000): void {
    for (let i = 0; this.step(); i++) if (i > most) throw new Error('the tables never stop talking');
  }

  takeGossip(at: number): void {
    const [one] = this.gossip.splice(at, 1);
    if (one) {
      this.timed(() => {
        this.station(one.to).table.takeDelta(one.bytes, 'gossip', this.now);
      });
    }
  }

  takeAllGossip(): void {
    while (this.gossip.length > 0) this.takeGossip(0);
  }

  tick(ms: number): void {
    this.now.monotonic += ms;
    this.now.wall += ms;
    for (const station of this.stations.values()) {
      this.timed(() => {
        station.table.tick(this.now);
      });
    }
  }

  /** Time passes with links that lose nothing. */
  run(ms: number): void {
    for (let passed = 0; passed < ms; passed += 500) {
      this.tick(500);
      this.settle();
    }
  }

  /** What `of`'s record looks like at `at`, sorted. */
  seen(at: NodeId, of: NodeId): string[] {
    return [...this.station(at).table.routesOf(of)]
      .map(({ filter, group, durable }) => `${filter}|${group}|${durable}`)
      .sort();
  }

  wanted(of: NodeId): string[] {
    return [...this.station(of).wants.values()]
      .map(({ filter, group, durable }) => `${filter}|${group}|${durable}`)
      .sort();
  }
}

/** Gives a route message to a table, as the mesher's core does. */
export function hand(table: RouteTable, { from, message }: Sent, now: Now): void {
  switch (message.kind) {
    case 'route-heads':
      table.takeHeads(from, message, now);
      return;
    case 'route-pull':
      table.answerPull(from, message);
      return;
    case 'route-delta':
      table.takeDelta(message.delta, 'exchange', now);
      return;
    case 'route-head':
      table.takeHead(from, message.head, now);
      return;
    case 'route-bucket-pull':
      table.answerBucketPull(from, message);
      return;
    case 'route-buckets':
      table.takeBuckets(from, message, now);
      return;
    default:
      throw new Error(`a route table sent ${message.kind}`);
  }
}
