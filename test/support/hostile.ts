// Peers that mean harm, for tests against real meshers: `HostileMember` is a registered member that speaks the protocol
// and lies in it; `rawPeer` is a bare libp2p node that writes what bytes it likes.
//
//   const evil = await HostileMember.join(t, federation.registryAddress, 'evil');
//   await evil.link(victim);  evil.say({ kind: 'route-delta', … });  evil.gossip(bytes);  evil.answer = (message) => …
import { until } from './until.ts';

import type { TestContext } from 'node:test';
import type { Connection } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { LIMITS } from '../../node/core/limits.ts';
import { signMember } from '../../node/core/membership.ts';
import type { ControlMessage, DataMessage, LinkMessage } from '../../node/core/messages.ts';
import { DIGEST_BYTES } from '../../node/core/interest-lines.ts';
import { InterestSet } from '../../node/core/interest-set.ts';
import { ephemeralKeys, type NodeKeys } from '../../node/net/keys.ts';
import { Libp2pNetwork } from '../../node/net/network.ts';
import { openRegistry } from '../../registry/open.ts';

export interface Victim {
  readonly node: string;
  readonly addresses: readonly string[];
}

const INCARNATION = 1_000_000;

/** Registers `keys` as a member, properly signed. Its lease ends with the test. */
export async function register(
  t: TestContext,
  registryAddress: string,
  keys: NodeKeys,
  addresses: readonly string[],
): Promise<void> {
  const registry = await openRegistry(registryAddress, { federation: 'acme', node: keys.node });
  t.after(() => registry.close());
  const record = { federation: 'acme', cluster: 'evil', node: keys.node, incarnation: INCARNATION };
  await registry.register(signMember(keys, { ...record, addresses, http: '', labels: {}, version: '6.6.6' }));
}

export class HostileMember {
  readonly keys: NodeKeys;
  readonly incarnation = INCARNATION;
  readonly #network: Libp2pNetwork;
  readonly #up = new Set<string>();
  /** What it says to a question; what is thrown ends it without an answer. */
  tell: (question: string) => Uint8Array = () => {
    throw new Error('it keeps silent');
  };
  /** What it says to a message that comes. */
  answer: (message: LinkMessage) => ControlMessage | undefined = () => undefined;
  victim = '';

  private constructor(keys: NodeKeys, network: Libp2pNetwork) {
    this.keys = keys;
    this.#network = network;
  }

  /** On the net, and not registered yet: a stranger. */
  static async start(t: TestContext): Promise<HostileMember> {
    const keys = ephemeralKeys();
    const options = {
      federation: 'acme',
      cluster: 'evil',
      incarnation: INCARNATION,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      announce: [],
      encryption: 'noise' as const,
      limits: { ...LIMITS, gossipBytesMax: 16 * 1024 * 1024 },
    };
    const network: Libp2pNetwork = new Libp2pNetwork(options, {
      keys,
      random: Math.random,
      answer: async (_peer, question) => member.tell(Buffer.from(question).toString()),
    });
    const member = new HostileMember(keys, network);
    await network.start({
      linkUp: (peer) => void member.#up.add(peer),
      linkDown: (peer) => void member.#up.delete(peer),
      messages: (_, messages) => messages.forEach((message) => member.#hear(message)),
      gossip: () => undefined,
      stranger: () => undefined,
      drained: () => undefined,
      refused: () => undefined,
    });
    t.after(() => network.stop());
    return member;
  }

  get addresses(): readonly string[] {
    return this.#network.addresses;
  }

  dial({ node, addresses }: Victim): void {
    this.victim = node;
    this.#network.allow(new Set([node]));
    this.#network.connect(node, addresses);
  }

  async whenLinked(): Promise<void> {
    await until('the hostile member has a link', () => this.#up.has(this.victim));
  }

  /** Rejects with `Unanswered`. */
  ask(question: object): Promise<Uint8Array> {
    return this.#network.ask(this.victim, Buffer.from(JSON.stringify(question)));
  }

  say(message: ControlMessage): void {
    this.#network.sendControl(this.victim, message);
  }

  send(message: DataMessage): void {
    this.#network.sendData(this.victim, message);
  }

  gossip(bytes: Uint8Array): void {
    this.#network.gossip(bytes);
  }

  #hear(message: LinkMessage): void {
    const answer = message.kind === 'ping' ? { ...message, kind: 'pong' as const } : this.answer(message);
    if (answer) this.say(answer);
  }
}

/** Interests whose digests, root and count are what one likes. */
export class LyingInterests extends InterestSet {
  readonly #digests: ReadonlyMap<number, Uint8Array>;
  readonly #size: number;

  constructor(size: number, digests: ReadonlyMap<number, Uint8Array> = new Map()) {
    super();
    this.#size = size;
    this.#digests = digests;
  }

  override get size(): number {
    return this.#size;
  }

  override digests(): Uint8Array {
    const digests = Uint8Array.from(super.digests());
    for (const [index, digest] of this.#digests) digests.set(digest, index * DIGEST_BYTES);
    return digests;
  }
}

/** A connection with the two streams of a link, on which nothing was said yet. */
export async function rawPeer(
  t: TestContext,
  keys: NodeKeys,
  { node, addresses }: Victim,
): Promise<{
  connection: Connection;
  control: (bytes: Uint8Array) => void;
  data: (bytes: Uint8Array) => void;
}> {
  const raw = await createLibp2p({
    privateKey: keys.libp2pKey,
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
  });
  t.after(() => raw.stop());
  for (const kind of ['control', 'data']) await raw.handle(`/causeway/acme/${kind}/1`, () => undefined);
  const connection = await raw.dial(multiaddr(`${addresses[0] ?? ''}/p2p/${node}`));
  const control = await connection.newStream('/causeway/acme/control/1');
  const data = await connection.newStream('/causeway/acme/data/1');
  return { connection, control: (bytes) => void control.send(bytes), data: (bytes) => void data.send(bytes) };
}
