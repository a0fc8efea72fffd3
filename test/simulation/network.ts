// Links between meshers as TCP and libp2p give them: per pair one link, per direction two ordered streams (control, data)
// of bytes. Streams neither reorder nor repeat; a link may die at any moment, and then loses any suffix of each stream
// independently, and each end notices at a time of its own. Gossip is a lossy, unordered, repeating broadcast.

import type { NodeId } from '../../node/core/event.ts';
import { KnownHeaders } from '../../node/core/event-record.ts';
import { type DataMessage, isData, type LinkMessage } from '../../node/core/messages.ts';
import type { Input } from '../../node/core/steps.ts';
import { speaks } from '../../node/core/wire-version.ts';
import { decodeMessage, encodeMessage } from '../../node/wire/link-messages.ts';
import { WireError } from '../../node/wire/wire-error.ts';
import type { Chance } from './chance.ts';
import type { Schedule } from './schedule.ts';

/** A mesher's process as the network sees it. */
export interface Host {
  readonly node: NodeId;
  readonly cluster: string;
  readonly running: boolean;
  /** Stopped by a signal: shakes no hands. */
  readonly frozen: boolean;
  readonly incarnation: number;
  /** The newest version that it speaks; it speaks all before. */
  readonly wireVersion: number;
  allows(peer: NodeId): boolean;
  input(input: Input): void;
}

export interface NetworkObserver {
  dataArrived(from: Host, to: Host, message: DataMessage): void;
  dataSent(from: Host, to: Host, message: DataMessage): void;
}

interface Packet {
  readonly bytes: Uint8Array;
  readonly arrival: number;
}

interface Stream {
  readonly queue: Packet[];
  /** What its reader remembers from message to message. */
  readonly known: KnownHeaders;
  lastArrival: number;
  bytes: number;
  full: boolean;
}

interface End {
  readonly host: Host;
  /** Believes that the link stands. */
  alive: boolean;
  /** Has heard the other's hello: its mesher was told of the link. */
  greeted: boolean;
  readonly control: Stream;
  readonly data: Stream;
}

interface Link {
  readonly ends: readonly [End, End];
  /** What both ends speak. */
  readonly version: number;
  dead: boolean;
}

const STREAM_BYTES_MAX = 16 * 1024;
/** A handshake that takes longer is given up. */
const HELLO_TIMEOUT_MS = 3_000;
const REDIAL_MS = [50, 1_500] as const;

export class SimNetwork {
  readonly #schedule: Schedule;
  readonly #chance: Chance;
  readonly #hosts: ReadonlyMap<NodeId, Host>;
  readonly #observer: NetworkObserver;
  readonly #federation: string;
  readonly #links = new Map<string, Link>();
  readonly #wanted = new Map<NodeId, Set<NodeId>>();
  readonly #dialling = new Set<string>();
  readonly #latencies = new Map<string, number>();
  /** Directions that let nothing through, with how many faults say so. */
  readonly #cuts = new Map<string, number>();
  /** What was gossiped last: forgers start from it. */
  lastGossip: Uint8Array | undefined;
  /** Share of gossip messages lost on each hop. */
  gossipLoss = 0.02;
  /** Factor on latencies while the network is slow. */
  slowness = 1;

  constructor(
    schedule: Schedule,
    chance: Chance,
    federation: string,
    hosts: ReadonlyMap<NodeId, Host>,
    observer: NetworkObserver,
  ) {
    this.#schedule = schedule;
    this.#chance = chance;
    this.#federation = federation;
    this.#hosts = hosts;
    this.#observer = observer;
  }

  // ─────────────────────────────────────────────────────────── faults

  isCut(from: NodeId, to: NodeId): boolean {
    return (this.#cuts.get(`${from}>${to}`) ?? 0) > 0;
  }

  cut(from: NodeId, to: NodeId): void {
    const way = `${from}>${to}`;
    this.#cuts.set(way, (this.#cuts.get(way) ?? 0) + 1);
  }

  /** What waited in the streams arrives after a retransmission, if its link still stands. */
  heal(from: NodeId, to: NodeId): void {
    const way = `${from}>${to}`;
    this.#cuts.set(way, Math.max(0, (this.#cuts.get(way) ?? 0) - 1));
    const link = this.#links.get(pairOf(from, to));
    if (!link || this.isCut(from, to)) return;
    this.#schedule.after(this.#chance.between(10, 800), () => {
      const [sender] = this.#endsOf(link, from);
      this.#pump(link, sender, sender.control);
      this.#pump(link, sender, sender.data);
    });
  }

  healAll(): void {
    for (const [way, count] of this.#cuts) {
      if (count === 0) continue;
      this.#cuts.set(way, 1);
      const [from = '', to = ''] = way.split('>');
      this.heal(from, to);
    }
    this.slowness = 1;
    this.gossipLoss = 0.02;
  }

  pairs(): readonly (readonly [NodeId, NodeId])[] {
    return [...this.#links.values()].map(({ ends }) => [ends[0].host.node, ends[1].host.node] as const);
  }

  /** The link dies; each end notices by itself. */
  kill(a: NodeId, b: NodeId, reason: string): void {
    const link = this.#links.get(pairOf(a, b));
    if (link) this.#die(link, reason, () => this.#chance.skewed(0, 2_500));
  }

  // ─────────────────────────────────────────────────────────── what meshers do

  connect(from: NodeId, to: NodeId): void {
    let wanted = this.#wanted.get(from);
    if (!wanted) {
      wanted = new Set();
      this.#wanted.set(from, wanted);
    }
    wanted.add(to);
    this.#dial(from, to, this.#chance.between(1, 20));
  }

  disconnect(from: NodeId, to: NodeId): void {
    this.#wanted.get(from)?.delete(to);
    const link = this.#links.get(pairOf(from, to));
    if (!link) return;
    const [own] = this.#endsOf(link, from);
    this.#die(link, 'closed by the peer', (end) => (end === own ? 0 : this.#noticeMs(from, end.host.node)));
  }

  /** `silent`: no reset is sent, as after a power cut. */
  processDied(node: NodeId, silent: boolean): void {
    this.#wanted.delete(node);
    for (const link of this.#links.values()) {
      if (!link.ends.some((end) => end.host.node === node)) continue;
      const [own, other] = this.#endsOf(link, node);
      own.alive = false;
      this.#die(link, 'the peer is gone', () => (silent ? Infinity : this.#noticeMs(node, other.host.node)));
    }
  }

  send(from: NodeId, to: NodeId, message: LinkMessage): void {
    const link = this.#links.get(pairOf(from, to));
    if (!link) return;
    const [own, other] = this.#endsOf(link, from);
    if (!own.alive || !own.greeted) return;
    if (!speaks(link.version, message.kind)) return; // it was meant for the link before, of a newer version
    const stream = isData(message) ? own.data : own.control;
    if (isData(message)) this.#observer.dataSent(own.host, other.host, message);
    this.#push(link, own, stream, encodeMessage(message));
    if (stream === own.data && !stream.full && stream.bytes > STREAM_BYTES_MAX) {
      stream.full = true;
      own.host.input({ kind: 'full', peer: to });
    }
  }

  /** What no honest mesher would send: nobody is told of it before it arrives. */
  sendBytes(from: NodeId, to: NodeId, asData: boolean, bytes: Uint8Array): void {
    const link = this.#links.get(pairOf(from, to));
    if (!link) return;
    const [own] = this.#endsOf(link, from);
    if (own.alive && own.greeted) this.#push(link, own, asData ? own.data : own.control, bytes);
  }

  /** Straight to a mesher's core: for what no network would ever say. */
  tell(node: NodeId, input: Input): void {
    this.#hosts.get(node)?.input(input);
  }

  /** To everybody who can be reached over links, hop by hop. */
  gossip(from: NodeId, bytes: Uint8Array): void {
    this.lastGossip = bytes;
    const reached = new Set([from]);
    const edge: { node: NodeId; delay: number }[] = [{ node: from, delay: 0 }];
    for (let at = edge.shift(); at; at = edge.shift()) {
      for (const link of this.#links.values()) {
        if (link.dead || !link.ends.some((end) => end.host.node === at.node)) continue;
        const [, other] = this.#endsOf(link, at.node);
        const { node } = other.host;
        if (reached.has(node) || this.isCut(at.node, node) || this.#chance.is(this.gossipLoss)) continue;
        reached.add(node);
        const delay = at.delay + this.#latency(at.node, node) + this.#chance.skewed(0, 300);
        edge.push({ node, delay });
        const copies = this.#chance.is(0.05) ? 2 : 1;
        for (let i = 0; i < copies; i++) {
          this.#schedule.after(delay * (1 + i * this.#chance.next() * 4), () => {
            if (other.host.running) other.host.input({ kind: 'gossip', bytes });
          });
        }
      }
    }
  }

  /** Nothing is under way and every pair that can have a link has one. */
  get quiet(): boolean {
    for (const { ends } of this.#links.values()) {
      for (const end of ends)
        if (end.control.queue.length > 0 || end.data.queue.length > 0 || !end.greeted) return false;
    }
    return true;
  }

  isLinked(a: NodeId, b: NodeId): boolean {
    const link = this.#links.get(pairOf(a, b));
    return link !== undefined && !link.dead && link.ends.every((end) => end.alive && end.greeted);
  }

  // ─────────────────────────────────────────────────────────── dialling

  #dial(from: NodeId, to: NodeId, delay: number): void {
    const way = `${from}>${to}`;
    if (this.#dialling.has(way)) return;
    this.#dialling.add(way);
    this.#schedule.after(delay, () => {
      const roundTrip = this.#latency(from, to) + this.#latency(to, from);
      this.#schedule.after(roundTrip, () => {
        this.#dialling.delete(way);
        if (!this.#wants(from, to)) return;
        const failed = !this.#shakeHands(from, to);
        if (failed) this.#dial(from, to, this.#chance.between(...REDIAL_MS));
      });
    });
  }

  /** Wanted, and no link that `from` believes in. */
  #wants(from: NodeId, to: NodeId): boolean {
    const host = this.#hosts.get(from);
    if (!host?.running || !this.#wanted.get(from)?.has(to)) return false;
    const link = this.#links.get(pairOf(from, to));
    return !link || !this.#endsOf(link, from)[0].alive;
  }

  #shakeHands(from: NodeId, to: NodeId): boolean {
    const a = this.#hosts.get(from);
    const b = this.#hosts.get(to);
    if (!a?.running || !b?.running || b.frozen || this.isCut(from, to) || this.isCut(to, from)) return false;
    if (!b.allows(from)) {
      b.input({ kind: 'members-hint' }); // a stranger knocked
      return false;
    }
    if (!a.allows(to)) return false;
    const old = this.#links.get(pairOf(from, to));
    if (old) this.#die(old, 'replaced by a new link', () => 0);
    const version = Math.min(a.wireVersion, b.wireVersion);
    const link: Link = { ends: [newEnd(a), newEnd(b)], version, dead: false };
    this.#links.set(pairOf(from, to), link);
    for (const end of link.ends) {
      const { cluster, incarnation } = end.host;
      this.#push(
        link,
        end,
        end.control,
        encodeMessage({ kind: 'hello', federation: this.#federation, cluster, incarnation }),
      );
    }
    this.#schedule.after(HELLO_TIMEOUT_MS, () => {
      if (link.ends.some((end) => end.alive && !end.greeted)) this.#die(link, 'no hello', () => 0);
    });
    return true;
  }

  // ─────────────────────────────────────────────────────────── streams

  #push(link: Link, sender: End, stream: Stream, bytes: Uint8Array): void {
    if (link.dead) return; // into the void; this end has not noticed yet
    const [, receiver] = this.#endsOf(link, sender.host.node);
    const transit = this.#latency(sender.host.node, receiver.host.node) + bytes.length / 10_000;
    const arrival = Math.max(stream.lastArrival, this.#schedule.now + transit);
    stream.lastArrival = arrival;
    stream.queue.push({ bytes, arrival });
    stream.bytes += bytes.length;
    this.#schedule.at(arrival, () => this.#pump(link, sender, stream));
  }

  #pump(link: Link, sender: End, stream: Stream): void {
    const [, receiver] = this.#endsOf(link, sender.host.node);
    if (this.isCut(sender.host.node, receiver.host.node) || !receiver.alive) return;
    if (stream === sender.data && !receiver.greeted) return; // the hello is read first, and pumps this again
    for (
      let packet = stream.queue[0];
      packet && packet.arrival <= this.#schedule.now;
      packet = stream.queue[0]
    ) {
      stream.queue.shift();
      stream.bytes -= packet.bytes.length;
      const message = this.#read(packet.bytes, stream, stream === sender.data, link.version);
      if (!message || (message.kind === 'hello' && receiver.greeted)) {
        receiver.host.input({ kind: 'refused', reason: 'bad-value' });
        this.#die(link, 'refused: bad-value', () => 0);
        return;
      }
      if (message.kind !== 'hello') this.#arrive(sender, receiver, message);
      else {
        receiver.greeted = true;
        receiver.host.input({
          kind: 'link-up',
          peer: sender.host.node,
          cluster: message.cluster,
          incarnation: message.incarnation,
          version: link.version,
        });
        this.#pump(link, sender, sender.data);
      }
    }
    if (stream.full && stream.bytes < STREAM_BYTES_MAX / 2) {
      stream.full = false;
      if (sender.alive) sender.host.input({ kind: 'drained', peer: receiver.host.node });
    }
  }

  /** Undefined: what no session takes. */
  #read(bytes: Uint8Array, { known }: Stream, asData: boolean, version: number): LinkMessage | undefined {
    try {
      const message = decodeMessage(bytes, known, version);
      return isData(message) === asData ? message : undefined;
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      return undefined;
    }
  }

  #arrive(sender: End, receiver: End, message: LinkMessage): void {
    const peer = sender.host.node;
    if (isData(message)) this.#observer.dataArrived(sender.host, receiver.host, message);
    receiver.host.input({ kind: 'messages', peer, messages: [message] });
  }

  /** Each stream keeps a prefix of what is under way. An end that never notices stays until it is replaced. */
  #die(link: Link, reason: string, noticeMs: (end: End) => number): void {
    if (!link.dead) {
      link.dead = true;
      for (const end of link.ends) {
        for (const stream of [end.control, end.data])
          stream.queue.length = this.#chance.below(stream.queue.length + 1);
      }
    }
    for (const end of link.ends) {
      const after = noticeMs(end);
      if (!end.alive || after === Infinity) continue;
      if (after === 0) this.#notice(link, end, reason);
      else this.#schedule.after(after, () => this.#notice(link, end, reason));
    }
  }

  #notice(link: Link, end: End, reason: string): void {
    if (!end.alive) return;
    end.alive = false;
    const [, other] = this.#endsOf(link, end.host.node);
    if (end.host.running && end.greeted) end.host.input({ kind: 'link-down', peer: other.host.node, reason });
    if (!other.alive && this.#links.get(pairOf(end.host.node, other.host.node)) === link) {
      this.#links.delete(pairOf(end.host.node, other.host.node));
    }
    if (this.#wants(end.host.node, other.host.node))
      this.#dial(end.host.node, other.host.node, this.#chance.between(...REDIAL_MS));
  }

  #noticeMs(from: NodeId, to: NodeId): number {
    return this.isCut(from, to) ? Infinity : this.#latency(from, to) + 0.01;
  }

  #latency(from: NodeId, to: NodeId): number {
    const [a, b] = [this.#hosts.get(from)?.cluster ?? '', this.#hosts.get(to)?.cluster ?? ''];
    const pair = pairOf(a, b);
    let base = this.#latencies.get(pair);
    if (base === undefined) {
      base = a === b ? this.#chance.between(0.1, 1) : this.#chance.between(2, 80);
      this.#latencies.set(pair, base);
    }
    return base * this.slowness * (1 + this.#chance.next() / 4);
  }

  /** This node's end, then the other's. */
  #endsOf(link: Link, node: NodeId): readonly [End, End] {
    const [a, b] = link.ends;
    return a.host.node === node ? [a, b] : [b, a];
  }
}

function newEnd(host: Host): End {
  return { host, alive: true, greeted: false, control: newStream(), data: newStream() };
}

function newStream(): Stream {
  return { queue: [], known: new KnownHeaders(), lastArrival: 0, bytes: 0, full: false };
}

function pairOf(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
