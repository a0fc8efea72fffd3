// Builds the dashboard's page where it is missing or older than what it is made of; as a command, in any case. For clones: a package
// brings it built. Must run on Node 18 with nothing but the standard library, and must leave stdout to the command.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fail, nodeBinary, projectRoot, withMutex } from '../bootstrap.mjs';

const built = join(projectRoot, 'dist', 'dashboard');
const page = join(built, 'index.html');
const folder = dirname(fileURLToPath(import.meta.url));
const sources = [join(projectRoot, 'node', 'dashboard'), folder];
const vite = join(projectRoot, 'node_modules', 'vite', 'bin', 'vite.js');

/**
 * Returns undefined, or one sentence about why there is no page, or an old one.
 * @returns {Promise<string | undefined>}
 */
export async function ensureDashboard() {
  let failure;
  try {
    if (isFresh()) return undefined;
    await withMutex(async () => {
      if (!isFresh()) failure = buildDashboard();
    });
  } catch (error) {
    // A clone that may not be written, above all.
    failure = `the dashboard cannot be built: ${error.message}`;
  }
  return failure;
}

/** Folders count, too: a file that was deleted leaves its mark there. */
function isFresh() {
  if (!existsSync(page)) return false;
  const since = statSync(page).mtimeMs;
  const within = (folder) => readdirSync(folder, { recursive: true }).map((name) => join(folder, name));
  const from = [...sources, ...sources.flatMap(within), join(projectRoot, 'package-lock.json')];
  return from.every((path) => statSync(path).mtimeMs <= since);
}

/** Returns what `ensureDashboard` does. */
export function buildDashboard() {
  if (!existsSync(vite)) return `the dashboard cannot be built: ${vite} is not there (npm ci --include=dev)`;
  process.stderr.write('causeway: building the dashboard\n');
  const fresh = `${built}.${process.pid}`;
  try {
    const config = join(folder, 'vite.config.ts');
    const args = [vite, 'build', '--logLevel', 'warn', '--config', config, '--outDir', fresh];
    const { error, status } = spawnSync(nodeBinary(), args, { cwd: projectRoot, stdio: ['ignore', 2, 2] });
    if (error) return `the dashboard cannot be built: ${error.message}`;
    if (status !== 0) return 'the dashboard could not be built; the reason is above';
    // In one go: a mesher that starts meanwhile finds the old one or the new one.
    rmSync(built, { recursive: true, force: true });
    renameSync(fresh, built);
    return undefined;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const failure = buildDashboard();
  if (failure) fail(failure);
}
