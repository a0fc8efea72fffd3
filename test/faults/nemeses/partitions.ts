// Packets dropped between hosts, by rule of routing: silently, and one way where that is asked for. Clients reach their
// meshers all the time.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Host, type Way, waysBetween } from '../machine/network.ts';
import { always, type Nemesis, type Scene, type Trouble } from './nemesis.ts';

/** A cut that comes and goes changes this often. */
const FLAP_MS = [300, 3_000] as const;

interface Parting {
  readonly ways: readonly Way[];
  readonly facts: string;
}

function allHosts({ mesh }: Scene): readonly Host[] {
  return mesh.network.hosts;
}

function clusterCutOff(scene: Scene): Parting {
  const cluster = scene.chance.pick(scene.mesh.clusters);
  const hosts = scene.mesh.hostsOf(cluster);
  const outside = allHosts(scene).filter((host) => !hosts.includes(host));
  return {
    ways: hosts.flatMap((host) => waysBetween([host], outside)),
    facts: `cluster ${cluster} from everybody else and the registry`,
  };
}

/** Two clusters do not reach each other; both reach all others. */
function pairCutOff(scene: Scene): Parting {
  const { chance, mesh } = scene;
  const one = chance.pick(mesh.clusters);
  const other = chance.pick(mesh.clusters.filter((cluster) => cluster !== one));
  return {
    ways: mesh.hostsOf(one).flatMap((host) => waysBetween([host], mesh.hostsOf(other))),
    facts: `cluster ${one} from cluster ${other}`,
  };
}

/** One mesher reaches nobody, its own cluster included. */
function mesherCutOff(scene: Scene): Parting {
  const { host, name } = scene.chance.pick(scene.mesh.meshers);
  return { ways: waysBetween([host], allHosts(scene)), facts: `${name} from everybody` };
}

/** The registry alone cannot be reached from one cluster. */
function registryCutOff(scene: Scene): Parting {
  const cluster = scene.chance.pick(scene.mesh.clusters);
  const ways = scene.mesh.hostsOf(cluster).flatMap((host) => waysBetween([host], scene.mesh.etcdHosts));
  return { ways, facts: `cluster ${cluster} from the registry` };
}

/** What one cluster sends is lost; what is sent to it arrives. */
function oneWay(scene: Scene): Parting {
  const cluster = scene.chance.pick(scene.mesh.clusters);
  const hosts = scene.mesh.hostsOf(cluster);
  const isOut = scene.chance.is(0.5);
  const { ways } = clusterParting(scene, hosts);
  return {
    ways: ways.filter(({ from }) => hosts.includes(from) === isOut),
    facts: isOut ? `what cluster ${cluster} sends is lost` : `what is sent to cluster ${cluster} is lost`,
  };
}

function clusterParting(scene: Scene, hosts: readonly Host[]): Parting {
  const outside = allHosts(scene).filter((host) => !hosts.includes(host));
  return { ways: hosts.flatMap((host) => waysBetween([host], outside)), facts: '' };
}

async function cut(scene: Scene, { ways, facts }: Parting): Promise<Trouble> {
  return { facts: `cut: ${facts}`, heal: await scene.mesh.network.cut(ways) };
}

async function flap(scene: Scene): Promise<Trouble> {
  const { ways, facts } = scene.chance.is(0.5) ? clusterCutOff(scene) : pairCutOff(scene);
  const stop = new AbortController();
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const heal = await scene.mesh.network.cut(ways);
      await pauseFlapping(scene, stop.signal);
      await heal();
      await pauseFlapping(scene, stop.signal);
    }
  };
  const running = run();
  running.catch(() => undefined); // told by `heal`
  return {
    facts: `cut and healed in turn: ${facts}`,
    heal: async () => {
      stop.abort();
      await running;
    },
  };
}

async function pauseFlapping({ chance }: Scene, signal: AbortSignal): Promise<void> {
  await sleep(chance.between(...FLAP_MS), undefined, { signal }).catch(() => undefined);
}

const LENGTH = [1, 60] as const;

export const partitionNemeses: readonly Nemesis[] = [
  ...(
    [
      ['partition-cluster', clusterCutOff],
      ['partition-pair', pairCutOff],
      ['partition-mesher', mesherCutOff],
      ['partition-registry', registryCutOff],
      ['partition-one-way', oneWay],
    ] as const
  ).map(([name, choose]) => ({
    name,
    seconds: LENGTH,
    cannot: always,
    inject: (scene: Scene) => cut(scene, choose(scene)),
  })),
  { name: 'partition-flapping', seconds: [5, 60], cannot: always, inject: flap },
];
