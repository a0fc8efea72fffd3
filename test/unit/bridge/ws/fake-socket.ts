// A WebSocket and the socket under it, moved by hand: what is sent is decoded and kept, and may be stuck until it is told to leave.

import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { MesherFrame } from '../../../../bridge/ws/frames/mesher-frames.ts';
import { decodeMesherFrame } from '../../../../bridge/ws/frames/mesher-frames.ts';

export class FakeSocket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  bufferedAmount = 0;
  isPaused = false;
  /** Nothing leaves until `drain`. */
  isStuck = false;
  pings = 0;
  /** Messages sent in more than one part. */
  fragmented = 0;
  readonly #fragments: Uint8Array[] = [];
  readonly sent: MesherFrame[] = [];
  readonly sizes: number[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  isTerminated = false;
  #callbacks: (() => void)[] = [];

  send(data: Uint8Array, { fin = true }: { readonly fin?: boolean }, sent = () => undefined as void): void {
    this.#fragments.push(data);
    if (fin) {
      const message = Buffer.concat(this.#fragments.splice(0));
      this.sent.push(decodeMesherFrame(message));
      this.sizes.push(message.length);
    } else this.fragmented++;
    if (!this.isStuck) {
      queueMicrotask(sent);
      return;
    }
    this.bufferedAmount += data.length;
    this.#callbacks.push(sent);
  }

  drain(): void {
    this.isStuck = false;
    this.bufferedAmount = 0;
    for (const sent of this.#callbacks.splice(0)) sent();
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  ping(): void {
    this.pings++;
  }

  close(code: number, reason: string): void {
    this.readyState = 2;
    this.closed ??= { code, reason };
  }

  terminate(): void {
    this.isTerminated = true;
    this.gone();
  }

  /** With which code it was closed from this end. */
  closeCode(): number | undefined {
    return this.closed?.code;
  }

  /** The socket is closed, by whomever. */
  gone(): void {
    this.readyState = 3;
    this.emit('close');
  }

  /** As the library tells it. */
  asWebSocket(): WebSocket {
    return this as unknown as WebSocket;
  }

  /** Frames of a kind, in the order in which they were sent. */
  frames<Kind extends MesherFrame['kind']>(kind: Kind): Extract<MesherFrame, { kind: Kind }>[] {
    return this.sent.filter((frame): frame is Extract<MesherFrame, { kind: Kind }> => frame.kind === kind);
  }
}

export class FakeRawSocket extends EventEmitter {
  bytesWritten = 0;
  writableLength = 0;
  isEnded = false;
  /** How often what was held back was let go. */
  uncorked = 0;
  isCorked = false;

  cork(): void {
    this.isCorked = true;
  }

  uncork(): void {
    if (this.isCorked) this.uncorked++;
    this.isCorked = false;
  }

  end(): void {
    this.isEnded = true;
  }

  resume(): void {
    this.emit('resume');
  }

  asSocket(): Socket {
    return this as unknown as Socket;
  }
}

/** All promises that can go on have. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
}
