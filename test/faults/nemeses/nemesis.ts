// What a nemesis is: one kind of fault, injected and healed. `inject` decides everything by `chance`, so a seed chooses
// the same victims again; who was hurt and how stands in `facts`. Healing brings back what was there before, and waits
// for nothing that the mesh must do by itself, except where a process has to be ready before others may touch it.

import type { Chance } from '../../simulation/chance.ts';
import type { Mesh } from '../mesh.ts';
import type { FaultyMesher } from '../mesher.ts';

export interface Trouble {
  readonly facts: string;
  /** Called once, some time later. */
  heal(): Promise<void>;
}

export interface Scene {
  readonly mesh: Mesh;
  readonly chance: Chance;
  /** How long it will last, s: for facts, and for what has steps of its own. */
  readonly seconds: number;
}

/** What a machine was found to have. */
export interface Machine {
  readonly noDisks: string | undefined;
  readonly noPowerLoss: string | undefined;
  readonly noWire: string | undefined;
  /** Not of the machine but of the run: the meshers of a cluster that keep what is acked. */
  readonly replicas: number;
}

export interface Nemesis {
  readonly name: string;
  /** Least and most seconds of it. */
  readonly seconds: readonly [number, number];
  /** Why this machine cannot give it, and who does instead; undefined: it can. */
  readonly cannot: (machine: Machine) => string | undefined;
  /** Undefined: nobody was free to be hurt, or had what would be hurt. */
  readonly inject: (scene: Scene) => Promise<Trouble | undefined>;
}

export const always = (): undefined => undefined;

/** Up to `count` meshers that nobody else hurts just now, claimed; undefined: there are not so many. */
export function claim({ mesh, chance }: Scene, count = 1): readonly FaultyMesher[] | undefined {
  const free = mesh.meshers.filter(({ isClaimed }) => !isClaimed);
  if (free.length < count) return undefined;
  const claimed: FaultyMesher[] = [];
  while (claimed.length < count) {
    const victim = chance.pick(free.filter((one) => !claimed.includes(one)));
    victim.claim();
    claimed.push(victim);
  }
  return claimed;
}

export function claimAll(scene: Scene): readonly FaultyMesher[] | undefined {
  return claim(scene, scene.mesh.meshers.length);
}

export function release(victims: readonly FaultyMesher[]): void {
  for (const victim of victims) victim.release();
}

export function namesOf(victims: readonly { readonly name: string }[]): string {
  return victims.map(({ name }) => name).join(', ');
}
