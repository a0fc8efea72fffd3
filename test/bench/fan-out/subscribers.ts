// Role: many subscriptions of one topic by the streaming client, some of them on each connection. What arrives is only counted:
// every subscription must bring every number once. Events without a key may overtake each other between clusters.

import { setTimeout as wait } from 'node:timers/promises';
import { connect, type Subscription } from '../../../sdk/typescript/client.ts';
import { numberOfEvent } from '../durable/event-number.ts';
import { TOPIC } from '../durable/topic.ts';
import { playRole } from '../harness/role.ts';
import type { SubscribersOptions, SubscribersRole } from './roles.ts';

/** A mesher allows 256. */
const STREAMS_PER_CONNECTION = 100;
const LOOK_EVERY_MS = 2;
const SILENCE_MAX_MS = 45_000;

class Subscriber {
  readonly subscription: Subscription;
  /** All numbers below it have arrived. */
  #next = 0;
  /** Those that arrived before one below them. */
  readonly #ahead = new Set<number>();
  readonly #acks: boolean;

  constructor(subscription: Subscription, acks: boolean) {
    this.subscription = subscription;
    this.#acks = acks;
  }

  async run(): Promise<void> {
    for await (const deliveries of this.subscription.batches()) {
      for (const delivery of deliveries) {
        this.#note(numberOfEvent(delivery.bytes));
        if (this.#acks) delivery.ack();
      }
    }
  }

  /** Different numbers so far. */
  get arrived(): number {
    return this.#next + this.#ahead.size;
  }

  #note(number: number): void {
    if (number < this.#next || this.#ahead.has(number)) throw new Error(`number ${number} arrived twice`);
    if (number > this.#next) this.#ahead.add(number);
    else
      do this.#next++;
      while (this.#ahead.delete(this.#next));
  }
}

const subscribers: Subscriber[] = [];

playRole<SubscribersRole>({
  open: async ({ addresses, each, qos }) => {
    for (const address of addresses) await openAt(address, { each, qos });
    await Promise.all(subscribers.map(({ subscription }) => subscription.opened()));
    for (const subscriber of subscribers) void subscriber.run(); // what fails ends this process, and with it the run
  },
  take: async ({ upTo }) => {
    let [before, atMs] = [total(), performance.now()];
    while (subscribers.some(({ arrived }) => arrived < upTo)) {
      if (total() > before) [before, atMs] = [total(), performance.now()];
      else if (performance.now() - atMs > SILENCE_MAX_MS)
        throw new Error(`${before} of ${upTo * subscribers.length} deliveries arrived`);
      await wait(LOOK_EVERY_MS);
    }
    await Promise.all(subscribers.map(({ subscription }) => subscription.settled()));
  },
});

async function openAt(address: string, { each, qos }: Omit<SubscribersOptions, 'addresses'>): Promise<void> {
  for (let n = 0; n < each; n += STREAMS_PER_CONNECTION) {
    const mesh = await connect(address);
    for (let i = n; i < Math.min(each, n + STREAMS_PER_CONNECTION); i++) {
      const name = qos === 'durable' ? { name: `subscriber-${i}` } : {};
      subscribers.push(new Subscriber(mesh.subscribe({ ...name, topic: TOPIC }), qos === 'durable'));
    }
  }
}

function total(): number {
  return subscribers.reduce((sum, { arrived }) => sum + arrived, 0);
}
