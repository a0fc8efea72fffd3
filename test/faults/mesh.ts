// The mesh under faults: three members of etcd and some clusters of meshers, every one of them a real process on a host of
// its own with, where the machine allows it, a disk of its own. Nobody stops the mesh: it ends with the
// namespaces that it runs in.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEtcd, type TestEtcd } from '../support/etcd.ts';
import { Program, RunningMesher } from '../support/federation.ts';
import { until } from '../support/until.ts';
import type { History } from './load/history.ts';
import { TOPIC } from './load/events.ts';
import { Disk } from './machine/disk.ts';
import { type Host, Network } from './machine/network.ts';
import { copiesOf, FaultyMesher } from './mesher.ts';

const CLOCK_PRELOAD = join(import.meta.dirname, 'clock-preload.ts');
const REGISTRY_SUBNET = 9;
const HTTP_PORT = 7400;
export const LINK_PORT = 7401;
/** What a nemesis waits for a cluster to be able to lose a disk; where another fault hinders that, it is passed over. */
const WHOLE_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 250;

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

  meshersOf(cluster: string): readonly FaultyMesher[] {
    return this.meshers.filter((mesher) => mesher.cluster === cluster);
  }

  hostsOf(cluster: string): readonly Host[] {
    return this.meshersOf(cluster).map(({ host }) => host);
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
   * Waits until all that the cluster had lost is taken over, and every journal has its copies: from now on it may lose one less than it has
   * replicas. False: that did not come in time.
   */
  async becomesWhole(cluster: string): Promise<boolean> {
    const meshers = this.meshersOf(cluster);
    if (this.#replicas === 1) return true;
    if (meshers.length < this.#replicas) return false;
    const deadline = performance.now() + WHOLE_WITHIN_MS;
    while (performance.now() < deadline) {
      const each = await Promise.all(meshers.map((mesher) => this.#isCopied(mesher)));
      if (!each.includes(false)) return true;
      await sleep(LOOK_EVERY_MS);
    }
    return false;
  }

  async #isCopied(mesher: FaultyMesher): Promise<boolean> {
    const links = await mesher.links();
    return mesher.heirless.size === 0 && links !== undefined && copiesOf(links) >= this.#replicas - 1;
  }

  /** Looks which of the lost are taken over by now: nobody has a copy of them, and who was lost is there under another name. */
  async noteTakeovers(): Promise<void> {
    for (const mesher of this.meshers) {
      for (const node of mesher.heirless) {
        const now = await mesher.node();
        if (now === undefined || now === node) continue; // what it hands over itself may be to come
        const holding = await Promise.all(
          this.meshersOf(mesher.cluster).map((other) => other.hasCopyOf(node)),
        );
        if (!holding.includes(true)) mesher.takenOver(node);
      }
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
    ['--registry', etcd.address, '--data', data, '--insecure', '--canary-every-ms', '0'],
    ['--http', `${address}:${HTTP_PORT}`, '--listen', `/ip4/${address}/tcp/${LINK_PORT}`],
    flags,
  ].flat();
  const wrapper = [...host.wrapper, 'env', `FAULTS_CLOCK=${clockFile}`];
  const program = new Program(args, ['--import', CLOCK_PRELOAD], wrapper);
  const running = new RunningMesher(cluster, `http://${address}:${HTTP_PORT}`, data, program);
  return new FaultyMesher(name, host, disk, running, clockFile, history);
}
