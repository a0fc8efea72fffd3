// One connection of the streaming protocol before a front door in memory: any frames, in any order, between publishing,
// settling, drained and stuck sockets, silence, and the end. It never fails, answers each request once, and leaves nothing.

import assert from 'node:assert/strict';
import { messageBounds, WS_BOUNDS, WS_TIMING } from '../../../bridge/ws/config.ts';
import { Connection } from '../../../bridge/ws/connection.ts';
import { SharedDeliveries } from '../../../bridge/ws/frames/deliver-frame.ts';
import { Overload } from '../../../bridge/ws/overload.ts';
import { ReceiveBudget } from '../../../bridge/ws/receive-budget.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import { parseSubscription } from '../../../node/core/subscription.ts';
import type { Chance } from '../../simulation/chance.ts';
import { FakeFrontDoor } from '../../support/front-door.ts';
import { anyClientBytes } from '../../unit/bridge/ws/arbitraries.ts';
import { FakeRawSocket, FakeSocket, settled } from '../../unit/bridge/ws/fake-socket.ts';
import {
  encodeCredit,
  encodeOpen,
  encodePublish,
  encodeSettle,
} from '../../../bridge/ws/frames/client-frames.ts';
import { encodeCloudEvent } from '../../../node/wire/cloud-event-protobuf.ts';
import { Choices, piece, sampled, type Target } from '../target.ts';

const STEPS_MAX = 64;
const FRAME = 0;
const FRAME_BYTES_MAX = 2_048;
const anyFrame = sampled(anyClientBytes, (bytes) => bytes);
const EVENT = encodeCloudEvent({
  id: '1',
  source: '/s',
  type: 'a.b',
  attributes: new Map(),
  data: undefined,
});

export const target: Target = {
  name: 'ws-connection',
  shape: 'bytes',
  bytesMax: 4_096,
  dictionary: [Buffer.of(0, 0, 3, 3, 1, 10), Buffer.of(0, 0, 2, 5, 1), Buffer.of(1), Buffer.of(5)],
  sample: (chance) => Buffer.concat(Array.from({ length: 2 + chance.below(8) }, () => step(chance))),
  quick: 2_500,
  operationsFree: 60_000,
  run: async (input) => {
    const bench = new Bench();
    await bench.door.putSubscription(parseSubscription('orders', { topic: 'orders' }, LIMITS));
    const choices = new Choices(input);
    for (let steps = 0; choices.left > 0 && steps < STEPS_MAX; steps++) bench.step(choices);
    await settled();
    const { isOpen } = bench;
    await bench.end();
    return isOpen;
  },
};

function step(chance: Chance): Buffer {
  const stream = 1 + chance.below(3);
  const frames = [
    () => anyFrame(chance),
    () => encodeOpen({ stream, source: 'durable', credit: 10, subject: 'orders', group: '' }),
    () => encodeOpen({ stream, source: 'ephemeral', credit: 5, subject: '#', group: '' }),
    () => encodeCredit(stream, 5),
    () =>
      encodePublish(
        { request: 1, qos: 'durable', report: chance.is(0.5), topics: [{ count: 1, topic: 'orders' }] },
        [EVENT],
      ),
    () => encodeSettle(stream, 2, [{ kind: 'ack', ranges: [{ first: 1, count: 1 + chance.below(3) }] }]),
  ];
  if (chance.is(0.2)) return Buffer.of(1 + chance.below(6));
  return Buffer.concat([Buffer.of(FRAME), piece(chance.pick(frames)().subarray(0, FRAME_BYTES_MAX))]);
}

class Bench {
  readonly door = new FakeFrontDoor();
  readonly #socket = new FakeSocket();
  readonly #raw = new FakeRawSocket();
  readonly #connection: Connection;
  #now = 0;
  #ends = 0;
  #faults: unknown[] = [];

  constructor() {
    const { node, cluster, federation } = this.door;
    const messages = messageBounds(LIMITS, WS_BOUNDS);
    const { eventBytesMax, batchEventsMax } = LIMITS;
    const { streamsMax } = WS_BOUNDS;
    const welcome = {
      node,
      cluster,
      federation,
      version: '1',
      eventBytesMax,
      batchEventsMax,
      ...messages,
      streamsMax,
      replicasMax: 5,
      neighbours: [],
    };
    this.#connection = new Connection(
      this.#socket.asWebSocket(),
      this.#raw.asSocket(),
      0,
      { welcome, messages, bounds: WS_BOUNDS, timing: WS_TIMING },
      {
        door: this.door,
        overload: new Overload(1),
        shared: new SharedDeliveries(),
        budget: new ReceiveBudget(LIMITS.stagedBytesMax),
        refused: () => undefined,
        log: { error: ({ err }: { readonly err?: unknown }) => void this.#faults.push(err) },
        ended: () => {
          this.#ends++;
        },
      },
    );
    this.#connection.open();
  }

  get isOpen(): boolean {
    return this.#socket.closed === undefined && this.#ends === 0;
  }

  get #isGone(): boolean {
    return this.#ends > 0;
  }

  step(choices: Choices): void {
    if (this.#isGone) return;
    switch (choices.byte() % 7) {
      case FRAME: {
        const frame = choices.piece();
        this.#socket.emit('message', frame, true);
        this.#raw.emit('data', frame);
        return;
      }
      case 1:
        this.#now += choices.byte() * 250;
        this.#connection.sweep(this.#now);
        this.door.tick(1_000);
        return;
      case 2:
        this.#socket.isStuck = true;
        return;
      case 3:
        this.#socket.drain();
        return;
      case 4:
        this.#socket.emit('message', Buffer.from('text'), false);
        return;
      case 5:
        this.#raw.emit('data', choices.piece());
        return;
      case 6:
        this.#connection.stop();
    }
  }

  async end(): Promise<void> {
    this.#socket.drain();
    if (!this.#isGone) this.#socket.gone();
    await settled();
    assert.equal(this.#ends, 1, 'it ends once');
    assert.equal(this.#connection.streams, 0, 'no stream is left');
    assert.equal(this.door.ephemerals.size, 0, 'no ephemeral subscription is left');
    assert.equal(this.door.subscription('orders')?.inFlight ?? 0, 0, 'what it had went back');
    assert.deepEqual(this.#faults, [], 'no fault of ours');
    const requests = this.#socket.frames('accepted').flatMap((frame) => frame.requests);
    const asked = [...requests, ...this.#socket.frames('refused').map(({ request }) => request)];
    assert(asked.every((request) => request > 0));
  }
}
