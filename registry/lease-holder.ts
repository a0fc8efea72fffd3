// Keeps one node's record in the registry: puts it under a lease, keeps the lease alive, and when the lease or the
// record is lost puts the record again, for as long as it is wanted. Operations run one at a time, so a put that was
// under way when `deregister` came is undone by it. It never decides from time alone that a lease is lost: it asks.

import { backoffMs } from '../node/core/backoff.ts';
import { MeshError } from '../node/core/errors.ts';
import type { MemberRecord } from '../node/core/ports.ts';
import { REGISTRY_LIMITS } from './limits.ts';
import type { Scheduler } from './scheduler.ts';
import type { Log, RegistryStore } from './store.ts';

/** Somebody who keeps a lease: a LeaseHolder, or a thread with one in it. */
export interface LeaseKeeper {
  /** The record is wanted from now on, also when this rejects: trying goes on until `deregister` or `close`. */
  register(record: MemberRecord): Promise<void>;
  /** The record is not wanted from now on, also when this rejects: its lease then ends by itself. */
  deregister(): Promise<void>;
  close(): Promise<void>;
}

export interface LeaseHolderOptions {
  readonly federation: string;
  readonly node: string;
  readonly ttlMs: number;
}

export interface LeaseHolderPorts {
  readonly store: RegistryStore;
  readonly scheduler: Scheduler;
  readonly random: () => number;
  readonly log: Log;
}

export class LeaseHolder implements LeaseKeeper {
  readonly #options: LeaseHolderOptions;
  readonly #ports: LeaseHolderPorts;
  #wanted: MemberRecord | undefined;
  /** The wanted record has not been put since `register` asked for it, so it replaces whatever is there. */
  #asked = false;
  #lease: string | undefined;
  /** A newer process of this node has the place: there is nothing of ours to take away. */
  #displaced = false;
  #failures = 0;
  #closed = false;
  #last: Promise<unknown> = Promise.resolve();
  #cancelBeat: () => void = () => undefined;

  constructor(options: LeaseHolderOptions, ports: LeaseHolderPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  register(record: MemberRecord): Promise<void> {
    this.#wanted = record;
    this.#asked = true;
    return this.#oneAtATime(() => this.#put());
  }

  deregister(): Promise<void> {
    this.#wanted = undefined;
    this.#asked = false;
    this.#cancelBeat();
    return this.#oneAtATime(async () => {
      // A `register` that came after this one waits behind it, and puts the record again.
      const lease = this.#lease;
      this.#lease = undefined;
      if (this.#displaced) return;
      await this.#ports.store.removeMember(this.#options.federation, this.#options.node, lease);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wanted = undefined;
    this.#cancelBeat();
    await Promise.resolve();
  }

  /** Runs after what is under way, and sees to the next beat. */
  #oneAtATime(run: () => Promise<void>): Promise<void> {
    const result = this.#last.then(async () => {
      if (this.#closed) throw new MeshError('shutting-down', 'The registry client is closed.');
      try {
        await run();
        this.#failures = 0;
      } catch (error) {
        this.#failed(error);
        throw error;
      } finally {
        this.#scheduleBeat();
      }
    });
    // Whoever asked gets the failure; the next in line runs all the same.
    this.#last = result.catch(() => undefined);
    return result;
  }

  #scheduleBeat(): void {
    this.#cancelBeat();
    if (this.#wanted === undefined || this.#closed) return;
    const { random, scheduler } = this.#ports;
    const { retryMs, retryMsMax } = REGISTRY_LIMITS;
    const thirdMs = this.#options.ttlMs / 3;
    const ms =
      this.#failures === 0
        ? thirdMs * (0.8 + random() / 5)
        : backoffMs(this.#failures, retryMs, Math.min(retryMsMax, thirdMs), random);
    this.#cancelBeat = scheduler.after(ms, () => {
      // Failures are counted and logged where they happen; the next beat is scheduled there too.
      this.#oneAtATime(() => this.#beat()).catch(() => undefined);
    });
  }

  async #beat(): Promise<void> {
    if (this.#wanted === undefined) return;
    const { federation, node } = this.#options;
    if (this.#lease !== undefined) {
      if (await this.#ports.store.keepAlive(federation, node, this.#lease)) return;
      this.#lease = undefined;
      this.#ports.log({
        level: 'warn',
        message: 'The lease was lost; the record is put again.',
        details: { node },
      });
    }
    await this.#put();
  }

  async #put(): Promise<void> {
    const record = this.#wanted;
    if (record === undefined) return;
    // Unknown until the store answers: after a failure the next beat puts again rather than trust an old lease.
    this.#lease = undefined;
    const asked = this.#asked;
    const lease = await this.#ports.store.putMember(record, this.#options.ttlMs, asked ? 'any' : 'not-newer');
    this.#displaced = lease === undefined;
    if (lease === undefined) {
      this.#ports.log({
        level: 'warn',
        message:
          'Another process has registered this node with a higher incarnation; is the same key used twice?',
        details: { node: record.node, incarnation: record.incarnation },
      });
      return;
    }
    this.#lease = lease;
    // A newer `register` may have come meanwhile: that one has still to be put.
    if (this.#wanted === record) this.#asked = false;
  }

  #failed(error: unknown): void {
    this.#failures += 1;
    if (this.#failures > 1 && this.#failures % 100 !== 0) return;
    const reason = error instanceof Error ? error.message : String(error);
    this.#ports.log({
      level: 'warn',
      message: 'The registry does not take the lease; trying again.',
      details: { reason, failures: this.#failures },
    });
  }
}
