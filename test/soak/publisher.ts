// Role: publishes durable events at one mesher, at a rate that no answer slows as long as there is room in a window; what it
// falls behind it makes up for.

import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type Mesh } from '../../sdk/typescript/client.ts';
import { benchEvent } from '../bench/durable/bench-event.ts';
import { fillWindow } from '../bench/durable/publishing.ts';
import { BYTES_UNDER_WAY, EVENTS_UNDER_WAY, Window } from '../bench/durable/window.ts';
import { Payloads } from '../bench/harness/payloads.ts';
import { playRole } from '../bench/harness/role.ts';
import { NUMBERS_EACH, type PublisherRole, TOPIC } from './roles.ts';

/** Fine enough for a mesher not to see bursts, and 200 wake-ups a second only. */
const TICK_MS = 5;

class Publisher {
  readonly mesh: Mesh;
  readonly window: Window;
  readonly send: (n: number) => void;
  next = 0;
  acked = 0;
  #pacing: { readonly stop: AbortController; readonly done: Promise<void> } | undefined;

  constructor(mesh: Mesh, payloads: Payloads, first: number) {
    this.mesh = mesh;
    this.window = new Window(Math.min(EVENTS_UNDER_WAY, BYTES_UNDER_WAY / payloads.bytes));
    const acked = (): void => {
      this.acked++;
      this.window.leave();
    };
    const failed = (cause: unknown): void => this.window.fail(new Error('not acked', { cause }));
    const options = { topic: TOPIC };
    this.send = (n) => void mesh.publish(benchEvent(payloads, first + n), options).then(acked, failed);
  }

  start(ratePerS: number): void {
    const stop = new AbortController();
    const done = this.#pace(ratePerS, stop.signal);
    done.catch(() => undefined); // `stop` tells it
    this.#pacing = { stop, done };
  }

  async #pace(ratePerS: number, stop: AbortSignal): Promise<void> {
    const first = this.next;
    const startedMs = performance.now();
    while (!stop.aborted) {
      const due = first + Math.floor(((performance.now() - startedMs) / 1000) * ratePerS);
      while (this.next < due && !this.window.isFull) {
        this.window.enter();
        this.send(this.next++);
      }
      if (this.window.isFull) await this.window.whenHalfFree();
      else await sleep(TICK_MS);
    }
  }

  async stop(): Promise<void> {
    this.#pacing?.stop.abort();
    await this.#pacing?.done;
    await this.window.whenEmpty();
  }
}

let publisher: Publisher | undefined;

function opened(): Publisher {
  if (!publisher) throw new Error('open comes first');
  return publisher;
}

playRole<PublisherRole>({
  open: async ({ address, payloadBytes, which }) => {
    const payloads = new Payloads({ bytes: payloadBytes, seed: which + 1 });
    publisher = new Publisher(await connect(address), payloads, which * NUMBERS_EACH);
  },
  fill: async (load) => {
    const { window, send, next } = opened();
    const { upTo } = await fillWindow({ window, load, first: next, send });
    opened().next = upTo;
    return upTo;
  },
  start: ({ ratePerS }) => opened().start(ratePerS),
  stop: async () => {
    await opened().stop();
    return opened().next;
  },
  progress: () => {
    const { acked, mesh } = opened();
    return { acked, inDoubt: mesh.inDoubt };
  },
});
