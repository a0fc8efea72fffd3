// Gossipsub on the one route topic. Its peers are those whose link is up, on the connection of that link: its registrar
// is a stand-in that tells it of links rather than of identified peers. Left to libp2p, a quick reconnect can leave a
// peer whose streams stand but whose subscription is forgotten (the disconnect of the old connection is told after the
// streams of the new one), and gossip to it stays silent for ever.
//
// Gossip is fast and may lose: what matters is repaired by the core over the links.

import { hash } from 'node:crypto';
import {
  gossipsub,
  StrictNoSign,
  TopicValidatorResult,
  type GossipSub,
  type GossipSubComponents,
} from '@libp2p/gossipsub';
import type { Connection, Stream, StreamHandler, Topology } from '@libp2p/interface';
import type { NodeId } from '../core/event.ts';
import type { MessageRefusal } from '../core/metric-catalogue.ts';

type Registrar = GossipSubComponents['registrar'];
export type GossipService = (components: GossipSubComponents) => GossipSub;

export interface GossipOptions {
  readonly topic: string;
  /** Bytes of one message. Above: not sent, and refused where received. */
  readonly bytesMax: number;
}

export interface GossipEvents {
  received(bytes: Uint8Array): void;
  refused(peer: NodeId, reason: MessageRefusal): void;
}

/** Bytes that wait for one peer. Above: gossipsub resets that stream, and `check` opens another. */
const OUTBOUND_BUFFER_BYTES_MAX = 4 * 1024 * 1024;
/** An answer to IWANT brings many messages in one RPC. */
const RPC_BYTES_MAX = 4 * 1024 * 1024;

export class Gossip {
  readonly #options: GossipOptions;
  readonly #events: GossipEvents;
  readonly #topologies = new Map<string, Topology>();
  readonly #handlers = new Map<string, StreamHandler>();
  readonly #links = new Map<NodeId, Connection>();
  /** Inbound streams that came before their link was up here: one for each connection. */
  #early = new WeakMap<Connection, Stream>();
  /** Links without a stream of ours at the last check. */
  #silent = new Set<Connection>();
  #pubsub: GossipSub | undefined;

  constructor(options: GossipOptions, events: GossipEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** The service for libp2p. */
  readonly service: GossipService = (components) => {
    const pubsub = gossipsub({
      globalSignaturePolicy: StrictNoSign,
      msgIdFn: (message) => hash('sha256', message.data, 'buffer').subarray(0, 16),
      floodPublish: true,
      allowPublishToZeroTopicPeers: true,
      ignoreDuplicatePublishError: true,
      fallbackToFloodsub: false,
      emitSelf: false,
      doPX: false,
      tagMeshPeers: false,
      allowedTopics: [this.#options.topic],
      maxInboundDataLength: RPC_BYTES_MAX,
      maxOutboundBufferSize: OUTBOUND_BUFFER_BYTES_MAX,
      // Members are known and signed; a whole mesh may share an address, and a slow one is no attacker.
      scoreParams: { IPColocationFactorWeight: 0, behaviourPenaltyWeight: 0 },
    })({
      privateKey: components.privateKey,
      peerId: components.peerId,
      peerStore: components.peerStore,
      connectionManager: components.connectionManager,
      logger: components.logger,
      registrar: this.#registrar(components.registrar),
    });
    pubsub.topicValidators.set(this.#options.topic, (peer, message) => {
      if (message.data.length <= this.#options.bytesMax) return TopicValidatorResult.Accept;
      this.#events.refused(peer.toString(), 'gossip-too-large');
      return TopicValidatorResult.Reject;
    });
    this.#pubsub = pubsub;
    return pubsub;
  };

  /** After the host has started. */
  start(): void {
    this.#pubsub?.addEventListener('message', (event) => {
      if (event.detail.topic === this.#options.topic) this.#events.received(event.detail.data);
    });
    this.#pubsub?.subscribe(this.#options.topic);
  }

  publish(bytes: Uint8Array): void {
    if (bytes.length > this.#options.bytesMax) return;
    this.#pubsub?.publish(this.#options.topic, bytes).catch(() => {
      // Not started or stopping: gossip may be lost, and what it says is repaired over the links.
    });
  }

  linkUp(peer: NodeId, connection: Connection): void {
    this.#links.set(peer, connection);
    this.#connect(connection);
    const stream = this.#early.get(connection);
    this.#early.delete(connection);
    if (stream) this.#hand(stream, connection);
  }

  linkDown(peer: NodeId): void {
    const connection = this.#links.get(peer);
    if (!connection) return;
    this.#links.delete(peer);
    this.#disconnect(connection);
  }

  /**
   * Begins anew with peers to whom no stream of ours stood at two checks in a row: it was reset, for a full buffer or a
   * bad RPC. To be called now and then. All of it, both ways: gossipsub keeps a stream that was reset while it was opened
   * for a good one, and hears of the peer's subscriptions only on a new one.
   */
  check(): void {
    const before = this.#silent;
    this.#silent = new Set();
    for (const connection of this.#links.values()) {
      const stands = connection.streams.some(
        (stream) =>
          stream.direction === 'outbound' && stream.status === 'open' && this.#mayBeGossip(stream.protocol),
      );
      if (stands) continue;
      this.#silent.add(connection);
      if (!before.has(connection)) continue; // its stream may be about to be opened
      this.#disconnect(connection);
      for (const stream of connection.streams.filter(({ protocol }) => this.#handlers.has(protocol))) {
        stream.abort(new Error('gossip begins anew'));
      }
      this.#connect(connection);
    }
  }

  #connect(connection: Connection): void {
    for (const topology of this.#distinctTopologies())
      void topology.onConnect?.(connection.remotePeer, connection);
  }

  #disconnect(connection: Connection): void {
    for (const topology of this.#distinctTopologies()) void topology.onDisconnect?.(connection.remotePeer);
  }

  /** An unnegotiated stream may be one of ours under way. */
  #mayBeGossip(protocol: string): boolean {
    return protocol === '' || this.#handlers.has(protocol);
  }

  /** Gossipsub registers one topology for each version of its protocol. */
  #distinctTopologies(): Set<Topology> {
    return new Set(this.#topologies.values());
  }

  readonly #onStream = (stream: Stream, connection: Connection): void => {
    if (this.#links.get(connection.remotePeer.toString()) === connection) this.#hand(stream, connection);
    else if (this.#early.has(connection))
      stream.abort(new Error('a second gossip stream before the link is up'));
    else {
      stream.pause();
      this.#early.set(connection, stream);
    }
  };

  #hand(stream: Stream, connection: Connection): void {
    if (stream.status !== 'open') return;
    void this.#handlers.get(stream.protocol)?.(stream, connection);
    if (stream.readStatus === 'paused') stream.resume();
  }

  #registrar(real: Registrar): Registrar {
    return {
      handle: async (protocol, handler, options) => {
        this.#handlers.set(protocol, handler);
        await real.handle(protocol, this.#onStream, options);
      },
      unhandle: async (protocol, options) => {
        this.#handlers.delete(protocol);
        await real.unhandle(protocol, options);
      },
      register: (protocol, topology) => {
        this.#topologies.set(protocol, topology);
        return Promise.resolve(protocol);
      },
      unregister: (id) => void this.#topologies.delete(id),
      getProtocols: () => real.getProtocols(),
      getHandler: (protocol) => real.getHandler(protocol),
      getTopologies: (protocol) => real.getTopologies(protocol),
      use: (protocol, middleware) => real.use(protocol, middleware),
      unuse: (protocol) => real.unuse(protocol),
      getMiddleware: (protocol) => real.getMiddleware(protocol),
    };
  }
}
