// Gets the real programs that tests and benchmarks use: etcd, promtool for the metrics page, a browser for the dashboard, strace to
// count fsyncs. Takes
// what is on PATH; on Debian as root it installs what is missing, without letting the package start a service of its own.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

type SystemProgram = {
  readonly program: string;
  readonly packages: readonly string[];
  readonly source: string;
};

export const forTests: readonly SystemProgram[] = [
  {
    program: 'etcd',
    packages: ['etcd-server', 'etcd-client'],
    source: 'https://etcd.io/docs/latest/install/',
  },
  { program: 'promtool', packages: ['prometheus'], source: 'https://prometheus.io/download/' },
];
export const forDashboard: readonly SystemProgram[] = [
  {
    program: 'chromium',
    packages: ['chromium'],
    source: 'https://www.chromium.org/getting-involved/download-chromium/',
  },
];
export const forTracing: readonly SystemProgram[] = [
  { program: 'strace', packages: ['strace'], source: 'https://strace.io' },
];

// Debian asks this file before it starts a service; 101 means no.
const servicePolicy = '/usr/sbin/policy-rc.d';

/** Returns undefined when all is there, else one sentence that says what to do about it. */
export function ensureSystemPackages(programs: readonly SystemProgram[]): string | undefined {
  const missing = programs.filter(({ program }) => !isOnPath(program));
  if (missing.length === 0) return undefined;
  const failure = canInstall() ? install(missing.flatMap(({ packages }) => packages)) : undefined;
  const still = missing.filter(({ program }) => !isOnPath(program));
  if (still.length === 0) return undefined;
  const how = still.map(
    ({ program, packages, source }) => `${program} (Debian: ${packages.join(' ')}; ${source})`,
  );
  return `${how.join(' and ')} must be on PATH${failure === undefined ? '' : `, and ${failure}`}`;
}

function isOnPath(program: string): boolean {
  return findOnPath(program) !== undefined;
}

/** The file that would run. */
export function findOnPath(program: string): string | undefined {
  const files = (process.env['PATH'] ?? '').split(delimiter).map((dir) => join(dir, program));
  return files.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      // Not here, or not ours to run: the next folder.
      return false;
    }
  });
}

function canInstall(): boolean {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version') && isOnPath('apt-get');
}

/** Returns what went wrong, if anything. */
function install(packages: readonly string[]): string | undefined {
  process.stderr.write(`installing ${packages.join(' ')} (apt-get)\n`);
  const hasPolicy = existsSync(servicePolicy);
  if (!hasPolicy) writeFileSync(servicePolicy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    const lists = aptGet(['update']);
    if (lists !== undefined) return lists;
    return aptGet(['install', '-y', '--no-install-recommends', ...packages]);
  } finally {
    if (!hasPolicy) rmSync(servicePolicy, { force: true });
  }
}

function aptGet(args: readonly string[]): string | undefined {
  const { status, error, stderr } = spawnSync('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=300', ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (error !== undefined) return `apt-get could not be run: ${error.message}`;
  if (status === 0) return undefined;
  process.stderr.write(stderr);
  return `"apt-get ${args.join(' ')}" failed with exit code ${String(status)}`;
}
