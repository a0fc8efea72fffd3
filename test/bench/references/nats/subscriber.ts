// Role: takes from B's stream with its durable pull consumer and acks each event. The consumer is asked once more in the end:
// no ack may be missing.

import { type Consumer, jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { setTimeout as wait } from 'node:timers/promises';
import { numberOfPayload } from '../../durable/event-number.ts';
import { Ledger } from '../../durable/ledger.ts';
import type { SubscriberRole } from '../../durable/roles.ts';
import { whenArrived } from '../../durable/taking.ts';
import { monotonicUs } from '../../harness/latencies.ts';
import { playRole } from '../../harness/role.ts';
import { CONSUMER, MESSAGES_AHEAD, STREAM } from './names.ts';

const ASK_EVERY_MS = 2;

const ledger = new Ledger();
let opened: Consumer | undefined;

playRole<SubscriberRole>({
  open: async ({ address }) => {
    const connection = await connect({ servers: address, reconnect: false });
    opened = await jetstream(connection).consumers.get(STREAM, CONSUMER);
    await opened.consume({
      max_messages: MESSAGES_AHEAD,
      callback: (message) => {
        ledger.note(numberOfPayload(message.data));
        message.ack();
      },
    });
  },
  take: async ({ upTo }) => {
    if (!opened) throw new Error('open comes first');
    await whenArrived(ledger, upTo);
    await whenAcked(opened, upTo);
    return { duplicates: ledger.duplicates, endUs: monotonicUs() };
  },
});

/** The consumer's floor is the last number below which all are acked. */
async function whenAcked(consumer: Consumer, upTo: number): Promise<void> {
  while ((await consumer.info()).ack_floor.stream_seq < upTo) await wait(ASK_EVERY_MS);
}
