// The mesh under faults: three members of etcd and some clusters of meshers, every one of them a real process on a host of
// its own with, where the machine allows it, a disk of its own. Nemeses claim a mesher before they touch its process or
// disk, so that two of them never work on the same. Nobody stops the mesh: it ends with the namespaces that it runs in.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startEtcd, type TestEtcd } from '../support/etcd.ts';
import { Program, RunningMesher } from '../support/federation.ts';
import { until } from '../support/until.ts';
import type { History } from './load/history.ts';
import { TOPIC } from './load/events.ts';
import { Disk } from './machine/disk.ts';
import { type Host, Network } from './machine/network.ts';

const CLOCK_PRELOAD = join(import.meta.dirname, 'clock-preload.ts');
const REGISTRY_SUBNET = 9;
const HTTP_PORT = 7400;
const LINK_PORT = 7401;
/** What a mesher printed last, where a run tells of one that ended. */
const LAST_WORDS_CHARACTERS = 1500;

export interface MeshOptions {
  /** Its data, disks and clocks. */
  readonly folder: string;
  /** Cluster → meshers. */
  readonly clusters: Readonly<Record<string, number>>;
  readonly hasDisks: boolean;
  readonly replicas: number;
  /** Further flags of `causeway node`. */
  readonly flags: readonly string[];
}

export class FaultyMesher {
  readonly name: string;
  readonly host: Host;
  readonly disk: Disk | undefined;
  readonly running: RunningMesher;
  readonly #clockFile: string;
  readonly #history: History;
  /** Somebody has stopped it on purpose, or expects it to end. */
  #mayBeDown = false;
  #claimed = false;

  constructor(
    name: string,
    host: Host,
    disk: Disk | undefined,
    running: RunningMesher,
    clockFile: string,
    history: History,
  ) {
    this.name = name;
    this.host = host;
    this.disk = disk;
    this.running = running;
    this.#clockFile = clockFile;
    this.#history = history;
    running.program.watch((line) => {
      if (line.includes('the journal is damaged: it is put aside'))
        history.write({ op: 'gave-up', mesher: name });
    });
  }

  get cluster(): string {
    return this.running.cluster;
  }

  get url(): string {
    return this.running.http;
  }

  get isClaimed(): boolean {
    return this.#claimed;
  }

  claim(): void {
    this.#claimed = true;
  }

  release(): void {
    this.#claimed = false;
  }

  start(): void {
    this.#mayBeDown = false;
    this.running.start();
    this.#history.write({ op: 'started', mesher: this.name, how: '' });
    const { pid } = this.running.program;
    void this.running.program.ended().then(() => {
      if (this.running.program.pid === pid && !this.#mayBeDown) this.#endedByItself();
    });
  }

  #endedByItself(): void {
    const words = this.#lastWords();
    this.#history.write({ op: 'ended', mesher: this.name, how: `by itself: ${words}` });
    const facts = `${this.name} ended though nobody had stopped it; it printed last: ${words}`;
    this.#history.write({ op: 'broken', promise: 'a mesher lives until it is stopped', facts });
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#mayBeDown = true;
    await this.running.program.end(signal);
    this.#history.write({ op: 'ended', mesher: this.name, how: signal });
  }

  /** From now on it may end by itself: its disk was touched. */
  allowEnd(): void {
    this.#mayBeDown = true;
  }

  /** It has ended by itself, as it may: what it printed last must say why. */
  mustHaveNamed(cause: RegExp): void {
    const words = this.#lastWords();
    this.#history.write({ op: 'ended', mesher: this.name, how: `by itself: ${words}` });
    if (!cause.test(words))
      this.#history.write({
        op: 'broken',
        promise: 'who ends by itself says why',
        facts: `${this.name} ended with: ${words}`,
      });
  }

  #lastWords(): string {
    return this.running.program.output.slice(-LAST_WORDS_CHARACTERS);
  }

  get isRunning(): boolean {
    return this.running.program.running;
  }

  async restart(): Promise<void> {
    this.start();
    await this.running.whenReady();
  }

  /** After `allowEnd`, when what might have ended it is over: it is started if it did end, and has to live from now on. */
  async comeBack(): Promise<void> {
    const isReady = async (): Promise<boolean> => (await fetch(`${this.url}/readyz`)).ok;
    await until(`${this.name} is ready or has ended`, async () => !this.isRunning || (await isReady()));
    if (this.isRunning) this.#mayBeDown = false;
    else await this.restart();
  }

  signal(signal: NodeJS.Signals): void {
    this.running.program.signal(signal);
  }

  /** Its wall clock is off by so much from now on, over restarts. */
  setClock(offsetMs: number): void {
    writeFileSync(this.#clockFile, String(offsetMs));
    if (this.isRunning) this.signal('SIGUSR2');
  }

  /** Takes down its counters; of one that does not answer nothing new is known. */
  async count(): Promise<void> {
    try {
      const response = await fetch(`${this.url}/metrics`, { signal: AbortSignal.timeout(2_000) });
      const text = await response.text();
      const moves: Record<string, number> = {};
      for (const [labels, value] of samples(text, 'causeway_lane_moves_total')) {
        const cluster = /cluster="([^"]*)"/.exec(labels)?.[1] ?? '';
        moves[cluster] = (moves[cluster] ?? 0) + value;
      }
      const doubtful = samples(text, 'causeway_events_doubtful_total').reduce(
        (sum, [, value]) => sum + value,
        0,
      );
      const drops: Record<string, number> = {};
      for (const name of ['events_dropped_total', 'events_unwanted_total', 'events_dead_lettered_total']) {
        for (const [labels, value] of samples(text, `causeway_${name}`))
          if (value > 0) drops[`${name}{${labels}}`] = value;
      }
      this.#history.write({ op: 'counted', mesher: this.name, doubtful, moves, drops });
    } catch {
      // it is down, paused or cut off: that is what the run is about
    }
  }
}

/** All at once. They are counted once more before that: their counters end with them. */
export async function endTogether(
  meshers: readonly FaultyMesher[],
  signal: 'SIGKILL' | 'SIGTERM',
): Promise<void> {
  await Promise.all(meshers.map((mesher) => mesher.count()));
  await Promise.all(meshers.map((mesher) => mesher.end(signal)));
}

function samples(text: string, name: string): [string, number][] {
  return text.split('\n').flatMap((line): [string, number][] => {
    const match = /^([a-z_]+)(?:\{(.*)\})? (\S+)/.exec(line);
    return match?.[1] === name ? [[match[2] ?? '', Number(match[3])]] : [];
  });
}

export class Mesh {
  readonly network: Network;
  readonly etcd: TestEtcd;
  readonly etcdHosts: readonly Host[];
  readonly meshers: readonly FaultyMesher[];
  readonly #replicas: number;

  private constructor(
    network: Network,
    etcd: TestEtcd,
    etcdHosts: readonly Host[],
    meshers: readonly FaultyMesher[],
    replicas: number,
  ) {
    this.network = network;
    this.etcd = etcd;
    this.etcdHosts = etcdHosts;
    this.meshers = meshers;
    this.#replicas = replicas;
  }

  static async start(options: MeshOptions, history: History): Promise<Mesh> {
    const network = await Network.start();
    const etcdHosts: Host[] = [];
    for (const at of [1, 2, 3]) etcdHosts.push(await network.addHost(`etcd${at}`, REGISTRY_SUBNET));
    const etcd = await startEtcd({ members: 3, hosts: etcdHosts, parent: options.folder });
    const meshers: FaultyMesher[] = [];
    for (const [at, [cluster, count]] of Object.entries(options.clusters).entries()) {
      for (let i = 1; i <= count; i++)
        meshers.push(
          await makeMesher(
            options,
            cluster,
            i,
            await network.addHost(`${cluster}${i}`, at + 1),
            etcd,
            history,
          ),
        );
    }
    const mesh = new Mesh(network, etcd, etcdHosts, meshers, options.replicas);
    for (const mesher of meshers) mesher.start();
    await Promise.all(meshers.map(({ running }) => running.whenReady()));
    await mesh.whenLinked();
    return mesh;
  }

  get clusters(): readonly string[] {
    return [...new Set(this.meshers.map(({ cluster }) => cluster))];
  }

  hostsOf(cluster: string): readonly Host[] {
    return this.meshers.filter((mesher) => mesher.cluster === cluster).map(({ host }) => host);
  }

  /** Every mesher has a link to every other, and knows all its routes. */
  async whenLinked(): Promise<void> {
    for (const { name, running } of this.meshers) {
      await until(`${name} is linked with all`, async () => {
        const [{ links }, { members }] = [await running.links(), await running.federation()];
        const up = links.filter(({ state }) => state === 'up').length;
        return (
          up === this.meshers.length - 1 &&
          members.length === this.meshers.length &&
          members.every(({ routes }) => routes.complete && !routes.gapped)
        );
      });
    }
  }

  /**
   * Nothing that a mesher of the cluster was to take over is left to do, and every journal has its copies: from now on it may lose one
   * less than it has replicas.
   */
  async whenWhole(cluster: string): Promise<void> {
    if (this.#replicas === 1) return;
    const meshers = this.meshers.filter((mesher) => mesher.cluster === cluster);
    const isServed = async (subscription: string): Promise<boolean> => {
      const answers = meshers.map(async ({ url }) => fetch(`${url}/v1/subscriptions/${subscription}`));
      return (await Promise.all(answers)).some(({ ok }) => ok);
    };
    for (const { name, running } of meshers) {
      await until(`${name} is copied, and what it served is served`, async () => {
        const { copies } = await running.links();
        const complete = copies.filter((copy) => copy.complete && copy.state === 'streaming').length;
        if (complete < this.#replicas - 1) return false;
        return (await isServed(subscriptionOf(name))) && (await isServed(shareOf(name)));
      });
    }
  }

  /** Two durable subscriptions on each mesher, one of its own and one of a group, known to all others. */
  async subscribe(): Promise<void> {
    // many attempts: nothing may end in the dead letters because its consumer was away
    const delivery = { ackTimeoutMs: 10_000, retries: 1000, backoffMs: 200 };
    for (const { name, running } of this.meshers) {
      await running.putSubscription(subscriptionOf(name), { topic: 'faults/#', delivery });
      await running.putSubscription(shareOf(name), { topic: 'faults/#', group: 'share', delivery });
    }
    for (const { name, running } of this.meshers) {
      await until(`${name} knows every subscription`, async () => {
        const { members } = await running.federation();
        return members.every(({ routes }) => routes.interests >= 2 && routes.complete && !routes.gapped);
      });
      const { destinations } = await running.routes(TOPIC);
      if (destinations.length === 0) throw new Error(`${name} routes ${TOPIC} nowhere`);
    }
  }

  /** Events that each mesher still holds in a queue, by name. */
  async queued(): Promise<Record<string, number>> {
    const held: Record<string, number> = {};
    for (const { name, running } of this.meshers)
      for (const { name: queue, depth } of await running.queues())
        if (depth > 0) held[`${name}: ${queue}`] = depth;
    return held;
  }
}

export function subscriptionOf(mesher: string): string {
  return `all-${mesher}`;
}

/** A member of the group. */
export function shareOf(mesher: string): string {
  return `share-${mesher}`;
}

async function makeMesher(
  options: MeshOptions,
  cluster: string,
  at: number,
  host: Host,
  etcd: TestEtcd,
  history: History,
): Promise<FaultyMesher> {
  const { folder, hasDisks, flags } = options;
  const { name, address } = host;
  const disk = hasDisks ? await Disk.make(folder, `disk-${name}`) : undefined;
  const data = disk ? join(disk.path, 'data') : join(folder, `data-${name}`);
  mkdirSync(data);
  const clockFile = join(folder, `clock-${name}`);
  writeFileSync(clockFile, '0');
  const args = [
    ['node', '--federation', 'faults', '--cluster', cluster, '--label', `at=${at}`],
    ['--registry', etcd.address, '--data', data, '--insecure'],
    ['--http', `${address}:${HTTP_PORT}`, '--listen', `/ip4/${address}/tcp/${LINK_PORT}`],
    flags,
  ].flat();
  const wrapper = [...host.wrapper, 'env', `FAULTS_CLOCK=${clockFile}`];
  const program = new Program(args, ['--import', CLOCK_PRELOAD], wrapper);
  const running = new RunningMesher(cluster, `http://${address}:${HTTP_PORT}`, data, program);
  return new FaultyMesher(name, host, disk, running, clockFile, history);
}
