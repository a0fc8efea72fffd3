// Role: publishes durable events at A's mesher, a window of them under way, each with an ack of its own.

import { connect } from '../../../sdk/typescript/client.ts';
import { Payloads } from '../harness/payloads.ts';
import { playRole } from '../harness/role.ts';
import { benchEvent } from './bench-event.ts';
import { fillWindow } from './publishing.ts';
import type { PublisherRole } from './roles.ts';
import { TOPIC } from './topic.ts';
import { Window } from './window.ts';

/** As many events as the reference has under way, and as many bytes as keep the mesher's window full. */
const WINDOW = 4096;
const WINDOW_BYTES = 8 * 1024 * 1024;

interface Opened {
  readonly window: Window;
  readonly send: (n: number) => void;
}

let opened: Opened | undefined;
let next = 0;

playRole<PublisherRole>({
  open: async ({ address, payloadBytes }) => {
    const mesh = await connect(address);
    const payloads = new Payloads({ bytes: payloadBytes });
    const window = new Window(Math.min(WINDOW, WINDOW_BYTES / payloadBytes));
    const acked = (): void => window.leave();
    const failed = (cause: unknown): void => window.fail(new Error('not acked', { cause }));
    const send = (n: number): void =>
      void mesh.publish(benchEvent(payloads, n), { topic: TOPIC }).then(acked, failed);
    opened = { window, send };
  },
  publish: async (load) => {
    if (!opened) throw new Error('open comes first');
    const published = await fillWindow({ ...opened, load, first: next });
    next = published.upTo;
    return published;
  },
});
