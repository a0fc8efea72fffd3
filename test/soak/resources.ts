// What a mesher holds of its machine: memory, handles and timers as it says itself (probe-preload.ts), files and
// sockets as the kernel says, and the bytes of its data folder.

import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { processFigures } from '../bench/harness/proc.ts';
import type { RunningMesher } from '../support/federation.ts';
import { until } from '../support/until.ts';
import type { Probe } from './probe-preload.ts';

export interface Resources {
  readonly rssBytes: number;
  /** JavaScript's heap and buffers, after a collection. */
  readonly heapBytes: number;
  readonly timers: number;
  /** What keeps the process alive. */
  readonly handles: number;
  readonly sockets: number;
  /** Open files, those of LevelDB among them. */
  readonly files: number;
  /** Of its data folder, with files that are deleted and still open. */
  readonly diskBytes: number;
}

/** Of `st_blocks`, whatever the file system's blocks are. [stat(2)] */
const BLOCK_BYTES = 512;

/** `probes`: the folder that its preload writes to. */
export async function resourcesOf(mesher: RunningMesher, probes: string): Promise<Resources> {
  const pid = pidOf(mesher);
  const { rssBytes, heapBytes, timers, resources } = await probe(mesher, join(probes, String(pid)));
  const { sockets, files, deletedBytes } = openFiles(pid);
  const handles = Object.values(resources).reduce((sum, count) => sum + count, 0);
  const diskBytes = folderBytes(mesher.data) + deletedBytes;
  return { rssBytes, heapBytes, timers, handles, sockets, files, diskBytes };
}

async function probe(mesher: RunningMesher, file: string): Promise<Probe> {
  rmSync(file, { force: true });
  mesher.program.signal('SIGUSR2');
  const text = await until(`${mesher.cluster} says what it holds`, () => readFileSync(file, 'utf8'));
  return JSON.parse(text) as Probe;
}

/** What can be asked often: nothing is collected for it. */
export interface Sizes {
  readonly rssBytes: number;
  readonly diskBytes: number;
  /** Since its start. */
  readonly cpuUs: number;
}

export function sizesOf(mesher: RunningMesher): Sizes {
  const pid = pidOf(mesher);
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const rssBytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  return { rssBytes, diskBytes: folderBytes(mesher.data), cpuUs: processFigures(pid)?.cpuUs ?? 0 };
}

function pidOf({ program, cluster }: RunningMesher): number {
  if (program.pid === undefined || !program.running)
    throw new Error(`the mesher of ${cluster} has ended; it printed:\n${program.output.slice(-4000)}`);
  return program.pid;
}

function openFiles(pid: number): { sockets: number; files: number; deletedBytes: number } {
  let [sockets, files, deletedBytes] = [0, 0, 0];
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const path = `/proc/${pid}/fd/${fd}`;
    try {
      const target = readlinkSync(path);
      if (target.startsWith('socket:')) sockets++;
      if (target.startsWith('/')) files++;
      if (target.startsWith('/') && target.endsWith(' (deleted)'))
        deletedBytes += statSync(path).blocks * BLOCK_BYTES;
    } catch {
      // closed meanwhile
    }
  }
  return { sockets, files, deletedBytes };
}

function folderBytes(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    try {
      if (entry.isFile()) bytes += lstatSync(join(entry.parentPath, entry.name)).blocks * BLOCK_BYTES;
    } catch {
      // deleted meanwhile
    }
  }
  return bytes;
}
