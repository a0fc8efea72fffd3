// What goes out on one connection. Requests that are answered in one turn share one ACCEPTED, as many as it takes, and all frames of a turn
// are written at its end, in one call of the system: a third off the mesher's CPU for small frames. Nothing else is held back here: it says
// when the socket holds too much, and those who fill it must look.

import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { WsBounds } from './config.ts';
import { REQUESTS_MAX } from './frames/bounds.ts';
import { encodeAccepted } from './frames/mesher-frames.ts';

const BINARY = { binary: true };
const FIRST_FRAGMENT = { binary: true, fin: false };
/** Below, a copy costs less than one more frame of the WebSocket. */
const FRAGMENT_BYTES_MIN = 4096;

export class Outbox {
  readonly #socket: WebSocket;
  /** Under the WebSocket. */
  readonly #raw: Pick<Socket, 'cork' | 'uncork'>;
  readonly #bounds: Pick<WsBounds, 'socketBytesMax' | 'answerBytesMax'>;
  readonly #drained: () => void;
  #accepted: number[] = [];
  #wasFull = false;
  #isCorked = false;

  /** `drained` is called when the socket takes more again after it was found full. */
  constructor(
    socket: WebSocket,
    raw: Pick<Socket, 'cork' | 'uncork'>,
    bounds: Pick<WsBounds, 'socketBytesMax' | 'answerBytesMax'>,
    drained: () => void,
  ) {
    this.#socket = socket;
    this.#raw = raw;
    this.#bounds = bounds;
    this.#drained = drained;
  }

  /** No more deliveries for now. */
  get isFull(): boolean {
    if (this.#socket.bufferedAmount > this.#bounds.socketBytesMax) this.#wasFull = true;
    return this.#wasFull;
  }

  /** Not even answers. */
  get isOverfull(): boolean {
    return this.isFull && this.#socket.bufferedAmount > this.#bounds.answerBytesMax;
  }

  send(frame: Uint8Array): void {
    this.#cork();
    this.#socket.send(frame, BINARY, this.#sent);
  }

  /** One frame in one part or two, which stay as they are: others may send them, too. */
  sendParts([part, rest]: readonly Uint8Array[]): void {
    if (part === undefined) return;
    if (rest === undefined) this.send(part);
    else if (rest.length < FRAGMENT_BYTES_MIN) this.send(Buffer.concat([part, rest]));
    else {
      this.#cork();
      this.#socket.send(part, FIRST_FRAGMENT);
      this.#socket.send(rest, BINARY, this.#sent);
    }
  }

  accepted(request: number): void {
    if (this.#accepted.push(request) === 1) queueMicrotask(() => this.flush());
  }

  /** What was answered in this turn is sent at once. */
  flush(): void {
    const requests = this.#accepted;
    if (requests.length === 0) return;
    this.#accepted = [];
    for (let from = 0; from < requests.length; from += REQUESTS_MAX)
      this.send(encodeAccepted(requests.slice(from, from + REQUESTS_MAX)));
  }

  #cork(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#raw.cork();
    queueMicrotask(this.#uncork);
  }

  readonly #uncork = (): void => {
    this.#isCorked = false;
    this.#raw.uncork();
  };

  /** One function for all frames. A socket that has failed is closed: whoever waits for it hears of that. */
  readonly #sent = (): void => {
    if (!this.#wasFull || this.#socket.bufferedAmount > this.#bounds.socketBytesMax) return;
    this.#wasFull = false;
    this.#drained();
  };
}
