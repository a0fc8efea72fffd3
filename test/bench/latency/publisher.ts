// Role: publishes at A's mesher, as fast as it goes or on a schedule that no answer can slow.

import { connect } from '../../../sdk/typescript/client.ts';
import { benchEvent } from '../durable/bench-event.ts';
import { fillWindow } from '../durable/publishing.ts';
import { TOPIC } from '../durable/topic.ts';
import { Window } from '../durable/window.ts';
import { openLoop } from '../harness/load.ts';
import { Payloads } from '../harness/payloads.ts';
import { playRole } from '../harness/role.ts';
import type { PacedPublisherRole } from './roles.ts';

const WINDOW = 4096;

let publishOne: ((n: number) => Promise<void>) | undefined;
let next = 0;

playRole<PacedPublisherRole>({
  open: async ({ address, payloadBytes, qos }) => {
    const mesh = await connect(address);
    const payloads = new Payloads({ bytes: payloadBytes });
    const options = { topic: TOPIC, qos };
    publishOne = (n) => mesh.publish(benchEvent(payloads, n), options);
  },
  publish: async (load) => {
    const publish = opened();
    const window = new Window(WINDOW);
    const acked = (): void => window.leave();
    const failed = (cause: unknown): void => window.fail(new Error('not acked', { cause }));
    const send = (n: number): void => void publish(n).then(acked, failed);
    const published = await fillWindow({ window, load, first: next, send });
    next = published.upTo;
    return published;
  },
  publishPaced: async ({ schedule, count }) => {
    const publish = opened();
    const first = next;
    next += count;
    const { late } = await openLoop({ schedule, count, send: (n) => publish(first + n) });
    return { late };
  },
});

function opened(): (n: number) => Promise<void> {
  if (!publishOne) throw new Error('open comes first');
  return publishOne;
}
