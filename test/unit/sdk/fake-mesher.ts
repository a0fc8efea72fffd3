// The mesher's end of connections, in memory and by script: what the client has sent lies in `frames`, what the mesher says is
// said by the test. Nothing is answered by itself.

import { splitBatch } from '../../../bridge/ws/frames/batch.ts';
import type { ClientFrame, PublishFrame } from '../../../bridge/ws/frames/client-frames.ts';
import { decodeClientFrame } from '../../../bridge/ws/frames/client-frames.ts';
import { encodeDeliver } from '../../../bridge/ws/frames/deliver-frame.ts';
import type { Welcome, WireProblem } from '../../../bridge/ws/frames/json.ts';
import {
  encodeAccepted,
  encodeClosed,
  encodeRefused,
  encodeReport,
  encodeSettled,
  encodeWelcome,
} from '../../../bridge/ws/frames/mesher-frames.ts';
import type { PublishResult } from '../../../node/core/delivery-types.ts';
import type { ErrorCode } from '../../../node/core/errors.ts';
import { ERRORS } from '../../../node/core/errors.ts';
import { decodeCloudEvent } from '../../../node/wire/cloud-event-protobuf.ts';
import type { Address } from '../../../sdk/typescript/address.ts';
import { CausewayError } from '../../../sdk/typescript/errors.ts';
import { encodeEvent } from '../../../sdk/typescript/event.ts';
import type { OpenSocket, SocketEvents } from '../../../sdk/typescript/socket.ts';
import { storedEvent } from '../../support/events.ts';

export const WELCOME: Welcome = {
  node: '12D3KooWFake',
  cluster: 'eu',
  federation: 'acme',
  version: '0.1.0',
  eventBytesMax: 1_000_000,
  batchEventsMax: 10_000,
  batchBytesMax: 4_000_000,
  messageBytesMax: 5_000_000,
  publishWindowBytes: 8_000_000,
  streamsMax: 256,
  replicasMax: 5,
  neighbours: [],
};

export class FakeMesher {
  /** All attempts, in order. */
  readonly connections: FakeConnection[] = [];
  welcome: Welcome = WELCOME;
  /** Whether it takes connections: each then begins with WELCOME, later. */
  status: 'up' | 'refuses' | 'silent' = 'up';

  readonly open: OpenSocket = (address, events) => {
    const connection = new FakeConnection(address, events);
    this.connections.push(connection);
    const { status, welcome } = this;
    queueMicrotask(() => {
      if (status === 'up') connection.say(encodeWelcome(welcome));
      if (status === 'refuses') connection.drop('connection refused');
    });
    return connection;
  };

  get last(): FakeConnection {
    const last = this.connections.at(-1);
    if (last === undefined) throw new Error('nobody has connected');
    return last;
  }
}

export class FakeConnection {
  readonly address: Address;
  readonly frames: ClientFrame[] = [];
  readonly #events: SocketEvents;
  isOver = false;
  pings = 0;
  closeCode: number | undefined;
  #next = new Map<number, number>();

  constructor(address: Address, events: SocketEvents) {
    this.address = address;
    this.#events = events;
  }

  // ── the client's side

  send(frame: Uint8Array): void {
    if (!this.isOver) this.frames.push(decodeClientFrame(frame));
  }

  ping(): void {
    this.pings++;
  }

  close(code: number): void {
    this.closeCode = code;
    this.drop('closed by the client');
  }

  terminate(): void {
    this.drop('terminated');
  }

  // ── the mesher's side

  /** The connection is lost. */
  drop(why = 'connection lost', code: ErrorCode = 'mesher-unreachable'): void {
    if (this.isOver) return;
    this.isOver = true;
    queueMicrotask(() => this.#events.closed(new CausewayError(code, why)));
  }

  say(frame: Uint8Array): void {
    if (this.isOver) return;
    this.#events.alive();
    this.#events.message(frame);
  }

  alive(): void {
    this.#events.alive();
  }

  accept(...requests: readonly number[]): void {
    this.say(encodeAccepted(requests));
  }

  report(request: number, results: readonly PublishResult[]): void {
    this.say(encodeReport(request, results));
  }

  refuse(request: number, code: ErrorCode, detail = 'no'): void {
    this.say(encodeRefused(request, problem(code, detail)));
  }

  settled(request: number): void {
    this.say(encodeSettled(request, []));
  }

  closed(stream: number, code: ErrorCode, reason?: string): void {
    this.say(encodeClosed(stream, { ...problem(code, 'no more'), ...(reason !== undefined && { reason }) }));
  }

  /** Events with these ids, in one frame. */
  deliver(stream: number, ids: readonly string[], attempt = 1): void {
    const first = this.#next.get(stream) ?? 1;
    this.#next.set(stream, first + ids.length);
    const deliveries = ids.map((id, i) => {
      const cloudEvent = encodeEvent({ id, source: '/s', type: 't', data: { id } });
      return { event: storedEvent({ sequence: first + i, topic: 'a/b', cloudEvent }), attempt };
    });
    this.say(encodeDeliver(stream, first, deliveries));
  }

  /** Frames of one kind. */
  of<Kind extends ClientFrame['kind']>(kind: Kind): Extract<ClientFrame, { kind: Kind }>[] {
    return this.frames.filter((frame): frame is Extract<ClientFrame, { kind: Kind }> => frame.kind === kind);
  }

  /** PUBLISHes of something. */
  get published(): PublishFrame[] {
    return this.of('publish').filter(({ topics }) => topics.length > 0);
  }

  /** Numbers that were settled so, in the order in which that came. */
  settlements(kind: 'ack' | 'retry' | 'reject'): number[] {
    return this.of('settle').flatMap(({ settlements }) =>
      settlements.flatMap((each) =>
        each.kind === kind
          ? each.ranges.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i))
          : [],
      ),
    );
  }
}

export function idsOf(frame: PublishFrame): string[] {
  return splitBatch(frame.batch, 100_000).map((bytes) => decodeCloudEvent(bytes).id);
}

function problem(code: ErrorCode, detail: string): WireProblem {
  const { title, status, retryable } = ERRORS[code];
  return { type: `/errors/${code}`, title, status, code, detail, retryable };
}
