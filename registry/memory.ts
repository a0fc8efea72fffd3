// The registry in memory: many clients of one hub in one process, for tests and for a mesher that runs alone. Time comes
// from the scheduler handed in, so a simulator can run it without a clock. Its switches make it fail as real ones do.

import { MeshError } from '../node/core/errors.ts';
import type { Registry } from '../node/core/ports.ts';
import { RegistryClient } from './client.ts';
import { LeaseHolder } from './lease-holder.ts';
import { realScheduler } from './scheduler.ts';
import type { Scheduler } from './scheduler.ts';
import { RegistryState } from './state.ts';
import type { Log, RegistryStore } from './store.ts';

export interface MemoryRegistryOptions {
  readonly federation: string;
  readonly node: string;
  readonly ttlMs?: number;
  readonly timeoutMs?: number;
  readonly random?: () => number;
  readonly log?: Log;
}

interface Watcher {
  readonly federation: string;
  readonly changed: () => void;
}

export class MemoryRegistryHub {
  /** Hints are lost; calls still work. */
  dropHints = false;

  readonly #scheduler: Scheduler;
  readonly #state: RegistryState;
  readonly #watchers = new Set<Watcher>();
  #down = false;

  constructor(scheduler: Scheduler = realScheduler) {
    this.#scheduler = scheduler;
    this.#state = new RegistryState(scheduler, (change) => {
      if (change.kind === 'member') this.#hint(change.federation);
    });
  }

  /** All calls reject with `registry-unavailable`, and no hints come. Leases run on, as in a registry cut off. */
  get down(): boolean {
    return this.#down;
  }

  /** Coming back tells everybody who watches, as a reconnect does. */
  set down(down: boolean) {
    this.#down = down;
    if (!down) this.hintAll();
  }

  /** A client for one node. Its lease is kept by the hub's scheduler, in this thread. */
  open(options: MemoryRegistryOptions): Registry {
    const { federation, node, ttlMs = 20_000, timeoutMs = 5000, random = Math.random } = options;
    const log = options.log ?? (() => undefined);
    const scheduler = this.#scheduler;
    const store = this.store();
    const keeper = new LeaseHolder({ federation, node, ttlMs }, { store, scheduler, random, log });
    return new RegistryClient(
      { address: 'memory:', federation, node, timeoutMs },
      { store, keeper, scheduler },
    );
  }

  /** What a server or a client works on. Closing one leaves the hub and its other stores as they are. */
  store(): RegistryStore {
    const state = this.#state;
    const whenUp = async <Result>(run: () => Result): Promise<Result> => {
      // A call to elsewhere never answers in the same turn.
      await Promise.resolve();
      if (this.down) throw new MeshError('registry-unavailable', 'The registry in memory is switched off.');
      return run();
    };
    return {
      nextRevision: () => whenUp(() => state.nextRevision()),
      putMember: (record, ttlMs, overwrite) => whenUp(() => state.putMember(record, ttlMs, overwrite)),
      keepAlive: (federation, node, lease) => whenUp(() => state.keepAlive(federation, node, lease)),
      removeMember: (federation, node, lease) =>
        whenUp(() => void state.removeMember(federation, node, lease)),
      members: (federation) => whenUp(() => state.members(federation)),
      watchMembers: (federation, changed, signal) => {
        const watcher = { federation, changed };
        this.#watchers.add(watcher);
        signal.addEventListener('abort', () => this.#watchers.delete(watcher), { once: true });
      },
      getSetting: (federation, key) => whenUp(() => state.getSetting(federation, key)),
      listSettings: (federation, prefix) => whenUp(() => state.listSettings(federation, prefix)),
      putSetting: (federation, key, value, expected) =>
        whenUp(() => state.putSetting(federation, key, value, expected)),
      deleteSetting: (federation, key, expected) =>
        whenUp(() => state.deleteSetting(federation, key, expected)),
      close: () => Promise.resolve(),
    };
  }

  /** Ends a node's lease now, whoever keeps it: the record is gone until its client notices and puts it again. */
  expire(federation: string, node: string): void {
    this.#state.removeMember(federation, node, undefined);
  }

  /** Everybody who watches is told, whether or not anything changed. */
  hintAll(): void {
    for (const federation of new Set([...this.#watchers].map((each) => each.federation)))
      this.#hint(federation);
  }

  /** Ends the hub's timer. Clients are closed by their owners. */
  close(): void {
    this.#state.close();
  }

  #hint(federation: string): void {
    if (this.down || this.dropHints) return;
    this.#scheduler.after(0, () => {
      for (const watcher of this.#watchers) {
        if (watcher.federation === federation) watcher.changed();
      }
    });
  }
}
