// Hosts on one machine: each a network namespace with an address of its own, joined by a veth pair to the namespace we
// are in, which routes between them. Packets between two hosts can be dropped (a rule of policy routing: silent, per
// direction) or led through the wire (wire.ts), which treats them badly. Our own packets to the hosts, those of clients,
// are never touched.

import { writeFile } from 'node:fs/promises';
import { command } from './command.ts';
import { INLET_GATEWAY, Wire, type WireSettings } from './wire.ts';

export interface Host {
  readonly name: string;
  readonly address: string;
  /** Runs what follows it on the host, and leaves it its process id. */
  readonly wrapper: readonly string[];
}

/** One direction. */
export interface Way {
  readonly from: Host;
  readonly to: Host;
}

/** Lower wins: what is cut is cut, whether or not the wire is on. */
const CUT_PRIORITY = 100;
const WIRE_PRIORITY = 200;
const WIRE_TABLE = 200;

export class Network {
  readonly #hosts: Host[] = [];
  readonly #wire: Wire;
  readonly #cuts = new Map<number, readonly Way[]>();
  #nextCut = 1;
  #changing: Promise<unknown> = Promise.resolve();

  private constructor(wire: Wire) {
    this.#wire = wire;
  }

  static async start(): Promise<Network> {
    await writeFile('/proc/sys/net/ipv4/ip_forward', '1');
    // what comes out of the wire comes from nowhere the routes know
    for (const which of ['all', 'default'])
      await writeFile(`/proc/sys/net/ipv4/conf/${which}/rp_filter`, '0');
    return new Network(new Wire());
  }

  get hosts(): readonly Host[] {
    return this.#hosts;
  }

  /** `subnet` is the cluster's: hosts of one cluster share the first three numbers of their addresses. */
  async addHost(name: string, subnet: number): Promise<Host> {
    const at = this.#hosts.length;
    const [router, address] = [`10.77.${subnet}.${4 * at + 1}`, `10.77.${subnet}.${4 * at + 2}`];
    const device = `to-${name}`;
    await command('ip', ['netns', 'add', name]);
    await batch([
      `link add ${device} type veth peer name eth0 netns ${name}`,
      `address add ${router}/30 dev ${device}`,
      `link set ${device} up`,
    ]);
    await batch(
      [
        'link set lo up',
        `address add ${address}/30 dev eth0`,
        'link set eth0 up',
        `route add default via ${router}`,
      ],
      name,
    );
    const host: Host = { name, address, wrapper: ['nsenter', `--net=/run/netns/${name}`] };
    this.#hosts.push(host);
    return host;
  }

  /** Drops every packet on these ways, until the function that it resolves with is called. */
  async cut(ways: readonly Way[]): Promise<() => Promise<void>> {
    const cut = this.#nextCut++;
    this.#cuts.set(cut, ways);
    await this.#rules('add', CUT_PRIORITY + cut, ways, 'blackhole');
    return async () => {
      if (!this.#cuts.delete(cut)) return;
      await this.#rules('del', CUT_PRIORITY + cut, ways, 'blackhole');
    };
  }

  /** Leads every packet between these hosts, both ways, through the wire: one such trouble at a time. */
  async trouble(hosts: readonly Host[], settings: WireSettings): Promise<() => Promise<void>> {
    const ways = waysBetween(hosts, this.#hosts);
    await this.#wire.start();
    this.#wire.set(settings);
    await batch([`route replace default via ${INLET_GATEWAY} dev ${this.#wire.inlet} table ${WIRE_TABLE}`]);
    const lines = ways.map(
      ({ from, to }) => `priority ${WIRE_PRIORITY} iif to-${from.name} to ${to.address} lookup ${WIRE_TABLE}`,
    );
    await this.#inTurn(() => batch(lines.map((line) => `rule add ${line}`)));
    return async () => {
      await this.#inTurn(() => batch(lines.map((line) => `rule del ${line}`)));
      this.#wire.set({});
    };
  }

  /** What the wire did with packets since its start. */
  wireCounts(): Promise<Readonly<Record<string, number>>> {
    return this.#wire.counts();
  }

  async #rules(verb: 'add' | 'del', priority: number, ways: readonly Way[], kind: string): Promise<void> {
    const lines = ways.map(
      ({ from, to }) => `rule ${verb} priority ${priority} from ${from.address} to ${to.address} ${kind}`,
    );
    await this.#inTurn(() => batch(lines));
  }

  /** Nemeses overlap; rules are changed one list at a time. */
  async #inTurn(change: () => Promise<unknown>): Promise<void> {
    const turn = this.#changing.then(change);
    this.#changing = turn.catch(() => undefined);
    await turn;
  }
}

/** Both directions between each of `some` and each other of `all`. */
export function waysBetween(some: readonly Host[], all: readonly Host[]): Way[] {
  const inside = new Set(some);
  return some.flatMap((one) =>
    all.flatMap((other) => {
      if (one === other) return [];
      const there = { from: one, to: other };
      return inside.has(other) ? [there] : [there, { from: other, to: one }];
    }),
  );
}

async function batch(lines: readonly string[], namespace?: string): Promise<void> {
  if (lines.length === 0) return;
  const where = namespace === undefined ? [] : ['-n', namespace];
  await command('ip', [...where, '-batch', '-'], `${lines.join('\n')}\n`);
}
