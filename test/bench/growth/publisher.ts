// Role: publishes durable events at one mesher, a window of them under way, on one topic or on many by turns.

import { connect } from '../../../sdk/typescript/client.ts';
import { benchEvent } from '../durable/bench-event.ts';
import { fillWindow } from '../durable/publishing.ts';
import type { Load, Published } from '../durable/roles.ts';
import { Window } from '../durable/window.ts';
import { Payloads } from '../harness/payloads.ts';
import { playRole } from '../harness/role.ts';
import { PAYLOAD_BYTES, PUBLISH_WINDOW } from './backlog.ts';

export interface TopicsPublisherRole {
  /** Event `n` gets topic `n % topics.length`; the first one gets the number `first`. */
  open(options: {
    readonly address: string;
    readonly topics: readonly string[];
    readonly first: number;
  }): Promise<void>;
  /** Resolves when every event has its durable ack. */
  publish(load: Load): Promise<Published>;
}

let opened: { readonly window: Window; readonly send: (n: number) => void } | undefined;
let next = 0;

playRole<TopicsPublisherRole>({
  open: async ({ address, topics, first }) => {
    const mesh = await connect(address);
    const payloads = new Payloads({ bytes: PAYLOAD_BYTES });
    const window = new Window(PUBLISH_WINDOW);
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
