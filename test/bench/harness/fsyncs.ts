// Counts a process's calls of fsync, fdatasync, msync and sync_file_range with strace, for programs that have no counter of
// their own. Each call then stops the process twice: it is a run of its own, whose time says nothing.

import { spawn } from 'node:child_process';

const CALLS = ['fsync', 'fdatasync', 'msync', 'sync_file_range'];

/** Undefined where strace is not installed, or the system does not let it trace. */
export async function countFsyncs(
  pids: readonly number[],
  work: () => Promise<void>,
): Promise<number | undefined> {
  const args = ['-f', '-c', '-U', 'name,calls', '-e', `trace=${CALLS.join(',')}`];
  const strace = spawn('strace', [...args, ...pids.flatMap((pid) => ['-p', String(pid)])], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  const ended = new Promise<boolean>((resolve) => {
    strace.once('error', () => resolve(false));
    strace.once('close', () => resolve(true));
  });
  const attached = new Promise<boolean>((resolve) => {
    strace.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (pids.every((pid) => output.includes(`Process ${pid} attached`))) resolve(true);
    });
    void ended.then(() => resolve(false));
  });
  if (!(await attached)) return undefined;
  try {
    await work();
  } finally {
    strace.kill('SIGINT'); // lets go of the processes, then prints its table
    await ended;
  }
  return sumOfCalls(output);
}

/** Of strace's table with the columns `name,calls`; the line of the total is not one of them. */
export function sumOfCalls(table: string): number {
  let sum = 0;
  for (const line of table.split('\n')) {
    const match = /^\s*(\w+)\s+(\d+)\s*$/.exec(line);
    if (match && CALLS.includes(match[1] ?? '')) sum += Number(match[2]);
  }
  return sum;
}
