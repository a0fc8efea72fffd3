// The embedded registry's server by itself: what it makes of wrong requests, of a full socket, of its own restarts.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { MemberRecord } from '../../node/core/ports.ts';
import { startRegistryServer } from '../../registry/embedded/server.ts';
import type { RegistryServerOptions } from '../../registry/embedded/server.ts';
import { MemoryRegistryHub } from '../../registry/memory.ts';
import { openRegistry } from '../../registry/open.ts';

const record: MemberRecord = {
  federation: 'f',
  cluster: 'lab',
  node: 'n1',
  incarnation: 1,
  addresses: [],
  http: '',
  labels: {},
  version: '',
  signature: '',
};

async function start(test: TestContext, changes: Partial<RegistryServerOptions> = {}) {
  const hub = new MemoryRegistryHub();
  const options = { listen: '127.0.0.1:0', store: hub.store(), ...changes } as RegistryServerOptions;
  const server = await startRegistryServer(options);
  test.after(async () => {
    await server.close();
    hub.close();
  });
  return { server, hub };
}

async function newFolder(test: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-registry-'));
  test.after(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'data');
}

describe('registry server', () => {
  it('answers what is malformed with a problem that says what, and lives on', async (test) => {
    const { server } = await start(test);
    const json = { 'content-type': 'application/json' };
    const put = (body: unknown) => ({ method: 'PUT', headers: json, body: JSON.stringify(body) });
    const good = { record, ttlMs: 2000, overwrite: 'any' };
    const cases: readonly [string, RequestInit, number, RegExp][] = [
      ['/v1/federations/f/members/n1', put({ ...good, ttlMs: '2000' }), 400, /ttlMs/],
      ['/v1/federations/f/members/n1', put({ ...good, ttlMs: 1 }), 400, /ttlMs/],
      [
        '/v1/federations/f/members/n1',
        put({ ...good, record: { ...record, addresses: 'x' } }),
        400,
        /addresses/,
      ],
      [
        '/v1/federations/f/members/n1',
        put({ ...good, record: { ...record, incarnation: -1 } }),
        400,
        /incarnation/,
      ],
      ['/v1/federations/f/members/other', put(good), 400, /path/],
      ['/v1/federations/g/members/n1', put(good), 400, /path/],
      ['/v1/federations/f/members/n1', put(null), 400, /object/],
      ['/v1/federations/f/members/n1', { ...put(good), body: '{' }, 400, /JSON/],
      ['/v1/federations/f/members/n1', { ...put(good), body: '{"__proto__":{}}' }, 400, /JSON/],
      [
        '/v1/federations/f/members/n1',
        { ...put(good), headers: { 'content-type': 'text/plain' } },
        415,
        /json/,
      ],
      ['/v1/federations/f/members/n1', put({ ...good, x: 'x'.repeat(600_000) }), 400, /large/],
      [`/v1/federations/f/members/${'n'.repeat(129)}`, put(good), 400, /node/],
      ['/v1/federations/%2e%2e%2f/members', {}, 400, /federation/],
      ['/v1/federations/f/setting', {}, 400, /key/],
      ['/v1/federations/f/setting?key=', {}, 400, /empty/],
      ['/v1/federations/f/setting?key=a&key=b', {}, 400, /key/],
      ['/v1/federations/f/setting?key=a&expected=1e3', { method: 'DELETE' }, 400, /expected/],
      ['/v1/federations/f/setting?key=a&expected=9999999999999999', { method: 'DELETE' }, 400, /revision/],
      ['/v1/federations/f/setting', put({ key: 'k', value: 'v', expected: 1.5 }), 400, /expected/],
      ['/v1/federations/f/setting', put({ key: 'k', value: 'x'.repeat(65_537), expected: 0 }), 400, /65536/],
      [
        '/v1/federations/f/setting',
        { ...put({}), body: '{"key":"k","value":"\\ud800","expected":0}' },
        400,
        /surrogate/,
      ],
      ['/nothing', {}, 404, /nothing/],
    ];
    for (const [path, request, status, detail] of cases) {
      const response = await fetch(`${server.address}${path}`, request);
      const what = `${path} ${JSON.stringify(request.body ?? '').slice(0, 80)}`;
      const problem = (await response.json()) as Record<string, unknown>;
      assert.equal(response.status, status, `${what}: ${JSON.stringify(problem)}`);
      assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/, what);
      assert.match(String(problem['detail']), detail, what);
      assert.equal(problem['status'], status, what);
      assert.equal(typeof problem['code'], 'string', what);
    }
    const health = await fetch(`${server.address}/v1/health`);
    assert.deepEqual(await health.json(), { status: 'ok' });
    const { members } = (await (await fetch(`${server.address}/v1/federations/f/members`)).json()) as {
      members: [];
    };
    assert.deepEqual(members, [], 'nothing wrong was kept');
  });

  it('keeps fields that it does not know: a newer mesher signed them', async (test) => {
    const { server } = await start(test);
    const body = JSON.stringify({ record: { ...record, future: { a: 1 } }, ttlMs: 2000, overwrite: 'any' });
    const headers = { 'content-type': 'application/json' };
    await fetch(`${server.address}/v1/federations/f/members/n1`, { method: 'PUT', headers, body });
    const list = (await (await fetch(`${server.address}/v1/federations/f/members`)).json()) as {
      members: unknown;
    };
    assert.deepEqual(list.members, [{ ...record, future: { a: 1 } }]);
  });

  it('survives clients that break off, and bytes that are no HTTP', async (test) => {
    const { server } = await start(test);
    const { port } = new URL(server.address);
    for (const bytes of [
      '\u0016\u0003\u0001\u0000',
      'PUT /v1/federations/f/members/n1 HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"rec',
      'GET /v1/federations/f/watch HTTP/1.1\r\nhost: x\r\n\r\n',
    ]) {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      socket.write(bytes);
      await sleep(50);
      socket.resetAndDestroy();
    }
    const registry = await openRegistry(server.address, { federation: 'f', node: 'n1', ttlMs: 2000 });
    test.after(() => registry.close());
    await registry.register(record);
    assert.equal((await registry.members()).members.length, 1);
  });

  it('asks for the password everywhere but at its health', async (test) => {
    const { server } = await start(test, { user: 'u', password: 'pß' });
    assert.equal((await fetch(`${server.address}/v1/health`)).status, 200);
    for (const path of ['/v1/federations/f/members', '/v1/federations/f/watch', '/elsewhere']) {
      assert.equal((await fetch(`${server.address}${path}`)).status, 403, path);
    }
    const options = { federation: 'f', node: 'n1', user: 'u' };
    const [right, wrong] = [
      await openRegistry(server.address, { ...options, password: 'pß' }),
      await openRegistry(server.address, { ...options, password: 'pss' }),
    ];
    test.after(() => Promise.all([right.close(), wrong.close()]));
    assert.deepEqual((await right.members()).members, []);
    await assert.rejects(wrong.members(), { code: 'registry-refused' });
    await assert.rejects(wrong.register(record), { code: 'registry-refused' });
  });

  it('says why it does not start', async (test) => {
    const { server } = await start(test);
    const taken = server.address.replace('http://', '');
    const hub = new MemoryRegistryHub();
    const cases = [taken, 'nonsense', '127.0.0.1', '127.0.0.1:99999', ':7420', '203.0.113.1:0'];
    for (const listen of cases) {
      await assert.rejects(
        startRegistryServer({ listen, store: hub.store() }),
        { code: 'invalid-config' },
        listen,
      );
    }
    const dataDir = await newFolder(test);
    const first = await startRegistryServer({ listen: '127.0.0.1:0', dataDir });
    await assert.rejects(startRegistryServer({ listen: '127.0.0.1:0', dataDir }), { code: 'storage-failed' });
    await first.close();
    const again = await startRegistryServer({ listen: '127.0.0.1:0', dataDir });
    await again.close();
  });

  it('hands out no number twice and loses no acknowledged write when it is killed', async (test) => {
    const dataDir = await newFolder(test);
    const module = fileURLToPath(new URL('../../registry/embedded/server.ts', import.meta.url));
    const script = `
      import { startRegistryServer } from ${JSON.stringify(module)};
      const server = await startRegistryServer({ listen: '127.0.0.1:0', dataDir: ${JSON.stringify(dataDir)} });
      process.stdout.write(server.address);`;
    let last = 0;
    let written: { key: string; value: string; revision: number }[] = [];
    for (let round = 0; round < 3; round += 1) {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      test.after(() => child.kill('SIGKILL'));
      const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
      const registry = await openRegistry(chunk.toString(), { federation: 'f', node: 'n1' });
      test.after(() => registry.close());
      assert.deepEqual(await registry.listSettings(''), written, 'what was acknowledged is there');
      const puts: Promise<unknown>[] = [];
      const numbers: number[] = [];
      for (let at = 0; at < 40; at += 1) {
        const key = `k${String(round)}-${String(at).padStart(2, '0')}`;
        puts.push(registry.putSetting(key, 'v', 0).then((setting) => setting && written.push(setting)));
        puts.push(registry.nextRevision().then((revision) => numbers.push(revision)));
      }
      await Promise.all(puts);
      written = written.sort((left, right) => (left.key < right.key ? -1 : 1));
      assert.ok(Math.min(...numbers) > last);
      last = Math.max(...numbers, ...written.map(({ revision }) => revision));
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
  });
});
