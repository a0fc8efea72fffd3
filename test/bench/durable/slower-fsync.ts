// A disk whose fsync takes longer than this one's, for servers of any kind: strace runs them and holds up each call of fsync and
// fdatasync, and stops them at no other. On virtual disks an fsync often takes 0.1 ms and less, and how servers compare depends on it.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { NotMeasured } from '../harness/not-measured.ts';

export interface Disk {
  /** Left out: the disk as it is. */
  readonly fsyncSlowerMs?: number;
}

const CALLS = 'fsync,fdatasync';

/** A command that runs what follows it, and leaves it its process id. Throws NotMeasured where strace cannot. */
export async function slowerFsync(byMs: number): Promise<readonly string[]> {
  const delay = `inject=${CALLS}:delay_exit=${byMs * 1000}`;
  // -D: strace is the child, not the parent, of what it runs
  const command = [
    'strace',
    '-D',
    '-f',
    '--seccomp-bpf',
    '-e',
    `trace=${CALLS}`,
    '-e',
    delay,
    '-o',
    '/dev/null',
  ];
  const [strace = '', ...args] = command;
  try {
    await promisify(execFile)(strace, [...args, process.execPath, '--version']);
  } catch (cause) {
    throw new NotMeasured('strace (5.3 or later) is not there, or may not trace', { cause });
  }
  return command;
}
