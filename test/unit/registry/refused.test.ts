import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { loadConfig } from '../../../node/config.ts';
import { MeshError } from '../../../node/core/errors.ts';
import { openLevelJournal } from '../../../node/journal/level-journal.ts';
import { startMesher } from '../../../node/mesher.ts';
import { startRegistryServer } from '../../../registry/embedded/server.ts';
import { MemoryRegistryHub } from '../../../registry/memory.ts';
import { openRegistry } from '../../../registry/open.ts';

test('a mesher that never was a member ends where the registry refuses it, a former one starts', async (t) => {
  const server = await startRegistryServer({
    listen: '127.0.0.1:0',
    store: new MemoryRegistryHub().store(),
    user: 'u',
    password: 'right',
  });
  t.after(() => server.close());
  const data = await mkdtemp(join(tmpdir(), 'causeway-refused-'));
  t.after(() => rm(data, { recursive: true }));
  await writeFile(join(data, 'password'), 'wrong');
  const flags = {
    cluster: 'c',
    data,
    registry: server.address,
    'registry-user': 'u',
    'registry-password-file': join(data, 'password'),
    http: '127.0.0.1:0',
    listen: '/ip4/127.0.0.1/tcp/0',
  };
  const config = loadConfig({
    flags: new Map(Object.entries(flags).map(([name, text]) => [name, [text]])),
    env: {},
  });
  const warnings: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line) => void warnings.push(line) });
  await assert.rejects(startMesher(config, { log, process }), { code: 'registry-refused' });

  const journal = await openLevelJournal(join(data, 'journal'));
  await journal.putMeta('incarnation', '7');
  await journal.close();
  const mesher = await startMesher(config, { log, process });
  await mesher.stop();
  assert.match(warnings.join(''), /registry refuses this mesher; starting from what is on disk/);
});

test('a gateway that its own store refuses says so, without blaming its callers', async (t) => {
  const store = new MemoryRegistryHub().store();
  store.members = () =>
    Promise.reject(new MeshError('registry-refused', 'etcd at etcd://hidden:2379 refused'));
  const logged: string[] = [];
  const server = await startRegistryServer({
    listen: '127.0.0.1:0',
    store,
    log: ({ message, details }) => logged.push(`${message} ${JSON.stringify(details)}`),
  });
  t.after(() => server.close());
  const registry = await openRegistry(server.address, { federation: 'f', node: 'n', timeoutMs: 500 });
  t.after(() => registry.close());
  await assert.rejects(registry.members(), (error) => {
    assert.ok(error instanceof MeshError);
    assert.equal(error.code, 'registry-unavailable');
    assert.match(error.message, /refuses it/);
    assert.doesNotMatch(error.message, /hidden/);
    return true;
  });
  assert.match(logged.join(''), /etcd:\/\/hidden:2379/);
});

test('a proxy that asks for credentials refuses, too', async (t) => {
  const proxy = createServer((_request, response) => response.writeHead(401).end('log in'));
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  t.after(() => proxy.close());
  const { port } = proxy.address() as AddressInfo;
  const registry = await openRegistry(`http://127.0.0.1:${port}`, { federation: 'f', node: 'n' });
  t.after(() => registry.close());
  await assert.rejects(registry.members(), { code: 'registry-refused', message: /401/ });
});
