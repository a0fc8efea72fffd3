// Role: publishes to A's stream with an ack of JetStream's for each event, a window of them under way. It publishes with reply
// subjects of its own and counts the acks: the client's own `publish` of JetStream makes a promise and a timer for each event
// and takes ten times the CPU (24 µs against 2), which would measure the client and not the servers.

import { connect, createInbox, type Msg } from '@nats-io/transport-node';
import { fillWindow } from '../../durable/publishing.ts';
import type { PublisherRole } from '../../durable/roles.ts';
import { EVENTS_UNDER_WAY, Window } from '../../durable/window.ts';
import { Payloads } from '../../harness/payloads.ts';
import { playRole } from '../../harness/role.ts';
import { BYTES_UNDER_WAY, SUBJECT } from './names.ts';

/** How an ack begins; what refuses has an error first, and what nobody takes is empty. */
const ACK_HEAD = Buffer.from('{"stream"');

interface Opened {
  readonly window: Window;
  readonly send: (n: number) => void;
}

let opened: Opened | undefined;
let next = 0;

playRole<PublisherRole>({
  open: async ({ address, payloadBytes }) => {
    const connection = await connect({ servers: address, reconnect: false });
    const payloads = new Payloads({ bytes: payloadBytes });
    const window = new Window(Math.min(EVENTS_UNDER_WAY, BYTES_UNDER_WAY / payloadBytes));
    const inbox = createInbox();
    connection.subscribe(`${inbox}.*`, {
      callback: (error, message) => {
        if (error) window.fail(error);
        else if (isAck(message)) window.leave();
        else window.fail(new Error(`not acked: ${message.headers?.status ?? message.string()}`));
      },
    });
    const send = (n: number): void =>
      connection.publish(SUBJECT, payloads.encoded(n), { reply: `${inbox}.${n}` });
    opened = { window, send };
  },
  publish: async (load) => {
    if (!opened) throw new Error('open comes first');
    const published = await fillWindow({ ...opened, load, first: next });
    next = published.upTo;
    return published;
  },
});

function isAck({ data }: Msg): boolean {
  return data.length > ACK_HEAD.length && ACK_HEAD.every((byte, i) => data[i] === byte);
}
