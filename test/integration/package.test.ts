// The package as npm makes it, in an empty project: the command runs, the client is imported with its types. And the same import in a
// clone, where nothing was built.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { promisify } from 'node:util';
import * as imported from 'causeway/client';
import * as sources from '../../sdk/typescript/client.ts';

const PATIENCE_MS = 60_000;
const root = dirname(dirname(import.meta.dirname));
const run = promisify(execFile);

const SNIPPET = `
import { CausewayError, connect, type Delivery, type Mesh } from 'causeway/client';

const mesh: Mesh = await connect(process.argv[2] ?? '', { publishTimeoutMs: 30_000 });
const subscription = mesh.subscribe({ name: 'orders', topic: 'orders/#', delivery: { retries: 1 } });
await subscription.opened();
const [report] = await mesh.publish([{ source: '/shop', type: 't', data: { order: 7 } }], { topic: 'orders/eu', report: true });
const reached: number | undefined = report?.destinations.subscriptions;
for await (const delivery of subscription) {
  const { event, topic }: Delivery = delivery;
  console.log(JSON.stringify({ reached, topic, data: event.data }));
  delivery.ack();
  break;
}
// @ts-expect-error there is no such option
mesh.publish({ source: '/shop', type: 't' }, { topics: 'a' }).catch((error: CausewayError) => error.code);
await mesh.close();
`;

/** An empty project, with the package as npm packs it, and what it depends on by links to what is installed here. */
async function install(folder: string): Promise<void> {
  await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: root, env: ownEnvironment() });
  const [tarball] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
  assert.ok(tarball !== undefined);
  const modules = join(folder, 'node_modules');
  await mkdir(join(modules, 'causeway'), { recursive: true });
  await run('tar', ['-xzf', join(folder, tarball), '--strip-components=1', '-C', join(modules, 'causeway')]);
  for (const name of await readdir(join(root, 'node_modules'))) {
    if (name.startsWith('.') || name === 'causeway') continue;
    await symlink(join(root, 'node_modules', name), join(modules, name));
  }
  await writeFile(join(folder, 'package.json'), '{ "type": "module", "private": true }');
}

/** Without what npm and the test runner have put there, and with the Node of this process first. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const foreign = /^(npm_|node_|causeway_|init_cwd$)/i;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
  return { ...env, PATH: [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter) };
}

async function readmeExample(): Promise<string> {
  const [, code] = /^```ts\n(.*?)^```$/ms.exec(await readFile(join(root, 'README.md'), 'utf8')) ?? [];
  assert.ok(code !== undefined && code.includes('causeway/client'), 'README.md shows the client');
  return code;
}

const BARE = `
import { connect, encodeEvent, type DeliverySettings, type PublishReport } from 'causeway/client';

export async function send(delivery: Partial<DeliverySettings>): Promise<PublishReport | undefined> {
  const mesh = await connect('http://127.0.0.1:7400', { signal: AbortSignal.timeout(1_000) });
  mesh.subscribe({ name: 'orders', topic: 'orders/#', delivery });
  const bytes: Uint8Array = encodeEvent({ source: '/shop', type: 't' });
  const [report] = await mesh.publish([bytes], { report: true });
  return report;
}
`;

const PLAIN = `
import { connect } from 'causeway/client';
const mesh = await connect(process.argv[1]);
await mesh.publish({ source: '/shop', type: 't' });
await mesh.close();
`;

/** Of which the client needs no more than 20, where the command brings a newer one. */
async function onMachinesNode(t: TestContext, folder: string, http: string): Promise<void> {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const PATH = folders.filter((path) => !path.split(/[\\/]/).includes('node_modules')).join(delimiter);
  const env = { ...ownEnvironment(), PATH };
  const { stdout: version } = await run('node', ['--version'], { env });
  t.diagnostic(`node ${version.trim()} on PATH`);
  if (Number(/\d+/.exec(version)?.[0]) < 20) return;
  await run('node', ['--input-type=module', '--eval', PLAIN, http], { cwd: folder, env });
}

/** What it prints first; it goes on for ever. */
async function firstLine(
  module: string,
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<unknown> {
  const child = spawn(process.execPath, [module], { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  try {
    const lines = createInterface({ input: child.stdout });
    const [line] = (await Promise.race([
      once(lines, 'line', { signal: AbortSignal.timeout(PATIENCE_MS) }),
      ended,
    ])) as [unknown];
    return line;
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

test('a packed and installed package has the command, and the client with its types', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-package-'));
  const ends = [() => rm(folder, { recursive: true, force: true, maxRetries: 5 })];
  t.after(async () => {
    for (const end of ends.reverse()) await end();
  });
  await install(folder);
  const launcher = join(folder, 'node_modules', 'causeway', 'bin', 'causeway.mjs');
  const env = ownEnvironment();
  const up = spawn(
    process.execPath,
    [launcher, 'up', '--json', '--clusters', 'eu', '--data', join(folder, 'data')],
    {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const ended = once(up, 'exit');
  ends.push(async () => {
    up.kill('SIGINT');
    await ended;
  });
  const [line] = (await Promise.race([once(createInterface({ input: up.stdout }), 'line'), ended])) as [
    unknown,
  ];
  assert.equal(typeof line, 'string', 'it has ended before it was up');
  const { http } = JSON.parse(String(line)) as { http: string };
  const page = await (await fetch(http)).text();
  const [, script] = /<script type="module"[^>]* src="([^"]+)"/.exec(page) ?? [];
  assert.ok(script !== undefined, `the dashboard is in the package:\n${page}`);
  assert.equal((await fetch(new URL(script, http))).status, 200);

  await writeFile(join(folder, 'snippet.ts'), SNIPPET);
  await writeFile(join(folder, 'readme.ts'), (await readmeExample()).replace('http://127.0.0.1:7400', http));
  const { stdout } = await run(process.execPath, ['snippet.ts', http], { cwd: folder, env });
  assert.deepEqual(JSON.parse(stdout), { reached: 1, topic: 'orders/eu', data: { order: 7 } });

  await onMachinesNode(t, folder, http);
  assert.equal(await firstLine('readme.ts', { cwd: folder, env }), 'orders/eu { order: 7 }');

  const options = { module: 'nodenext', target: 'es2022', types: ['node'], strict: true, noEmit: true };
  const config = { compilerOptions: { ...options, skipLibCheck: false }, files: ['snippet.ts', 'readme.ts'] };
  await typeCheck(folder, config);

  // the same types where those of Node are not: the client's are its own
  await writeFile(join(folder, 'bare.ts'), BARE);
  const bare = { ...options, types: [], lib: ['es2022', 'esnext.disposable', 'dom'] };
  await typeCheck(folder, { compilerOptions: { ...bare, skipLibCheck: false }, files: ['bare.ts'] });
});

async function typeCheck(folder: string, config: object): Promise<void> {
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const env = ownEnvironment();
  await run(process.execPath, [tsc, '-p', folder], { cwd: folder, env }).catch((error: unknown) => {
    assert.fail(error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error));
  });
}

test('a clone imports the client by the name of the package, and it is that of the sources', () => {
  const values = (module: Readonly<Record<string, unknown>>): unknown[] =>
    Object.keys(module)
      .sort()
      .map((name) => [name, module[name]]);
  assert.deepEqual(values(imported), values(sources));
});
