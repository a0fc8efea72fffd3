// The registry's etcd: one member or all killed, or paused.

import type { Mesh } from '../mesh.ts';
import { always, type Nemesis, type Scene, type Trouble } from './nemesis.ts';

/** Meshes whose etcd somebody hurts. */
const busy = new WeakSet<Mesh>();

interface Hurt {
  readonly facts: string;
  begin(): Promise<unknown> | void;
  end(): Promise<unknown> | void;
}

function nemesis(
  name: string,
  seconds: readonly [number, number],
  choose: (scene: Scene) => Hurt | Promise<Hurt>,
): Nemesis {
  return {
    name,
    seconds,
    cannot: always,
    inject: async (scene): Promise<Trouble | undefined> => {
      const { mesh } = scene;
      if (busy.has(mesh)) return undefined;
      busy.add(mesh);
      const hurt = await choose(scene);
      await hurt.begin();
      return {
        facts: hurt.facts,
        heal: async () => {
          await hurt.end();
          busy.delete(mesh);
        },
      };
    },
  };
}

export const etcdNemeses: readonly Nemesis[] = [
  nemesis('etcd-kill', [1, 40], async ({ mesh: { etcd }, chance }) => {
    const leads = chance.is(0.5);
    const member = leads ? await etcd.leader() : chance.below(etcd.endpoints.length);
    return {
      facts: `SIGKILL to member ${member} of etcd${leads ? ', its leader' : ''}`,
      begin: () => etcd.kill(member),
      end: () => etcd.restart(member),
    };
  }),
  nemesis('etcd-stop', [1, 60], ({ mesh: { etcd } }) => ({
    facts: 'all of etcd killed',
    begin: () => etcd.kill(),
    end: () => etcd.restart(),
  })),
  nemesis('etcd-pause', [1, 60], ({ mesh: { etcd } }) => ({
    facts: 'all of etcd paused',
    begin: () => etcd.pause(),
    end: () => etcd.resume(),
  })),
];
