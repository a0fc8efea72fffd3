// Who belongs to the federation, and who of them is there. Two signals: the registry's list (a lease) and the link.
// The list alone makes a *suspect*, both together, past a grace, make a *dead* one; the registry's silence makes
// nobody anything. What is known is kept in the journal, so a restart needs no registry.

import type { Counters } from './counters.ts';
import type { NodeId } from './event.ts';
import type { Limits } from './limits.ts';
import type { MemberRefusal } from './metric-catalogue.ts';
import type { Keys, MemberList, MemberRecord, Random } from './ports.ts';
import type { Emit, Now } from './steps.ts';
import type { Timing } from './timing.ts';
import type { MemberStatus } from './views.ts';

export interface Member {
  record: MemberRecord;
  /** In the registry's last list. Recovered members count as listed until a list says otherwise. */
  listed: boolean;
  linked: boolean;
  /** Monotonic ms of the last change of `listed` or `linked`. */
  changedAt: number;
  status: MemberStatus;
}

export interface MembershipOptions {
  readonly keys: Keys;
  readonly federation: string;
  readonly limits: Limits;
  readonly timing: Timing;
  readonly random: Random;
  readonly counters: Counters;
}

/** What membership tells the rest of the core. */
export interface MembershipEvents {
  /** New, changed or known again: keep it. */
  remember(record: MemberRecord): void;
  /** Already out of `all()`. */
  forget(record: MemberRecord): void;
  /** Whether it has an heir: what is registered under its name is of the past. */
  isReplaced(node: NodeId): boolean;
  statusChanged(): void;
}

/** The signed bytes of a member record: its fields in one fixed order. */
export function memberBytes(record: Omit<MemberRecord, 'signature'>): Uint8Array {
  const labels = Object.entries(record.labels).sort(([a], [b]) => (a < b ? -1 : 1));
  const { federation, cluster, node, incarnation, addresses, http, version } = record;
  return Buffer.from(
    JSON.stringify([federation, cluster, node, incarnation, addresses, http, version, labels]),
  );
}

export function signMember(keys: Keys, record: Omit<MemberRecord, 'signature'>): MemberRecord {
  return { ...record, signature: Buffer.from(keys.sign(memberBytes(record))).toString('base64url') };
}

/**
 * The incarnation of a start. Always above `persisted`, the last one used (0: none), as far as this disk knows; where it was put back
 * to a backup it knows too little, and others would take what is new for what they had. So it is above all that the registry's
 * `revision` ever gave, and not below the time of day, which no start before had reached unless its clock was ahead.
 * `revision` undefined: the registry did not answer. `wallMs`: Unix time.
 */
export function chooseIncarnation(persisted: number, revision: number | undefined, wallMs: number): number {
  return Math.max(persisted + 1, (revision ?? 0) * 65_536, wallMs);
}

/**
 * A replica that lags gives lists older than one seen before, for a moment. So many in a row, each at least
 * `registryPauseMs` after the other, mean that the registry lost its data and counts anew.
 */
const STALE_LISTS_MAX = 10;

export class Membership {
  readonly #options: MembershipOptions;
  readonly #self: MemberRecord;
  readonly #events: MembershipEvents;
  readonly #emit: Emit;
  readonly #members = new Map<NodeId, Member>();
  readonly #clusterSizes = new Map<string, number>();
  /** Goes up with every change of who is known, of which cluster, and with which status. */
  changes = 0;
  #revision = 0;
  #staleLists = 0;
  #registry: 'up' | 'down' | 'never-reached' = 'never-reached';
  #registrySince = 0;
  #joined = false;
  #listAt = 0;
  #listedAt = -Infinity;
  #registeredAt = -Infinity;

  constructor(options: MembershipOptions, self: MemberRecord, events: MembershipEvents, emit: Emit) {
    this.#options = options;
    this.#self = self;
    this.#events = events;
    this.#emit = emit;
  }

  get registry(): { state: 'up' | 'down' | 'never-reached'; revision: number; since: number } {
    return { state: this.#registry, revision: this.#revision, since: this.#registrySince };
  }

  /** The registry's list has held our own record, as it is. */
  get joined(): boolean {
    return this.#joined;
  }

  get(node: NodeId): Member | undefined {
    return this.#members.get(node);
  }

  all(): IterableIterator<Member> {
    return this.#members.values();
  }

  clusterOf(node: NodeId): string | undefined {
    return this.#members.get(node)?.record.cluster;
  }

  #countCluster(cluster: string, by: 1 | -1): void {
    const size = this.clusterSize(cluster) + by;
    if (size > 0) this.#clusterSizes.set(cluster, size);
    else this.#clusterSizes.delete(cluster);
  }

  /** Meshers known of a cluster, whatever their status; our own cluster without us. */
  clusterSize(cluster: string): number {
    return this.#clusterSizes.get(cluster) ?? 0;
  }

  recover(records: readonly MemberRecord[], now: Now): void {
    for (const record of records) {
      if (record.node !== this.#self.node) this.#take(record, now, false);
    }
    this.#allow();
  }

  /** Everything registered at one revision. An older one than seen before is a stale read, and asked for again. */
  takeList(list: MemberList, now: Now): void {
    this.#setRegistry('up', now);
    if (list.revision < this.#revision && this.#staleLists < STALE_LISTS_MAX) {
      this.#staleLists++;
      this.#options.counters.add('members_refused_total', 1, 'stale-list');
      this.hint();
      return;
    }
    this.#staleLists = 0;
    this.#revision = list.revision;
    const listed = new Set<NodeId>();
    let self: MemberRecord | undefined;
    for (const record of list.members) {
      if (record.node === this.#self.node) self = record;
      else if (this.#valid(record)) {
        listed.add(record.node);
        this.#take(record, now, true);
      }
    }
    for (const member of this.#members.values()) {
      if (member.listed && !listed.has(member.record.node)) this.#setSignal(member, 'listed', false, now);
    }
    if (self?.signature === this.#self.signature) this.#joined = true;
    else this.#register(now);
    this.#allow();
  }

  #valid(record: MemberRecord): boolean {
    const { counters, federation, keys, limits } = this.#options;
    let reason: MemberRefusal | undefined;
    if (record.federation !== federation) reason = 'other-federation';
    else if (this.#events.isReplaced(record.node)) reason = 'has-an-heir';
    else if (!keys.verify(record.node, memberBytes(record), Buffer.from(record.signature, 'base64url')))
      reason = 'bad-signature';
    else if (record.incarnation < (this.#members.get(record.node)?.record.incarnation ?? 0))
      reason = 'old-incarnation';
    else if (!this.#members.has(record.node) && this.#members.size >= limits.membersMax)
      reason = 'too-many-members';
    if (reason !== undefined) counters.add('members_refused_total', 1, reason);
    return reason === undefined;
  }

  #take(record: MemberRecord, now: Now, fresh: boolean): void {
    const known = this.#members.get(record.node);
    if (!known) {
      const member: Member = {
        record,
        listed: true,
        linked: false,
        changedAt: now.monotonic,
        status: 'alive',
      };
      this.#members.set(record.node, member);
      this.#countCluster(record.cluster, 1);
      this.changes++;
      if (fresh) this.#events.remember(record);
      this.#emit({ kind: 'connect', peer: record.node, addresses: record.addresses });
      this.#events.statusChanged();
      return;
    }
    if (known.record.signature !== record.signature) {
      this.#countCluster(known.record.cluster, -1);
      this.#countCluster(record.cluster, 1);
      known.record = record;
      this.changes++;
      this.#events.remember(record);
      this.#emit({ kind: 'connect', peer: record.node, addresses: record.addresses });
    }
    if (!known.listed) this.#setSignal(known, 'listed', true, now);
  }

  registryState(state: 'up' | 'down', now: Now): void {
    this.#setRegistry(state, now);
  }

  #setRegistry(state: 'up' | 'down', now: Now): void {
    if (this.#registry === state) return;
    this.#registry = state;
    this.#registrySince = now.monotonic;
  }

  hint(): void {
    this.#listAt = 0;
  }

  linkUp(node: NodeId, now: Now): void {
    const member = this.#members.get(node);
    if (member && !member.linked) this.#setSignal(member, 'linked', true, now);
  }

  linkDown(node: NodeId, now: Now): void {
    const member = this.#members.get(node);
    if (member?.linked) this.#setSignal(member, 'linked', false, now);
  }

  #setSignal(member: Member, signal: 'listed' | 'linked', value: boolean, now: Now): void {
    member[signal] = value;
    member.changedAt = now.monotonic;
    if (member.status === 'dead')
      this.#emit({ kind: 'connect', peer: member.record.node, addresses: member.record.addresses });
    member.status = member.listed ? 'alive' : 'suspect';
    this.changes++;
    this.#events.statusChanged();
  }

  tick(now: Now): void {
    const { timing, random } = this.#options;
    if (now.monotonic >= this.#listAt && now.monotonic - this.#listedAt >= timing.registryPauseMs) {
      this.#listedAt = now.monotonic;
      this.#listAt = now.monotonic + timing.relistEveryMs * (1 + random());
      this.#emit({ kind: 'list-members' });
    }
    for (const member of this.#members.values()) {
      const quiet = now.monotonic - member.changedAt;
      if (member.status === 'suspect' && !member.linked && quiet > timing.deadAfterMs) {
        member.status = 'dead';
        this.changes++;
        this.#emit({ kind: 'disconnect', peer: member.record.node });
        this.#events.statusChanged();
      } else if (member.status === 'dead' && quiet > timing.forgetAfterMs) {
        this.#members.delete(member.record.node);
        this.changes++;
        this.#countCluster(member.record.cluster, -1);
        this.#events.forget(member.record);
        this.#allow();
      }
    }
  }

  /** It has an heir. What is kept for it is kept, and lands there. */
  replaced(node: NodeId): void {
    const member = this.#members.get(node);
    if (!member) return;
    this.#members.delete(node);
    this.changes++;
    this.#countCluster(member.record.cluster, -1);
    this.#emit({ kind: 'disconnect', peer: node });
    this.#allow();
    this.#events.statusChanged();
  }

  #register(now: Now): void {
    if (now.monotonic - this.#registeredAt < this.#options.timing.registryPauseMs) {
      this.#listAt = 0;
      return;
    }
    this.#registeredAt = now.monotonic;
    this.#emit({ kind: 'register', record: this.#self });
    this.#listAt = 0;
  }

  #allow(): void {
    this.#emit({ kind: 'allow', peers: new Set(this.#members.keys()) });
  }
}
