// Disks that lose their power, are full, slow, or fail, and a mesher that may open no more files.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../support/until.ts';
import { command, lacking } from '../machine/command.ts';
import type { FaultyMesher } from '../mesher.ts';
import {
  claim,
  claimAll,
  namesOf,
  type Machine,
  type Nemesis,
  release,
  type Scene,
  type Trouble,
} from './nemesis.ts';

/** Below what a mesher keeps free, 64 MiB: it refuses publishers, and goes on delivering. */
const NEARLY_FULL_BYTES = 40 * 1024 * 1024;
const SYNCS = 'fsync,fdatasync';
/** Until strace has found all threads. */
const TRACING_MS = 1_000;
/** Files and connections that may still be opened, and what leaves none even where some are closed. */
const SPARE_FILES_MAX = 8;
const NO_FILES = '3';

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
  const { traced } = injectIntoSyncs(victim, 'error=EIO');
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

function injectIntoSyncs(
  { running }: FaultyMesher,
  what: string,
): { readonly tracer: ChildProcess; readonly traced: Promise<unknown> } {
  const { pid } = running.program;
  const injection = ['-e', `trace=${SYNCS}`, '-e', `inject=${SYNCS}:${what}`];
  const args = ['-f', '-qq', '-o', '/dev/null', '-p', String(pid), ...injection];
  const tracer = spawn('strace', args, { stdio: 'ignore' });
  return { tracer, traced: once(tracer, 'exit') };
}

/** Each sync takes so much longer, as of a disk that others use. [strace(1): the call returns late] */
async function slowDown(scene: Scene): Promise<Trouble | undefined> {
  const victims = claim(scene);
  const [victim] = victims ?? [];
  if (!victims || !victim) return undefined;
  const ms = Math.round(scene.chance.skewed(20, 3_000));
  const { pid } = victim.running.program;
  const { tracer, traced } = injectIntoSyncs(victim, `delay_exit=${1000 * ms}`);
  await sleep(TRACING_MS);
  if (!victim.isRunning || victim.running.program.pid !== pid) {
    tracer.kill();
    release(victims); // others had taken over from it, and it is another by now
    return undefined;
  }
  if (tracer.exitCode !== null) throw new Error(`strace does not trace ${victim.name}: the fault was none`);
  return {
    facts: `each sync of ${victim.name} takes ${ms} ms longer`,
    heal: async () => {
      tracer.kill();
      await traced;
      release(victims);
    },
  };
}

/**
 * It may open a few more files and connections, and then none: clients and links are to wait, and a journal that cannot open
 * its own files ends the mesher, whose disk has nothing.
 */
async function takeFiles(scene: Scene): Promise<Trouble | undefined> {
  const victims = claim(scene);
  const [victim] = victims ?? [];
  if (!victims || !victim) return undefined;
  await victim.count();
  const { pid } = victim.running.program;
  if (pid === undefined) throw new Error(`${victim.name} does not run`);
  victim.allowEnd();
  const limit = async (files: string): Promise<string> =>
    command('prlimit', ['--pid', String(pid), `--nofile=${files}:`]);
  const before = (
    await command('prlimit', ['--pid', String(pid), '--nofile', '--noheadings', '--output=SOFT'])
  ).trim();
  const open = (await readdir(`/proc/${pid}/fd`)).length;
  const spare = scene.chance.below(SPARE_FILES_MAX + 1);
  await limit(spare === 0 ? NO_FILES : `${open + spare}`);
  return {
    facts: `${victim.name} may open ${spare === 0 ? 'no' : `${spare}`} files and connections more than its ${open}`,
    heal: async () => {
      if (victim.isRunning)
        await limit(before).catch(() => undefined); // it may end just now
      else victim.mustHaveNamed(/storage-failed.*(EMFILE|[Tt]oo many open files)/s);
      await victim.comeBack();
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
const noLimits = (): string | undefined =>
  lacking('prlimit') && 'prlimit is not on PATH (Debian: util-linux)';
const noDisk = ({ noDisks }: Machine): string | undefined => noDisks;

export const diskNemeses: readonly Nemesis[] = [
  { name: 'power-loss', seconds: [0, 15], cannot: noPower, inject: (scene) => cutPower(claim(scene)) },
  { name: 'power-loss-all', seconds: [0, 5], cannot: noPower, inject: (scene) => cutPower(claimAll(scene)) },
  { name: 'disk-full', seconds: [5, 30], cannot: noDisk, inject: (scene) => fillUp(claim(scene)) },
  { name: 'disk-failing', seconds: [0, 10], cannot: noTracer, inject: (scene) => failSyncs(claim(scene)) },
  { name: 'disk-slow', seconds: [5, 60], cannot: noTracer, inject: slowDown },
  { name: 'files-limit', seconds: [5, 60], cannot: noLimits, inject: takeFiles },
  { name: 'disk-nearly-full', seconds: [5, 30], cannot: noDisk, inject: (scene) => nearlyFill(claim(scene)) },
];
