// Makes dist/ anew: the JavaScript and the types of all that is not a test or a tool, and the dashboard's page. For packages only: a clone runs its
// sources. `npm pack` and `npm publish` call it.

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

rmSync(join(root, 'dist'), { recursive: true, force: true });
const { status, error } = spawnSync('tsc', ['-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: ['ignore', 2, 2], // stdout is npm's
  shell: process.platform === 'win32',
});
if (error !== undefined) process.stderr.write(`build: tsc cannot be run: ${error.message}\n`);
if (status !== 0) process.exit(status ?? 1);
const { buildDashboard } = (await import(new URL('dashboard/build.mjs', import.meta.url).href)) as {
  buildDashboard: () => string | undefined;
};
const failure = buildDashboard();
if (failure !== undefined) {
  process.stderr.write(`build: ${failure}\n`);
  process.exit(1);
}
