// Ports for programs that must be told theirs, and that must find it free again when they are started anew. They lie below
// the range from which systems choose by themselves (Linux: from 32768, others: from 49152): a port from that range would
// soon be some connection's own.

import { createServer } from 'node:net';

const FIRST = 12_000;
const LAST = 31_999;

export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
