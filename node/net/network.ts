// The `Network` of a real mesher: libp2p on TCP. Puts host, gater, gossip and links together and turns the core's port
// into calls of theirs; what is decided about links is decided in links.ts.

import { MeshError } from '../core/errors.ts';
import type { NodeId } from '../core/event.ts';
import { type Limits, LOOSE_STEP_BYTES_MAX } from '../core/limits.ts';
import type { ControlMessage, DataMessage } from '../core/messages.ts';
import type { Network, NetworkEvents, Random } from '../core/ports.ts';
import { WIRE_VERSIONS } from '../core/wire-version.ts';
import { type Answer, Asking, Unanswered } from './asking.ts';
import { SpareChunks } from './chunks.ts';
import { connectionGater } from './gater.ts';
import { Gossip } from './gossip.ts';
import { createHost, type Encryption, type Host, takesBytesAtOnce } from './host.ts';
import type { NodeKeys } from './keys.ts';
import { Links } from './links.ts';

export interface NetworkOptions {
  readonly federation: string;
  readonly cluster: string;
  /** Known once the mesher has joined, before `start`. */
  readonly incarnation: number;
  /** Multiaddrs to listen on; port 0 for any. */
  readonly listen: readonly string[];
  /** Multiaddrs under which others reach it, where they differ from those; empty for none. */
  readonly announce: readonly string[];
  readonly encryption: Encryption;
  /** Of what is said on links, the newest first; undefined: all that are known. */
  readonly versions?: readonly number[];
  readonly limits: Pick<
    Limits,
    'linkFrameBytesMax' | 'gossipBytesMax' | 'lanesPerCluster' | 'laneInFlightBytes'
  >;
}

export interface NetworkPorts {
  readonly keys: NodeKeys;
  readonly random: Random;
  /** Answers questions of peers; left out: they are refused. */
  readonly answer?: Answer;
}

/** How often lost gossip streams are looked for. */
const GOSSIP_CHECK_MS = 2_000;

/** Beside what one step may send to a peer: what waited before it, and headers. */
const OUTBOX_SPARE_BYTES = 16 * 1024 * 1024;

/**
 * The core hears that a link is full after the step that filled it. A step sends to one peer what the lanes to its cluster, and the
 * one to itself, may have in flight, and as much best effort for each of the two.
 */
function outboxBytesMax({ lanesPerCluster, laneInFlightBytes }: NetworkOptions['limits']): number {
  return (lanesPerCluster + 1) * laneInFlightBytes + 2 * LOOSE_STEP_BYTES_MAX + OUTBOX_SPARE_BYTES;
}

export class Libp2pNetwork implements Network {
  readonly #options: NetworkOptions;
  readonly #ports: NetworkPorts;
  #running: { host: Host; links: Links; gossip: Gossip; asking: Asking; timer: NodeJS.Timeout } | undefined;
  /** Asked for before `start`. */
  #allowed: ReadonlySet<NodeId> = new Set();

  constructor(options: NetworkOptions, ports: NetworkPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  get addresses(): readonly string[] {
    const addresses = this.#running?.host.getMultiaddrs() ?? [];
    return addresses.map((address) => address.toString().replace(/\/p2p\/[^/]+$/, ''));
  }

  async start(events: NetworkEvents): Promise<void> {
    const { federation, cluster, incarnation, limits } = this.#options;
    const gossip = new Gossip(
      { topic: `/causeway/${federation}/routes/1`, bytesMax: limits.gossipBytesMax },
      { received: (bytes) => events.gossip(bytes), refused: (peer, reason) => events.refused(peer, reason) },
    );
    const protocols = (this.#options.versions ?? WIRE_VERSIONS).map((version) => ({
      version,
      control: `/causeway/${federation}/control/${version}`,
      data: `/causeway/${federation}/data/${version}`,
    }));
    const links = new Links(
      {
        node: this.#ports.keys.node,
        federation,
        protocols,
        frameBytesMax: limits.linkFrameBytesMax,
        spareChunks: new SpareChunks(takesBytesAtOnce(this.#options.encryption)),
        outboxBytesMax: outboxBytesMax(limits),
        hello: () => ({ kind: 'hello', federation, cluster, incarnation }),
      },
      {
        dial: (addresses, signal) => host.dial(addresses, { signal }),
        random: this.#ports.random,
        events,
        linkUp: (peer, connection) => gossip.linkUp(peer, connection),
        linkDown: (peer) => gossip.linkDown(peer),
      },
    );
    const host = await createHost({
      privateKey: this.#ports.keys.libp2pKey,
      listen: this.#options.listen,
      announce: this.#options.announce,
      encryption: this.#options.encryption,
      gossip: gossip.service,
      gater: connectionGater({
        isAllowed: (peer) => links.isAllowed(peer),
        stranger: (peer) => {
          events.refused(peer, 'stranger');
          events.stranger(peer);
        },
      }),
    });
    links.allow(this.#allowed);
    for (const { control, data } of protocols) {
      await host.handle(control, (stream, connection) => links.takeControl(stream, connection));
      await host.handle(data, (stream, connection) => links.takeData(stream, connection));
    }
    const { answer } = this.#ports;
    const questions = `/causeway/${federation}/questions/1`;
    const asking = new Asking(questions, answer ?? (() => Promise.reject(new Error('nobody answers here'))));
    // A stranger's connection is no link: it is not answered, and the gater has it closed.
    await host.handle(questions, (stream, connection) =>
      links.isAllowed(connection.remotePeer.toString())
        ? asking.take(stream, connection)
        : stream.abort(new Error('not allowed')),
    );
    // Before it listens: a link may be up, and answered, before `start` has resolved.
    this.#running = {
      host,
      links,
      gossip,
      asking,
      timer: setInterval(() => gossip.check(), GOSSIP_CHECK_MS),
    };
    try {
      await host.start();
    } catch (cause) {
      await this.stop();
      const where = this.#options.listen.join(', ');
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new MeshError('invalid-config', `Cannot listen for peers on ${where}: ${why}`, { cause });
    }
    gossip.start();
  }

  connect(peer: NodeId, addresses: readonly string[]): void {
    this.#running?.links.connect(peer, addresses);
  }

  disconnect(peer: NodeId): void {
    this.#running?.links.disconnect(peer);
  }

  allow(peers: ReadonlySet<NodeId>): void {
    this.#allowed = peers;
    this.#running?.links.allow(peers);
  }

  sendControl(peer: NodeId, message: ControlMessage): void {
    this.#running?.links.sendControl(peer, message);
  }

  sendData(peer: NodeId, message: DataMessage): boolean {
    return this.#running?.links.sendData(peer, message) ?? true;
  }

  /** Asks a peer over its link (asking.ts). Rejects with `Unanswered`. */
  async ask(peer: NodeId, question: Uint8Array): Promise<Uint8Array> {
    const connection = this.#running?.links.connectionTo(peer);
    if (!this.#running || !connection) throw new Unanswered('there is no link to it');
    return this.#running.asking.ask(connection, question);
  }

  gossip(bytes: Uint8Array): void {
    this.#running?.gossip.publish(bytes);
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (!running) return;
    this.#running = undefined;
    clearInterval(running.timer);
    running.links.stop();
    await running.host.stop();
  }
}
