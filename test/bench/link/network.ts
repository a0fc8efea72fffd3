// Role: one end of a link as meshers make it, with nothing of a mesher but its network: real messages in, real messages
// out. What is received is held against what must have been sent: every event's number, and every so often all its bytes.

import { LIMITS } from '../../../node/core/limits.ts';
import type { BestEffort, LinkMessage } from '../../../node/core/messages.ts';
import { ephemeralKeys } from '../../../node/net/keys.ts';
import { Libp2pNetwork } from '../../../node/net/network.ts';
import { setV8Flags } from '../../../node/v8-flags.ts';
import { playRole } from '../harness/role.ts';
import { Counting } from './counting.ts';
import { type EndRole, PING_EVERY_MS } from './end.ts';
import { makeTraffic, type Traffic } from './events.ts';

/** One event in so many is compared byte by byte: to compare each would be a good part of what is measured. */
const COMPARED_EVERY = 1009;

class End {
  readonly network: Libp2pNetwork;
  readonly node: string;
  readonly counting: Counting;
  readonly #traffic: Traffic;
  readonly #linked = Promise.withResolvers<void>();
  #peer = '';
  #sending = false;
  /** Messages sent. */
  #sent = 0;
  /** Events received. */
  #received = 0;

  constructor(network: (keys: ReturnType<typeof ephemeralKeys>) => Libp2pNetwork, traffic: Traffic) {
    const keys = ephemeralKeys();
    this.node = keys.node;
    this.network = network(keys);
    this.#traffic = traffic;
    this.counting = new Counting(traffic.bytesPerEvent);
  }

  get linked(): Promise<void> {
    return this.#linked.promise;
  }

  async listen(): Promise<void> {
    await this.network.start({
      linkUp: (peer) => {
        this.#peer = peer;
        this.#linked.resolve();
      },
      linkDown: (_, reason) => fail(`the link fell: ${reason}`),
      messages: (_, messages) => {
        for (const message of messages) this.#take(message);
      },
      drained: () => this.#send(),
      refused: (_, reason) => fail(`refused: ${reason}`),
      stranger: () => undefined,
      gossip: () => undefined,
    });
  }

  start(): void {
    this.#sending = true;
    setInterval(
      () => this.network.sendControl(this.#peer, { kind: 'ping', sentAt: performance.now() }),
      PING_EVERY_MS,
    );
    this.#send();
  }

  stop(): void {
    this.#sending = false;
  }

  #send(): void {
    const { messages } = this.#traffic;
    let takesMore = this.#sending;
    while (takesMore) {
      const next = messages[this.#sent++ % messages.length];
      if (!next) return;
      takesMore = this.network.sendData(this.#peer, fresh(next.message));
      this.counting.bytes += next.frameBytes;
    }
  }

  #take(message: LinkMessage): void {
    if (message.kind === 'ping')
      this.network.sendControl(this.#peer, { kind: 'pong', sentAt: message.sentAt });
    else if (message.kind === 'pong') this.counting.ponged(message.sentAt);
    else if (message.kind === 'best-effort') this.#check(message);
  }

  #check({ events }: BestEffort): void {
    const { events: all, messages, eventsEach } = this.#traffic;
    if (events.length !== eventsEach) fail(`${events.length} events came in a message of ${eventsEach}`);
    this.counting.bytes += messages[(this.#received / eventsEach) % messages.length]?.frameBytes ?? 0;
    for (const { event } of events) {
      const expected = this.#received % all.length;
      if (event.sequence !== expected) fail(`${event.sequence} came instead of ${expected}`);
      if (
        this.#received++ % COMPARED_EVERY === 0 &&
        !all[expected]?.record.every((byte, i) => byte === event.record[i])
      )
        fail(`event ${event.sequence} came with other bytes`);
    }
  }
}

/** A new message each time, as the core makes it. */
function fresh({ kind, scope, events }: BestEffort): BestEffort {
  return { kind, scope, events: events.map(({ event, directive }) => ({ event, directive })) };
}

function fail(why: string): void {
  process.stderr.write(`${why}\n`);
  process.exit(1);
}

setV8Flags(); // as a mesher does
let end: End | undefined;

function opened(): End {
  if (!end) throw new Error('open comes first');
  return end;
}

playRole<EndRole>({
  open: async ({ encryption, payloadBytes }) => {
    end = new End(
      (keys) =>
        new Libp2pNetwork(
          {
            federation: 'bench',
            cluster: 'bench',
            incarnation: 1,
            listen: ['/ip4/127.0.0.1/tcp/0'],
            announce: [],
            encryption,
            limits: LIMITS,
          },
          { keys, random: Math.random },
        ),
      makeTraffic(payloadBytes),
    );
    await end.listen();
    return { node: end.node, address: end.network.addresses[0] ?? '' };
  },
  link: async ({ node, address, dials }) => {
    opened().network.allow(new Set([node]));
    if (dials) opened().network.connect(node, [address]);
    await opened().linked;
  },
  start: () => opened().start(),
  stop: () => {
    opened().stop();
    return opened().counting.progress();
  },
  progress: () => opened().counting.progress(),
  received: (bytes) => opened().counting.received(bytes),
  pings: () => opened().counting.pings(),
});
