// A member that means harm: signed, registered, linked, of a cluster of its own, and it says what it likes on links and in gossip.
// What it is told in confidence is lost on it (events for its own interests), and its own events are nobody's promise; all that
// honest meshers promised each other and their clients must hold all the same.

import { memberText } from '../../node/core/away.ts';
import { encodeRecord } from '../../node/core/event-record.ts';
import type { Directive, LaneName, NodeId, Position } from '../../node/core/event.ts';
import { heirFilter } from '../../node/core/heirs.ts';
import { InterestSet } from '../../node/core/interest-set.ts';
import { signMember } from '../../node/core/membership.ts';
import type { ForwardedEvent, LinkMessage } from '../../node/core/messages.ts';
import { COPY_COMPLETE, isData } from '../../node/core/messages.ts';
import type { Keys, MemberRecord } from '../../node/core/ports.ts';
import { encodeHead, type Proof, type RouteOp, signDelta } from '../../node/core/route-record.ts';
import type { Input } from '../../node/core/steps.ts';
import { WIRE_VERSION } from '../../node/core/wire-version.ts';
import { encodeMessage } from '../../node/wire/link-messages.ts';
import type { Chance } from './chance.ts';
import type { SimMesher } from './mesher.ts';
import type { Host, SimNetwork } from './network.ts';
import type { Client, SimRegistry } from './registry.ts';
import type { Schedule } from './schedule.ts';
import { TOPICS } from './workload.ts';

export interface HostilePorts {
  readonly schedule: Schedule;
  readonly chance: Chance;
  readonly network: SimNetwork;
  readonly registry: SimRegistry;
  /** Honest meshers that are there now. */
  victims(): readonly Pick<SimMesher, 'node' | 'cluster' | 'core'>[];
  makeKeys(node: NodeId): Keys;
}

/** Gossip of others that it keeps to say again. */
const REPLAYS_MAX = 50;
const GHOSTS_MAX = 5;
const DIALS_EVERY_MS = 2_000;
const NUMBERS = [0, 1, 2, 1_000, 65_536, 2 ** 32, 2 ** 40, Number.MAX_SAFE_INTEGER] as const;
const BAD_TOPICS = ['', '#', 'a/+/b', '$dead-letters/x', '/', 'a/'.repeat(300), '\u0000'] as const;
const LIFE = 1;

export class HostileMember implements Host, Client {
  readonly node: NodeId;
  readonly cluster: string;
  readonly frozen = false;
  readonly incarnation = 1_000_000;
  readonly wireVersion = WIRE_VERSION;
  running = true;
  readonly #keys: Keys;
  readonly #federation: string;
  readonly #ports: HostilePorts;
  readonly #linked = new Set<NodeId>();
  readonly #heard: Uint8Array[] = [];
  readonly #everyMs: number;
  /** For what it says of members that are away: others' draws stay as they are. */
  readonly #away: Chance;
  readonly #records = new Map<string, MemberRecord>();
  readonly #ghosts = new Map<NodeId, { readonly proof: Proof; readonly interests: InterestSet }>();
  #sequence = 1;
  #events = 0;

  constructor(keys: Keys, federation: string, cluster: string, ports: HostilePorts) {
    this.node = keys.node;
    this.cluster = cluster;
    this.#keys = keys;
    this.#federation = federation;
    this.#ports = ports;
    this.#everyMs = ports.chance.between(20, 500);
    this.#away = ports.chance.fork('away');
  }

  /** Nobody holds anything of it. */
  takenOver(): void {
    this.running = false;
  }

  start(): void {
    const { registry } = this.#ports;
    const { node, cluster, incarnation } = this;
    registry.open(this, LIFE);
    const record = signMember(this.#keys, {
      federation: this.#federation,
      cluster,
      node,
      incarnation,
      addresses: [`/memory/${node}`],
      http: '',
      labels: {},
      version: 'hostile',
    });
    registry.register(node, LIFE, record);
    this.#dial();
    this.#turn();
  }

  stop(): void {
    this.running = false;
    this.#ports.registry.deregister(this.node);
    this.#ports.network.processDied(this.node, false);
  }

  allows(): boolean {
    return true;
  }

  input(input: Input): void {
    if (input.kind === 'link-up') this.#linked.add(input.peer);
    else if (input.kind === 'link-down') this.#linked.delete(input.peer);
    else if (input.kind === 'gossip') {
      this.#heard.push(input.bytes);
      if (this.#heard.length > REPLAYS_MAX) this.#heard.shift();
    } else if (input.kind === 'messages')
      for (const message of input.messages) this.#answer(input.peer, message);
  }

  #dial(): void {
    if (!this.running) return;
    for (const { node } of this.#ports.victims()) this.#ports.network.connect(this.node, node);
    this.#ports.schedule.after(DIALS_EVERY_MS, () => this.#dial());
  }

  #turn(): void {
    if (!this.running) return;
    const { chance, schedule } = this.#ports;
    const [...linked] = this.#linked;
    if (linked.length > 0) chance.pick(this.#tricks)(chance.pick(linked));
    if (linked.length > 0 && this.#away.is(0.1)) this.#tellAway(this.#away.pick(linked));
    schedule.after(this.#everyMs * chance.between(0.1, 1.9), () => this.#turn());
  }

  /** What it is asked it answers with lies, or with silence. */
  #answer(peer: NodeId, message: LinkMessage): void {
    const { chance } = this.#ports;
    if (this.#answerForGhost(peer, message)) return;
    if (chance.is(0.5)) return;
    if (message.kind === 'lane-open')
      this.#say(peer, {
        kind: 'lane-ready',
        ...this.#laneOf(message),
        mark: this.#position(),
        credit: this.#number(),
      });
    else if (message.kind === 'data') {
      const { scope, lane } = message;
      if (chance.is(0.5)) this.#say(peer, { kind: 'gap', scope, lane, last: this.#position() });
      else this.#say(peer, { kind: 'ack', scope, lane, upTo: this.#position(), credit: this.#number() });
    } else if (message.kind === 'route-pull') this.#lieInHead(peer);
    else if (message.kind === 'ping') this.#say(peer, { kind: 'pong', sentAt: chance.between(-1e9, 1e9) });
  }

  readonly #tricks: readonly ((peer: NodeId) => void)[] = [
    (peer) => this.#forgeData(peer),
    (peer) => this.#forgeData(peer),
    (peer) => this.#floodWithout(peer),
    (peer) => this.#openFar(peer),
    (peer) =>
      this.#say(peer, { kind: 'ack', ...this.#lane(), upTo: this.#position(), credit: this.#number() }),
    (peer) => this.#say(peer, { kind: 'gap', ...this.#lane(), last: this.#position() }),
    (peer) =>
      this.#say(peer, {
        kind: 'lane-ready',
        ...this.#lane(),
        mark: this.#position(),
        credit: this.#number(),
      }),
    (peer) =>
      this.#say(peer, {
        kind: 'best-effort',
        scope: this.#lane().scope,
        events: this.#forged(peer),
      }),
    (peer) => this.#lieInHeads(peer),
    (peer) => this.#lieInHead(peer),
    () => this.#announce(),
    () => this.#replay(),
    (peer) => this.#copyLies(peer),
    (peer) => this.#parting(peer),
  ];

  // ─────────────────────────────────────────────────────────── lanes

  #forgeData(peer: NodeId): void {
    const { chance } = this.#ports;
    const first = this.#position();
    const previous = chance.is(0.5)
      ? { ...first, sequence: Math.max(0, first.sequence - 1) }
      : this.#position();
    this.#say(peer, {
      kind: 'data',
      ...this.#lane(),
      previous: chance.is(0.3) ? { incarnation: 0, sequence: 0 } : previous,
      first,
      doubt: chance.is(0.5),
      events: this.#forged(peer),
    });
  }

  /** Minds no credit: the same lane, frame after frame. */
  #floodWithout(peer: NodeId): void {
    const { incarnation } = this;
    for (let i = 0; i < 20; i++) {
      const events = this.#forged(peer);
      const first = { incarnation, sequence: this.#sequence };
      const previous = { incarnation, sequence: this.#sequence - 1 };
      this.#sequence += events.length;
      this.#say(peer, { kind: 'data', scope: 'cluster', lane: 0, previous, first, doubt: false, events });
    }
  }

  #openFar(peer: NodeId): void {
    this.#say(peer, { kind: 'lane-open', ...this.#lane(), base: this.#position() });
  }

  #forged(peer: NodeId): ForwardedEvent[] {
    const { chance } = this.#ports;
    const directive = this.#directive();
    const cluster = this.#ports.victims().find(({ node }) => node === peer)?.cluster ?? 'nowhere';
    const paths = [[this.cluster], [this.cluster, cluster], Array.from({ length: 16 }, (_, i) => `far${i}`)];
    return Array.from({ length: 1 + chance.below(4) }, () => {
      const id = `evil-${this.node}-${++this.#events}`;
      const record = encodeRecord(
        {
          topic: chance.is(0.5) ? chance.pick(TOPICS) : chance.pick(BAD_TOPICS),
          expiresAt: chance.is(0.2) ? 1 : 0,
          key: chance.is(0.5) ? 'k' : '',
          hash: chance.below(2 ** 32),
          cloudEvent: Buffer.from(`${id} evil`),
        },
        {
          origin: chance.is(0.5) ? this.node : peer,
          incarnation: this.#number(),
          sequence: this.#number(),
          acceptedAt: 0,
          path: chance.pick(paths),
          deadLetter: chance.is(0.1)
            ? { subscription: 's0', reason: 'evil', attempts: 1, topic: 'evil' }
            : undefined,
        },
      );
      return { event: record, directive };
    });
  }

  /** Names meshers that are nowhere, and half of the time a crowd of them. */
  #directive(): Directive {
    const { chance } = this.#ports;
    const many = chance.is(0.1) ? 200 : 2;
    const ghosts = Array.from({ length: chance.below(many) }, () => `ghost${chance.below(1_000)}`);
    const victims = this.#ports.victims().map(({ node }) => node);
    return {
      groups: chance.is(0.5) ? 'only' : 'except',
      names: ghosts.map((ghost) => `#/${ghost}`),
      wanted: [...ghosts, ...victims].map((node) => ({ node, groups: chance.is(0.2) ? ['nobody'] : [] })),
      unknown: chance.is(0.5) ? ghosts : victims,
    };
  }

  // ─────────────────────────────────────────────────────────── routes

  /** Versions of others' records that never were. */
  #lieInHeads(peer: NodeId): void {
    const { chance } = this.#ports;
    const nodes = [...this.#ports.victims().map(({ node }) => node), this.node, 'ghost'];
    const heads = nodes.map((node) => ({
      node,
      incarnation: this.#number(),
      sequence: this.#number(),
      digest: chance.below(2 ** 32),
    }));
    this.#say(peer, { kind: 'route-heads', answer: chance.is(0.5), heads });
  }

  #lieInHead(peer: NodeId): void {
    const interests = this.#interests();
    const { proof } = signDelta(this.#keys, this.incarnation, ++this.#sequence, interests, []);
    this.#say(peer, {
      kind: 'route-head',
      head: encodeHead(proof, this.#ports.chance.is(0.5) ? interests : new InterestSet()),
    });
    this.#say(peer, {
      kind: 'route-buckets',
      node: this.node,
      incarnation: this.incarnation,
      sequence: this.#sequence,
      buckets: [{ index: this.#ports.chance.below(256), interests: [...interests.all()] }],
    });
  }

  /** Signed, and true or not: jumps, changes that are not what the version holds. */
  #announce(): void {
    const { chance, network } = this.#ports;
    const interests = this.#interests();
    const ops: RouteOp[] = [...interests.all()].map((interest) => ({ add: chance.is(0.8), interest }));
    this.#sequence += chance.is(0.7) ? 1 : chance.below(1_000);
    const { bytes } = signDelta(this.#keys, this.incarnation, this.#sequence, interests, ops);
    network.gossip(this.node, bytes);
  }

  #interests(): InterestSet {
    const { chance } = this.#ports;
    const interests = new InterestSet();
    for (let i = chance.below(4); i > 0; i--)
      interests.set({
        filter: chance.is(0.5) ? '#' : `evil/${i}`,
        group: chance.is(0.3) ? 'evil' : '',
        durable: chance.is(0.5),
      });
    return interests;
  }

  #replay(): void {
    const { chance, network } = this.#ports;
    if (this.#heard.length > 0) network.gossip(this.node, chance.pick(this.#heard));
  }

  // ─────────────────────────────────────────────────────────── members

  /** Says of the living that they are away, again of what it was told, and of some that never were; ghosts say to be heirs. */
  #tellAway(peer: NodeId): void {
    const chance = this.#away;
    const victims = this.#ports.victims();
    for (const { core } of victims) {
      if (!core) continue;
      const { self } = core.options; // in the registry, where everybody can read it
      this.#records.set(`${self.node} ${self.incarnation}`, self);
    }
    if (victims.length > 0) this.#invent(chance.pick(victims));
    const members = [...this.#records.values()].filter(() => chance.is(0.5));
    const awayMs = chance.pick(NUMBERS);
    const told = members.map((record) => ({
      signed: memberText(chance.is(0.1) ? { ...record, incarnation: record.incarnation + 1 } : record),
      signature: record.signature,
      awayMs,
    }));
    this.#say(peer, { kind: 'members-away', members: told });
    const heads = [...this.#ghosts].map(([node, { proof }]) => ({ ...proof, node, digest: 0 }));
    this.#say(peer, { kind: 'route-heads', answer: true, heads });
  }

  /** A ghost of the same cluster, which wants everything, and says to be the heir of `victim`. */
  #invent({ node, cluster }: { readonly node: NodeId; readonly cluster: string }): void {
    if (this.#ghosts.size >= GHOSTS_MAX) return;
    const keys = this.#ports.makeKeys(`${this.node}-ghost${this.#ghosts.size}`);
    const { incarnation } = this;
    const record = {
      federation: this.#federation,
      cluster,
      node: keys.node,
      incarnation,
      addresses: [],
      http: '',
      labels: {},
      version: 'ghost',
    };
    this.#records.set(keys.node, signMember(keys, record));
    const interests = new InterestSet();
    for (const filter of ['#', heirFilter(node)]) interests.set({ filter, group: '', durable: true });
    const { proof } = signDelta(keys, incarnation, 1, interests, []);
    this.#ghosts.set(keys.node, { proof, interests });
  }

  /** What is asked of a ghost, it gives truly. */
  #answerForGhost(peer: NodeId, message: LinkMessage): boolean {
    if (message.kind !== 'route-pull' && message.kind !== 'route-bucket-pull') return false;
    const ghost = this.#ghosts.get(message.node);
    if (!ghost) return false;
    const { proof, interests } = ghost;
    const { node, incarnation, sequence } = proof;
    if (message.kind === 'route-pull')
      this.#say(peer, { kind: 'route-head', head: encodeHead(proof, interests) });
    else {
      const buckets = message.buckets.map((index) => ({ index, interests: interests.bucket(index) }));
      this.#say(peer, { kind: 'route-buckets', node, incarnation, sequence, buckets });
    }
    return true;
  }

  // ─────────────────────────────────────────────────────────── the rest

  #copyLies(peer: NodeId): void {
    const { chance } = this.#ports;
    const [incarnation, batch] = [this.#number(), this.#number()];
    const cursor = chance.is(0.5) ? COPY_COMPLETE : '';
    const hasPast = cursor === '' && batch % 2 === 0;
    const lies: readonly LinkMessage[] = [
      { kind: 'copy-open', incarnation },
      { kind: 'copy-ready', incarnation, batch, cursor, hasPast },
      { kind: 'copy-ack', incarnation, batch, cursor, hasPast },
      { kind: 'copy-start', incarnation, batch, nextBlock: batch },
      {
        kind: 'copy-batch',
        incarnation,
        batch,
        part: 0,
        last: true,
        nextBlock: batch,
        content: Buffer.from('evil'),
      },
      { kind: 'copy-range', incarnation, from: '', to: COPY_COMPLETE, content: Buffer.from('evil') },
      { kind: 'copy-drop' },
    ];
    this.#say(peer, chance.pick(lies));
  }

  /** Now and then: a link that falls all the time lies less. */
  #parting(peer: NodeId): void {
    const { chance, network } = this.#ports;
    const drawn = chance.next();
    if (drawn < 0.3) this.#garbage(peer);
    else if (drawn < 0.5) network.disconnect(this.node, peer);
  }

  /** Bytes that are no message, or nearly one. */
  #garbage(peer: NodeId): void {
    const { chance, network } = this.#ports;
    const bytes = Buffer.from(
      encodeMessage({ kind: 'ack', ...this.#lane(), upTo: this.#position(), credit: 1 }),
    );
    if (chance.is(0.5)) bytes[chance.below(bytes.length)] = chance.below(256);
    network.sendBytes(this.node, peer, chance.is(0.5), bytes.subarray(0, 1 + chance.below(bytes.length)));
  }

  #say(peer: NodeId, message: LinkMessage): void {
    this.#ports.network.sendBytes(this.node, peer, isData(message), encodeMessage(message));
  }

  #lane(): LaneName {
    const { chance } = this.#ports;
    return {
      scope: chance.is(0.5) ? 'cluster' : 'peer',
      lane: chance.is(0.8) ? chance.below(4) : chance.below(1_024),
    };
  }

  #laneOf({ scope, lane }: LaneName): LaneName {
    return { scope, lane };
  }

  #position(): Position {
    return { incarnation: this.#number(), sequence: this.#number() };
  }

  #number(): number {
    return this.#ports.chance.pick(NUMBERS);
  }
}
