// Role: subscribes at B's mesher, durably with an ack for each event, or ephemerally to what is best-effort. It tells how long after
// its due time each event of a schedule arrived, by a clock that it shares with the publisher.

import { setTimeout as wait } from 'node:timers/promises';
import { connect, type Subscription } from '../../../sdk/typescript/client.ts';
import { numberOfEvent } from '../durable/event-number.ts';
import { Ledger } from '../durable/ledger.ts';
import { whenArrived } from '../durable/taking.ts';
import { SUBSCRIPTION, TOPIC } from '../durable/topic.ts';
import { Latencies, monotonicUs } from '../harness/latencies.ts';
import { dueUs, type Schedule } from '../harness/load.ts';
import { playRole } from '../harness/role.ts';
import type { Arrived, TimedSubscriberRole } from './roles.ts';

const QUIET_MS = 500;
const LOOK_EVERY_MS = 20;

interface Paced {
  readonly schedule: Schedule;
  readonly first: number;
  readonly ledger: Ledger;
  readonly latencies: Latencies;
}

const all = new Ledger();
let lastUs = 0;
let paced: Paced | undefined;
let isDurable = false;

playRole<TimedSubscriberRole>({
  open: async ({ address, qos }) => {
    const mesh = await connect(address);
    isDurable = qos === 'durable';
    const subscription = mesh.subscribe({
      topic: TOPIC,
      ...(isDurable && { name: SUBSCRIPTION }),
    });
    void takeEach(subscription); // what fails ends this process, and with it the run
  },
  drain: async ({ upTo }): Promise<Arrived> => {
    await whenDrained(all, upTo);
    return { events: all.distinct, lastUs };
  },
  expect: ({ schedule, first }) => {
    paced = { schedule, first, ledger: new Ledger(), latencies: new Latencies() };
  },
  take: async ({ count }) => {
    if (!paced) throw new Error('expect comes first');
    const { ledger, latencies } = paced;
    await whenDrained(ledger, count);
    const { distinct, duplicates } = ledger;
    return { latency: latencies.figures(), duplicates, dropped: count - distinct };
  },
});

async function whenDrained(ledger: Ledger, upTo: number): Promise<void> {
  if (isDurable) return whenArrived(ledger, upTo);
  while (monotonicUs() - lastUs < QUIET_MS * 1000) await wait(LOOK_EVERY_MS);
}

async function takeEach(subscription: Subscription): Promise<void> {
  for await (const deliveries of subscription.batches()) {
    lastUs = monotonicUs();
    for (const delivery of deliveries) {
      note(numberOfEvent(delivery.bytes), lastUs);
      if (isDurable) delivery.ack();
    }
  }
}

/** A batch has arrived when it is here whole: none of its events can be used earlier. */
function note(n: number, arrivedUs: number): void {
  if (!paced || n < paced.first) {
    all.note(n);
    return;
  }
  const { schedule, first, ledger, latencies } = paced;
  if (ledger.note(n - first)) latencies.add(arrivedUs - dueUs(schedule, n - first));
}
