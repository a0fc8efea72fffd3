// A bad line between all meshers, or around one cluster: packets are lost, late, out of order, doubled, held up or changed, by
// the process behind machine/wire.ts. One at a time: there is one wire.

import type { WireSettings } from '../machine/wire.ts';
import { LINK_PORT } from '../mesh.ts';
import type { Machine, Nemesis, Scene, Trouble } from './nemesis.ts';

/** Meshes whose wire somebody uses. */
const busy = new WeakSet<object>();

async function trouble(scene: Scene, settings: WireSettings, what: string): Promise<Trouble | undefined> {
  const { chance, mesh } = scene;
  if (busy.has(mesh)) return undefined;
  busy.add(mesh);
  const cluster = chance.is(0.5) ? chance.pick(mesh.clusters) : undefined;
  const hosts = cluster === undefined ? mesh.meshers.map(({ host }) => host) : mesh.hostsOf(cluster);
  const before = await mesh.network.wireCounts();
  const heal = await mesh.network.trouble(hosts, { ...settings, seed: chance.below(2 ** 31) });
  return {
    facts: `${what}, ${cluster === undefined ? 'for every mesher' : `for cluster ${cluster}`}`,
    heal: async () => {
      await heal();
      const after = await mesh.network.wireCounts();
      busy.delete(mesh);
      if ((after['passed'] ?? 0) <= (before['passed'] ?? 0))
        throw new Error(
          'nothing went through the wire: this fault was none, see test/faults/machine/wire.ts',
        );
    },
  };
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

const cannot = ({ noWire }: Machine): string | undefined =>
  noWire === undefined ? undefined : `${noWire}; the simulator's network does it`;
const SECONDS = [5, 60] as const;

export const packetNemeses: readonly Nemesis[] = [
  {
    name: 'packet-loss',
    seconds: SECONDS,
    cannot,
    inject: (scene) => {
      const loss = scene.chance.between(0.01, 0.2);
      return trouble(scene, { loss }, `${percent(loss)} of packets lost`);
    },
  },
  {
    name: 'packet-delay',
    seconds: SECONDS,
    cannot,
    inject: (scene) => {
      const delayMs = Math.round(scene.chance.between(200, 1000));
      return trouble(scene, { delayMs }, `${delayMs} ms each way`);
    },
  },
  {
    name: 'packet-reordering',
    seconds: SECONDS,
    cannot,
    inject: (scene) => {
      const jitterMs = Math.round(scene.chance.between(5, 100));
      return trouble(scene, { jitterMs }, `packets up to ${jitterMs} ms late, each by its own`);
    },
  },
  {
    name: 'packet-duplication',
    seconds: SECONDS,
    cannot,
    inject: (scene) => {
      const duplication = scene.chance.between(0.05, 0.5);
      return trouble(
        scene,
        { duplication, jitterMs: 20 },
        `${percent(duplication)} of packets twice, up to 20 ms late`,
      );
    },
  },
  {
    name: 'packet-corruption',
    seconds: SECONDS,
    cannot,
    // on links only, as their encryption must find it: etcd's own streams have nothing that would
    inject: (scene) => {
      const share = scene.chance.between(0.0005, 0.02);
      const what = `${percent(share)} of the packets of links with a bit changed, and a right checksum`;
      return trouble(scene, { corruption: { share, port: LINK_PORT } }, what);
    },
  },
  {
    name: 'packet-jam',
    seconds: SECONDS,
    cannot,
    inject: (scene) => {
      const kilobytes = Math.round(scene.chance.between(20, 200));
      return trouble(scene, { bytesPerSecond: 1000 * kilobytes }, `${kilobytes} kB/s in all`);
    },
  },
];
