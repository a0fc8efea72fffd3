// The libp2p node: TCP, an encrypted and proven channel, yamux, identify. Nothing of libp2p that dials, prunes, pings or
// reconnects by itself is on: links.ts decides which connections there are.

import { identify } from '@libp2p/identify';
import type { ConnectionGater, Libp2p, PrivateKey } from '@libp2p/interface';
import type { GossipSub } from '@libp2p/gossipsub';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { tls } from '@libp2p/tls';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import type { GossipService } from './gossip.ts';
import { silentLogger } from './silent-logger.ts';

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
/**
 * Bytes in flight on one stream. yamux starts at 256 KiB and doubles up to this while the peer keeps up: 40 MB/s at
 * 100 ms round trip. Larger ones let that much data stand before a control frame on a slow path.
 */
const STREAM_WINDOW_BYTES_MAX = 4 * 1024 * 1024;
/** On one connection: four of the link, two of gossip, identify, and the like of another build. */
const STREAMS_PER_CONNECTION_MAX = 64;

/** Made, not started. */
export async function createHost(options: HostOptions): Promise<Host> {
  return createLibp2p({
    start: false,
    privateKey: options.privateKey,
    addresses: { listen: [...options.listen], announce: [...options.announce] },
    transports: [
      tcp({ dialOpts: { noDelay: true, keepAlive: true }, listenOpts: { noDelay: true, keepAlive: true } }),
    ],
    connectionEncrypters: [options.encryption === 'tls' ? tls() : noise()],
    streamMuxers: [
      quietAfterClose(
        yamux({
          streamOptions: { maxStreamWindowSize: STREAM_WINDOW_BYTES_MAX },
          maxInboundStreams: STREAMS_PER_CONNECTION_MAX,
          maxOutboundStreams: STREAMS_PER_CONNECTION_MAX,
        }),
      ),
    ],
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
 * yamux announces a new stream in a microtask that nothing guards (muxer.js, `onCreateStream`): where the connection is
 * given up in the same turn, as for a peer that says hello and nonsense in one write, its write would end the process.
 */
function quietAfterClose(factory: ReturnType<typeof yamux>): ReturnType<typeof yamux> {
  return () => {
    const muxers = factory();
    const createStreamMuxer = muxers.createStreamMuxer.bind(muxers);
    muxers.createStreamMuxer = (connection) => {
      const send = connection.send.bind(connection);
      connection.send = (data) => {
        try {
          return send(data);
        } catch (error) {
          if (connection.status === 'open') throw error;
          return false; // its streams are about to be told
        }
      };
      return createStreamMuxer(connection);
    };
    return muxers;
  };
}
