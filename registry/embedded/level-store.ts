// The registry on local disk: RegistryState in memory, every change written through to LevelDB with fsync before anybody
// is told of it. Changes that come while a write is under way go into the next one. Keep-alives touch no disk: after a
// restart every lease gets its full time anew.
//
// Keys: ["revision"]   ["member", federation, node]   ["setting", federation, key], as JSON text.

import { Level } from 'level';
import type { BatchOperation } from 'level';
import { MeshError } from '../../node/core/errors.ts';
import type { MemberList, MemberRecord, Setting } from '../../node/core/ports.ts';
import type { Scheduler } from '../scheduler.ts';
import { RegistryState } from '../state.ts';
import type { StateChange } from '../state.ts';
import type { Overwrite, RegistryStore } from '../store.ts';

interface Watcher {
  readonly federation: string;
  readonly changed: () => void;
}

export class LevelStore implements RegistryStore {
  readonly #db: Level<string, StateChange>;
  readonly #state: RegistryState;
  readonly #watchers = new Set<Watcher>();
  #pending: StateChange[] = [];
  /** The write under way, and the one after it that takes what is pending. */
  #writing: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #broken: unknown;
  #closed = false;

  private constructor(db: Level<string, StateChange>, scheduler: Scheduler) {
    this.#db = db;
    this.#state = new RegistryState(scheduler, (change) => {
      this.#pending.push(change);
      // Whoever asked for the change waits for the write as well; a lease that ended has nobody who waits.
      this.#written().catch(() => undefined);
    });
  }

  /** Rejects with `storage-failed` if the folder cannot be used, or is in use by another process. */
  static async open(folder: string, scheduler: Scheduler): Promise<LevelStore> {
    const db = new Level<string, StateChange>(folder, { valueEncoding: 'json' });
    try {
      await db.open();
      const store = new LevelStore(db, scheduler);
      for await (const change of db.values()) store.#state.restore(change);
      return store;
    } catch (error) {
      await db.close();
      throw new MeshError(
        'storage-failed',
        `The registry's folder ${folder} cannot be used. Is another registry using it?`,
        {
          cause: error,
        },
      );
    }
  }

  nextRevision(): Promise<number> {
    return this.#durably(() => this.#state.nextRevision());
  }

  putMember(record: MemberRecord, ttlMs: number, overwrite: Overwrite): Promise<string | undefined> {
    return this.#durably(() => this.#state.putMember(record, ttlMs, overwrite));
  }

  keepAlive(federation: string, node: string, lease: string): Promise<boolean> {
    return this.#durably(() => this.#state.keepAlive(federation, node, lease));
  }

  async removeMember(federation: string, node: string, lease: string | undefined): Promise<void> {
    await this.#durably(() => this.#state.removeMember(federation, node, lease));
  }

  members(federation: string): Promise<MemberList> {
    return this.#durably(() => this.#state.members(federation));
  }

  watchMembers(federation: string, changed: () => void, signal: AbortSignal): void {
    if (signal.aborted || this.#closed) return;
    const watcher = { federation, changed };
    this.#watchers.add(watcher);
    signal.addEventListener('abort', () => this.#watchers.delete(watcher), { once: true });
  }

  getSetting(federation: string, key: string): Promise<Setting | undefined> {
    return this.#durably(() => this.#state.getSetting(federation, key));
  }

  listSettings(federation: string, prefix: string): Promise<Setting[]> {
    return this.#durably(() => this.#state.listSettings(federation, prefix));
  }

  putSetting(federation: string, key: string, value: string, expected: number): Promise<Setting | undefined> {
    return this.#durably(() => this.#state.putSetting(federation, key, value, expected));
  }

  deleteSetting(federation: string, key: string, expected: number): Promise<boolean> {
    return this.#durably(() => this.#state.deleteSetting(federation, key, expected));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#state.close();
    this.#watchers.clear();
    // What could not be written was reported to whoever asked for it.
    await this.#written().catch(() => undefined);
    await this.#db.close();
  }

  /** Decides now, answers when everything the answer rests on is on disk: readers never see what a crash could undo. */
  async #durably<Result>(decide: () => Result): Promise<Result> {
    if (this.#closed) throw new MeshError('shutting-down', 'The registry is stopping.');
    if (this.#broken !== undefined) throw this.#failure();
    const result = decide();
    await this.#written();
    return result;
  }

  /** Resolves when all changes made so far are on disk. */
  #written(): Promise<void> {
    if (this.#pending.length === 0) return this.#writing ?? Promise.resolve();
    if (this.#writing === undefined) return this.#write();
    const write = () => this.#write();
    this.#next ??= this.#writing.then(write, write);
    return this.#next;
  }

  #write(): Promise<void> {
    this.#next = undefined;
    const changes = this.#pending;
    this.#pending = [];
    const done = this.#commit(changes).finally(() => {
      if (this.#writing === done) this.#writing = undefined;
    });
    this.#writing = done;
    return done;
  }

  async #commit(changes: readonly StateChange[]): Promise<void> {
    if (this.#broken !== undefined) throw this.#failure();
    try {
      await this.#db.batch(changes.map(operation), { sync: true });
    } catch (error) {
      // What is in memory is not what is on disk any more. Nothing is served until a restart reads the disk again.
      this.#broken = error;
      this.#state.close();
      throw this.#failure();
    }
    const federations = new Set(
      changes.flatMap((change) => (change.kind === 'member' ? [change.federation] : [])),
    );
    for (const watcher of this.#watchers) {
      if (federations.has(watcher.federation)) watcher.changed();
    }
  }

  #failure(): MeshError {
    return new MeshError(
      'storage-failed',
      'The registry could not write to its disk. Make room and restart it.',
      {
        cause: this.#broken,
      },
    );
  }
}

function operation(change: StateChange): BatchOperation<Level<string, StateChange>, string, StateChange> {
  if (change.kind === 'revision') return { type: 'put', key: JSON.stringify(['revision']), value: change };
  const key = JSON.stringify([change.kind, change.federation, change.key]);
  if (change.value === undefined) return { type: 'del', key };
  return { type: 'put', key, value: change };
}
