// The registry's contents in memory and every decision over them: leases, revisions, compare-and-set, bounds. It knows
// no disk and no socket; each change is reported, so that a store can write it down before it answers. One revision
// counts all federations, so it grows for each of them.

import { MeshError } from '../node/core/errors.ts';
import type { MemberList, MemberRecord, Setting } from '../node/core/ports.ts';
import { REGISTRY_LIMITS } from './limits.ts';
import { encodeMember } from './record.ts';
import type { Scheduler } from './scheduler.ts';
import type { Overwrite } from './store.ts';

export interface LeasedMember {
  readonly record: MemberRecord;
  readonly lease: string;
  readonly ttlMs: number;
}

/** `value` undefined: gone. */
export type StateChange =
  | { readonly kind: 'revision'; readonly revision: number }
  | {
      readonly kind: 'member';
      readonly federation: string;
      readonly key: string;
      readonly value: LeasedMember | undefined;
    }
  | {
      readonly kind: 'setting';
      readonly federation: string;
      readonly key: string;
      readonly value: Setting | undefined;
    };

interface Federation {
  readonly members: Map<string, { readonly member: LeasedMember; deadline: number }>;
  readonly settings: Map<string, Setting>;
}

/** How late after its time a lease may end; short leases in tests want it small, and an idle sweep costs nothing. */
const sweepMs = 200;

export class RegistryState {
  readonly #scheduler: Scheduler;
  readonly #report: (change: StateChange) => void;
  readonly #federations = new Map<string, Federation>();
  #revision = 0;
  #cancelSweep: (() => void) | undefined;

  /** `report` is called for every change, in order, before the call that made it returns. */
  constructor(scheduler: Scheduler, report: (change: StateChange) => void) {
    this.#scheduler = scheduler;
    this.#report = report;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Takes over what was stored, without reporting it. Every lease starts anew: while nobody listened, nobody could renew. */
  restore(change: StateChange): void {
    this.#apply(change);
    this.#sweepLater();
  }

  nextRevision(): number {
    this.#change({ kind: 'revision', revision: this.#revision + 1 });
    return this.#revision;
  }

  putMember(record: MemberRecord, ttlMs: number, overwrite: Overwrite): string | undefined {
    encodeMember(record);
    const { federation, node } = record;
    const members = this.#federations.get(federation)?.members;
    const before = members?.get(node);
    if (
      overwrite === 'not-newer' &&
      before !== undefined &&
      before.member.record.incarnation > record.incarnation
    ) {
      return undefined;
    }
    if (before === undefined) this.#checkRoom(federation, 'members');
    const lease = String(this.nextRevision());
    this.#change({ kind: 'member', federation, key: node, value: { record, lease, ttlMs } });
    this.#sweepLater();
    return lease;
  }

  keepAlive(federation: string, node: string, lease: string): boolean {
    const held = this.#federations.get(federation)?.members.get(node);
    if (held?.member.lease !== lease) return false;
    held.deadline = this.#scheduler.now() + held.member.ttlMs;
    return true;
  }

  /** True if there was one to remove. */
  removeMember(federation: string, node: string, lease: string | undefined): boolean {
    const held = this.#federations.get(federation)?.members.get(node);
    if (held === undefined || (lease !== undefined && held.member.lease !== lease)) return false;
    this.nextRevision();
    this.#change({ kind: 'member', federation, key: node, value: undefined });
    return true;
  }

  members(federation: string): MemberList {
    const members = [...(this.#federations.get(federation)?.members.values() ?? [])];
    return { revision: this.#revision, members: members.map(({ member }) => member.record).sort(byNode) };
  }

  getSetting(federation: string, key: string): Setting | undefined {
    return this.#federations.get(federation)?.settings.get(key);
  }

  listSettings(federation: string, prefix: string): Setting[] {
    const settings = [...(this.#federations.get(federation)?.settings.values() ?? [])];
    return settings.filter(({ key }) => key.startsWith(prefix)).sort(byKeyBytes);
  }

  putSetting(federation: string, key: string, value: string, expected: number): Setting | undefined {
    if ((this.getSetting(federation, key)?.revision ?? 0) !== expected) return undefined;
    if (expected === 0) this.#checkRoom(federation, 'settings');
    const setting = { key, value, revision: this.nextRevision() };
    this.#change({ kind: 'setting', federation, key, value: setting });
    return setting;
  }

  deleteSetting(federation: string, key: string, expected: number): boolean {
    const held = this.#federations.get(federation)?.settings.get(key);
    if (held === undefined || held.revision !== expected) return false;
    this.nextRevision();
    this.#change({ kind: 'setting', federation, key, value: undefined });
    return true;
  }

  close(): void {
    this.#cancelSweep?.();
    this.#cancelSweep = () => undefined;
  }

  #change(change: StateChange): void {
    this.#apply(change);
    this.#report(change);
  }

  #apply(change: StateChange): void {
    if (change.kind === 'revision') {
      this.#revision = change.revision;
      return;
    }
    const federation = this.#federation(change.federation);
    if (change.kind === 'setting') {
      if (change.value === undefined) federation.settings.delete(change.key);
      else federation.settings.set(change.key, change.value);
    } else if (change.value === undefined) federation.members.delete(change.key);
    else {
      const deadline = this.#scheduler.now() + change.value.ttlMs;
      federation.members.set(change.key, { member: change.value, deadline });
    }
    if (federation.members.size + federation.settings.size === 0) this.#federations.delete(change.federation);
  }

  #federation(name: string): Federation {
    const known = this.#federations.get(name);
    if (known !== undefined) return known;
    const federation: Federation = { members: new Map(), settings: new Map() };
    this.#federations.set(name, federation);
    return federation;
  }

  /** Throws if one more would be too many. */
  #checkRoom(name: string, kind: 'members' | 'settings'): void {
    const federation = this.#federations.get(name);
    const most = kind === 'members' ? REGISTRY_LIMITS.membersMax : REGISTRY_LIMITS.settingsMax;
    if (federation === undefined && this.#federations.size >= REGISTRY_LIMITS.federationsMax) {
      throw full('federations', REGISTRY_LIMITS.federationsMax, name);
    }
    if (federation !== undefined && federation[kind].size >= most) throw full(kind, most, name);
  }

  #sweepLater(): void {
    if (this.#cancelSweep !== undefined) return;
    const plannedAt = this.#scheduler.now() + sweepMs;
    this.#cancelSweep = this.#scheduler.after(sweepMs, () => {
      this.#cancelSweep = undefined;
      this.#sweep(plannedAt);
    });
  }

  /**
   * Ends the leases whose time is over. If the sweep itself is late, this process was stopped or busy, and renewals wait
   * unread: every lease gets that time back, or a registry that slept would throw out everybody at once.
   */
  #sweep(plannedAt: number): void {
    const now = this.#scheduler.now();
    const lateMs = Math.max(0, now - plannedAt);
    let left = 0;
    for (const [federation, { members }] of this.#federations) {
      for (const [node, held] of members) {
        held.deadline += lateMs;
        if (held.deadline <= now) this.removeMember(federation, node, held.member.lease);
        else left += 1;
      }
    }
    if (left > 0) this.#sweepLater();
  }
}

function byNode(left: MemberRecord, right: MemberRecord): number {
  return left.node < right.node ? -1 : 1;
}

/** As etcd orders keys. */
function byKeyBytes(left: Setting, right: Setting): number {
  return Buffer.compare(Buffer.from(left.key), Buffer.from(right.key));
}

function full(what: string, most: number, federation: string): MeshError {
  return new MeshError('overloaded', `The registry holds ${String(most)} ${what}, as many as it may.`, {
    details: { federation },
  });
}
