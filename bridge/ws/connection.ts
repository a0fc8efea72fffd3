// One WebSocket of the streaming protocol (docs/streaming.md): reads frames and hands each to its part (publishing.ts, stream.ts),
// reads no more than is answered, and ends once: by either side, by what is no frame, by silence, or because the mesher stops.

import type { Socket } from 'node:net';
import type { RawData, WebSocket } from 'ws';
import { MeshError } from '../../node/core/errors.ts';
import { isWsFraming, type WsRefusal } from '../../node/core/metric-catalogue.ts';
import type { FrontDoor } from '../../node/core/ports.ts';
import { parseGroup } from '../../node/core/subscription.ts';
import { WireError } from '../../node/wire/wire-error.ts';
import { closeUnheard, forgetWhatComes } from './closing.ts';
import type { MessageBounds, WsBounds, WsTiming } from './config.ts';
import type { ClientFrame, OpenFrame, SettleFrame } from './frames/client-frames.ts';
import { decodeClientFrame, frameName } from './frames/client-frames.ts';
import type { SharedDeliveries } from './frames/deliver-frame.ts';
import type { Welcome } from './frames/json.ts';
import { encodeClosed, encodeSettled, encodeWelcome } from './frames/mesher-frames.ts';
import type { NumberRange } from './frames/ranges.ts';
import { mergedRanges } from './frames/ranges.ts';
import { Outbox } from './outbox.ts';
import type { Overload } from './overload.ts';
import { PartialMessage } from './partial-message.ts';
import { meshErrorOf, problemOf } from './problem.ts';
import { Publishing } from './publishing.ts';
import type { MessageHolder, ReceiveBudget } from './receive-budget.ts';
import { Stream } from './stream.ts';

export interface ConnectionOptions {
  readonly welcome: Welcome;
  readonly messages: MessageBounds;
  readonly bounds: WsBounds;
  readonly timing: WsTiming;
}

export interface ConnectionPorts {
  readonly door: FrontDoor;
  readonly overload: Overload;
  readonly shared: SharedDeliveries;
  readonly budget: ReceiveBudget;
  /** Counted by reason: an error's code, or what was wrong with a frame. */
  readonly refused: (reason: WsRefusal) => void;
  readonly log: { error(fields: object, message: string): void };
  readonly ended: (connection: Connection) => void;
}

export class Connection implements MessageHolder {
  readonly #socket: WebSocket;
  readonly #raw: Socket;
  readonly #options: ConnectionOptions;
  readonly #ports: ConnectionPorts;
  readonly #outbox: Outbox;
  readonly #publishing: Publishing;
  readonly #streams = new Map<number, Stream>();
  /** SETTLEs under way, of streams that are gone by now, too. */
  #settling = 0;
  readonly #partial = new PartialMessage();
  /** Messages of which the budget knows. */
  #heldMessages = 0;
  #lastStream = 0;
  /** Ended: nothing is taken any more, but the socket is still there. */
  #state: 'open' | 'stopping' | 'ended' | 'gone' = 'open';
  /** Monotonic ms: of the last sign of life, and of the last ping. */
  #heardAt: number;
  #pingedAt: number;
  #heard = false;
  /** Bytes that had left for the network when last looked at. */
  #leftBytes = 0;
  /** Messages when last looked at, and since when the one under way has been coming. */
  #messages = 0;
  #partialSince: number;

  constructor(
    socket: WebSocket,
    raw: Socket,
    now: number,
    options: ConnectionOptions,
    ports: ConnectionPorts,
  ) {
    this.#socket = socket;
    this.#raw = raw;
    this.#options = options;
    this.#ports = ports;
    this.#heardAt = now;
    this.#pingedAt = now;
    this.#partialSince = now;
    this.#outbox = new Outbox(socket, raw, options.bounds, () => this.#drained());
    this.#publishing = new Publishing(options.messages.publishWindowBytes, {
      door: ports.door,
      outbox: this.#outbox,
      overload: ports.overload,
      refused: (error) => this.#countError(error),
      changed: () => this.#changed(),
    });
  }

  get #hasEnded(): boolean {
    return this.#state === 'ended' || this.#state === 'gone';
  }

  get streams(): number {
    return this.#streams.size;
  }

  open(): void {
    const socket = this.#socket;
    socket.on('message', (data, isBinary) => this.#message(data, isBinary));
    socket.on('ping', (data) => this.#partial.ended(data.length));
    socket.on('pong', (data) => this.#partial.ended(data.length));
    socket.on('error', (error) => {
      this.#ports.refused(slugOf(error));
      this.#release();
    });
    socket.on('close', () => {
      this.#release();
      this.#state = 'gone';
      this.#ports.budget.gone(this);
      this.#ports.ended(this);
    });
    this.#raw.on('data', (chunk: Uint8Array) => this.#chunk(chunk.length)); // after the library's own listener
    this.#outbox.send(encodeWelcome(this.#options.welcome));
  }

  // ─────────────────────────────────────────────────────────── frames in

  #message(data: RawData, isBinary: boolean): void {
    if (!(data instanceof Uint8Array)) return; // never: it is asked for as one Buffer
    this.#partial.ended(data.length);
    if (this.#hasEnded) return;
    if (!isBinary) {
      this.#fail(1003, 'text-message', 'a text message: frames of this protocol are binary');
      return;
    }
    try {
      this.#take(decodeClientFrame(data));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#fail(1002, error.reason, `${frameName(data)}: ${error.message}`);
    }
    this.#updateReading();
  }

  /** Throws WireError for a frame that is not in its place. */
  #take(frame: ClientFrame): void {
    switch (frame.kind) {
      case 'publish':
        this.#publishing.take(frame);
        return;
      case 'open':
        this.#openStream(frame);
        return;
      case 'credit':
        this.#streamOf(frame.stream)?.credit(frame.count);
        return;
      case 'settle':
        this.#settle(frame);
        return;
      case 'close':
        this.#streamOf(frame.stream)?.close();
        this.#streams.delete(frame.stream);
    }
  }

  /** Undefined: it was there, and ended; the client may not know yet. */
  #streamOf(number: number): Stream | undefined {
    if (number > this.#lastStream) throw new WireError('bad-value', `the stream ${number} was never opened`);
    return this.#streams.get(number);
  }

  #openStream(frame: OpenFrame): void {
    const { stream: number } = frame;
    if (number <= this.#lastStream)
      throw new WireError('bad-value', `the stream ${number} comes after ${this.#lastStream}`);
    this.#lastStream = number;
    const stream = new Stream(frame, this.#options.bounds, {
      door: this.#ports.door,
      outbox: this.#outbox,
      shared: this.#ports.shared,
      share: () => this.#options.bounds.socketBytesMax / this.#streams.size,
      refused: (error) => this.#countError(error),
      ended: () => void this.#streams.delete(number),
      settling: (change) => {
        this.#settling += change;
        this.#changed();
      },
    });
    try {
      this.#checkOpen(frame);
      this.#streams.set(number, stream);
      stream.open(frame);
    } catch (error) {
      this.#streams.delete(number);
      const refusal = meshErrorOf(error);
      this.#countError(refusal);
      this.#outbox.send(encodeClosed(number, problemOf(refusal)));
    }
  }

  #checkOpen({ source, group }: OpenFrame): void {
    const { streamsMax } = this.#options.bounds;
    if (this.#state === 'stopping')
      throw new MeshError('shutting-down', 'this mesher is stopping; use another one');
    if (this.#streams.size >= streamsMax)
      throw new MeshError(
        'overloaded',
        `this connection has ${streamsMax} streams; end one, or open another connection`,
        { details: { limit: streamsMax } },
      );
    if (group === '') return;
    if (source === 'durable')
      throw new MeshError('invalid-request', "a durable stream has its subscription's group; leave it empty");
    parseGroup(group);
  }

  #settle(frame: SettleFrame): void {
    const stream = this.#streamOf(frame.stream);
    if (stream) stream.settle(frame);
    // What it had went back to its queue: nothing is left to settle.
    else this.#outbox.send(encodeSettled(frame.request, mergedRanges(rangesIn(frame))));
  }

  // ─────────────────────────────────────────────────────────── how much is read and sent

  #changed(): void {
    this.#updateReading();
    if (this.#state === 'stopping') this.#closeIfAnswered();
  }

  #drained(): void {
    this.#updateReading();
    for (const stream of this.#streams.values()) stream.askGrant();
  }

  #updateReading(): void {
    if (this.#state === 'gone') return;
    const { messages } = this.#partial;
    const held = this.#partial.bytes + this.#publishing.unansweredBytes;
    if (this.#state === 'ended') {
      this.#ports.budget.leave(this, held);
      return;
    }
    const mayHoldMore = this.#ports.budget.hold(this, held, messages !== this.#heldMessages);
    this.#heldMessages = messages;
    const isFull = !mayHoldMore || this.#publishing.isFull || this.#outbox.isOverfull;
    if (isFull === this.#socket.isPaused) return;
    if (isFull) this.#socket.pause();
    else this.#socket.resume();
  }

  /** A chunk was taken: what is left of it is the beginning of a message. */
  #chunk(bytes: number): void {
    this.#heard = true;
    this.#partial.chunk(bytes);
    this.#updateReading();
  }

  /** By the budget: there is room for more. */
  goOn(): void {
    this.#updateReading();
  }

  // ─────────────────────────────────────────────────────────── life and end

  /** To be called now and then: pings, and ends what is silent or too slow. */
  sweep(now: number): void {
    if (this.#hasEnded) return; // the library's time-out is running
    const { pingEveryMs, silenceMs, messageTimeoutMs } = this.#options.timing;
    const { isPaused } = this.#socket;
    if (this.#heard || isPaused || this.#isDraining()) this.#heardAt = now;
    this.#heard = false;
    const { bytes, messages } = this.#partial;
    if (isPaused || bytes === 0 || messages !== this.#messages) this.#partialSince = now;
    this.#messages = messages;
    if (now - this.#heardAt >= silenceMs) {
      this.#ports.refused('silent');
      this.#socket.terminate();
    } else if (now - this.#partialSince >= messageTimeoutMs) {
      this.#fail(1002, 'request-timeout', `a message that took more than ${messageTimeoutMs} ms`);
    } else if (now - this.#pingedAt >= pingEveryMs && this.#socket.readyState === this.#socket.OPEN) {
      this.#pingedAt = now;
      this.#socket.ping();
    }
  }

  /** A slow client may not get to see a ping for long, but what was sent before it goes out. */
  #isDraining(): boolean {
    const before = this.#leftBytes;
    this.#leftBytes = this.#raw.bytesWritten - this.#raw.writableLength;
    return this.#raw.writableLength > 0 && this.#leftBytes > before;
  }

  /** The mesher stops: streams end, what waits is refused, what was handed in is answered, and then it closes. */
  stop(): void {
    if (this.#state !== 'open') return;
    this.#state = 'stopping';
    for (const stream of this.#streams.values()) stream.end('shutting-down');
    this.#publishing.stop();
    this.#closeIfAnswered();
  }

  #closeIfAnswered(): void {
    if (this.#publishing.unanswered + this.#settling > 0) return;
    this.#outbox.flush();
    this.#close(1001, 'this mesher is stopping; use another one');
  }

  /** Ends it for what the client did, or for lack of room. */
  #fail(code: number, reason: WsRefusal, why: string): void {
    this.#ports.refused(reason);
    this.#close(code, why);
  }

  #close(code: number, why: string): void {
    if (this.#hasEnded) return;
    this.#release();
    closeUnheard(this.#socket, this.#raw, code, why);
  }

  /** Neither waits for the closing handshake: what was delivered goes back to its queues now. */
  terminate(): void {
    this.#socket.terminate();
  }

  #release(): void {
    if (this.#hasEnded) return;
    this.#state = 'ended';
    forgetWhatComes(this.#raw);
    this.#publishing.end();
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
    this.#updateReading();
  }

  #countError(error: MeshError): void {
    this.#ports.refused(error.code);
    if (error.code === 'internal')
      this.#ports.log.error({ err: error.cause }, 'a request of a streaming client failed');
  }
}

function rangesIn({ settlements }: SettleFrame): NumberRange[] {
  return settlements.flatMap(({ ranges }) => ranges);
}

/** What the library found wrong with WebSocket's own framing: `WS_ERR_INVALID_OPCODE` → `ws-err-invalid-opcode`. */
function slugOf(error: Error): WsRefusal {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const slug = code.toLowerCase().replaceAll('_', '-');
  return isWsFraming(slug) ? slug : 'unreadable';
}
