// Meshers killed, paused, slowed and restarted, and their clocks set.

import { setTimeout as sleep } from 'node:timers/promises';
import { endTogether, type FaultyMesher } from '../mesher.ts';
import {
  always,
  claim,
  claimAll,
  namesOf,
  type Nemesis,
  release,
  type Scene,
  type Trouble,
} from './nemesis.ts';

async function startAgain(victims: readonly FaultyMesher[]): Promise<void> {
  await Promise.all(victims.map((victim) => victim.restart()));
  release(victims);
}

async function kill(victims: readonly FaultyMesher[] | undefined): Promise<Trouble | undefined> {
  if (!victims) return undefined;
  await endTogether(victims, 'SIGKILL');
  return { facts: `SIGKILL to ${namesOf(victims)}`, heal: () => startAgain(victims) };
}

const HOUR_MS = 3_600_000;
/** A starved process gets a part of each turn. */
const TURN_MS = 500;

export const processNemeses: readonly Nemesis[] = [
  { name: 'kill', seconds: [0, 20], cannot: always, inject: (scene) => kill(claim(scene)) },
  { name: 'kill-all', seconds: [0, 10], cannot: always, inject: (scene) => kill(claimAll(scene)) },
  {
    name: 'pause',
    seconds: [1, 120],
    cannot: always,
    inject: async (scene) => {
      const victims = claim(scene);
      if (!victims) return undefined;
      for (const victim of victims) victim.signal('SIGSTOP');
      return {
        facts: `SIGSTOP to ${namesOf(victims)} for ${scene.seconds.toFixed(1)} s`,
        heal: async () => {
          for (const victim of victims) victim.signal('SIGCONT');
          release(victims);
        },
      };
    },
  },
  { name: 'starve', seconds: [5, 60], cannot: always, inject: (scene) => starve(scene) },
  {
    name: 'rolling-restart',
    seconds: [0, 5],
    cannot: always,
    inject: async (scene) => {
      const victims = claimAll(scene);
      if (!victims) return undefined;
      const pauseMs = (1000 * scene.seconds) / victims.length;
      for (const victim of victims) {
        await endTogether([victim], 'SIGTERM');
        await sleep(pauseMs);
        await victim.restart();
      }
      release(victims);
      return { facts: 'every mesher stopped and started, one after another', heal: async () => undefined };
    },
  },
  { name: 'clock', seconds: [2, 30], cannot: always, inject: setClock },
];

/** As on a machine that has far too much to do: it runs for some ms at a time, and then others do. */
async function starve(scene: Scene): Promise<Trouble | undefined> {
  const victims = claim(scene);
  if (!victims) return undefined;
  const share = scene.chance.between(0.1, 0.4);
  const ended = new AbortController();
  const { signal } = ended;
  const starving = (async () => {
    while (!signal.aborted) {
      for (const victim of victims) victim.signal('SIGSTOP');
      await sleep(TURN_MS * (1 - share), undefined, { signal }).catch(() => undefined);
      for (const victim of victims) victim.signal('SIGCONT');
      await sleep(TURN_MS * share, undefined, { signal }).catch(() => undefined);
    }
  })();
  return {
    facts: `${namesOf(victims)} runs ${(100 * share).toFixed(0)} % of the time, in turns of ${TURN_MS} ms`,
    heal: async () => {
      ended.abort();
      await starving;
      release(victims);
    },
  };
}

async function setClock(scene: Scene): Promise<Trouble | undefined> {
  const { chance } = scene;
  const victims = claim(scene);
  if (!victims) return undefined;
  const offsetMs = Math.round(chance.between(-HOUR_MS, HOUR_MS));
  for (const victim of victims) victim.setClock(offsetMs);
  return {
    facts: `the wall clock of ${namesOf(victims)} is off by ${(offsetMs / 60_000).toFixed(1)} min`,
    heal: async () => {
      for (const victim of victims) victim.setClock(0);
      release(victims);
    },
  };
}
