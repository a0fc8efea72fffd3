// Role: a durable subscription at B's mesher that acks each event. In the end it waits until the mesher has confirmed all acks.

import { connect, type Subscription } from '../../../sdk/typescript/client.ts';
import { monotonicUs } from '../harness/latencies.ts';
import { playRole } from '../harness/role.ts';
import { numberOfEvent } from './event-number.ts';
import { Ledger } from './ledger.ts';
import type { SubscriberRole } from './roles.ts';
import { whenArrived } from './taking.ts';
import { SUBSCRIPTION, TOPIC } from './topic.ts';

const ledger = new Ledger();
let opened: Subscription | undefined;

playRole<SubscriberRole>({
  open: async ({ address }) => {
    const mesh = await connect(address);
    opened = mesh.subscribe({ name: SUBSCRIPTION, topic: TOPIC });
    void ackEach(opened); // what fails ends this process, and with it the run
  },
  take: async ({ upTo }) => {
    if (!opened) throw new Error('open comes first');
    await whenArrived(ledger, upTo);
    await opened.settled();
    return { duplicates: ledger.duplicates, endUs: monotonicUs() };
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
