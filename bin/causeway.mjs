#!/usr/bin/env node
// The `causeway` command on any Node from 18: installs the dependencies if they are missing, builds the dashboard for what serves it,
// then hands over to node/main.ts, or, in an installed package, to the JavaScript made of it; in this process when its Node is new enough (24.9), else
// in a child's. Must not write to stdout.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  endWithShell,
  ensureInstalled,
  fail,
  nodeBinary,
  nodeIsNewEnough,
  projectRoot,
  runInPlace,
} from '../scripts/bootstrap.mjs';

const source = join(projectRoot, 'node', 'main.ts');
// A package has no sources: Node runs no TypeScript under node_modules.
const main = existsSync(source) ? source : join(projectRoot, 'dist', 'node', 'main.js');

/** Without it they run all the same, and say at `/` what is missing. */
async function buildDashboard() {
  if (!existsSync(source) || !['node', 'start', 'up'].includes(process.argv[2])) return;
  const { ensureDashboard } = await import('../scripts/dashboard/build.mjs');
  const failure = await ensureDashboard();
  if (failure) process.stderr.write(`causeway: ${failure}\n`);
}

try {
  await ensureInstalled();
  await buildDashboard();
  if (!nodeIsNewEnough()) runInPlace(nodeBinary(), [main, ...process.argv.slice(2)]);
} catch (error) {
  fail(error.message);
}
if (nodeIsNewEnough()) {
  // The command line then reads the same in both cases.
  process.argv[1] = main;
  endWithShell();
  await import(pathToFileURL(main).href);
}
