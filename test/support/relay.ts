// A TCP relay that can be cut, for partitions between processes on one machine. It knows which process dialled (Linux:
// /proc), so that one cluster can be cut off while the others go on. A cut swallows bytes both ways, as a network does
// that drops packets; it does not close, so that neither side is told.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

interface Pair {
  readonly from: Socket;
  readonly to: Socket;
  readonly pid: number | undefined;
  cut: boolean;
}

export class Relay {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #isCut: (dialler: number | undefined) => boolean;
  readonly #candidates: () => readonly number[];
  #target = 0;

  /** `isCut` is asked for each connection, with the pid that dialled; `candidates` are the pids looked at. */
  constructor(isCut: (dialler: number | undefined) => boolean, candidates: () => readonly number[]) {
    this.#isCut = isCut;
    this.#candidates = candidates;
    this.#server = createServer((socket) => this.#take(socket));
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  target(port: number): void {
    this.#target = port;
  }

  /** Asks `isCut` again for every connection there is. */
  update(): void {
    for (const pair of this.#pairs) {
      const cut = this.#isCut(pair.pid);
      if (pair.cut && !cut)
        this.#drop(pair); // swallowed bytes are gone: the connection cannot go on
      else if (cut) pair.cut = true;
    }
  }

  #take(from: Socket): void {
    const pid = diallerOf(from.remotePort ?? 0, this.#candidates());
    const to = connect(this.#target, '127.0.0.1');
    const pair: Pair = { from, to, pid, cut: this.#isCut(pid) };
    this.#pairs.add(pair);
    const pass = (source: Socket, sink: Socket): void => {
      source.on('data', (chunk) => {
        if (pair.cut) return;
        if (!sink.write(chunk)) source.pause();
      });
      sink.on('drain', () => source.resume());
      source.on('close', () => {
        if (!pair.cut) this.#drop(pair);
      });
      source.on('error', () => undefined); // 'close' follows
    };
    pass(from, to);
    pass(to, from);
  }

  #drop(pair: Pair): void {
    this.#pairs.delete(pair);
    pair.from.destroy();
    pair.to.destroy();
  }

  /** Closes every connection there is; new ones are taken. */
  breakAll(): void {
    for (const pair of this.#pairs) this.#drop(pair);
  }

  async close(): Promise<void> {
    this.breakAll();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** The candidate that owns the local end of this port, by the kernel's tables. */
function diallerOf(port: number, candidates: readonly number[]): number | undefined {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const line = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .find((one) => one.trim().split(/\s+/)[1]?.endsWith(`:${hex}`));
  const inode = line?.trim().split(/\s+/)[9];
  return candidates.find((pid) => inode !== undefined && ownsSocket(pid, inode));
}

function ownsSocket(pid: number, inode: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`;
      } catch {
        return false; // closed meanwhile
      }
    });
  } catch {
    return false; // the process is gone
  }
}
