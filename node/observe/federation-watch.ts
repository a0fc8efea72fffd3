// Gathers what all members say of themselves, while somebody watches: each that is linked is asked every two seconds, some at a time,
// and nobody waits for one that is slow. Watchers get the same text, made once. When nobody has looked for half a minute, nothing is asked.

import type { NodeId } from '../core/event.ts';
import type { Alarm, Overview } from '../core/overview.ts';
import type { Clock } from '../core/ports.ts';
import type { FederationView, LinkView } from '../core/views.ts';
import { AlarmMemory, findAlarms } from './alarms.ts';
import {
  ASKING_MAX,
  FIRST_WAIT_MS,
  LINGER_MS,
  OVERVIEW_ALARMS_MAX,
  REPORT_STALE_MS,
  ROUND_MS,
  UNUSABLE_PAUSE_MS,
} from './bounds.ts';
import { compose, type Heard } from './compose.ts';
import { UnusableAnswer } from './questions.ts';
import type { MesherReport } from './report.ts';

export interface FederationWatchPorts {
  readonly clock: Clock;
  /** A whole number that nobody else knows. */
  readonly secret: number;
  /** Throws `not-ready`, as `own` does. */
  federation(): FederationView;
  /** Undefined: there never was one. */
  linkTo(node: NodeId): Pick<LinkView, 'state' | 'reason' | 'sinceMs'> | undefined;
  /** Wall clock, ms, of the last change of its status; undefined: not known. */
  statusSince(node: NodeId): number | undefined;
  own(): MesherReport;
  /** Rejects with one sentence for people. */
  ask(node: NodeId): Promise<MesherReport>;
  /** A round could not be shown: what was thrown. The next one is made all the same. */
  fault(error: unknown): void;
}

/** One peer, as far as it was asked. Times are monotonic, ms. */
interface Peer {
  asking: boolean;
  askedAt: number;
  /** Not before. */
  pausedUntil: number;
  report: MesherReport | undefined;
  reportAt: number;
  /** Of the last answer that was none; '' where it was one. */
  why: string;
}

/** Watchers get what has come so long after a round began: mostly all of it. */
const SHOWN_AFTER_MS = 500;

export class FederationWatch {
  readonly #ports: FederationWatchPorts;
  readonly #peers = new Map<NodeId, Peer>();
  readonly #alarms = new AlarmMemory();
  readonly #watchers = new Set<(json: string) => void>();
  #active = 0;
  /** Those of this round that are still to be asked. */
  #due: NodeId[] = [];
  #timer: NodeJS.Timeout | undefined;
  #lookedAt = -Infinity;
  /** Told when nobody of this round is being asked any more. */
  readonly #whenAsked = new Set<() => void>();
  #stopped = false;

  constructor(ports: FederationWatchPorts) {
    this.#ports = ports;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /** Throws `not-ready`. */
  async overview(): Promise<Overview> {
    this.#ports.federation();
    const before = this.#timer !== undefined;
    this.#look();
    if (!before) await this.#asked(FIRST_WAIT_MS);
    return this.#compose();
  }

  /** The first text comes as soon as members have answered. Returns what ends it. Throws `not-ready`. */
  watch(shown: (json: string) => void): () => void {
    this.#ports.federation();
    this.#watchers.add(shown);
    const isFirst = this.#timer === undefined;
    this.#look();
    // others are shown already: it need not wait for the next round
    if (!isFirst) setImmediate(() => this.#watchers.has(shown) && this.#show([shown]));
    return () => void this.#watchers.delete(shown);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#watchers.clear();
  }

  /** Somebody looks: rounds are made for a while. */
  #look(): void {
    this.#lookedAt = this.#ports.clock.monotonic();
    if (this.#timer === undefined && !this.#stopped) this.#round();
  }

  #round(): void {
    const { clock } = this.#ports;
    const now = clock.monotonic();
    if (this.#stopped || (this.#watchers.size === 0 && now - this.#lookedAt > LINGER_MS)) {
      this.#timer = undefined;
      this.#peers.clear();
      return;
    }
    this.#timer = setTimeout(() => this.#round(), ROUND_MS);
    this.#timer.unref();
    try {
      this.#due = this.#toAsk(now);
      this.#askNext();
    } catch (error) {
      this.#ports.fault(error);
      return;
    }
    void this.#asked(SHOWN_AFTER_MS).then(() => this.#show(this.#watchers));
  }

  /** Those asked longest ago first. */
  #toAsk(now: number): NodeId[] {
    const { self, members } = this.#ports.federation();
    const known = new Set(members.map(({ node }) => node));
    for (const node of this.#peers.keys()) if (!known.has(node)) this.#peers.delete(node);
    const due: Peer[] = [];
    const nodes = new Map<Peer, NodeId>();
    for (const { node } of members) {
      if (node === self.node || this.#ports.linkTo(node)?.state !== 'up') continue;
      const peer = this.#peers.get(node) ?? newPeer();
      this.#peers.set(node, peer);
      if (peer.asking || now < peer.pausedUntil) continue;
      nodes.set(peer, node);
      due.push(peer);
    }
    return due.sort((a, b) => a.askedAt - b.askedAt).flatMap((peer) => nodes.get(peer) ?? []);
  }

  #askNext(): void {
    while (this.#active < ASKING_MAX) {
      const node = this.#due.shift();
      const peer = node === undefined ? undefined : this.#peers.get(node);
      if (node === undefined) break;
      if (peer) void this.#ask(node, peer);
    }
    if (this.#active === 0) for (const told of this.#whenAsked) told();
  }

  async #ask(node: NodeId, peer: Peer): Promise<void> {
    const { clock } = this.#ports;
    this.#active++;
    peer.asking = true;
    peer.askedAt = clock.monotonic();
    try {
      peer.report = await this.#ports.ask(node);
      peer.reportAt = clock.monotonic();
      peer.why = '';
    } catch (error) {
      peer.report = undefined;
      peer.why = error instanceof Error ? error.message : String(error);
      if (error instanceof UnusableAnswer) peer.pausedUntil = clock.monotonic() + UNUSABLE_PAUSE_MS;
    }
    peer.asking = false;
    this.#active--;
    this.#askNext();
  }

  /** Resolves when all that was asked has been answered, or not, and after `ms` at the latest. Leaves nothing behind. */
  #asked(ms: number): Promise<void> {
    if (this.#active === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#whenAsked.delete(end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      timer.unref();
      this.#whenAsked.add(end);
    });
  }

  #show(watchers: Iterable<(json: string) => void>): void {
    const shown = [...watchers];
    if (shown.length === 0 || this.#stopped) return;
    try {
      const json = JSON.stringify(this.#compose());
      for (const show of shown) show(json);
    } catch (error) {
      this.#ports.fault(error);
    }
  }

  #compose(): Overview {
    const { clock, secret } = this.#ports;
    const at = clock.wall();
    const view = this.#ports.federation();
    const { reports, ...composed } = compose(view, (node) => this.#heard(node, view, at), at, secret);
    const statusSince = new Map<NodeId, number>();
    for (const { node } of view.members) {
      const since = this.#ports.statusSince(node);
      if (since !== undefined) statusSince.set(node, since);
    }
    const found = findAlarms({ overview: composed, reports, statusSince });
    const alarms: Alarm[] = this.#alarms.date(found, at);
    const cut =
      alarms.length > OVERVIEW_ALARMS_MAX ? { ...composed.cut, alarms: alarms.length } : composed.cut;
    return { ...composed, alarms: alarms.slice(0, OVERVIEW_ALARMS_MAX), cut };
  }

  #heard(node: NodeId, { self }: FederationView, at: number): Heard {
    if (node === self.node) return { report: this.#ports.own() };
    const link = this.#ports.linkTo(node);
    if (!link) return { silent: 'there was no link to it since this mesher started' };
    if (link.state === 'down') {
      const since = new Date(at - link.sinceMs).toISOString().slice(0, 19).replace('T', ' ');
      return { silent: `there is no link to it since ${since} UTC: ${link.reason}` };
    }
    const peer = this.#peers.get(node);
    if (!peer) return { silent: 'it was not asked yet' };
    if (peer.why !== '') return { silent: peer.why };
    if (!peer.report) return { silent: 'it was asked, and has not answered yet' };
    const ageMs = this.#ports.clock.monotonic() - peer.reportAt;
    if (ageMs > REPORT_STALE_MS) return { silent: `it has not answered for ${Math.round(ageMs / 1000)} s` };
    return { report: peer.report };
  }
}

function newPeer(): Peer {
  return {
    asking: false,
    askedAt: -Infinity,
    pausedUntil: -Infinity,
    report: undefined,
    reportAt: -Infinity,
    why: '',
  };
}
