// Keeps a connection with one of some meshers: tries their addresses in turn, first the one it had, with a growing pause after each
// round; ends a connection on which nothing comes any more.

import { decodeMesherFrame } from '../../bridge/ws/frames/mesher-frames.ts';
import { backoffMs } from '../../node/core/backoff.ts';
import { WireError } from '../../node/wire/wire-error.ts';
import type { Address } from './address.ts';
import { CausewayError } from './errors.ts';
import { Session, welcomeOf } from './session.ts';
import type { OpenSocket, Socket } from './socket.ts';
import type { Timers } from './timers.ts';

export interface ConnectionEvents {
  up(session: Session): void;
  /** The connection that was up is lost. */
  down(error: CausewayError): void;
  /** Every address was tried, and none answered. False: give up. */
  goOn(error: CausewayError): boolean;
}

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;
/** From the attempt to WELCOME. */
const WELCOME_TIMEOUT_MS = 10_000;
/** Where nothing came for so long, the other side is asked for a sign of life; three times in vain, and the connection is ended. */
const QUIET_MS = 5_000;
const QUIET_TIMES_MAX = 3;
/** For the closing handshake. */
const GOODBYE_MS = 1_000;
const NORMAL = 1000;
const PROTOCOL_ERROR = 1002;

export class Connection {
  readonly #addresses: readonly Address[];
  readonly #open: OpenSocket;
  readonly #timers: Timers;
  readonly #events: ConnectionEvents;
  #at = 0;
  /** In this round. */
  #tried = 0;
  #rounds = 0;
  #socket: Socket | undefined;
  #session: Session | undefined;
  /** Why this side ends the socket, which says no more than that it was ended. */
  #why: CausewayError | undefined;
  #heard = false;
  #quietTimes = 0;
  #cancelTimer: (() => void) | undefined;
  #status: 'on' | 'closing' | 'closed' = 'on';
  #whenClosed: (() => void)[] = [];

  constructor(addresses: readonly Address[], open: OpenSocket, timers: Timers, events: ConnectionEvents) {
    this.#addresses = addresses;
    this.#open = open;
    this.#timers = timers;
    this.#events = events;
  }

  /** Called once. */
  start(): void {
    this.#dial();
  }

  #dial(): void {
    const address = this.#addresses[this.#at];
    if (address === undefined) return;
    this.#why = undefined;
    this.#wait(WELCOME_TIMEOUT_MS, () => this.#end(silent(address, 'it sent no WELCOME')));
    this.#socket = this.#open(address, {
      message: (bytes) => this.#message(address, bytes),
      alive: () => {
        this.#heard = true;
      },
      closed: (error) => this.#lost(this.#why ?? error),
    });
  }

  #message(address: Address, bytes: Uint8Array): void {
    if (this.#why !== undefined) return; // it is being ended
    try {
      if (this.#session !== undefined) this.#session.take(decodeMesherFrame(bytes));
      else this.#welcomed(address, bytes);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#why = new CausewayError(
        'internal',
        `${address.text} does not keep to the streaming protocol: ${error.message}`,
        { cause: error, retryable: true },
      );
      this.#socket?.close(PROTOCOL_ERROR, error.message.slice(0, 100));
      this.#wait(GOODBYE_MS, () => this.#socket?.terminate());
    }
  }

  #welcomed(address: Address, bytes: Uint8Array): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#session = new Session(address, welcomeOf(bytes), (frame) => socket.send(frame));
    this.#tried = 0;
    this.#heard = true;
    this.#quietTimes = 0;
    if (this.#status === 'on') this.#watch(address);
    this.#events.up(this.#session);
  }

  /** A process that was busy for long has heard nothing, and is not to take that for silence: it counts its own looks. */
  #watch(address: Address): void {
    this.#wait(QUIET_MS, () => {
      if (this.#heard) this.#quietTimes = 0;
      else if (++this.#quietTimes >= QUIET_TIMES_MAX) {
        this.#end(silent(address, 'it fell silent'));
        return;
      }
      if (!this.#heard) this.#socket?.ping();
      this.#heard = false;
      this.#watch(address);
    });
  }

  #lost(error: CausewayError): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#socket = undefined;
    const wasUp = this.#session !== undefined;
    this.#session = undefined;
    if (wasUp) this.#events.down(error);
    if (this.#status !== 'on') {
      this.#closed();
      return;
    }
    if (wasUp) {
      // where it was ended for what one side has said, that is likely to be said again
      if (error.code === 'mesher-unreachable') this.#rounds = 0;
      // the one it had comes first: durable subscriptions live there
      this.#wait(this.#pauseMs(), () => this.#dial());
      return;
    }
    this.#at = (this.#at + 1) % this.#addresses.length;
    if (++this.#tried < this.#addresses.length) this.#dial();
    else {
      this.#tried = 0;
      if (this.#events.goOn(error)) this.#wait(this.#pauseMs(), () => this.#dial());
    }
  }

  #pauseMs(): number {
    return backoffMs(this.#rounds++, FIRST_RETRY_MS, LONGEST_RETRY_MS, this.#timers.random);
  }

  #end(why: CausewayError): void {
    this.#why = why;
    this.#socket?.terminate();
  }

  /** One thing is waited for at a time. */
  #wait(ms: number, run: () => void): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#timers.after(ms, run);
  }

  /** Resolves when there is no socket any more. */
  close(): Promise<void> {
    if (this.#status === 'closed') return Promise.resolve();
    const closed = new Promise<void>((resolve) => this.#whenClosed.push(resolve));
    if (this.#status === 'closing') return closed;
    this.#status = 'closing';
    this.#cancelTimer?.();
    const socket = this.#socket;
    if (socket === undefined) this.#closed();
    else if (this.#session === undefined) socket.terminate();
    else {
      socket.close(NORMAL, '');
      this.#wait(GOODBYE_MS, () => socket.terminate());
    }
    return closed;
  }

  #closed(): void {
    this.#status = 'closed';
    for (const resolve of this.#whenClosed.splice(0)) resolve();
  }
}

function silent(address: Address, what: string): CausewayError {
  return new CausewayError('mesher-unreachable', `no answer from ${address.text}: ${what}`, {
    details: { address: address.text, reason: 'ETIMEDOUT' },
  });
}
