// One WebSocket, as the connection uses it, and the real one. It is made by `ws`, and not the WebSocket that Node has since 22: to
// send, it takes 0.08 µs of CPU per 256 bytes where Node's takes 0.30 µs (messages of 64 and 256 KiB; `ws` masks
// with bufferutil, in native code); to receive, both take 0.12 µs. It also says why it could not connect, and shows pings.

import { WebSocket } from 'ws';
import { CausewayError } from './errors.ts';
import type { Address } from './address.ts';

export interface Socket {
  send(frame: Uint8Array): void;
  /** Asks the other side for a sign of life. */
  ping(): void;
  /** Says goodbye; `closed` follows. */
  close(code: number, reason: string): void;
  /** Ends it at once; `closed` follows. */
  terminate(): void;
}

export interface SocketEvents {
  message(bytes: Uint8Array): void;
  /** Something came, whatever it was. */
  alive(): void;
  /** The end, once, also of a socket that was never open. */
  closed(error: CausewayError): void;
}

export type OpenSocket = (address: Address, events: SocketEvents) => Socket;

const SUBPROTOCOL = 'causeway.v1';
/** Of one message: a mesher's DELIVER holds an event of the largest size it may be configured to take, and little more. */
const MESSAGE_BYTES_MAX = 256 * 1024 * 1024;
const HANDSHAKE_TIMEOUT_MS = 10_000;

export const openSocket: OpenSocket = (address, events) => {
  let failure: CausewayError | undefined;
  const socket = new WebSocket(address.socket, SUBPROTOCOL, {
    perMessageDeflate: false,
    maxPayload: MESSAGE_BYTES_MAX,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  });
  socket.binaryType = 'nodebuffer';
  socket.on('message', (data) => {
    events.alive();
    if (data instanceof Uint8Array) events.message(data);
  });
  socket.on('ping', () => events.alive());
  socket.on('pong', () => events.alive());
  socket.on('unexpected-response', (_request, response) => {
    const status = response.statusCode ?? 0;
    failure = new CausewayError(
      status === 503 ? 'not-ready' : 'mesher-unreachable',
      `${address.text} answered ${status}; is it a Causeway mesher with the streaming protocol?`,
      { details: { address: address.text, httpStatus: status } },
    );
    socket.terminate();
  });
  socket.on('error', (cause) => {
    failure ??= unreachable(address, cause);
  });
  socket.on('close', (code, reason) => events.closed(failure ?? ended(address, code, reason.toString())));
  return {
    send: (frame) => socket.send(frame),
    ping: () => socket.ping(),
    close: (code, reason) => socket.close(code, reason),
    terminate: () => socket.terminate(),
  };
};

/** Foreign errors become ours here, and nowhere else. */
function unreachable(address: Address, cause: Error): CausewayError {
  const reason = 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message;
  return new CausewayError(
    'mesher-unreachable',
    `no mesher at ${address.text} (${REASONS[reason] ?? reason})`,
    {
      cause,
      details: { address: address.text, reason },
    },
  );
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection lost',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the host name cannot be looked up',
  EHOSTUNREACH: 'host unreachable',
  ETIMEDOUT: 'it did not answer in time',
};

/** What a mesher says when it ends a connection (docs/streaming.md). */
function ended(address: Address, code: number, reason: string): CausewayError {
  const details = { address: address.text, closeCode: code };
  const words = reason === '' ? '' : `: ${reason}`;
  if (code === 1013)
    return new CausewayError('overloaded', `${address.text} has no room for one more connection${words}`, {
      details,
    });
  if (code === 1002 || code === 1003 || code === 1009)
    return new CausewayError('invalid-request', `${address.text} ended the connection (${code})${words}`, {
      details,
    });
  return new CausewayError(
    'mesher-unreachable',
    `the connection with ${address.text} was lost (${code})${words}`,
    {
      details,
    },
  );
}
