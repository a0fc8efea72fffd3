// Role: a way between two ends that takes time: whatever one sends reaches the other so much later, in order, as on a path
// without losses whose rate nothing bounds.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { playRole } from '../harness/role.ts';

export interface DistanceRole {
  /** Resolves with a port of this machine that leads to `port`. */
  open(way: { readonly port: number; readonly oneWayMs: number }): Promise<{ readonly port: number }>;
}

/** Under way in one direction: more than the largest window of a link. */
const UNDER_WAY_BYTES_MAX = 64 * 1024 * 1024;

/** `to` gets what `from` sends, later. */
function carry(from: Socket, to: Socket, oneWayMs: number): void {
  const underWay: { readonly dueMs: number; readonly bytes: Buffer }[] = [];
  let bytesUnderWay = 0;
  let timer: NodeJS.Timeout | undefined;
  const arrive = (): void => {
    timer = undefined;
    for (let next = underWay[0]; next && next.dueMs <= performance.now(); next = underWay[0]) {
      underWay.shift();
      bytesUnderWay -= next.bytes.length;
      to.write(next.bytes);
    }
    const [next] = underWay;
    if (next) timer = setTimeout(arrive, Math.max(0, next.dueMs - performance.now()));
    if (from.isPaused() && bytesUnderWay < UNDER_WAY_BYTES_MAX) from.resume();
  };
  from.on('data', (bytes) => {
    underWay.push({ dueMs: performance.now() + oneWayMs, bytes });
    bytesUnderWay += bytes.length;
    if (bytesUnderWay >= UNDER_WAY_BYTES_MAX) from.pause();
    timer ??= setTimeout(arrive, oneWayMs);
  });
  from.on('error', () => to.destroy());
  from.on('close', () => to.destroy());
}

playRole<DistanceRole>({
  open: async ({ port, oneWayMs }) => {
    const server = createServer({ noDelay: true }, (near) => {
      const far = connect({ port, host: '127.0.0.1', noDelay: true });
      carry(near, far, oneWayMs);
      carry(far, near, oneWayMs);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { port: (server.address() as AddressInfo).port };
  },
});
