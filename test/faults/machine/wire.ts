// A bad line for packets, where the kernel has no netem: what is routed into its inlet (a VXLAN device) comes as UDP
// datagrams to a process on a host of its own (wire-process.ts), which loses, delays, reorders, repeats or changes them, and
// what is left of them comes out of the outlet, another VXLAN device. TCP above it is the kernel's own and sees a bad network.
//
//   inlet ── 10.78.0.1 ──► 10.78.0.2:4790 (wire-process) ──► 10.78.0.1:4791 ── outlet
//
// MTU: the outer packets carry 50 bytes more, so the pair between the hosts takes 1600.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { command } from './command.ts';

export interface WireSettings {
  /** Share of packets lost. */
  readonly loss?: number;
  readonly delayMs?: number;
  /** Added to the delay, evenly from 0: packets overtake each other. */
  readonly jitterMs?: number;
  /** Share of packets that come twice. */
  readonly duplication?: number;
  /** What goes through, packets of both directions together; what finds more than a second's worth waiting is lost. */
  readonly bytesPerSecond?: number;
  /** Share of TCP segments from or to `port` with one bit of what they carry changed, and a checksum that is right all the same. */
  readonly corruption?: { readonly share: number; readonly port: number };
  /** Of the choices within. */
  readonly seed?: number;
}

export interface WireCounts {
  readonly passed: number;
  readonly lost: number;
  readonly repeated: number;
  readonly changed: number;
  readonly overflowed: number;
}

const PROCESS = join(import.meta.dirname, 'wire-process.ts');
const NAMESPACE = 'wire';
export const RELAY_PORT = 4790;
export const OUTLET_PORT = 4791;
const OUTER = { here: '10.78.0.1', there: '10.78.0.2' } as const;
export const INLET_GATEWAY = '10.79.0.2';
/** Locally administered. */
const OUTLET_MAC = '02:00:00:00:00:02';

export class Wire {
  readonly inlet = 'wire-in';
  #starting: Promise<void> | undefined;
  #process: ChildProcess | undefined;

  async start(): Promise<void> {
    this.#starting ??= this.#start();
    await this.#starting;
  }

  async #start(): Promise<void> {
    await command('ip', ['netns', 'add', NAMESPACE]);
    const here = [
      `link add to-wire mtu 1600 type veth peer name eth0 netns ${NAMESPACE} mtu 1600`,
      `address add ${OUTER.here}/30 dev to-wire`,
      'link set to-wire up',
      `link add ${this.inlet} mtu 1500 type vxlan id 7 remote ${OUTER.there} dstport ${RELAY_PORT} nolearning`,
      `link add wire-out mtu 1500 address ${OUTLET_MAC} type vxlan id 7 remote ${OUTER.there} dstport ${OUTLET_PORT} nolearning`,
      `address add 10.79.0.1/30 dev ${this.inlet}`,
      // what TCP hands on in pieces of 64 KiB is cut into packets here: nobody below would do it
      `link set ${this.inlet} gso_max_segs 1`,
      `link set ${this.inlet} up`,
      'link set wire-out up',
      // whatever is routed into the inlet is for the outlet
      `neigh add ${INLET_GATEWAY} lladdr ${OUTLET_MAC} dev ${this.inlet} nud permanent`,
    ];
    const there = ['link set lo up', `address add ${OUTER.there}/30 dev eth0`, 'link set eth0 up'];
    await command('ip', ['-batch', '-'], `${here.join('\n')}\n`);
    await command('ip', ['-n', NAMESPACE, '-batch', '-'], `${there.join('\n')}\n`);
    const child = spawn('nsenter', [`--net=/run/netns/${NAMESPACE}`, process.execPath, PROCESS, OUTER.here], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#process = child;
    await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => {
        throw new Error('the process of the wire ended before it listened; what it printed stands above');
      }),
    ]);
  }

  set(settings: WireSettings): void {
    this.#process?.send({ settings });
  }

  async counts(): Promise<Readonly<Record<string, number>>> {
    const child = this.#process;
    if (!child) return {};
    const answer = once(child, 'message');
    child.send({ counts: true });
    const [counts] = (await answer) as [Record<string, number>];
    return counts;
  }
}
