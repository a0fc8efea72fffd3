// Disks that lose their power, are full, or fail.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { until } from '../../support/until.ts';
import { lacking } from '../machine/command.ts';
import type { FaultyMesher } from '../mesher.ts';
import { claim, claimAll, namesOf, type Machine, type Nemesis, release, type Trouble } from './nemesis.ts';

/** Below what a mesher keeps free, 64 MiB: it refuses publishers, and goes on delivering. */
const NEARLY_FULL_BYTES = 40 * 1024 * 1024;

/** The device goes first: nothing that is acked after that could be on it. Then the process, as in any power cut. */
async function cutPower(victims: readonly FaultyMesher[] | undefined): Promise<Trouble | undefined> {
  if (!victims) return undefined;
  await Promise.all(victims.map((victim) => victim.count()));
  for (const victim of victims) victim.allowEnd();
  await Promise.all(victims.map(async (victim) => victim.disk?.cutPower()));
  await Promise.all(victims.map((victim) => victim.end('SIGKILL')));
  return {
    facts: `power cut of ${namesOf(victims)}: what was not synced is gone`,
    heal: async () => {
      await Promise.all(victims.map(async (victim) => victim.disk?.restorePower()));
      await Promise.all(victims.map((victim) => victim.restart()));
      release(victims);
    },
  };
}

/** Not a byte is free: the mesher may end, and is started again when there is room. */
async function fillUp(victims: readonly FaultyMesher[] | undefined): Promise<Trouble | undefined> {
  const [victim] = victims ?? [];
  if (!victims || !victim) return undefined;
  await victim.count();
  victim.allowEnd();
  await victim.disk?.fillUp();
  return {
    facts: `the disk of ${victim.name} is full`,
    heal: async () => {
      if (!victim.isRunning) victim.mustHaveNamed(/storage-failed|disk-full/);
      await victim.disk?.empty();
      await victim.comeBack();
      release(victims);
    },
  };
}

async function nearlyFill(victims: readonly FaultyMesher[] | undefined): Promise<Trouble | undefined> {
  const [victim] = victims ?? [];
  if (!victims || !victim) return undefined;
  await victim.disk?.fill(NEARLY_FULL_BYTES);
  return {
    facts: `the disk of ${victim.name} is nearly full`,
    heal: async () => {
      await victim.disk?.empty();
      release(victims);
    },
  };
}

/**
 * From now on every sync fails with EIO, as of a broken disk: the mesher has to end, since what of its writes is on the disk
 * nobody knows. [strace(1): the call is not made, and fails]
 */
async function failSyncs(victims: readonly FaultyMesher[] | undefined): Promise<Trouble | undefined> {
  const [victim] = victims ?? [];
  if (!victims || !victim) return undefined;
  await victim.count();
  victim.allowEnd();
  const calls = 'fsync,fdatasync';
  const tracer = spawn(
    'strace',
    ['-f', '-qq', '-o', '/dev/null', '-p', String(victim.running.program.pid)].concat([
      '-e',
      `trace=${calls}`,
      '-e',
      `inject=${calls}:error=EIO`,
    ]),
    { stdio: 'ignore' },
  );
  const traced = once(tracer, 'exit');
  await until(`${victim.name} has ended, whose disk fails`, () => !victim.isRunning);
  await traced;
  victim.mustHaveNamed(/storage-failed/);
  return {
    facts: `the disk of ${victim.name} fails to sync, and it ended`,
    heal: async () => {
      await victim.restart();
      release(victims);
    },
  };
}

const noPower = ({ noDisks, noPowerLoss }: Machine): string | undefined => {
  const why = noDisks ?? noPowerLoss;
  return why === undefined ? undefined : `${why}; the simulator's disk does it`;
};
const noTracer = (): string | undefined =>
  lacking('strace') && 'strace is not on PATH (Debian: strace); the simulator has a disk that fails';
const noDisk = ({ noDisks }: Machine): string | undefined => noDisks;

export const diskNemeses: readonly Nemesis[] = [
  { name: 'power-loss', seconds: [0, 15], cannot: noPower, inject: (scene) => cutPower(claim(scene)) },
  { name: 'power-loss-all', seconds: [0, 5], cannot: noPower, inject: (scene) => cutPower(claimAll(scene)) },
  { name: 'disk-full', seconds: [5, 30], cannot: noDisk, inject: (scene) => fillUp(claim(scene)) },
  { name: 'disk-failing', seconds: [0, 10], cannot: noTracer, inject: (scene) => failSyncs(claim(scene)) },
  { name: 'disk-nearly-full', seconds: [5, 30], cannot: noDisk, inject: (scene) => nearlyFill(claim(scene)) },
];
