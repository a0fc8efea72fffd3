// The libp2p node: TCP, an encrypted and proven channel, yamux, identify. Nothing of libp2p that dials, prunes, pings or
// reconnects by itself is on: links.ts decides which connections there are.

import { identify } from '@libp2p/identify';
import type {
  ConnectionGater,
  Libp2p,
  MessageStream,
  PrivateKey,
  StreamMuxerFactory,
} from '@libp2p/interface';
import type { GossipSub } from '@libp2p/gossipsub';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { tls } from '@libp2p/tls';
import { yamux } from '@libp2p/yamux';
import { createLibp2p, type Libp2pOptions } from 'libp2p';
import type { GossipService } from './gossip.ts';
import { noiseCrypto } from './noise-crypto.ts';
import { silentLogger } from './silent-logger.ts';
import { Handshakes, windowBytes } from './windows.ts';

export type Encryption = 'noise' | 'tls';

export interface HostOptions {
  readonly privateKey: PrivateKey;
  /** Multiaddrs to listen on. */
  readonly listen: readonly string[];
  /** Multiaddrs to name instead of those, behind NAT or a load balancer; empty for none. */
  readonly announce: readonly string[];
  readonly encryption: Encryption;
  readonly gater: ConnectionGater;
  readonly gossip: GossipService;
}

export type Host = Libp2p<{ identify: ReturnType<ReturnType<typeof identify>>; gossip: GossipSub }>;

/** Two per peer while a dial from each side is under way: room for meshes of some hundred. Above: inbound refused. */
const CONNECTIONS_MAX = 1024;
/** Handshakes under way: each holds a socket and up to 10 s of patience. Above: inbound refused. */
const PENDING_INBOUND_MAX = 128;
/** From one address: a whole mesh may sit behind one NAT, and all of it reconnects at once. libp2p's own is 5. */
const INBOUND_PER_HOST_PER_SECOND_MAX = 256;
/** Its name in the negotiation of protocols. */
const YAMUX = '/yamux/1.0.0';
/** On one connection: four of the link, two of gossip, identify, and the like of another build. */
const STREAMS_PER_CONNECTION_MAX = 64;

/** Transport, encryption and muxer of links. */
export function linkSettings(
  encryption: Encryption,
): Pick<Libp2pOptions, 'transports' | 'connectionEncrypters' | 'streamMuxers'> {
  const handshakes = new Handshakes();
  return {
    transports: [
      tcp({ dialOpts: { noDelay: true, keepAlive: true }, listenOpts: { noDelay: true, keepAlive: true } }),
    ],
    connectionEncrypters: [
      encryption === 'tls'
        ? (components) => handshakes.time(tls()(components))
        : (components) => handshakes.time(noise({ crypto: noiseCrypto() })(components)),
    ],
    streamMuxers: [
      guarded((connection) =>
        yamux({
          streamOptions: { maxStreamWindowSize: windowBytes(handshakes.roundTripMs(connection)) },
          maxInboundStreams: STREAMS_PER_CONNECTION_MAX,
          maxOutboundStreams: STREAMS_PER_CONNECTION_MAX,
        })(),
      ),
    ],
  };
}

/**
 * Whether nothing looks at bytes any more that a stream has taken (`send` has returned true, for them or for any after them):
 * noise encrypts them before it returns; TLS hands them to a socket, which does so later.
 */
export function takesBytesAtOnce(encryption: Encryption): boolean {
  return encryption === 'noise';
}

/** Made, not started. */
export async function createHost(options: HostOptions): Promise<Host> {
  return createLibp2p({
    start: false,
    privateKey: options.privateKey,
    addresses: { listen: [...options.listen], announce: [...options.announce] },
    ...linkSettings(options.encryption),
    connectionGater: options.gater,
    connectionManager: {
      maxConnections: CONNECTIONS_MAX,
      maxIncomingPendingConnections: PENDING_INBOUND_MAX,
      inboundConnectionThreshold: INBOUND_PER_HOST_PER_SECOND_MAX,
      maxParallelDials: 128,
      maxDialQueueLength: CONNECTIONS_MAX,
      reconnectRetries: 0,
    },
    connectionMonitor: { enabled: false },
    services: { identify: identify({ protocolPrefix: 'causeway' }), gossip: options.gossip },
    nodeInfo: { name: 'causeway' },
    logger: silentLogger,
  });
}

/**
 * Stands between yamux and the encrypted connection.
 *
 * - While the connection's transport takes no more, noise keeps what it is given as it is: it gets a copy then.
 * - yamux announces a new stream in a microtask that nothing guards (muxer.js, `onCreateStream`): where the connection is
 *   given up in the same turn, as for a peer that says hello and nonsense in one write, its write would end the process.
 */
export function guarded(
  muxersFor: (connection: MessageStream) => StreamMuxerFactory,
): () => StreamMuxerFactory {
  return () => ({
    protocol: YAMUX,
    createStreamMuxer: (connection) => {
      const send = connection.send.bind(connection);
      connection.send = (data) => {
        const keeps = connection.writableNeedsDrain || connection.writeBufferLength > 0;
        try {
          return send(keeps ? copyOf(data) : data);
        } catch (error) {
          if (connection.status === 'open') throw error;
          return false; // its streams are about to be told
        }
      };
      return muxersFor(connection).createStreamMuxer(connection);
    },
  });
}

function copyOf(data: Parameters<MessageStream['send']>[0]): Uint8Array {
  return data instanceof Uint8Array ? new Uint8Array(data) : data.slice();
}
