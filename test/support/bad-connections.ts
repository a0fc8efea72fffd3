// Connections as an attacker or a broken client makes them, to whatever port: many at once, that say half of what they should,
// or nothing, or nonsense, and that do not read. And what a process holds because of them, by its own operating system.

import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import type { Ending } from './federation.ts';
import { until } from './until.ts';

/** A few at a time: the backlog of a listening socket is short. */
const AT_ONCE = 64;

export interface BadConnection {
  readonly socket: Socket;
  /** What came back so far; nothing where it does not read. */
  answer: string;
  isClosed: boolean;
}

/** `count` connections to the port of `url`; `say` goes out as soon as each stands. Those that are refused are closed ones. */
export async function openMany(
  t: Ending,
  url: string,
  count: number,
  say: (index: number) => string | Uint8Array = () => '',
  { reads = true }: { readonly reads?: boolean } = {},
): Promise<BadConnection[]> {
  const { hostname, port } = new URL(url);
  const all: BadConnection[] = [];
  t.after(async () => closeAll(all));
  while (all.length < count) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - all.length) }, () => {
      const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
      const connection: BadConnection = { socket, answer: '', isClosed: false };
      socket.on('error', () => undefined); // a reset is one way to be refused
      socket.on('close', () => (connection.isClosed = true));
      socket.on('end', () => (connection.isClosed = true)); // the other side has said all that it will
      if (reads) socket.on('data', (chunk) => (connection.answer += chunk.toString('latin1')));
      else socket.pause();
      return connection;
    });
    await Promise.all(
      some.map(async ({ socket }, i) => {
        try {
          await once(socket, 'connect');
          socket.write(say(all.length + i));
        } catch {
          // refused, which is an answer
        }
      }),
    );
    all.push(...some);
  }
  return all;
}

export async function closeAll(connections: readonly BadConnection[]): Promise<void> {
  for (const { socket } of connections) socket.destroy();
}

export async function whenClosed(what: string, connections: readonly BadConnection[]): Promise<void> {
  const open = (): number => connections.filter(({ isClosed }) => !isClosed).length;
  await until(
    () => `${what}: ${open()} of ${connections.length} are still open`,
    () => open() === 0,
    {
      progress: open,
    },
  );
}

/** What a process holds, as Linux counts it. */
export function holdings(pid: number): { readonly files: number; readonly memoryBytes: number } {
  const files = readdirSync(`/proc/${pid}/fd`).length;
  const pages = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return { files, memoryBytes: Number(pages?.[1] ?? 0) * 1024 };
}
