// Builds the dashboard's page where it is missing or older than what it is made of; as a command, in any case. For clones: a package
// brings it built. Must run on Node 18 with nothing but the standard library, and must leave stdout to the command.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fail, nodeBinary, projectRoot, withMutex } from '../bootstrap.mjs';

const page = join(projectRoot, 'dist', 'dashboard', 'index.html');
const folder = dirname(fileURLToPath(import.meta.url));
const sources = [join(projectRoot, 'node', 'dashboard'), folder];
const vite = join(projectRoot, 'node_modules', 'vite', 'bin', 'vite.js');

/**
 * Returns undefined, or one sentence about why there is no page, or an old one.
 * @returns {Promise<string | undefined>}
 */
export async function ensureDashboard() {
  if (isFresh()) return undefined;
  let failure;
  await withMutex(async () => {
    if (!isFresh()) failure = buildDashboard();
  });
  return failure;
}

/** Folders count, too: a file that was deleted leaves its mark there. */
function isFresh() {
  if (!existsSync(page)) return false;
  const built = statSync(page).mtimeMs;
  const within = (folder) => readdirSync(folder, { recursive: true }).map((name) => join(folder, name));
  const from = [...sources, ...sources.flatMap(within), join(projectRoot, 'package-lock.json')];
  return from.every((path) => statSync(path).mtimeMs <= built);
}

/** Returns what `ensureDashboard` does. */
export function buildDashboard() {
  if (!existsSync(vite)) return `the dashboard cannot be built: ${vite} is not there (npm ci --include=dev)`;
  process.stderr.write('causeway: building the dashboard\n');
  const args = [vite, 'build', '--logLevel', 'warn', '--config', join(folder, 'vite.config.ts')];
  const { error, status } = spawnSync(nodeBinary(), args, { cwd: projectRoot, stdio: ['ignore', 2, 2] });
  if (error) return `the dashboard cannot be built: ${error.message}`;
  return status === 0 ? undefined : 'the dashboard could not be built; the reason is above';
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const failure = buildDashboard();
  if (failure) fail(failure);
}
