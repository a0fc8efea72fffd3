// Which connection to each peer is its link. Wanted peers are dialled until a link stands; links that peers open are taken
// where the peer is allowed. Both may dial at once, so there can be two connections for a moment:
//
//   - A new hello replaces the link there was, for its sender would not have dialled had it still had that one (it
//     restarted, or gave the old connection up).
//   - Only where the mesher with the smaller id has itself spoken on another connection, and not been answered yet, it
//     keeps to that one and closes the other; the one with the larger id gives its own up for it. And that one dials a
//     little later, so that this is rare.

import type { Connection, Stream } from '@libp2p/interface';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { backoffMs } from '../core/backoff.ts';
import type { NodeId } from '../core/event.ts';
import type { ControlMessage, DataMessage, Hello, LinkMessage } from '../core/messages.ts';
import type { NetworkEvents, Random } from '../core/ports.ts';
import { Session, type SessionEvents, type SessionOptions } from './session.ts';

/** A link that stood this long was a good one: the next dial is quick again. */
const GOOD_LINK_MS = 5_000;
/** One attempt, all addresses together. */
const DIAL_TIMEOUT_MS = 10_000;
/** After a first failure, doubled with each further one. */
const DIAL_AGAIN_MS = 100;
const DIAL_AGAIN_MS_MAX = 5_000;
/** Head start of the mesher with the smaller id: a dial within a region is done by then. */
const HEAD_START_MS = 50;
/**
 * Data that waits for one link before the core is told to stop: durable events then wait in its queues, best-effort ones are
 * dropped (`slow-link`). One step of the core may bring some MB, so 256 KiB dropped half of what the link was about to take;
 * but with hundreds of links that is what there is memory for.
 */
const FULL_BYTES_MAX = 4 * 1024 * 1024;
const FULL_BYTES_MIN = 256 * 1024;
/** For all links together, as long as each has `FULL_BYTES_MIN`. */
const ALL_FULL_BYTES = 64 * 1024 * 1024;
/** As in the configuration: names that can stand in a topic, a file name and a metric. */
const CLUSTER = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export interface LinksOptions extends Omit<SessionOptions, 'fullBytes'> {
  readonly node: NodeId;
  readonly federation: string;
}

export interface LinksPorts {
  dial(addresses: Multiaddr[], signal: AbortSignal): Promise<Connection>;
  readonly random: Random;
  readonly events: NetworkEvents;
  /** The connection of a link that came up, and of one that fell: gossip goes with it. */
  linkUp(peer: NodeId, connection: Connection): void;
  linkDown(peer: NodeId): void;
}

/** A peer that is wanted, or has a link. */
interface Peer {
  readonly id: NodeId;
  /** Undefined: not wanted; its own dials are taken all the same. */
  addresses: readonly Multiaddr[] | undefined;
  /** The connection that is, or is to be, the link. */
  session: Session | undefined;
  dial: AbortController | undefined;
  timer: NodeJS.Timeout | undefined;
  failures: number;
  upSince: number;
}

export class Links {
  readonly #options: LinksOptions;
  readonly #ports: LinksPorts;
  readonly #peers = new Map<NodeId, Peer>();
  readonly #sessions = new Map<Connection, Session>();
  readonly #sessionOptions: SessionOptions;
  readonly #sessionEvents: SessionEvents;
  #allowed: ReadonlySet<NodeId> = new Set();
  #stopped = false;

  constructor(options: LinksOptions, ports: LinksPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#sessionOptions = { ...options, fullBytes: () => this.#fullBytes() };
    this.#sessionEvents = {
      hello: (session, hello) => this.#onHello(session, hello),
      up: (session, hello) => this.#onUp(session, hello),
      messages: (session, messages) => this.#onMessages(session, messages),
      drained: (session) => this.#ports.events.drained(peerOf(session)),
      refused: (session, reason) => this.#ports.events.refused(peerOf(session), reason),
      closed: (session, reason, wasUp) => this.#onClosed(session, reason, wasUp),
    };
  }

  isAllowed(peer: NodeId): boolean {
    return this.#allowed.has(peer);
  }

  allow(peers: ReadonlySet<NodeId>): void {
    const before = this.#allowed;
    this.#allowed = peers;
    for (const session of this.#sessions.values()) {
      if (!peers.has(peerOf(session))) session.close('the peer is no member any more');
    }
    for (const peer of this.#peers.values()) {
      if (peer.dial && !peers.has(peer.id)) peer.dial.abort();
      else if (!before.has(peer.id)) this.#dialAfter(peer, 0);
    }
  }

  connect(id: NodeId, addresses: readonly string[]): void {
    if (id === this.#options.node) return;
    const peer = this.#peer(id);
    const parsed = this.#parse(id, addresses);
    if (peer.addresses && String(peer.addresses) === String(parsed)) return; // said again: its next dial is due
    peer.addresses = parsed;
    peer.failures = 0;
    this.#dialAfter(peer, this.#decides(id) ? 0 : HEAD_START_MS);
  }

  disconnect(id: NodeId): void {
    const peer = this.#peers.get(id);
    if (!peer) return;
    peer.addresses = undefined;
    clearTimeout(peer.timer);
    peer.timer = undefined;
    peer.dial?.abort();
    // All of its connections: one that is not the link yet may hang on the transport that died.
    for (const session of this.#sessions.values()) if (peerOf(session) === id) session.close('disconnected');
    this.#forgetIfIdle(peer);
  }

  sendControl(id: NodeId, message: ControlMessage): void {
    this.#peers.get(id)?.session?.sendControl(message);
  }

  sendData(id: NodeId, message: DataMessage): boolean {
    return this.#peers.get(id)?.session?.sendData(message) ?? true;
  }

  /** Of a link that is up. */
  connectionTo(id: NodeId): Connection | undefined {
    const session = this.#peers.get(id)?.session;
    return session?.state === 'up' ? session.connection : undefined;
  }

  takeControl(stream: Stream, connection: Connection): void {
    this.#sessionFor(connection)?.takeControl(stream);
  }

  takeData(stream: Stream, connection: Connection): void {
    this.#sessionFor(connection)?.takeData(stream);
  }

  /** What waits is handed to the streams; the host closes the connections when they have taken it. */
  stop(): void {
    this.#stopped = true;
    for (const peer of this.#peers.values()) {
      clearTimeout(peer.timer);
      peer.dial?.abort();
    }
    for (const session of this.#sessions.values()) session.end();
    this.#peers.clear();
    this.#sessions.clear();
  }

  #onHello(session: Session, hello: Hello): void {
    const id = peerOf(session);
    if (hello.federation !== this.#options.federation) return session.refuse('wrong-federation');
    if (!CLUSTER.test(hello.cluster)) return session.refuse('bad-cluster');
    if (hello.incarnation < 1) return session.refuse('bad-incarnation');
    const peer = this.#peer(id);
    const current = peer.session;
    if (current && current !== session) {
      if (this.#decides(id) && current.state === 'opening' && current.spokeFirst) {
        session.close('the other side has spoken on another connection');
        return;
      }
      peer.session = undefined; // so that its end is not taken for the end of the link to come
      this.#end(peer, current, 'the peer began anew');
    }
    peer.session = session;
    peer.dial?.abort();
    session.open();
  }

  #onUp(session: Session, hello: Hello): void {
    const peer = this.#peer(peerOf(session));
    peer.upSince = performance.now();
    clearTimeout(peer.timer);
    peer.timer = undefined;
    this.#ports.linkUp(peer.id, session.connection);
    const { cluster, incarnation } = hello;
    this.#ports.events.linkUp(peer.id, { cluster, incarnation, version: session.version });
  }

  #onMessages(session: Session, messages: readonly LinkMessage[]): void {
    this.#ports.events.messages(peerOf(session), messages);
  }

  #onClosed(session: Session, reason: string, wasUp: boolean): void {
    this.#sessions.delete(session.connection);
    const peer = this.#peers.get(peerOf(session));
    if (wasUp) this.#tellDown(peerOf(session), reason);
    if (!peer || peer.session !== session) return;
    peer.session = undefined;
    if (wasUp && performance.now() - peer.upSince >= GOOD_LINK_MS) peer.failures = 0;
    this.#dialAgain(peer);
    this.#forgetIfIdle(peer);
  }

  #end(peer: Peer, session: Session, reason: string): void {
    session.close(reason);
    peer.failures = 0;
  }

  /** Later in this turn: the core may be the one who closes, and is not called while it calls. */
  #tellDown(id: NodeId, reason: string): void {
    this.#ports.linkDown(id);
    queueMicrotask(() => {
      if (!this.#stopped) this.#ports.events.linkDown(id, reason);
    });
  }

  #dialAgain(peer: Peer): void {
    const { random } = this.#ports;
    this.#dialAfter(peer, backoffMs(peer.failures++, DIAL_AGAIN_MS, DIAL_AGAIN_MS_MAX, random));
  }

  #dialAfter(peer: Peer, delayMs: number): void {
    if (this.#stopped || !peer.addresses || peer.session || peer.dial || !this.#allowed.has(peer.id)) return;
    clearTimeout(peer.timer);
    peer.timer = setTimeout(() => void this.#dial(peer), delayMs);
  }

  async #dial(peer: Peer): Promise<void> {
    peer.timer = undefined;
    if (!peer.addresses || peer.session || peer.dial) return;
    const dial = new AbortController();
    peer.dial = dial;
    try {
      const signal = AbortSignal.any([dial.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]);
      const connection = await this.#ports.dial([...peer.addresses], signal);
      peer.dial = undefined;
      this.#useDialled(peer, connection);
    } catch {
      // Unreachable, refused, or given up: all that can be done is to try again.
      peer.dial = undefined;
      this.#dialAgain(peer);
    }
  }

  #useDialled(peer: Peer, connection: Connection): void {
    const wanted =
      !this.#stopped && peer.addresses && this.#allowed.has(peer.id) && this.#peers.get(peer.id) === peer;
    // libp2p gives back a connection that stands already, which may be the link by now.
    if (peer.session?.connection === connection) return;
    if (!wanted || peer.session) return connection.abort(new Error('not needed any more'));
    const session = this.#sessionFor(connection);
    if (!session) return;
    peer.session = session;
    session.open();
  }

  #sessionFor(connection: Connection): Session | undefined {
    const known = this.#sessions.get(connection);
    if (known) return known;
    const id = connection.remotePeer.toString();
    if (this.#stopped || !this.#allowed.has(id)) {
      connection.abort(new Error('not allowed'));
      return undefined;
    }
    const session = new Session(connection, this.#sessionOptions, this.#sessionEvents);
    this.#sessions.set(connection, session);
    return session;
  }

  #fullBytes(): number {
    return Math.max(FULL_BYTES_MIN, Math.min(FULL_BYTES_MAX, ALL_FULL_BYTES / this.#sessions.size));
  }

  /** The mesher with the smaller id. */
  #decides(other: NodeId): boolean {
    return this.#options.node < other;
  }

  #peer(id: NodeId): Peer {
    let peer = this.#peers.get(id);
    if (!peer) {
      peer = {
        id,
        addresses: undefined,
        session: undefined,
        dial: undefined,
        timer: undefined,
        failures: 0,
        upSince: 0,
      };
      this.#peers.set(id, peer);
    }
    return peer;
  }

  #forgetIfIdle(peer: Peer): void {
    if (!peer.addresses && !peer.session && this.#peers.get(peer.id) === peer) this.#peers.delete(peer.id);
  }

  #parse(id: NodeId, addresses: readonly string[]): Multiaddr[] {
    const parsed: Multiaddr[] = [];
    for (const address of addresses) {
      try {
        parsed.push(multiaddr(`${address}/p2p/${id}`));
      } catch {
        // One of a member's addresses; the others may be good.
        queueMicrotask(() => this.#ports.events.refused(id, 'bad-address'));
      }
    }
    return parsed;
  }
}

function peerOf(session: Session): NodeId {
  return session.connection.remotePeer.toString();
}
