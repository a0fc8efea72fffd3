// What every implementation of the registry can do, for any federation and any node, in one small interface. A mesher's
// client is a store and somebody who keeps its lease; the HTTP server is a store and a socket. So a gateway is the server
// in front of the etcd store, and the contract suite runs over all of them.

import type { MemberList, MemberRecord, Setting } from '../node/core/ports.ts';

/**
 * `any`: replaces whatever is registered for the node. `not-newer`: leaves a record of a higher incarnation alone, which
 * is what a client asks for when it puts its record again without being told to.
 */
export type Overwrite = 'any' | 'not-newer';

/**
 * Every call rejects with a MeshError: `registry-unavailable` when there is no answer within the store's time-out,
 * `shutting-down` after `close`, `invalid-request` for what the store will never take, `registry-refused` when the other
 * side does not take this client's credentials. A write that rejected with `registry-unavailable` may have happened.
 */
export interface RegistryStore {
  nextRevision(federation: string): Promise<number>;
  /** Puts the record under a new lease and returns the lease; undefined: a newer record is there (`not-newer`). */
  putMember(record: MemberRecord, ttlMs: number, overwrite: Overwrite): Promise<string | undefined>;
  /** Starts the lease's time anew. False: the lease is gone, or the node's record is not under it any more. */
  keepAlive(federation: string, node: string, lease: string): Promise<boolean>;
  /** Takes the node's record away, and the lease with it. With a lease: only if the record is under that one. */
  removeMember(federation: string, node: string, lease: string | undefined): Promise<void>;
  members(federation: string): Promise<MemberList>;
  /** A hint, also after each (re)connect. Listens until `signal` aborts or the store closes. */
  watchMembers(federation: string, changed: () => void, signal: AbortSignal): void;
  getSetting(federation: string, key: string): Promise<Setting | undefined>;
  /** Ordered by key. */
  listSettings(federation: string, prefix: string): Promise<Setting[]>;
  putSetting(federation: string, key: string, value: string, expected: number): Promise<Setting | undefined>;
  deleteSetting(federation: string, key: string, expected: number): Promise<boolean>;
  close(): Promise<void>;
}

export interface LogEntry {
  readonly level: 'info' | 'warn';
  readonly message: string;
  /** Never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
}

export type Log = (entry: LogEntry) => void;
