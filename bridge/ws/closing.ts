// Ends a WebSocket from this end: a close frame, and the end of the stream behind it. What still comes is read and forgotten: nothing
// more is gathered in memory for a client that is not listened to, and none is reset before it has read why. The library destroys
// the socket of one that does not end its own side in time (its closeTimeout).

import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';

/** UTF-8 bytes of the reason in a close frame (RFC 6455 §5.5). */
const REASON_BYTES_MAX = 123;

export function closeUnheard(socket: WebSocket, raw: Socket, code: number, why: string): void {
  socket.close(code, asReason(why)); // written at once: there are no extensions for which it would wait
  raw.end();
  forgetWhatComes(raw);
}

/** As the library does it after what is no WebSocket frame. */
export function forgetWhatComes(raw: Socket): void {
  raw.removeAllListeners('data');
  raw.resume();
}

/** A close frame's text: cut where it is too long, and ASCII, so that no character is cut. */
function asReason(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, REASON_BYTES_MAX);
}
