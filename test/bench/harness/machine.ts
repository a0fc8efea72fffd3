// What a result was measured on. Figures without their machine mean nothing, and the disk's fsync is half of most of them.

import { execFileSync } from 'node:child_process';
import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { arch, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { median } from './statistics.ts';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  /** Of the folder that held the data. */
  readonly fileSystem: string;
  /** Median of writes of 4 KiB, each with fdatasync, just before the run. */
  readonly fsyncMs: number;
  /** Processes that wanted a CPU in the minute before the run: above `cores`, others took what was to be measured. */
  readonly loadBefore: number;
  readonly node: string;
  readonly libraries: Readonly<Record<string, string>>;
  /** `-dirty`: with changes that are not committed. */
  readonly commit: string;
}

const ROOT = join(import.meta.dirname, '../../..');
const LIBRARIES = [
  'classic-level',
  'fastify',
  'libp2p',
  '@libp2p/noise',
  '@libp2p/tls',
  '@libp2p/yamux',
  '@libp2p/gossipsub',
];
const FSYNCS = 50;
const FSYNC_BYTES = 4096;

/** `dataFolder`: where the run keeps its data. */
export function describeMachine(dataFolder: string): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? arch(),
    cores: processors.length,
    memoryBytes: totalmem(),
    system: `${platform()} ${release()} ${arch()}`,
    fileSystem: fileSystemOf(dataFolder),
    fsyncMs: fsyncMs(dataFolder),
    loadBefore: loadavg()[0] ?? 0,
    node: process.version,
    libraries: Object.fromEntries(LIBRARIES.map((name) => [name, versionOf(name)])),
    commit: commit(),
  };
}

/** The type of the file system that holds `folder`: tmpfs knows no fsync. */
export function fileSystemOf(folder: string): string {
  try {
    return chooseMount(readFileSync('/proc/self/mounts', 'utf8'), resolve(folder));
  } catch {
    return 'unknown'; // no /proc
  }
}

/** The type of the mount with the longest path above `folder`; of two at one path the later one covers the other. */
export function chooseMount(mounts: string, folder: string): string {
  let best = { path: '', type: 'unknown' };
  for (const line of mounts.split('\n')) {
    const [, path = '', type = ''] = line.split(' ');
    const holds = path === '/' || folder === path || folder.startsWith(`${path}/`);
    if (path !== '' && holds && path.length >= best.path.length) best = { path, type };
  }
  return best.type;
}

function fsyncMs(folder: string): number {
  const path = join(folder, 'fsync-probe');
  const file = openSync(path, 'w');
  try {
    const block = Buffer.alloc(FSYNC_BYTES, 0x5a);
    const took = Array.from({ length: FSYNCS }, () => {
      const startedMs = performance.now();
      writeSync(file, block);
      fdatasyncSync(file);
      return performance.now() - startedMs;
    });
    return median(took);
  } finally {
    closeSync(file);
    rmSync(path);
  }
}

function versionOf(library: string): string {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'node_modules', library, 'package.json'), 'utf8')) as {
    version: string;
  };
  return manifest.version;
}

function commit(): string {
  const git = (...args: readonly string[]): string =>
    execFileSync('git', ['-C', ROOT, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const changed = git('status', '--porcelain', '--', 'node', 'bridge', 'registry', 'sdk', 'test/bench');
    return git('rev-parse', '--short=12', 'HEAD').trim() + (changed === '' ? '' : '-dirty');
  } catch {
    return 'unknown'; // no clone, or no git
  }
}
