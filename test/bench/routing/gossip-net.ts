// The role that counts what gossipsub sends: the meshers' own gossip (node/net/gossip.ts, the real library with our settings),
// some dozens of it in one process, every one connected with every other by streams in memory that count their bytes.

import { setTimeout } from 'node:timers/promises';
import type { GossipSub, GossipSubComponents } from '@libp2p/gossipsub';
import type { Connection, PeerId, Startable, Stream, StreamHandler } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import { LIMITS } from '../../../node/core/limits.ts';
import { Gossip } from '../../../node/net/gossip.ts';
import { ephemeralKeys } from '../../../node/net/keys.ts';
import { silentLogger } from '../../../node/net/silent-logger.ts';
import { playRole } from '../harness/role.ts';
import { GOSSIP_TOPIC } from './gossip-bytes.ts';

export interface GossipLoad {
  readonly meshers: number;
  readonly messageBytes: number;
  /** In the whole federation. */
  readonly perSecond: number;
  readonly seconds: number;
}

export interface Gossiped {
  /** Sent by one mesher in a second, on average. */
  readonly bytesPerSecond: number;
  /** Peers in a mesher's mesh, on average. */
  readonly degree: number;
}

export interface GossipRole {
  gossip(load: GossipLoad): Promise<Gossiped>;
}

/** Until the meshes stand, and until the last heartbeats have told of the last messages. */
const SETTLE_MS = 5_000;

/** What the library's class has beyond its interface. */
type Running = GossipSub & Startable & { getMeshPeers(topic: string): string[] };

class Mesher {
  readonly peer: PeerId;
  readonly gossip: Gossip;
  readonly pubsub: Running;
  readonly handlers = new Map<string, StreamHandler>();
  received = 0;

  constructor() {
    const { libp2pKey } = ephemeralKeys();
    this.peer = peerIdFromPrivateKey(libp2pKey);
    this.gossip = new Gossip(
      { topic: GOSSIP_TOPIC, bytesMax: LIMITS.gossipBytesMax },
      { received: () => this.received++, refused: () => undefined },
    );
    const nothing = (): void => undefined;
    this.pubsub = this.gossip.service({
      privateKey: libp2pKey,
      peerId: this.peer,
      logger: silentLogger,
      registrar: {
        handle: (protocol: string, handler: StreamHandler) => void this.handlers.set(protocol, handler),
        unhandle: nothing,
      },
    } as unknown as GossipSubComponents) as Running; // as much of a libp2p node as gossipsub uses here
  }
}

class Wires {
  bytes = 0;

  /** One end's view of a connection in memory. */
  connect(from: Mesher, to: Mesher): Connection {
    const connection = {
      remotePeer: to.peer,
      remoteAddr: multiaddr('/ip4/10.0.0.1/tcp/7401'),
      direction: 'outbound',
      status: 'open',
      streams: [],
      newStream: ([protocol = '']: string[]) => Promise.resolve(this.#stream(protocol, from, to)),
    };
    return connection as unknown as Connection;
  }

  #stream(protocol: string, from: Mesher, to: Mesher): Stream {
    const chunks: Uint8Array[] = [];
    let wake: () => void = () => undefined;
    const inbound = {
      protocol,
      status: 'open',
      readStatus: 'readable',
      close: () => Promise.resolve(),
      abort: () => undefined,
      pause: () => undefined,
      async *[Symbol.asyncIterator]() {
        for (;;) {
          for (let chunk = chunks.shift(); chunk; chunk = chunks.shift()) yield chunk;
          await new Promise<void>((resolve) => (wake = resolve));
        }
      },
    };
    const back = this.connect(to, from);
    void to.handlers.get(protocol)?.(inbound as unknown as Stream, known(to, from, back));
    const outbound = {
      protocol,
      status: 'open',
      addEventListener: () => undefined,
      close: () => Promise.resolve(),
      abort: () => undefined,
      send: (data: { subarray(): Uint8Array; readonly byteLength: number }) => {
        this.bytes += data.byteLength;
        chunks.push(data.subarray());
        wake();
        return true;
      },
    };
    return outbound as unknown as Stream;
  }
}

const connections = new WeakMap<Mesher, Map<Mesher, Connection>>();

/** Gossip knows its links by their connection: one object for each pair and end. */
function known(at: Mesher, other: Mesher, made: Connection): Connection {
  const all = connections.get(at) ?? new Map<Mesher, Connection>();
  connections.set(at, all);
  const before = all.get(other);
  if (before) return before;
  all.set(other, made);
  return made;
}

async function gossip({ meshers: count, messageBytes, perSecond, seconds }: GossipLoad): Promise<Gossiped> {
  const wires = new Wires();
  const meshers = Array.from({ length: count }, () => new Mesher());
  for (const { pubsub, gossip: each } of meshers) {
    await pubsub.start();
    each.start();
  }
  for (const a of meshers)
    for (const b of meshers)
      if (a !== b) a.gossip.linkUp(b.peer.toString(), known(a, b, wires.connect(a, b)));
  await setTimeout(SETTLE_MS);
  wires.bytes = 0;
  const startedMs = performance.now();
  const messages = perSecond * seconds;
  for (let i = 0; i < messages; i++) {
    const data = Buffer.alloc(messageBytes);
    data.writeUInt32BE(i);
    meshers[i % count]?.gossip.publish(data);
    await setTimeout(Math.max(0, startedMs + ((i + 1) * 1_000) / perSecond - performance.now()));
  }
  await setTimeout(SETTLE_MS);
  const degree =
    meshers.reduce((sum, { pubsub }) => sum + pubsub.getMeshPeers(GOSSIP_TOPIC).length, 0) / count;
  const missing = meshers.filter(({ received }) => received < (messages * (count - 1)) / count - 1);
  for (const { pubsub } of meshers) await pubsub.stop();
  if (missing.length > 0) throw new Error(`${missing.length} of ${count} meshers did not get all messages`);
  return { bytesPerSecond: wires.bytes / count / seconds, degree };
}

playRole<GossipRole>({ gossip });
