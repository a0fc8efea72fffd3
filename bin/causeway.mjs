#!/usr/bin/env node
// The `causeway` command on any Node from 18: installs the dependencies if they are missing, then hands over
// to node/main.ts, in this process when it is Node 24, else in a child that is. Must not write to stdout.

import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import {
  endWithShell,
  ensureInstalled,
  fail,
  nodeBinary,
  nodeIsNewEnough,
  projectRoot,
  runInPlace,
} from '../scripts/bootstrap.mjs';

const main = join(projectRoot, 'node', 'main.ts');

try {
  await ensureInstalled();
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
