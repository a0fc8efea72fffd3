// Role: the parts that a latency is made of, alone: the disk's fsync of an appended file, and the round trip of TCP between two
// processes on this machine. Both one at a time, without anything else to do.

import { once } from 'node:events';
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { Latencies, monotonicUs } from '../harness/latencies.ts';
import { playRole } from '../harness/role.ts';

export interface PartsRole {
  /** Appends blocks to a new file and syncs each. */
  fsync(options: { readonly file: string } & Probe): { readonly p50Ms: number };
  /** Sends back what comes. */
  listen(nothing: undefined): Promise<{ readonly port: number }>;
  ping(options: { readonly port: number } & Probe): Promise<{ readonly p50Ms: number }>;
}

interface Probe {
  readonly bytes: number;
  readonly count: number;
}

playRole<PartsRole>({
  fsync: ({ file, bytes, count }) => {
    const latencies = new Latencies();
    const block = Buffer.alloc(bytes, 0x5a);
    const opened = openSync(file, 'w');
    for (let i = 0; i < count; i++) {
      const startUs = monotonicUs();
      writeSync(opened, block);
      fdatasyncSync(opened);
      latencies.add(monotonicUs() - startUs);
    }
    closeSync(opened);
    return latencies.figures();
  },
  listen: async () => {
    const server = createServer({ noDelay: true }, (socket) => socket.pipe(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { port: (server.address() as AddressInfo).port };
  },
  ping: async ({ port, bytes, count }) => {
    const latencies = new Latencies();
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    const message = Buffer.alloc(bytes, 0x5a);
    for (let i = 0; i < count; i++) {
      const startUs = monotonicUs();
      await roundTrip(socket, message);
      latencies.add(monotonicUs() - startUs);
    }
    socket.destroy();
    return latencies.figures();
  },
});

async function roundTrip(socket: ReturnType<typeof connect>, message: Buffer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let left = message.length;
    const take = (chunk: Buffer): void => {
      left -= chunk.length;
      if (left > 0) return;
      socket.off('data', take).off('error', reject);
      resolve();
    };
    socket.on('data', take).on('error', reject);
    socket.write(message);
  });
}
