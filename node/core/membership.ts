// Who belongs to the federation, and who of them is there. Two signals: the registry's list (a lease) and the link.
// The list alone makes a *suspect*, both together, past a grace, make a *dead* one; the registry's silence makes
// nobody anything. What is known is kept in the journal, so a restart needs no registry. Whoever was away before this mesher joined it
// knows by hearsay only (away.ts).

import { Hearsay, type MemberAway, memberText, readMember } from './away.ts';
import type { Counters } from './counters.ts';
import type { NodeId } from './event.ts';
import type { Limits } from './limits.ts';
import type { MembersAway } from './messages.ts';
import type { MemberRefusal } from './metric-catalogue.ts';
import type { Keys, KnownMember, MemberList, MemberRecord, Random } from './ports.ts';
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
  /** The registry never listed it here: who told of it first, and when, monotonic ms. */
  hearsay: { readonly from: NodeId; readonly since: number } | undefined;
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
  remember(record: KnownMember): void;
  /** Already out of `all()`. */
  forget(record: MemberRecord): void;
  /** Whether it has an heir: what is registered under its name is of the past. */
  isReplaced(node: NodeId): boolean;
  /** The registry lists no longer who was a member at first hand. */
  wentAway(members: readonly MemberRecord[]): void;
  /** The registry lists who was known by hearsay only. */
  admitted(node: NodeId): void;
  statusChanged(): void;
}

/** The signed bytes of a member record. */
export function memberBytes(record: Omit<MemberRecord, 'signature'>): Uint8Array {
  return Buffer.from(memberText(record));
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
  readonly #hearsay: Hearsay;
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
    this.#hearsay = new Hearsay(options.limits.membersMax);
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

  /** The registry has listed it, and so it may have links, and be an heir. */
  isAdmitted(node: NodeId): boolean {
    const member = this.#members.get(node);
    return member !== undefined && member.hearsay === undefined;
  }

  /** Who alone says that it is a member; undefined: the registry did, or nobody does. */
  heardFrom(node: NodeId): NodeId | undefined {
    return this.#members.get(node)?.hearsay?.from;
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

  recover(records: readonly KnownMember[], now: Now): void {
    for (const { heardFrom, ...record } of records) {
      if (record.node === this.#self.node) continue;
      if (heardFrom === undefined) this.#take(record, now, false);
      else this.#hear(record, heardFrom, now.monotonic, now.monotonic);
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
    const gone: MemberRecord[] = [];
    for (const member of this.#members.values()) {
      if (!member.listed || listed.has(member.record.node)) continue;
      this.#setSignal(member, 'listed', false, now);
      gone.push(member.record);
    }
    if (gone.length > 0) this.#events.wentAway(gone);
    if (self && this.#isOwn(self)) this.#joined = true;
    else this.#register(now);
    this.#allow();
  }

  /** As we signed it: a forged one may have the signature of the right one. */
  #isOwn(record: MemberRecord): boolean {
    return record.signature === this.#self.signature && memberText(record) === memberText(this.#self);
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
        hearsay: undefined,
      };
      this.#members.set(record.node, member);
      this.#hearsay.seen(record.node);
      this.#countCluster(record.cluster, 1);
      this.changes++;
      if (fresh) this.#events.remember(record);
      this.#emit({ kind: 'connect', peer: record.node, addresses: record.addresses });
      this.#events.statusChanged();
      return;
    }
    const { hearsay } = known;
    if (hearsay) {
      this.#hearsay.confirm(hearsay.from);
      known.hearsay = undefined;
    }
    const isOther = known.record.signature !== record.signature;
    if (isOther) this.#replaceRecord(known, record);
    if (isOther || hearsay) this.#events.remember(record);
    if (isOther) this.#emit({ kind: 'connect', peer: record.node, addresses: record.addresses });
    if (!known.listed) this.#setSignal(known, 'listed', true, now);
    if (hearsay) this.#events.admitted(record.node);
  }

  #replaceRecord(known: Member, record: MemberRecord): void {
    this.#countCluster(known.record.cluster, -1);
    this.#countCluster(record.cluster, 1);
    known.record = record;
    this.changes++;
  }

  // ─────────────────────────────────────────────────────────── who is away

  /** Members that the registry has listed, and does no longer. */
  away(now: Now): MemberAway[] {
    const away: MemberAway[] = [];
    for (const { record, listed, hearsay, changedAt } of this.#members.values())
      if (!listed && !hearsay) away.push({ record, awayMs: now.monotonic - changedAt });
    return away;
  }

  /** A peer says who is away. What is known here at first hand it cannot change. */
  takeAway(from: NodeId, { members }: MembersAway, now: Now): void {
    for (const { signed, signature, awayMs } of members) {
      const record = readMember(signed, signature);
      if (!record) this.#options.counters.add('members_refused_total', 1, 'malformed');
      else if (record.node !== this.#self.node) this.#takeOneAway(from, record, awayMs, now);
    }
  }

  /** Who says that it went later is believed, but not beyond the moment when it was first said to be away: that ends it. */
  #takeOneAway(from: NodeId, record: MemberRecord, awayMs: number, now: Now): void {
    const known = this.#members.get(record.node);
    if ((known && !known.hearsay) || this.#events.isReplaced(record.node)) return;
    const first = known?.hearsay?.since ?? this.#hearsay.awaySince(record.node) ?? now.monotonic;
    const since = Math.min(first, now.monotonic - awayMs);
    if (now.monotonic - since > this.#options.timing.forgetAfterMs) return;
    if (known) {
      known.changedAt = Math.max(known.changedAt, since);
      if (record.incarnation <= known.record.incarnation || !this.#valid(record)) return;
      this.#replaceRecord(known, record);
      this.#events.remember({ ...record, heardFrom: known.hearsay?.from ?? from });
      return;
    }
    if (!this.#hearsay.hasRoom(from)) this.#options.counters.add('members_refused_total', 1, 'too-many-away');
    else if (this.#valid(record)) {
      this.#hear(record, from, first, since);
      this.#events.remember({ ...record, heardFrom: from });
    }
  }

  #hear(record: MemberRecord, from: NodeId, first: number, since: number): void {
    this.#members.set(record.node, {
      record,
      listed: false,
      linked: false,
      changedAt: since,
      status: 'dead',
      hearsay: { from, since: first },
    });
    this.#hearsay.take(from);
    this.#countCluster(record.cluster, 1);
    this.changes++;
    this.#events.statusChanged();
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
        this.#hearsay.forget(member.record.node, member.hearsay?.since ?? member.changedAt);
        if (member.hearsay) this.#hearsay.drop();
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
    if (member.hearsay) this.#hearsay.drop();
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
    const peers = new Set<NodeId>();
    for (const [node, { hearsay }] of this.#members) if (!hearsay) peers.add(node);
    this.#emit({ kind: 'allow', peers });
  }
}
