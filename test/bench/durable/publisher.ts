// Role: publishes durable events at one mesher, a window of them under way, each with an ack of its own.

import { connect } from '../../../sdk/typescript/client.ts';
import { Payloads } from '../harness/payloads.ts';
import { playRole } from '../harness/role.ts';
import { benchEvent } from './bench-event.ts';
import { fillWindow } from './publishing.ts';
import type { PublisherRole } from './roles.ts';
import { TOPIC } from './topic.ts';
import { BYTES_UNDER_WAY, EVENTS_UNDER_WAY, Window } from './window.ts';

interface Opened {
  readonly window: Window;
  readonly send: (n: number) => void;
}

let opened: Opened | undefined;
let next = 0;

playRole<PublisherRole>({
  open: async ({ address, payloadBytes, topics = [TOPIC], first = 0 }) => {
    const mesh = await connect(address);
    const payloads = new Payloads({ bytes: payloadBytes });
    const window = new Window(Math.min(EVENTS_UNDER_WAY, BYTES_UNDER_WAY / payloadBytes));
    const options = topics.map((topic) => ({ topic }));
    const acked = (): void => window.leave();
    const failed = (cause: unknown): void => window.fail(new Error('not acked', { cause }));
    const send = (n: number): void =>
      void mesh.publish(benchEvent(payloads, n), options[n % options.length]).then(acked, failed);
    next = first;
    opened = { window, send };
  },
  publish: async (load) => {
    if (!opened) throw new Error('open comes first');
    const published = await fillWindow({ ...opened, load, first: next });
    next = published.upTo;
    return published;
  },
});
