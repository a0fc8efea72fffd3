// Many whole cores in one process and virtual time, wired to each other by links that lose nothing: every control message goes
// through its bytes, which are counted. Deltas travel as gossipsub brings them, by flood publishing: one hop to everybody; what
// gossipsub sends beside that is counted by gossip-bytes.ts. A gossiped delta may get lost, as a full buffer or a new stream lose it.

import type { NodeId } from '../../../node/core/event.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import { signMember } from '../../../node/core/membership.ts';
import { MesherCore } from '../../../node/core/mesher-core.ts';
import type { MemberRecord } from '../../../node/core/ports.ts';
import type { Effect, Input, Now } from '../../../node/core/steps.ts';
import { TIMING, type Timing } from '../../../node/core/timing.ts';
import { WIRE_VERSION } from '../../../node/core/wire-version.ts';
import { FRAME_HEADER_BYTES } from '../../../node/wire/frames.ts';
import { decodeMessage, encodeMessage } from '../../../node/wire/link-messages.ts';
import { Schedule } from '../../simulation/schedule.ts';
import { seeded, signingKeys } from '../../unit/core/signing-keys.ts';
import { peerId } from '../matching/topic-shapes.ts';

/** Between any two meshers, one way: two regions of one continent. */
const LATENCY_MS = 20;
const APPEND_MS = 1;
/** As the meshers' own, but for the tick's grain, which no figure here rests on: four times as many would take as long again. */
export const FABRIC_TIMING: Timing = { ...TIMING, tickMs: 100 };
/** As an etcd some days old has it: incarnations are revisions in their high part. */
const REVISION = 20_000;

export interface Station {
  readonly node: NodeId;
  readonly core: MesherCore;
  readonly record: MemberRecord;
}

/** Bytes by kind of message. */
export type Traffic = Map<string, number>;

export interface FabricEvents {
  /** The mesher has taken something in. */
  stepped(station: Station): void;
  /** It gossips the version that it has now. */
  announced(station: Station): void;
}

export class Fabric {
  readonly schedule = new Schedule();
  readonly stations = new Map<NodeId, Station>();
  readonly sent = new Map<NodeId, Traffic>();
  readonly received = new Map<NodeId, Traffic>();
  /** Share of gossiped deltas that do not arrive; 1: there is no gossip. */
  gossipLoss = 0;
  /** Deltas since the traffic was forgotten, and their bytes. */
  gossiped = 0;
  gossipedBytes = 0;
  readonly #events: FabricEvents;
  readonly #random: () => number;
  #nextSession = 1;

  constructor(seed: number, events: FabricEvents) {
    this.#random = seeded(seed);
    this.#events = events;
  }

  /** A mesher that knows nobody yet. One cluster each: what crosses between clusters is what counts. */
  add(): Station {
    const node = peerId(this.stations.size);
    const keys = signingKeys(node);
    const record = signMember(keys, {
      federation: 'acme',
      cluster: `region-${this.stations.size}`,
      node,
      incarnation: (REVISION + this.stations.size) * 65_536,
      addresses: ['/dns4/mesher1.region.example.com/tcp/7401'],
      http: 'https://mesher1.region.example.com:7400',
      labels: {},
      version: '0.1.0',
    });
    const random = this.#random;
    const core = new MesherCore(
      { self: record, limits: LIMITS, timing: FABRIC_TIMING, keys, random, replicas: 1, rejoining: false },
      {
        nextBlock: 1,
        queues: [],
        subscriptions: [],
        unclaimedBlocks: [],
        marks: [],
        members: [],
        routes: [],
        takeovers: [],
        copies: [],
      },
      this.now(),
    );
    const station = { node, core, record };
    this.stations.set(node, station);
    this.#tick(station, this.#random() * FABRIC_TIMING.tickMs);
    return station;
  }

  now(): Now {
    const { now } = this.schedule;
    return { wall: 1_750_000_000_000 + Math.round(now), monotonic: now };
  }

  /** Ephemeral subscriptions: their interests are as those of durable ones, without queues to be simulated. */
  subscribe(station: Station, filters: readonly { readonly filter: string; readonly group: string }[]): void {
    const inputs = filters.map(({ filter, group }): Extract<Input, { kind: 'attach-ephemeral' }> => ({
      kind: 'attach-ephemeral',
      session: this.#nextSession++,
      filter,
      group,
      credit: 0,
    }));
    this.#step(station, inputs);
  }

  /** Everybody learns of everybody, and all links come up within a second. */
  linkAll(): void {
    this.tellMembers();
    const all = [...this.stations.values()];
    all.forEach((a, i) => {
      for (const b of all.slice(i + 1)) this.schedule.after(this.#random() * 1_000, () => this.#link(a, b));
    });
  }

  /** The last one joined: it links to everybody at once, as its driver dials. */
  linkLast(): void {
    this.tellMembers();
    const all = [...this.stations.values()];
    const last = all.at(-1);
    for (const other of all.slice(0, -1))
      if (last) this.schedule.after(this.#random() * 2 * LATENCY_MS, () => this.#link(last, other));
  }

  /** As a watch of the registry tells at once. */
  tellMembers(): void {
    for (const station of this.stations.values()) this.#list(station);
  }

  #list(station: Station): void {
    const members = [...this.stations.values()].map(({ record }) => record);
    const bytes = members.reduce((sum, record) => sum + JSON.stringify(record).length, 0);
    count(this.received, station.node, 'registry', bytes);
    this.#step(station, [{ kind: 'members', list: { revision: REVISION + members.length, members } }]);
  }

  #link(a: Station, b: Station): void {
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const { node, cluster, incarnation } = other.record;
      this.#step(one, [{ kind: 'link-up', peer: node, cluster, incarnation, version: WIRE_VERSION }]);
    }
  }

  #tick(station: Station, after: number): void {
    this.schedule.after(after, () => {
      this.#step(station, [{ kind: 'tick' }]);
      this.#tick(station, FABRIC_TIMING.tickMs);
    });
  }

  #step(station: Station, inputs: readonly Input[]): void {
    for (const effect of station.core.step(inputs, this.now())) this.#carryOut(station, effect);
    this.#events.stepped(station);
  }

  #carryOut(station: Station, effect: Effect): void {
    switch (effect.kind) {
      case 'control': {
        const bytes = encodeMessage(effect.message);
        count(this.sent, station.node, effect.message.kind, bytes.length + FRAME_HEADER_BYTES);
        this.#arrive(station, effect.peer, bytes);
        return;
      }
      case 'gossip':
        this.#gossip(station, effect.bytes);
        return;
      case 'append':
        this.schedule.after(APPEND_MS, () =>
          this.#step(station, [{ kind: 'appended', batch: effect.batch }]),
        );
        return;
      case 'list-members':
        this.schedule.after(LATENCY_MS, () => this.#list(station));
        return;
      default:
        return; // links, registrations and who is let in are arranged from outside, and no events flow
    }
  }

  #arrive(from: Station, to: NodeId, bytes: Uint8Array): void {
    const receiver = this.stations.get(to);
    if (!receiver) return;
    this.schedule.after(LATENCY_MS, () => {
      const message = decodeMessage(bytes);
      count(this.received, to, message.kind, bytes.length + FRAME_HEADER_BYTES);
      this.#step(receiver, [{ kind: 'messages', peer: from.node, messages: [message] }]);
    });
  }

  #gossip(from: Station, bytes: Uint8Array): void {
    this.gossiped++;
    this.gossipedBytes += bytes.length;
    this.#events.announced(from);
    for (const to of this.stations.values()) {
      if (to === from || this.#random() < this.gossipLoss) continue;
      this.schedule.after(LATENCY_MS, () => this.#step(to, [{ kind: 'gossip', bytes }]));
    }
  }

  run(ms: number, done?: () => boolean): void {
    this.schedule.runUntil(this.schedule.now + ms, done);
  }

  forgetTraffic(): void {
    this.sent.clear();
    this.received.clear();
    this.gossiped = 0;
    this.gossipedBytes = 0;
  }
}

function count(traffic: Map<NodeId, Traffic>, node: NodeId, kind: string, bytes: number): void {
  let own = traffic.get(node);
  if (!own) {
    own = new Map();
    traffic.set(node, own);
  }
  own.set(kind, (own.get(kind) ?? 0) + bytes);
}

/** Of all meshers together, by kind. */
export function total(traffic: ReadonlyMap<NodeId, Traffic>): Traffic {
  const sum: Traffic = new Map();
  for (const own of traffic.values())
    for (const [kind, bytes] of own) sum.set(kind, (sum.get(kind) ?? 0) + bytes);
  return sum;
}
