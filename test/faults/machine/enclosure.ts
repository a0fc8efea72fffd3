// Runs a fault run inside namespaces of its own (processes, mounts, network), so that nothing of it can be left behind:
// the run is process 1 there, and when it ends, however it ends, the kernel kills every process in it, unmounts its
// disks and removes its networks. When who started it dies, it dies too (setpriv --pdeathsig, unshare --kill-child).
//
// Outside, only folders under the system's temporary one remain; `removeStaleFolders` takes those of dead runs away.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { command, lacking } from './command.ts';

const PREFIX = 'causeway-faults-';
/** Set inside. */
const FOLDER = 'FAULTS_FOLDER';
/** After a signal faults end and the run brings its report to an end; then it is killed. A second signal does that at once. */
const STOP_PATIENCE_MS = 60_000;

const UNSHARE = ['--pid', '--fork', '--kill-child=KILL', '--mount', '--mount-proc', '--net'];

/** Why this machine cannot give it, or undefined. */
export async function whyNoEnclosure(): Promise<string | undefined> {
  if (process.platform !== 'linux') return `${process.platform} has no network namespaces: faults need Linux`;
  if (process.getuid?.() !== 0) return 'network namespaces and mounts need root';
  const missing = lacking('unshare', 'setpriv', 'nsenter', 'ip', 'mount', 'umount');
  if (missing !== undefined)
    return `${missing} is not on PATH (Debian: util-linux, mount, iproute2 have what is needed)`;
  try {
    await command('unshare', [...UNSHARE, 'ip', 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1']);
    return undefined;
  } catch (error) {
    return `namespaces with veth pairs are refused: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The folder of the run, inside; undefined outside. */
export function enclosedFolder(): string | undefined {
  return process.env[FOLDER];
}

/** Outside: runs `main` with `args` inside, passes signals on, and resolves with its exit code. */
export async function enclose(main: string, args: readonly string[]): Promise<number> {
  removeStaleFolders();
  const folder = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  try {
    const inside = [process.execPath, main, ...args];
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...UNSHARE, ...inside], {
      stdio: ['pipe', 'inherit', 'inherit'],
      env: { ...process.env, [FOLDER]: folder },
      detached: true, // a Ctrl-C comes to us alone, and we say it once
    });
    // unshare itself takes no notice of signals: a line on stdin asks the run to stop
    const stop = (): void => {
      child.stdin.write('stop\n');
      setTimeout(() => child.kill('SIGKILL'), STOP_PATIENCE_MS).unref();
    };
    child.stdin.on('error', () => undefined); // it has ended
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop);
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Inside, before anything else: mounts stay in here, /run/netns is ours alone, and 127.0.0.1 works. */
export async function furnish(): Promise<void> {
  mkdirSync('/run/netns', { recursive: true });
  await command('mount', ['-t', 'tmpfs', 'causeway-faults', '/run/netns']);
  await command('ip', ['link', 'set', 'lo', 'up']);
}

/** Their names bear the process that made them. */
function removeStaleFolders(): void {
  for (const name of readdirSync(tmpdir())) {
    const [, owner] = /^causeway-faults-(\d+)-/.exec(name) ?? [];
    if (owner !== undefined && !isAlive(Number(owner)))
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // all runs are root's: it is gone
  }
}
