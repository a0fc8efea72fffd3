// Role: one end of a bare libp2p stream, with the transport, encryption and muxer of a mesher's links and their settings. It
// sends the very bytes that a link would carry, in the same chunks, made beforehand; the other end does nothing but count
// them. A second stream of the same connection carries pings, as a link's control stream does. Chunks and windows may be
// set to others, to see what they are good for.

import type { Connection, Stream } from '@libp2p/interface';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import type { LinkMessage } from '../../../node/core/messages.ts';
import { guarded, linkSettings } from '../../../node/net/host.ts';
import { ephemeralKeys } from '../../../node/net/keys.ts';
import { CHUNK_BYTES } from '../../../node/net/chunks.ts';
import { silentLogger } from '../../../node/net/silent-logger.ts';
import { ByteWriter } from '../../../node/wire/byte-writer.ts';
import { writeFrame } from '../../../node/wire/frames.ts';
import { writeMessage } from '../../../node/wire/link-messages.ts';
import { setV8Flags } from '../../../node/v8-flags.ts';
import { playRole } from '../harness/role.ts';
import { Counting } from '../link/counting.ts';
import { type EndRole, PING_EVERY_MS, type StreamOptions } from '../link/end.ts';
import { makeTraffic } from '../link/events.ts';

const DATA = '/bench/data/1';
const PING = '/bench/ping/1';
/** As large as a link's: a moment of the sender's clock, the kind of the message, and its frame's header. */
const PING_BYTES = 13;

type Host = Awaited<ReturnType<typeof createHost>>;

async function createHost({ encryption, windowBytes }: StreamOptions) {
  return createLibp2p({
    privateKey: ephemeralKeys().libp2pKey,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    ...linkSettings(encryption),
    ...(windowBytes !== undefined && {
      streamMuxers: [guarded(() => yamux({ streamOptions: { maxStreamWindowSize: windowBytes } })())],
    }),
    connectionMonitor: { enabled: false },
    logger: silentLogger,
  });
}

class End {
  readonly host: Host;
  readonly counting: Counting;
  readonly #chunks: readonly Buffer[];
  readonly #linked = Promise.withResolvers<void>();
  #connection: Connection | undefined;
  #data: Stream | undefined;
  #ping: Stream | undefined;
  #sending = false;
  #sent = 0;

  constructor(host: Host, { payloadBytes, chunkBytes = CHUNK_BYTES }: StreamOptions) {
    const { messages, bytesPerEvent } = makeTraffic(payloadBytes);
    this.host = host;
    this.counting = new Counting(bytesPerEvent);
    this.#chunks = chunksOf(
      messages.map(({ message }) => message),
      chunkBytes,
    );
  }

  get linked(): Promise<void> {
    return this.#linked.promise;
  }

  async listen(): Promise<void> {
    await this.host.handle(DATA, (stream) => {
      stream.addEventListener('message', ({ data }) => {
        this.counting.bytes += data.byteLength;
      });
      this.#linked.resolve();
    });
    await this.host.handle(PING, (stream) => {
      stream.addEventListener('message', ({ data }) => void stream.send(data));
    });
  }

  async dial(address: string): Promise<void> {
    this.#connection = await this.host.dial(multiaddr(address));
    this.#data = await this.#connection.newStream(DATA);
    this.#data.addEventListener('drain', () => this.#send());
    const ping = await this.#connection.newStream(PING);
    ping.addEventListener('message', ({ data }) =>
      this.counting.ponged(Buffer.from(data.subarray()).readDoubleBE()),
    );
    this.#ping = ping;
  }

  start(): void {
    this.#sending = true;
    setInterval(() => {
      const bytes = Buffer.alloc(PING_BYTES);
      bytes.writeDoubleBE(performance.now());
      this.#ping?.send(bytes);
    }, PING_EVERY_MS);
    this.#send();
  }

  stop(): void {
    this.#sending = false;
  }

  #send(): void {
    while (this.#sending && this.#data?.writableNeedsDrain === false) {
      const chunk = this.#chunks[this.#sent++ % this.#chunks.length] ?? Buffer.of();
      this.#data.send(chunk);
      this.counting.bytes += chunk.length;
    }
  }
}

/** The stream that these messages make, cut into pieces. */
function chunksOf(messages: readonly LinkMessage[], chunkBytes: number): Buffer[] {
  const writer = new ByteWriter();
  for (const message of messages) writeFrame(writer, (to) => writeMessage(to, message));
  const stream = writer.finish();
  const chunks: Buffer[] = [];
  for (let at = 0; at < stream.length; at += chunkBytes)
    chunks.push(Buffer.from(stream.subarray(at, at + chunkBytes)));
  return chunks;
}

setV8Flags(); // as a mesher does
let end: End | undefined;

function opened(): End {
  if (!end) throw new Error('open comes first');
  return end;
}

playRole<EndRole<StreamOptions>>({
  open: async (options) => {
    const host = await createHost(options);
    end = new End(host, options);
    await end.listen();
    await host.start();
    return { node: host.peerId.toString(), address: host.getMultiaddrs()[0]?.toString() ?? '' };
  },
  link: async ({ address, dials }) => (dials ? opened().dial(address) : opened().linked),
  start: () => opened().start(),
  stop: () => {
    opened().stop();
    return opened().counting.progress();
  },
  progress: () => opened().counting.progress(),
  received: (bytes) => opened().counting.received(bytes),
  pings: () => opened().counting.pings(),
});
