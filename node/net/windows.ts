// How far a peer may be ahead of us on one stream, yamux's window, by the round trip of its connection.
//
// A stream brings no more than a window in each round trip. But all that is under way on a link's data stream also stands
// before the next control frame, in the buffers of the system and of the network. So the window is to be what the path needs:
// on loopback 4 MiB carry a third more than 256 KiB, and a ping beside them takes nine times as long, 6 ms; at 50 ms, 1 MiB
// carries 20 MB/s, 4 MiB 79, and what is chosen here 160 (`npm run bench -- link`). yamux is to find the right window by itself, but
// lets that of any busy stream grow to the largest at once, because it takes each frame for a round trip's worth.

import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface';

/** yamux takes no smaller one. */
const WINDOW_BYTES_MIN = 256 * 1024;
/** The system's own buffers hold some MB of one connection: a larger one is of no use on most. */
const WINDOW_BYTES_MAX = 16 * 1024 * 1024;
/** The rate up to which a window holds nobody up: 160 MB/s. */
const BYTES_PER_MS = 160 * 1024;
/** What of a handshake is computing: some signatures, and the peer's turn of its event loop. */
const COMPUTING_MS = 5;

/** The largest that a stream's window may become. */
export function windowBytes(handshakeMs: number): number {
  const needed = WINDOW_BYTES_MIN + (handshakeMs - COMPUTING_MS) * BYTES_PER_MS;
  return Math.round(Math.min(WINDOW_BYTES_MAX, Math.max(WINDOW_BYTES_MIN, needed)));
}

/** Round trips that a handshake takes: who accepts also waits for the answer to what was negotiated before. */
const ROUND_TRIPS = { secureOutbound: 1, secureInbound: 2 } as const;

/** Times the handshakes of connections, as the only thing known of their paths when their muxers are made. */
export class Handshakes {
  readonly #now: () => number;
  readonly #ms = new WeakMap<MessageStream, number>();

  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /** What a round trip took in the handshake of an encrypted connection. */
  roundTripMs(connection: MessageStream): number {
    return this.#ms.get(connection) ?? 0;
  }

  /** The same encrypter, timed from now on. */
  time<T extends ConnectionEncrypter>(encrypter: T): T {
    for (const method of ['secureOutbound', 'secureInbound'] as const) {
      const secure = encrypter[method].bind(encrypter);
      encrypter[method] = async (connection, options) => {
        const startedMs = this.#now();
        const secured = await secure(connection, options);
        this.#ms.set(secured.connection, (this.#now() - startedMs) / ROUND_TRIPS[method]);
        return secured;
      };
    }
    return encrypter;
  }
}
