// The embedded registry over LevelDB, through its HTTP interface, against the contract.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRegistryServer } from '../../registry/embedded/server.ts';
import { openRegistry } from '../../registry/open.ts';
import { registryContract } from './registry-contract.ts';

registryContract('embedded', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-registry-'));
  const dataDir = join(folder, 'data');
  let server = await startRegistryServer({ listen: '127.0.0.1:0', dataDir });
  const { address } = server;
  let isUp = true;
  return {
    ttlMs: 2000,
    open: (options) => openRegistry(address, options),
    async stop() {
      await server.close();
      isUp = false;
    },
    async start() {
      server = await startRegistryServer({ listen: address.replace('http://', ''), dataDir });
      assert.equal(server.address, address);
      isUp = true;
    },
    pass: (ms) => sleep(ms),
    async close() {
      if (isUp) await server.close();
      await rm(folder, { recursive: true });
    },
  };
});
