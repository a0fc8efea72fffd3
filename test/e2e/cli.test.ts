// The `causeway` command as users run it: real processes, real signals, a real federation on loopback.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '../support/until.ts';

const main = fileURLToPath(new URL('../../node/main.ts', import.meta.url));

interface Mesher {
  readonly cluster: string;
  readonly node: string;
  readonly http: string;
  readonly pid: number;
}

/** One run of the command. Ended, with all it started, when the test is over. */
class Run {
  readonly process: ChildProcess;
  readonly exit: Promise<number | NodeJS.Signals>;
  stdout = '';
  stderr = '';

  constructor(t: TestContext, argv: readonly string[], input?: string) {
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith('CAUSEWAY_')),
    );
    this.process = spawn(process.execPath, [main, ...argv], { env, stdio: 'pipe' });
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.process.stdin?.end(input);
    this.exit = new Promise((resolve) => {
      this.process.once('close', (code, signal) => resolve(code ?? signal ?? 'SIGKILL'));
    });
    t.after(async () => {
      this.process.kill('SIGKILL');
      await this.exit;
    });
  }

  async prints(pattern: RegExp, where: 'stdout' | 'stderr' = 'stdout'): Promise<void> {
    await until(
      () => `${where} has ${String(pattern)}\n${this.stdout}\n${this.stderr}`,
      () => pattern.test(this[where]),
    );
  }

  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<number | NodeJS.Signals> {
    this.process.kill(signal);
    return this.exit;
  }
}

async function cli(
  t: TestContext,
  argv: readonly string[],
  input = '',
): Promise<{ code: number | NodeJS.Signals; stdout: string; stderr: string }> {
  const run = new Run(t, argv, input);
  const code = await run.exit;
  return { code, stdout: run.stdout, stderr: run.stderr };
}

function dataFolder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'causeway-cli-'));
  t.after(async () => {
    if (existsSync(upFile(path))) {
      const { children } = JSON.parse(readFileSync(upFile(path), 'utf8')) as { children: number[] };
      await until('no mesher outlives its up', () => !children.some(isAlive));
    }
    rmSync(path, { recursive: true, maxRetries: 5 });
  });
  return path;
}

/** Written when the first process is started. */
function upFile(data: string): string {
  return join(data, 'up.json');
}

async function up(
  t: TestContext,
  data: string,
  clusters = 'eu,us,ap',
): Promise<{ run: Run; meshers: Mesher[] }> {
  const run = new Run(t, ['up', '--json', '--clusters', clusters, '--data', data]);
  const count = clusters.split(',').length;
  await run.prints(new RegExp(`^(\\{.*\\}\\n){${count}}$`));
  return { run, meshers: lines(run.stdout) as Mesher[] };
}

function lines(text: string): unknown[] {
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as unknown]));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Waits until events on `topic` from `from` reach so many clusters. */
async function routed(t: TestContext, from: Mesher, topic: string, clusters: number): Promise<void> {
  await until(`events on ${topic} reach ${clusters} clusters`, async () => {
    const { stdout } = await cli(t, ['routes', topic, '--json', '--url', from.http]);
    return (lines(stdout)[0] as { destinations: unknown[] }).destinations.length >= clusters;
  });
}

test('runs a federation: events published in one cluster are printed in the others, and survive a restart', async (t) => {
  const data = dataFolder(t);
  const first = await up(t, data);
  const [eu, us, ap] = first.meshers;
  assert.ok(eu && us && ap);
  assert.deepEqual(
    first.meshers.map(({ cluster }) => cluster),
    ['eu', 'us', 'ap'],
  );

  const live = new Run(t, ['subscribe', 'orders/#', '--json', '--url', us.http]);
  const durable = new Run(t, [
    'subscribe',
    'orders/#',
    '--name',
    'audit',
    '--json',
    '--count',
    '2',
    '--url',
    ap.http,
  ]);
  await routed(t, eu, 'orders/eu', 2);
  const event = ['--topic', 'orders/eu', '--type', 'com.example.order'];
  const published = await cli(
    t,
    ['publish', ...event, '--json', '--url', eu.http],
    '{"n":1}\n{"n":2}\n{"n":3}\n',
  );
  assert.equal(published.code, 0, published.stderr);
  const [result] = lines(published.stdout) as [{ destinations: { clusters: string[] } }];
  assert.deepEqual(result.destinations.clusters.toSorted(), ['ap', 'us']);
  await live.prints(/"n":3/);
  assert.deepEqual(
    (lines(live.stdout) as { data: { n: number } }[]).map((each) => each.data.n).toSorted((a, b) => a - b),
    [1, 2, 3],
  );
  assert.equal(await durable.exit, 0);
  assert.equal(await live.stop(), 0);

  const status = await cli(t, ['status', '--json', '--url', eu.http]);
  const [{ federation, links }] = lines(status.stdout) as [
    { federation: { members: unknown[] }; links: { state: string }[] },
  ];
  assert.equal(federation.members.length, 3);
  assert.deepEqual(
    links.map(({ state }) => state),
    ['up', 'up'],
  );
  assert.match((await cli(t, ['status', '--url', eu.http])).stdout, /^CLUSTER/m);

  const second = await cli(t, ['up', '--data', data]);
  assert.equal(second.code, 2);
  assert.match(
    second.stderr,
    /^causeway: invalid-config: another Causeway \(process \d+\) uses the data .*\n$/,
  );

  assert.equal(await first.run.stop(), 0, first.run.stderr);
  assert.deepEqual(
    first.meshers.filter(({ pid }) => isAlive(pid)),
    [],
  );

  const again = await up(t, data);
  assert.deepEqual(
    again.meshers.map(({ node }) => node),
    first.meshers.map(({ node }) => node),
  );
  const there = again.meshers[2];
  assert.ok(there);
  const rest = await cli(t, [
    'subscribe',
    'orders/#',
    '--name',
    'audit',
    '--json',
    '--count',
    '1',
    '--url',
    there.http,
  ]);
  const printed = [...lines(durable.stdout), ...lines(rest.stdout)] as { data: { n: number } }[];
  assert.deepEqual(
    printed.map((each) => each.data.n).toSorted((a, b) => a - b),
    [1, 2, 3],
  );
  assert.equal(await again.run.stop('SIGTERM'), 0, again.run.stderr);
});

test('says when a mesher ends unasked, goes on with the others, and ends with 4', async (t) => {
  const { run, meshers } = await up(t, dataFolder(t), 'eu,us');
  const [eu, us] = meshers;
  assert.ok(eu && us);
  process.kill(us.pid, 'SIGKILL');
  await run.prints(
    /^causeway: mesher-unreachable: the mesher of us ended by SIGKILL, .*log is .*us\.log\n$/,
    'stderr',
  );
  assert.equal((await cli(t, ['status', '--url', eu.http])).code, 0);
  assert.equal(await run.stop(), 4);
});

test('leaves no mesher behind when it is killed, and the next one takes over its data', async (t) => {
  const data = dataFolder(t);
  const killed = await up(t, data, 'eu');
  assert.equal(await killed.run.stop('SIGKILL'), 'SIGKILL');
  const next = await up(t, data, 'eu');
  assert.equal(next.meshers[0]?.node, killed.meshers[0]?.node);
  assert.deepEqual(
    killed.meshers.filter(({ pid }) => isAlive(pid)),
    [],
  );
  assert.equal(await next.run.stop(), 0);
});

test('takes two interrupts at once for one, as npm makes of a Ctrl-C, and a later one for an order to end', async (t) => {
  const { run } = await up(t, dataFolder(t), 'eu');
  run.process.kill('SIGINT');
  assert.equal(await run.stop(), 0);
});

test('ends with 130 when it is interrupted before it is up', async (t) => {
  const data = dataFolder(t);
  const run = new Run(t, ['up', '--clusters', 'eu', '--data', data]);
  await until('its first process is started', () => existsSync(upFile(data)), { everyMs: 5 });
  assert.equal(await run.stop(), 130, run.stdout + run.stderr);
  assert.equal(run.stdout, '');
});

test('sends sample events across, and has lost none when it is stopped and started again', async (t) => {
  const data = dataFolder(t);
  for (let round = 0; round < 2; round++) {
    const run = new Run(t, ['start', '--clusters', 'eu,us,ap', '--data', data]);
    await run.prints(
      /published [1-9]\d* · delivered us [1-9]\d*, ap [1-9]\d* · in flight \d+ · p50 .* p99 .* · lost 0/,
    );
    assert.equal(await run.stop(), 0, run.stderr);
    const [, published, us, ap] =
      /published (\d+) · delivered us (\d+), ap (\d+) · in flight 0 .* lost 0\nstopping …\n$/.exec(
        run.stdout,
      ) ?? [];
    assert.ok(published !== undefined, run.stdout);
    assert.deepEqual([us, ap], [published, published]);
  }
});

test('runs without sample events when told to be quiet', async (t) => {
  const run = new Run(t, ['start', '--quiet', '--clusters', 'eu', '--data', dataFolder(t)]);
  await run.prints(/Ctrl-C stops all\.\n/);
  assert.equal(await run.stop(), 0);
  assert.doesNotMatch(run.stdout, /published/);
});

test('ends quietly when nobody reads its output any more', async (t) => {
  const { run, meshers } = await up(t, dataFolder(t), 'eu');
  const [eu] = meshers;
  assert.ok(eu);
  const reader = new Run(t, ['subscribe', 'a/#', '--json', '--url', eu.http]);
  reader.process.stdout?.destroy();
  const publish = ['publish', '--topic', 'a/b', '--type', 'x.y', '--data', '1', '--url', eu.http];
  const ended = reader.exit;
  let code: number | NodeJS.Signals | undefined;
  void ended.then((value) => (code = value));
  await until('it ends', async () => (await cli(t, publish)).code === 0 && code !== undefined);
  assert.equal(code, 0);
  assert.equal(reader.stderr, '');
  assert.equal(await run.stop(), 0);
});

test('runs a registry and a mesher by hand, and refuses what is wrong with one line and its exit code', async (t) => {
  const data = mkdtempSync(join(tmpdir(), 'causeway-cli-'));
  t.after(() => rmSync(data, { recursive: true, maxRetries: 5 }));
  const registry = new Run(t, ['registry', '--data', join(data, 'registry'), '--listen', '127.0.0.1:0']);
  await registry.prints(/^registry listens on http:\/\/127\.0\.0\.1:\d+\n$/);
  const address = registry.stdout.trim().split(' ').at(-1) ?? '';
  const flags = [
    '--federation',
    'acme',
    '--cluster',
    'eu',
    '--registry',
    address,
    '--data',
    join(data, 'node'),
  ];
  const node = new Run(t, [
    'node',
    ...flags,
    '--http',
    '127.0.0.1:0',
    '--listen',
    '/ip4/127.0.0.1/tcp/0',
    '--label',
    'zone=a',
  ]);
  await node.prints(/^mesher 12D3KooW\w+ of acme in eu listens on http:\/\/127\.0\.0\.1:\d+\n$/);
  const url = node.stdout.trim().split(' ').at(-1) ?? '';
  await until(
    () => `it is ready: ${node.stderr}`,
    async () => (await fetch(`${url}/readyz`)).ok,
  );
  const other = await cli(t, ['node', ...flags, '--http', '127.0.0.1:0']);
  assert.equal(other.code, 2, other.stderr);
  for (const [argv, code] of [
    [['node', '--cluster', 'eu', '--http', '0.0.0.0:7400'], 2],
    [['registry', '--listen', '0.0.0.0:7420'], 2],
    [['routes', 'a/#', '--url', url], 2],
    [['publish', '--type', 'x', '--source', 'no uri', '--data', '1', '--url', url], 3],
  ] as const) {
    const refused = await cli(t, argv);
    assert.equal(refused.code, code, refused.stderr);
    assert.match(refused.stderr, /^causeway: [a-z-]+: .*\n$/);
  }
  assert.equal(await node.stop(), 0, node.stderr);
  assert.equal(await registry.stop(), 0);
  const gone = await cli(t, ['status', '--url', url]);
  assert.equal(gone.code, 4);
  assert.match(gone.stderr, /connection refused/);
});
