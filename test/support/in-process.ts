// Whole meshers in this process, with a registry in memory: for tests that need real links, and neither crashes nor partitions.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { pino } from 'pino';
import { loadConfig } from '../../node/config.ts';
import { type Mesher, startMesher } from '../../node/mesher.ts';
import { startRegistryServer } from '../../registry/embedded/server.ts';
import { MemoryRegistryHub } from '../../registry/memory.ts';

/** Its address. */
export async function startRegistry(t: TestContext): Promise<string> {
  const server = await startRegistryServer({
    listen: '127.0.0.1:0',
    store: new MemoryRegistryHub().store(),
  });
  t.after(() => server.close());
  return server.address;
}

/** Of the federation `acme`, and ready. */
export async function startInProcess(
  t: TestContext,
  registry: string,
  cluster: string,
  flags: Readonly<Record<string, string>> = {},
): Promise<Mesher> {
  const data = await mkdtemp(join(tmpdir(), `causeway-${cluster}-`));
  const all = {
    federation: 'acme',
    cluster,
    data,
    registry,
    http: '127.0.0.1:0',
    listen: '/ip4/127.0.0.1/tcp/0',
    'canary-every-ms': '0', // probes are events, too
    ...flags,
  };
  const config = loadConfig({
    flags: new Map(Object.entries(all).map(([name, text]) => [name, [text]])),
    env: {},
  });
  const starting = startMesher(config, { log: pino({ level: 'silent' }), process });
  t.after(async () => {
    const started = await starting.catch(() => undefined); // the test has heard of it
    await started?.stop(); // it writes to its folder until then
    await rm(data, { recursive: true });
  });
  const mesher = await starting;
  await mesher.ready;
  return mesher;
}

/** The answer's JSON; fails with its text where it is a refusal. */
export async function getJson<T>(url: string): Promise<T> {
  const response = await fetch(url);
  const text = await response.text();
  if (!response.ok) throw new Error(`GET ${url}: ${response.status} ${text}`);
  return JSON.parse(text) as T;
}

export async function sendJson<T>(method: 'PUT' | 'POST', url: string, body: unknown): Promise<T> {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text}`);
  return JSON.parse(text) as T;
}
