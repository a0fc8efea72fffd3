// What is known of each link: up or down, since when and why, round trip, what went over it; and the probes that
// measure it and notice that it is dead though nobody said so.

import type { NodeId } from './event.ts';
import type { LinkMessage } from './messages.ts';
import type { Emit, Now } from './steps.ts';
import type { Timing } from './timing.ts';
import type { LinkView } from './views.ts';
import { speaks } from './wire-version.ts';

export interface Link {
  readonly peer: NodeId;
  cluster: string;
  /** What both ends speak (wire-version.ts). */
  version: number;
  up: boolean;
  reason: string;
  since: number;
  heardAt: number;
  pingAt: number;
  roundTripMs: number | undefined;
  /** The data stream takes no more for now. */
  full: boolean;
  sentEvents: number;
  receivedEvents: number;
  doubtfulEvents: number;
  sentBytes: number;
  receivedBytes: number;
}

/** Weight of a new round trip in the smoothed one, as in TCP (RFC 6298). */
const SMOOTHING = 1 / 8;

export class Links {
  readonly #timing: Timing;
  readonly #emit: Emit;
  readonly #links = new Map<NodeId, Link>();
  #linked: readonly NodeId[] = [];

  constructor(timing: Timing, emit: Emit) {
    this.#timing = timing;
    this.#emit = emit;
  }

  get(peer: NodeId): Link | undefined {
    return this.#links.get(peer);
  }

  /** The link is up, and of a version that has such messages. */
  speaks(peer: NodeId, kind: LinkMessage['kind']): boolean {
    const link = this.#links.get(peer);
    return link !== undefined && link.up && speaks(link.version, kind);
  }

  isUp(peer: NodeId): boolean {
    return this.#links.get(peer)?.up ?? false;
  }

  /** Peers whose link is up. */
  linked(): readonly NodeId[] {
    return this.#linked;
  }

  up(peer: NodeId, cluster: string, version: number, now: Now): void {
    let link = this.#links.get(peer);
    if (!link) {
      link = {
        peer,
        cluster,
        version,
        up: false,
        reason: '',
        since: 0,
        heardAt: 0,
        pingAt: 0,
        roundTripMs: undefined,
        full: false,
        sentEvents: 0,
        receivedEvents: 0,
        doubtfulEvents: 0,
        sentBytes: 0,
        receivedBytes: 0,
      };
      this.#links.set(peer, link);
    }
    Object.assign(link, {
      cluster,
      version,
      up: true,
      reason: '',
      since: now.monotonic,
      heardAt: now.monotonic,
      pingAt: 0,
      full: false,
    });
    this.#relist();
  }

  down(peer: NodeId, reason: string, now: Now): void {
    const link = this.#links.get(peer);
    if (!link?.up) return;
    Object.assign(link, { up: false, reason, since: now.monotonic, full: false });
    this.#relist();
  }

  forget(peer: NodeId): void {
    this.#links.delete(peer);
    this.#relist();
  }

  #relist(): void {
    this.#linked = [...this.#links.values()].filter((link) => link.up).map((link) => link.peer);
  }

  heard(peer: NodeId, now: Now): void {
    const link = this.#links.get(peer);
    if (link) link.heardAt = now.monotonic;
  }

  pong(peer: NodeId, sentAt: number, now: Now): void {
    const link = this.#links.get(peer);
    const measured = now.monotonic - sentAt;
    if (!link || measured < 0 || measured > this.#timing.linkSilenceMs * 2) return; // not one of our probes
    link.roundTripMs =
      link.roundTripMs === undefined ? measured : link.roundTripMs * (1 - SMOOTHING) + measured * SMOOTHING;
  }

  /** Probes what is due. A link that is silent for too long is dialled anew; the network says when it is down. */
  tick(now: Now, addressesOf: (peer: NodeId) => readonly string[]): void {
    for (const link of this.#links.values()) {
      if (!link.up) continue;
      if (now.monotonic - link.heardAt > this.#timing.linkSilenceMs) {
        link.heardAt = now.monotonic;
        this.#emit({ kind: 'disconnect', peer: link.peer });
        this.#emit({ kind: 'connect', peer: link.peer, addresses: addressesOf(link.peer) });
      } else if (now.monotonic >= link.pingAt) {
        link.pingAt = now.monotonic + this.#timing.pingEveryMs;
        this.#emit({ kind: 'control', peer: link.peer, message: { kind: 'ping', sentAt: now.monotonic } });
      }
    }
  }

  views(now: Now): LinkView[] {
    return [...this.#links.values()].map((link) => ({
      peer: link.peer,
      cluster: link.cluster,
      state: link.up ? 'up' : 'down',
      reason: link.reason,
      sinceMs: Math.round(now.monotonic - link.since),
      roundTripMs: link.roundTripMs,
      sentEvents: link.sentEvents,
      receivedEvents: link.receivedEvents,
      doubtfulEvents: link.doubtfulEvents,
      sentBytes: link.sentBytes,
      receivedBytes: link.receivedBytes,
    }));
  }
}
