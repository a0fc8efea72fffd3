// What somebody does who has just heard of the project: clones it, says `npm start` with the Node that the machine has, sees
// events arrive in other clusters, stops it with Ctrl-C. What is committed is tested, with nothing of this checkout.

import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';

const root = dirname(dirname(import.meta.dirname));
const run = promisify(execFile);

const ARRIVING = /published [1-9]\d* · delivered \S+ [1-9]\d*, \S+ [1-9]\d* · in flight \d+ /;
const ENDED = /published [1-9]\d* · .* · in flight 0 · .*lost 0\s+stopping …\s*$/;

test('a fresh clone runs with npm start on the Node of the machine, loses nothing, and ends with Ctrl-C', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-clone-'));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const project = join(folder, 'causeway');
  const env = ownEnvironment();
  const version = async (command: string): Promise<string> => {
    return (await said(`${command} is needed on PATH`, command, ['--version'], folder, env)).trim();
  };
  t.diagnostic(`node ${await version('node')}, npm ${await version('npm')}, ${await version('git')}`);
  await said(
    `${root} is not a git checkout that can be cloned`,
    'git',
    ['clone', '--quiet', root, project],
    folder,
    env,
  );

  const first = Date.now();
  const start = new Start(t, 'npm', ['start'], project, env);
  await start.prints(ARRIVING);
  t.diagnostic(`events arrive in both other clusters ${Date.now() - first} ms after npm start in a clone`);
  start.signal('SIGINT');
  // npm runs commands through a shell. Where that dies of the Ctrl-C instead of waiting, npm says so, whatever comes of ours.
  assert.ok([0, 'SIGINT', 130].includes(await start.exit), start.output);
  assert.match(start.output, ENDED);

  const again = new Start(t, 'node', ['bin/causeway.mjs', 'start'], project, env);
  await again.prints(ARRIVING);
  again.signal('SIGINT');
  assert.equal(await again.exit, 0, again.output);
  assert.match(again.output, ENDED);

  const told = await said('npx causeway fails', 'npx', ['causeway', '--version'], project, env);
  const { version: own } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8')) as {
    version: string;
  };
  assert.ok(told.includes(own), told);
});

/** A command in a process group of its own, as a shell starts it: Ctrl-C goes to all of the group. */
class Start {
  readonly exit: Promise<number | NodeJS.Signals>;
  readonly #child: ChildProcess;
  #lines: (() => void)[] = [];
  #ended = false;
  output = '';

  constructor(
    t: TestContext,
    command: string,
    args: readonly string[],
    project: string,
    env: NodeJS.ProcessEnv,
  ) {
    const child = spawn(command, args, {
      cwd: project,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
        this.#wake();
      });
    }
    this.exit = once(child, 'close').then(([code, signal]: (number | NodeJS.Signals | null)[]) => {
      this.#ended = true;
      this.#wake();
      return code ?? signal ?? 'SIGKILL';
    });
    t.after(async () => {
      if (!this.#ended) this.signal('SIGKILL');
      await this.exit;
    });
  }

  /** No deadline of its own: how long an install takes is the network's to say. */
  async prints(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.output)) {
      assert.ok(!this.#ended, `it ended before it printed ${String(pattern)}:\n${this.output}`);
      await new Promise<void>((resolve) => this.#lines.push(resolve));
    }
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#child.pid !== undefined) process.kill(-this.#child.pid, signal);
  }

  #wake(): void {
    const waiting = this.#lines;
    this.#lines = [];
    for (const wake of waiting) wake();
  }
}

/** The environment without what this project, npm or the test runner has put there. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const foreign = /^(npm_|node_|causeway_|init_cwd$)/i;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const isInstalledHere = (path: string): boolean => path.split(/[\\/]/).includes('node_modules');
  return { ...env, PATH: folders.filter((path) => !isInstalledHere(path)).join(delimiter) };
}

async function said(
  otherwise: string,
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  try {
    return (await run(command, args, { cwd, env })).stdout;
  } catch (cause) {
    throw new Error(`${otherwise}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
