// Role: a durable subscription that acks each event and takes down its number: one byte for each, whatever the rate.

import { connect, type Subscription } from '../../sdk/typescript/client.ts';
import { numberOfEvent } from '../bench/durable/event-number.ts';
import { Ledger } from '../bench/durable/ledger.ts';
import { playRole } from '../bench/harness/role.ts';
import { NUMBERS_EACH, SUBSCRIPTION, type SubscriberRole, TOPIC } from './roles.ts';

let ledgers: readonly Ledger[] = [];
let opened: Subscription | undefined;
let redelivered = 0;

playRole<SubscriberRole>({
  open: async ({ address, publishers }) => {
    ledgers = Array.from({ length: publishers }, () => new Ledger());
    const mesh = await connect(address);
    opened = mesh.subscribe({ name: SUBSCRIPTION, topic: TOPIC });
    await opened.opened();
    void ackEach(opened); // what fails ends this process, and with it the run
  },
  progress: () => ({
    received: sum(({ distinct }) => distinct),
    duplicates: sum(({ duplicates }) => duplicates),
    redelivered,
  }),
  missing: (published) => {
    const short = ledgers.flatMap((ledger, at) => {
      const upTo = published[at] ?? 0;
      if (ledger.holdsAll(upTo)) return [];
      return { count: upTo - ledger.distinct, facts: `publisher ${at}: ${ledger.describeMissing(upTo)}` };
    });
    return {
      count: short.reduce((all, { count }) => all + count, 0),
      facts: short.map(({ facts }) => facts).join('; '),
    };
  },
  settled: async () => opened?.settled(),
});

function sum(figure: (ledger: Ledger) => number): number {
  return ledgers.reduce((all, ledger) => all + figure(ledger), 0);
}

async function ackEach(subscription: Subscription): Promise<void> {
  for await (const deliveries of subscription.batches()) {
    for (const delivery of deliveries) {
      const number = numberOfEvent(delivery.bytes);
      const ledger = ledgers[Math.floor(number / NUMBERS_EACH)];
      if (!ledger) throw new Error(`event ${number} is of no publisher`);
      ledger.note(number % NUMBERS_EACH);
      if (delivery.attempt > 1) redelivered++;
      delivery.ack();
    }
  }
}
