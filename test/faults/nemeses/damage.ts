// A file of a stopped mesher's journal is damaged: one bit is flipped, or its end is cut off. With one replica the mesher may refuse to
// start, or end when it comes upon the place, with an error that names it; with more it puts the journal aside, and comes back as
// another mesher, whose cluster has copies of what it had. What it must not do is go on as if nothing had been there, which the
// checker sees when acked events never come. Healing undoes the damage in the file, where the file is still as it was left.
//
// Before that it is cut off from everybody for a while, so that its journal holds what nobody else has.

import { readdirSync } from 'node:fs';
import { open, readFile, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Chance } from '../../simulation/chance.ts';
import { waysBetween } from '../machine/network.ts';
import type { FaultyMesher } from '../mesher.ts';
import { always, claim, type Nemesis, release, type Scene, type Trouble } from './nemesis.ts';

/** Alone, with what its publishers hand it. */
const ALONE_MS = 3_000;
/** What an error has to name: a file or key of the journal, or a block of it. */
const NAMES_THE_PLACE = /\.log|\.ldb|MANIFEST|CURRENT|journal|block \d+|key/;

interface Damage {
  readonly facts: string;
  undo(): Promise<void>;
}

async function flipBit(file: string, chance: Chance): Promise<Damage> {
  const { size } = await stat(file);
  const [at, bit] = [chance.below(size), chance.below(8)];
  const flip = async (): Promise<void> => {
    const handle = await open(file, 'r+');
    try {
      const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, at);
      await handle.write(Buffer.of((buffer[0] ?? 0) ^ (1 << bit)), 0, 1, at);
      await handle.sync();
    } finally {
      await handle.close();
    }
  };
  await flip();
  return { facts: `bit ${bit} of byte ${at} of ${size} flipped`, undo: flip };
}

async function cutOff(file: string, chance: Chance): Promise<Damage> {
  const whole = await readFile(file);
  const length = chance.below(whole.length);
  await truncate(file, length);
  return {
    facts: `cut from ${whole.length} bytes to ${length}`,
    undo: async () => {
      if ((await stat(file)).size !== length) return; // written to since
      const handle = await open(file, 'r+');
      try {
        await handle.write(whole, length, whole.length - length, length);
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
  };
}

function filesOf(victim: FaultyMesher, pattern: RegExp): string[] {
  const folder = join(victim.running.data, 'journal');
  return readdirSync(folder)
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name));
}

async function damage(
  scene: Scene,
  pattern: RegExp,
  how: (file: string, chance: Chance) => Promise<Damage>,
): Promise<Trouble | undefined> {
  const [victim] = claim(scene) ?? [];
  if (!victim) return undefined;
  // a disk lost before the last one is made up for is more than is promised
  if (!(await scene.mesh.becomesWhole(victim.cluster))) {
    release([victim]);
    return undefined;
  }
  const join = await scene.mesh.network.cut(waysBetween([victim.host], scene.mesh.network.hosts));
  await sleep(ALONE_MS);
  await victim.count();
  await victim.end('SIGKILL');
  await join();
  const sizes = await Promise.all(
    filesOf(victim, pattern).map(async (file) => ({ file, size: (await stat(file)).size })),
  );
  const files = sizes.filter(({ size }) => size > 0);
  if (files.length === 0) {
    await victim.restart();
    release([victim]);
    return undefined;
  }
  const { file } = scene.chance.pick(files);
  const { ino } = await stat(file);
  const done = await how(file, scene.chance);
  victim.start();
  victim.allowEnd();
  return {
    facts: `${file.slice(victim.running.data.length + 1)} of ${victim.name}: ${done.facts}`,
    heal: async () => {
      if (!victim.isRunning) victim.mustHaveNamed(NAMES_THE_PLACE);
      // it may be gone by now, or another journal's file have its name
      const now = await stat(file).catch(() => undefined);
      if (now?.ino === ino) await done.undo();
      await victim.comeBack();
      release([victim]);
    },
  };
}

const SECONDS = [8, 15] as const;

function nemesis(name: string, pattern: RegExp, how: typeof flipBit): Nemesis {
  return { name, seconds: SECONDS, cannot: always, inject: (scene) => damage(scene, pattern, how) };
}

export const damageNemeses: readonly Nemesis[] = [
  nemesis('damage-log-bit', /\.log$/, flipBit),
  nemesis('damage-log-cut', /\.log$/, cutOff),
  nemesis('damage-table-bit', /\.ldb$/, flipBit),
  nemesis('damage-table-cut', /\.ldb$/, cutOff),
  nemesis('damage-manifest-bit', /^(MANIFEST|CURRENT)/, flipBit),
  nemesis('damage-manifest-cut', /^(MANIFEST|CURRENT)/, cutOff),
];
