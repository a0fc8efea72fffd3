// The registry's etcd: one member or all killed, or paused.

import type { Mesh } from '../mesh.ts';
import { always, type Nemesis, type Scene, type Trouble } from './nemesis.ts';

/** Meshes whose etcd somebody hurts. */
const busy = new WeakSet<Mesh>();

async function hurt(
  { mesh }: Scene,
  facts: string,
  begin: () => Promise<unknown> | void,
  end: () => Promise<unknown> | void,
): Promise<Trouble | undefined> {
  if (busy.has(mesh)) return undefined;
  busy.add(mesh);
  await begin();
  return {
    facts,
    heal: async () => {
      await end();
      busy.delete(mesh);
    },
  };
}

function nemesis(name: string, seconds: readonly [number, number], inject: Nemesis['inject']): Nemesis {
  return { name, seconds, cannot: always, inject };
}

export const etcdNemeses: readonly Nemesis[] = [
  nemesis('etcd-kill', [1, 40], async (scene) => {
    const { etcd } = scene.mesh;
    const leads = scene.chance.is(0.5);
    const member = leads ? await etcd.leader() : scene.chance.below(etcd.endpoints.length);
    return hurt(
      scene,
      `SIGKILL to member ${member} of etcd${leads ? ', its leader' : ''}`,
      () => etcd.kill(member),
      () => etcd.restart(member),
    );
  }),
  nemesis('etcd-stop', [1, 60], async (scene) => {
    const { etcd } = scene.mesh;
    return hurt(
      scene,
      'all of etcd killed',
      () => etcd.kill(),
      () => etcd.restart(),
    );
  }),
  nemesis('etcd-pause', [1, 60], async (scene) => {
    const { etcd } = scene.mesh;
    return hurt(
      scene,
      'all of etcd paused',
      () => etcd.pause(),
      () => etcd.resume(),
    );
  }),
];
