// The server of NATS, built from the Go module proxy at the version that is named here. It is built once, into a folder that
// goes with node_modules; nothing of it is part of the project.

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { NotMeasured } from '../../harness/not-measured.ts';

/** The current release when the benchmark was last gone over: https://github.com/nats-io/nats-server/releases */
export const NATS_SERVER_VERSION = '2.15.2';

const MODULE = 'github.com/nats-io/nats-server/v2';
const CLIENTS = ['@nats-io/transport-node', '@nats-io/jetstream'];
const MODULES = join(import.meta.dirname, '../../../../node_modules');
const FOLDER = join(MODULES, '.cache/causeway-bench', `nats-server-${NATS_SERVER_VERSION}`);
const PROGRAM = join(FOLDER, process.platform === 'win32' ? 'nats-server.exe' : 'nats-server');
/** Downloads and compiles, on a slow machine and line. */
const BUILD_TIMEOUT_MS = 15 * 60_000;

const run = promisify(execFile);

/** Path of the program. Throws NotMeasured where it can be neither found nor built. */
export async function natsServer(): Promise<string> {
  if (!existsSync(PROGRAM)) await build();
  return PROGRAM;
}

async function build(): Promise<void> {
  try {
    const env = { ...process.env, GOBIN: FOLDER };
    await run('go', ['install', `${MODULE}@v${NATS_SERVER_VERSION}`], { env, timeout: BUILD_TIMEOUT_MS });
  } catch (cause) {
    const isAbsent = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    const why = isAbsent ? 'Go is not installed (https://go.dev/dl)' : 'Go could not build it';
    throw new NotMeasured(`NATS ${NATS_SERVER_VERSION}: ${why}`, { cause });
  }
}

/** Of the server and of the client's packages, as they say themselves; a server that is not there has none. */
export async function natsVersions(): Promise<Readonly<Record<string, string>>> {
  const clients = CLIENTS.map((name) => [name, versionOf(name)] as const);
  return { 'nats-server': await serverVersion(), ...Object.fromEntries(clients) };
}

async function serverVersion(): Promise<string> {
  try {
    const { stdout } = await run(await natsServer(), ['--version']);
    return stdout.trim().replace(/^nats-server: v/, '');
  } catch (error) {
    if (error instanceof NotMeasured) return 'not there';
    throw error;
  }
}

function versionOf(client: string): string {
  const manifest = readFileSync(join(MODULES, client, 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
