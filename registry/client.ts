// The Registry port for one node: a store for reads and settings, and a keeper for the lease. Checks what it is given
// before it goes out, so that all implementations refuse alike, and bounds how long the keeper may take to answer.

import { invariant, MeshError } from '../node/core/errors.ts';
import type { MemberList, MemberRecord, Registry, Setting } from '../node/core/ports.ts';
import type { LeaseKeeper } from './lease-holder.ts';
import { checkExpected, checkSetting, checkSettingKey, checkSettingPrefix, encodeMember } from './record.ts';
import type { Scheduler } from './scheduler.ts';
import type { RegistryStore } from './store.ts';

export interface RegistryClientOptions {
  readonly address: string;
  readonly federation: string;
  readonly node: string;
  readonly timeoutMs: number;
}

export interface RegistryClientPorts {
  readonly store: RegistryStore;
  readonly keeper: LeaseKeeper;
  readonly scheduler: Scheduler;
}

export class RegistryClient implements Registry {
  readonly address: string;
  readonly #options: RegistryClientOptions;
  readonly #ports: RegistryClientPorts;
  readonly #closing = new AbortController();

  constructor(options: RegistryClientOptions, ports: RegistryClientPorts) {
    this.address = options.address;
    this.#options = options;
    this.#ports = ports;
  }

  async nextRevision(): Promise<number> {
    return this.#store().nextRevision(this.#options.federation);
  }

  async register(record: MemberRecord): Promise<void> {
    const { federation, node } = this.#options;
    invariant(
      record.federation === federation && record.node === node,
      'a client registers its own node only',
    );
    encodeMember(record);
    await this.#inTime(this.#keeper().register(record));
  }

  async members(): Promise<MemberList> {
    return this.#store().members(this.#options.federation);
  }

  watch(changed: () => void, signal: AbortSignal): void {
    const until = AbortSignal.any([signal, this.#closing.signal]);
    if (until.aborted) return;
    this.#ports.store.watchMembers(
      this.#options.federation,
      () => {
        if (!until.aborted) changed();
      },
      until,
    );
  }

  async deregister(): Promise<void> {
    await this.#inTime(this.#keeper().deregister());
  }

  async getSetting(key: string): Promise<Setting | undefined> {
    checkSettingKey(key);
    return this.#store().getSetting(this.#options.federation, key);
  }

  async listSettings(prefix: string): Promise<Setting[]> {
    checkSettingPrefix(prefix);
    return this.#store().listSettings(this.#options.federation, prefix);
  }

  async putSetting(key: string, value: string, expected: number): Promise<Setting | undefined> {
    checkSetting(key, value, expected);
    return this.#store().putSetting(this.#options.federation, key, value, expected);
  }

  async deleteSetting(key: string, expected: number): Promise<boolean> {
    checkSettingKey(key);
    checkExpected(expected);
    return this.#store().deleteSetting(this.#options.federation, key, expected);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#ports.keeper.close(), this.#ports.store.close()]);
  }

  #store(): RegistryStore {
    if (this.#closing.signal.aborted) throw closed();
    return this.#ports.store;
  }

  #keeper(): LeaseKeeper {
    if (this.#closing.signal.aborted) throw closed();
    return this.#ports.keeper;
  }

  /** The keeper goes on when the caller is told that it took too long. */
  #inTime(work: Promise<void>): Promise<void> {
    const { timeoutMs, address } = this.#options;
    return new Promise((resolve, reject) => {
      const cancel = this.#ports.scheduler.after(timeoutMs, () => {
        reject(
          new MeshError(
            'registry-unavailable',
            `The registry at ${address} did not answer within ${String(timeoutMs)} ms; trying goes on.`,
          ),
        );
      });
      work
        .then(resolve, reject)
        .finally(cancel)
        .catch(() => undefined);
    });
  }
}

function closed(): MeshError {
  return new MeshError('shutting-down', 'The registry client is closed.');
}
