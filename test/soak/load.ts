// Publishers and subscriber of a soak, in processes of their own.

import { spawn } from 'node:child_process';
import { basename, join } from 'node:path';
import { type Methods, Role } from '../bench/harness/role.ts';
import type { RunningMesher } from '../support/federation.ts';
import { until } from '../support/until.ts';
import type { PublisherRole, SubscriberRole } from './roles.ts';

export interface Progress {
  readonly acked: number;
  readonly received: number;
  readonly duplicates: number;
  readonly redelivered: number;
  /** Published again, in doubt. */
  readonly inDoubt: number;
}

export class Load {
  readonly #publishers: readonly Role<PublisherRole>[];
  readonly #subscriber: Role<SubscriberRole>;
  #published: readonly number[] = [];

  private constructor(publishers: readonly Role<PublisherRole>[], subscriber: Role<SubscriberRole>) {
    this.#publishers = publishers;
    this.#subscriber = subscriber;
  }

  static async open(
    count: number,
    payloadBytes: number,
    from: readonly RunningMesher[],
    to: RunningMesher,
  ): Promise<Load> {
    const publishers = Array.from({ length: count }, () => role<PublisherRole>('publisher.ts'));
    const subscriber = role<SubscriberRole>('subscriber.ts');
    await subscriber.call('open', { address: to.http, publishers: count });
    for (const [which, publisher] of publishers.entries())
      await publisher.call('open', {
        address: from[which % from.length]?.http ?? '',
        payloadBytes,
        which,
      });
    return new Load(publishers, subscriber);
  }

  /** What came through per second, from the first publish until all had arrived and was settled. */
  async saturate(seconds: number): Promise<number> {
    const before = (await this.progress()).acked;
    const startedMs = performance.now();
    this.#published = await Promise.all(this.#publishers.map((each) => each.call('fill', { seconds })));
    await this.whenArrived();
    const took = (performance.now() - startedMs) / 1000;
    return ((await this.progress()).acked - before) / took;
  }

  async start(ratePerS: number): Promise<void> {
    const each = ratePerS / this.#publishers.length;
    await Promise.all(this.#publishers.map((publisher) => publisher.call('start', { ratePerS: each })));
  }

  /** Resolves when all that was published is acked. */
  async stop(): Promise<void> {
    this.#published = await Promise.all(this.#publishers.map((each) => each.call('stop', undefined)));
  }

  async progress(): Promise<Progress> {
    const sent = await Promise.all(this.#publishers.map((each) => each.call('progress', undefined)));
    const taken = await this.#subscriber.call('progress', undefined);
    const [acked, inDoubt] = [sum(sent, (each) => each.acked), sum(sent, (each) => each.inDoubt)];
    return { ...taken, acked, inDoubt };
  }

  /** Of what was acked when the load was stopped. */
  missing(): Promise<{ readonly count: number; readonly facts: string }> {
    return this.#subscriber.call('missing', this.#published);
  }

  /** After `stop`: all has arrived, and is settled. Rejects when nothing comes any more. */
  async whenArrived(): Promise<void> {
    const published = sum(this.#published, (count) => count);
    let received = 0;
    await until(
      () => `${published - received} events have not arrived`,
      async () => {
        received = (await this.progress()).received;
        return received >= published;
      },
      { progress: () => received },
    );
    await this.#subscriber.call('settled', undefined);
  }
}

function role<T extends Methods<T>>(module: string): Role<T> {
  const child = spawn(process.execPath, [join(import.meta.dirname, module)], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization: 'advanced',
  });
  return new Role<T>(basename(module), child);
}

function sum<T>(all: readonly T[], figure: (one: T) => number): number {
  return all.reduce((of, one) => of + figure(one), 0);
}
