// The streaming protocol spoken by hand: frames in and out over a real WebSocket, nothing answered or settled by itself.

import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Ending } from './federation.ts';
import { splitBatch } from '../../bridge/ws/frames/batch.ts';
import {
  encodeCredit,
  encodeOpen,
  encodePublish,
  encodeSettle,
  type RangeSettlement,
} from '../../bridge/ws/frames/client-frames.ts';
import { decodeMesherFrame, type MesherFrame } from '../../bridge/ws/frames/mesher-frames.ts';
import type { CloudEvent } from '../../node/core/cloud-event.ts';
import { decodeCloudEvent, encodeCloudEvent } from '../../node/wire/cloud-event-protobuf.ts';
import { until } from './until.ts';

export interface Received {
  readonly stream: number;
  readonly number: number;
  readonly attempt: number;
  readonly topic: string;
  readonly id: string;
  readonly event: CloudEvent;
  readonly deadLetter: string | undefined;
}

type Framed<Kind extends MesherFrame['kind']> = Extract<MesherFrame, { kind: Kind }>;

export class WsClient {
  readonly socket: WebSocket;
  readonly received: Received[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  readonly #frames: MesherFrame[] = [];
  #request = 0;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: Buffer) => this.#take(decodeMesherFrame(data)));
    socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
    });
    socket.on('error', () => undefined); // closed by the mesher, or by the test
  }

  /** `http`: base URL of the mesher. */
  static async open(t: Ending, http: string): Promise<WsClient> {
    const socket = new WebSocket(`${http.replace('http', 'ws')}/v1/ws`, ['causeway.v1']);
    const client = new WsClient(socket);
    t.after(async () => socket.terminate());
    await once(socket, 'open');
    return client;
  }

  #take(frame: MesherFrame): void {
    if (frame.kind !== 'deliver') {
      this.#frames.push(frame);
      return;
    }
    for (const [i, bytes] of splitBatch(frame.batch, frame.count).entries()) {
      const event = decodeCloudEvent(bytes);
      this.received.push({
        stream: frame.stream,
        number: frame.first + i,
        attempt: frame.attempts[i] ?? 0,
        topic: frame.topics[frame.topicOf[i] ?? -1] ?? '',
        id: event.id,
        event,
        deadLetter: frame.deadLetters.get(i)?.reason,
      });
    }
  }

  frames<Kind extends MesherFrame['kind']>(kind: Kind): Framed<Kind>[] {
    return this.#frames.filter((frame): frame is Framed<Kind> => frame.kind === kind);
  }

  async whenFrame<Kind extends MesherFrame['kind']>(
    kind: Kind,
    is: (frame: Framed<Kind>) => boolean = () => true,
  ): Promise<Framed<Kind>> {
    return until(`a frame ${kind}`, () => this.frames(kind).find(is), { everyMs: 5 });
  }

  async whenReceived(count: number): Promise<readonly Received[]> {
    await until(
      () => `${count} deliveries, ${this.received.length} came`,
      () => this.received.length >= count,
      { everyMs: 5, progress: () => this.received.length },
    );
    return this.received;
  }

  async whenClosed(): Promise<{ readonly code: number; readonly reason: string }> {
    return until('the connection to be closed', () => this.closed, { everyMs: 5 });
  }

  send(frame: Uint8Array): void {
    this.socket.send(frame, { binary: true });
  }

  /** Sends only. */
  publish(topic: string, events: readonly CloudEvent[], qos: 'durable' | 'best-effort' = 'durable'): number {
    const request = ++this.#request;
    const head = { request, qos, report: false, topics: [{ count: events.length, topic }] };
    this.send(encodePublish(head, events.map(encodeCloudEvent)));
    return request;
  }

  async whenAccepted(request: number): Promise<void> {
    await this.whenFrame('accepted', ({ requests }) => requests.includes(request));
  }

  open(
    stream: number,
    subject: string,
    credit = 1_000_000,
    source: 'durable' | 'ephemeral' = 'durable',
  ): void {
    this.send(encodeOpen({ stream, source, credit, subject, group: '' }));
  }

  credit(stream: number, count: number): void {
    this.send(encodeCredit(stream, count));
  }

  /** Sends, and waits for the answer. */
  async settle(stream: number, ...settlements: RangeSettlement[]): Promise<Framed<'settled'>> {
    const request = ++this.#request;
    this.send(encodeSettle(stream, request, settlements));
    return this.whenFrame('settled', (frame) => frame.request === request);
  }
}

export const ack = (first: number, count = 1): RangeSettlement => ({
  kind: 'ack',
  ranges: [{ first, count }],
});
