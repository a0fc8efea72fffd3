// The mesher's side of the thread that keeps its lease: starts it when there is something to keep, passes orders on, and
// should the thread die, starts another and gives it the record that is wanted.

import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { backoffMs } from '../node/core/backoff.ts';
import { MeshError } from '../node/core/errors.ts';
import type { ErrorCode } from '../node/core/errors.ts';
import type { MemberRecord } from '../node/core/ports.ts';
import type { ConnectOptions } from './connect.ts';
import type { LeaseHolderOptions, LeaseKeeper } from './lease-holder.ts';
import { REGISTRY_LIMITS } from './limits.ts';
import type { Scheduler } from './scheduler.ts';
import type { Log, LogEntry } from './store.ts';

export type LeaseThreadData = LeaseHolderOptions & { readonly connect: ConnectOptions };

export type ToLeaseThread =
  | { readonly kind: 'register'; readonly id: number; readonly record: MemberRecord }
  | { readonly kind: 'deregister'; readonly id: number }
  | { readonly kind: 'close' };

export type FromLeaseThread =
  | { readonly kind: 'done'; readonly id: number }
  | { readonly kind: 'failed'; readonly id: number; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: 'log'; readonly entry: LogEntry };

interface Order {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface LeaseThreadPorts {
  readonly scheduler: Scheduler;
  readonly random: () => number;
  readonly log: Log;
}

/** A thread that has not ended by itself after this long is stopped. */
const endMs = 1000;

export class LeaseThread implements LeaseKeeper {
  readonly #data: LeaseThreadData;
  readonly #ports: LeaseThreadPorts;
  readonly #orders = new Map<number, Order>();
  #worker: Worker | undefined;
  #wanted: MemberRecord | undefined;
  #nextId = 1;
  #deaths = 0;
  #cancelRestart: () => void = () => undefined;
  #closed = false;

  constructor(data: LeaseThreadData, ports: LeaseThreadPorts) {
    this.#data = data;
    this.#ports = ports;
  }

  register(record: MemberRecord): Promise<void> {
    this.#wanted = record;
    return this.#order((id) => ({ kind: 'register', id, record }));
  }

  deregister(): Promise<void> {
    this.#wanted = undefined;
    return this.#order((id) => ({ kind: 'deregister', id }));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRestart();
    const worker = this.#worker;
    if (worker === undefined) return;
    const ended = new Promise<void>((resolve) => {
      worker.once('exit', () => {
        resolve();
      });
    });
    worker.postMessage({ kind: 'close' } satisfies ToLeaseThread);
    const cancel = this.#ports.scheduler.after(endMs, () => {
      // Its exit is awaited above.
      void worker.terminate();
    });
    await ended;
    cancel();
  }

  #order(make: (id: number) => ToLeaseThread): Promise<void> {
    if (this.#closed) return Promise.reject(closed());
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#orders.set(id, { resolve, reject });
      this.#running().postMessage(make(id));
    });
  }

  #running(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    this.#cancelRestart();
    // as this file: TypeScript in a clone, JavaScript where the package is installed
    const worker = new Worker(join(import.meta.dirname, `lease-worker${extname(import.meta.filename)}`), {
      workerData: this.#data,
      name: 'lease',
    });
    worker.on('message', (message: FromLeaseThread) => {
      this.#heard(message);
    });
    worker.on('error', (error) => {
      const reason = error instanceof Error ? error.message : String(error);
      this.#ports.log({
        level: 'warn',
        message: 'The thread that keeps the lease failed.',
        details: { reason },
      });
    });
    worker.on('exit', () => {
      this.#ended();
    });
    this.#worker = worker;
    return worker;
  }

  #heard(message: FromLeaseThread): void {
    if (message.kind === 'log') {
      this.#ports.log(message.entry);
      return;
    }
    this.#deaths = 0;
    const order = this.#orders.get(message.id);
    this.#orders.delete(message.id);
    if (message.kind === 'done') order?.resolve();
    else order?.reject(new MeshError(message.code, message.message));
  }

  #ended(): void {
    this.#worker = undefined;
    const orders = [...this.#orders.values()];
    this.#orders.clear();
    for (const { reject } of orders) {
      reject(
        this.#closed
          ? closed()
          : new MeshError(
              'registry-unavailable',
              'The thread that keeps the lease ended; a new one is started.',
            ),
      );
    }
    if (this.#closed || this.#wanted === undefined) return;
    this.#deaths += 1;
    const { retryMs, retryMsMax } = REGISTRY_LIMITS;
    const waitMs = backoffMs(this.#deaths, retryMs, retryMsMax, this.#ports.random);
    this.#cancelRestart = this.#ports.scheduler.after(waitMs, () => {
      // A failure leaves the new thread trying, as any `register` does.
      if (this.#wanted !== undefined) this.register(this.#wanted).catch(() => undefined);
    });
  }
}

function closed(): MeshError {
  return new MeshError('shutting-down', 'The registry client is closed.');
}
