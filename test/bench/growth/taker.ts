// Role: takes events from durable subscriptions and acks each.

import { setTimeout as wait } from 'node:timers/promises';
import { connect, type Subscription } from '../../../sdk/typescript/client.ts';
import { numberOfEvent } from '../durable/event-number.ts';
import { Ledger } from '../durable/ledger.ts';
import { playRole } from '../harness/role.ts';

export interface TakerRole {
  /** Subscriptions that are there already, or, with `topic`, one that is made. */
  open(options: {
    readonly address: string;
    readonly names: readonly string[];
    readonly topic?: string;
  }): Promise<void>;
  /** Resolves when `count` more events have arrived, or all below `upTo`; rejects when nothing comes any more. */
  take(awaited: { readonly count: number } | { readonly upTo: number }): Promise<Taken>;
  /** Resolves when all acks are confirmed and nothing more is taken; says what arrived since the start. */
  stop(nothing: undefined): Promise<{ readonly distinct: number; readonly duplicates: number }>;
}

export interface Taken {
  readonly events: number;
  readonly seconds: number;
}

const LOOK_EVERY_MS = 2;
const SILENCE_MAX_MS = 45_000;

const ledger = new Ledger();
let opened: readonly Subscription[] = [];

playRole<TakerRole>({
  open: async ({ address, names, topic }) => {
    const mesh = await connect(address);
    opened = names.map((name) => mesh.subscribe(topic === undefined ? { name } : { name, topic }));
    for (const subscription of opened) void ackEach(subscription); // what fails ends this process, and with it the run
    await Promise.all(opened.map((subscription) => subscription.opened()));
  },
  take: async (awaited) => {
    const [before, startMs] = [ledger.distinct, performance.now()];
    const target = 'upTo' in awaited ? awaited.upTo : before + awaited.count;
    let [seen, atMs] = [before, startMs];
    while (ledger.distinct < target) {
      await wait(LOOK_EVERY_MS);
      if (ledger.distinct > seen) [seen, atMs] = [ledger.distinct, performance.now()];
      else if (performance.now() - atMs > SILENCE_MAX_MS)
        throw new Error(`nothing came for ${SILENCE_MAX_MS} ms: ${seen} of ${target} have arrived`);
    }
    return { events: ledger.distinct - before, seconds: (performance.now() - startMs) / 1000 };
  },
  stop: async () => {
    await Promise.all(opened.map((subscription) => subscription.close()));
    return { distinct: ledger.distinct, duplicates: ledger.duplicates };
  },
});

async function ackEach(subscription: Subscription): Promise<void> {
  for await (const deliveries of subscription.batches()) {
    for (const delivery of deliveries) {
      ledger.note(numberOfEvent(delivery.bytes));
      delivery.ack();
    }
  }
}
