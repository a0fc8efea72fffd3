// What is soaked: clusters a and b, etcd, and each of their processes on a host of its own, so that the link between the
// clusters can be cut in the kernel while everybody reaches the registry, and clients their meshers.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Host, Network, waysBetween } from '../faults/machine/network.ts';
import { startEtcd } from '../support/etcd.ts';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { LOOPBACK } from '../support/program-host.ts';
import { type Resources, resourcesOf } from './resources.ts';

const PROBE_PRELOAD = join(import.meta.dirname, 'probe-preload.ts');
const CLUSTERS = ['a', 'b'] as const;
const REGISTRY_SUBNET = 9;

export class SoakMesh {
  readonly #federation: Federation;
  readonly #network: Network;
  readonly #hosts: ReadonlyMap<string, Host>;
  readonly #probes: string;

  private constructor(
    federation: Federation,
    network: Network,
    hosts: ReadonlyMap<string, Host>,
    probes: string,
  ) {
    this.#federation = federation;
    this.#network = network;
    this.#hosts = hosts;
    this.#probes = probes;
  }

  /** `each`: meshers of each cluster. All ends with the enclosure. */
  static async start(folder: string, each: number, flags: readonly string[]): Promise<SoakMesh> {
    const probes = join(folder, 'probes');
    mkdirSync(probes);
    const network = await Network.start();
    const etcd = await startEtcd({ hosts: [await network.addHost('etcd', REGISTRY_SUBNET)], parent: folder });
    const hosts = new Map<string, Host>();
    for (const [at, cluster] of CLUSTERS.entries())
      for (let i = 0; i < each; i++)
        hosts.set(`${cluster}${i}`, await network.addHost(`${cluster}${i}`, at + 1));
    const federation = await Federation.start(
      { after: () => undefined },
      {
        clusters: { a: each, b: each },
        registry: etcd.address,
        hosts: (cluster, index) => hosts.get(`${cluster}${index}`) ?? LOOPBACK,
        nodeFlags: ['--import', PROBE_PRELOAD],
        wrapper: ['env', `SOAK_PROBES=${probes}`],
        flags,
        parent: folder,
      },
    );
    return new SoakMesh(federation, network, hosts, probes);
  }

  meshers(cluster?: (typeof CLUSTERS)[number]): readonly RunningMesher[] {
    return this.#federation.meshers(cluster);
  }

  /** Every mesher of a sends what is published on `topic` to b. */
  async whenRouted(topic: string): Promise<void> {
    for (const mesher of this.meshers('a')) await this.#federation.whenRouted(mesher, topic, ['b']);
  }

  /** Nothing passes between the clusters until the function that it resolves with is called. */
  async cut(): Promise<() => Promise<void>> {
    const of = (cluster: string): Host[] =>
      [...this.#hosts.values()].filter(({ name }) => name.startsWith(cluster));
    return this.#network.cut(of('a').flatMap((host) => waysBetween([host], of('b'))));
  }

  resources(): Promise<Resources[]> {
    return Promise.all(this.meshers().map((mesher) => resourcesOf(mesher, this.#probes)));
  }

  /** Events that meshers sent and did not know whether they had arrived. */
  async doubtful(): Promise<number> {
    let sum = 0;
    for (const mesher of this.meshers()) sum += await mesher.metric('causeway_events_doubtful_total');
    return sum;
  }

  /** Queue → events in it; those that are empty are left out. */
  async queued(): Promise<Record<string, number>> {
    const held: Record<string, number> = {};
    for (const mesher of this.meshers())
      for (const { name, depth } of await mesher.queues())
        if (depth > 0) held[`${mesher.cluster}: ${name}`] = depth;
    return held;
  }
}
