// Role: publishes to A's stream with an ack of JetStream's for each event, a window of them under way. It publishes with reply
// subjects of its own and counts the acks: the client's own `publish` of JetStream makes a promise and a timer for each event
// and takes ten times the CPU (24 µs against 2), which would measure the client and not the servers.

import { connect, createInbox, type Msg } from '@nats-io/transport-node';
import { publishing } from '../../durable/publishing.ts';
import type { PublisherRole } from '../../durable/roles.ts';
import { Window } from '../../durable/window.ts';
import { Payloads } from '../../harness/payloads.ts';
import { playRole } from '../../harness/role.ts';
import { SUBJECT } from './names.ts';

/** Between 1,024 and 16,384 throughput does not change; below it falls. */
const WINDOW = 4096;
/** How an ack begins; what refuses has an error first, and what nobody takes is empty. */
const ACK_HEAD = Buffer.from('{"stream"');

let publish: PublisherRole['publish'] | undefined;

playRole<PublisherRole>({
  open: async ({ address, payloadBytes }) => {
    const connection = await connect({ servers: address, reconnect: false });
    const payloads = new Payloads({ bytes: payloadBytes });
    const window = new Window(WINDOW);
    const inbox = createInbox();
    connection.subscribe(`${inbox}.*`, {
      callback: (error, message) => {
        if (error) window.fail(error);
        else if (isAck(message)) window.leave();
        else window.fail(new Error(`refused: ${message.string()}`));
      },
    });
    publish = publishing(window, (n) =>
      connection.publish(SUBJECT, payloads.encoded(n), { reply: `${inbox}.${n}` }),
    );
  },
  publish: (load) => {
    if (!publish) throw new Error('open comes first');
    return publish(load);
  },
});

function isAck({ data }: Msg): boolean {
  return data.length > ACK_HEAD.length && ACK_HEAD.every((byte, i) => data[i] === byte);
}
