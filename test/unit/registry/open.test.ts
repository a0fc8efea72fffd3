import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { openRegistry, openStore } from '../../../registry/open.ts';
import type { StoreOptions } from '../../../registry/open.ts';
import type { LogEntry } from '../../../registry/store.ts';

/** What is logged while it is opened; nobody is dialled by that. */
async function warnings(t: TestContext, address: string, options: StoreOptions): Promise<LogEntry[]> {
  const logged: LogEntry[] = [];
  const log = (entry: LogEntry) => void logged.push(entry);
  const registry = await openRegistry(address, { federation: 'f', node: 'n', ...options, log });
  t.after(() => registry.close());
  return logged;
}

const credentials = { user: 'mesh', password: 'hunter2' };

test('warns once of a password that travels in clear, and names the safer address', async (t) => {
  for (const [address, safer] of [
    ['http://registry.example:7420', 'https://registry.example:7420'],
    ['etcd://127.0.0.1:2379,10.0.0.5', 'etcds://127.0.0.1:2379,10.0.0.5:2379'],
    ['http://[2001:db8::1]', 'https://[2001:db8::1]:7420'],
  ] as const) {
    const [first, ...others] = await warnings(t, address, credentials);
    assert.equal(first?.level, 'warn', address);
    assert.ok(first.message.includes(`in clear; serve it with TLS and write ${safer}.`), first.message);
    assert.doesNotMatch(JSON.stringify(first), /hunter2/);
    assert.deepEqual(others, []);
  }
  const logged: LogEntry[] = [];
  const store = await openStore('etcd://e1', { ...credentials, log: (entry) => void logged.push(entry) });
  t.after(() => store.close());
  assert.equal(logged.length, 1);
});

test('does not warn on loopback, with TLS, or without a password', async (t) => {
  for (const address of [
    'http://localhost',
    'http://127.0.0.1:1',
    'etcd://[::1]:2379',
    'https://h',
    'etcds://h',
  ])
    assert.deepEqual(await warnings(t, address, credentials), [], address);
  assert.deepEqual(await warnings(t, 'http://h', {}), []);
});
